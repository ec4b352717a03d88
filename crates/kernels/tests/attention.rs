//! Attention and its gradients against plain loops in f64, on every instruction set and number of
//! threads.

mod numbers;

use gradus_kernels::attention::{
    Attention, Extent, Heads, Inputs, Results, attention, attention_gradient, self_attention,
    self_attention_gradient,
};
use gradus_kernels::dropout::{Dropout, dropout};
use gradus_kernels::{Float, Isa, Machine, Precision, Strided};
use numbers::numbers;

/// The weights of a query by the definition; zeros if it meets no key.
fn weights(scores: &[f64]) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if highest == f64::NEG_INFINITY {
        return vec![0.0; scores.len()];
    }
    let sum: f64 = scores.iter().map(|x| (x - highest).exp()).sum();
    scores.iter().map(|x| (x - highest).exp() / sum).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn add(sum: &mut [f64], factor: f64, x: &[f64]) {
    sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x);
}

/// What each weight is multiplied by: zero if it is left out.
fn factors(how: Attention, count: usize) -> Vec<f64> {
    let ones = vec![1.0; count];
    let Some(settings) = how.dropout else { return ones };
    let view = Strided { data: &ones[..], offset: 0, shape: &[count], strides: &[1] };
    let mut factors = vec![f64::NAN; count];
    dropout(Machine { isa: Isa::Portable, threads: 1 }, settings, view, &mut factors);
    factors
}

/// The result and the gradients by queries, keys and values, by the definition.
fn by_definition(
    how: Attention,
    extent: Extent,
    x: [&[f64]; 3],
    mask: &[f64],
    grad: &[f64],
) -> [Vec<f64>; 4] {
    let Extent { planes, queries, keys, features, values } = extent;
    let [q, k, v] = x;
    let mut results =
        [vec![0.0; grad.len()], vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]];
    let [out, by_q, by_k, by_v] = &mut results;
    let factors = factors(how, planes * queries * keys);
    for plane in 0..planes {
        for query in 0..queries {
            let row = plane * queries + query;
            let q = &q[row * features..][..features];
            let key = |key: usize| (plane * keys + key) * features;
            let value = |key: usize| (plane * keys + key) * values;
            let score = |i: usize| match how.causal && i > query {
                true => f64::NEG_INFINITY,
                false => dot(q, &k[key(i)..][..features]) * how.scale + mask[row * keys + i],
            };
            let weights = weights(&(0..keys).map(score).collect::<Vec<_>>());
            let grad = &grad[row * values..][..values];
            let factors = &factors[row * keys..][..keys];
            let by_weight = |i: usize| dot(grad, &v[value(i)..][..values]) * factors[i];
            let by_weights: Vec<f64> = (0..keys).map(by_weight).collect();
            let mean = dot(&weights, &by_weights);
            for (i, weight) in weights.iter().enumerate() {
                let left = weight * factors[i];
                add(&mut out[row * values..][..values], left, &v[value(i)..][..values]);
                add(&mut by_v[value(i)..][..values], left, grad);
                let by_score = weight * (by_weights[i] - mean) * how.scale;
                add(&mut by_q[row * features..][..features], by_score, &k[key(i)..][..features]);
                add(&mut by_k[key(i)..][..features], by_score, q);
            }
        }
    }
    results
}

/// Matrices with room between them, in which there is NaN.
fn apart<T: Float>(x: &[T], planes: usize, [rows, room, len]: [usize; 3]) -> Vec<T> {
    let mut all = vec![];
    for plane in 0..planes {
        all.resize(plane * room * len, T::NAN);
        all.extend_from_slice(&x[plane * rows * len..][..rows * len]);
    }
    all
}

fn check<T: Float>(how: Attention, extent: Extent, masked: bool, epsilon: f64) {
    let Extent { planes, queries, keys, features, values } = extent;
    let q: Vec<T> = numbers(planes * queries * features, 1);
    let k: Vec<T> = numbers(planes * keys * features, 2);
    let v: Vec<T> = numbers(planes * keys * values, 3);
    let grad: Vec<T> = numbers(planes * queries * values, 4);
    // One mask for all planes; the third query meets no key.
    let mut mask: Vec<T> = numbers(queries * keys, 5);
    for (i, mask) in mask.iter_mut().enumerate() {
        if !masked {
            *mask = T::ZERO;
        } else if i % 3 == 0 || i / keys == 2 {
            *mask = T::NEG_INFINITY;
        }
    }
    let wide = |x: &[T]| x.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
    let all_masks = wide(&mask).repeat(planes);
    let wanted =
        by_definition(how, extent, [&wide(&q), &wide(&k), &wide(&v)], &all_masks, &wide(&grad));

    let shape = [planes, queries, keys];
    let strides = [0, keys as isize, 1];
    let view = Strided { data: &mask[..], offset: 0, shape: &shape, strides: &strides };
    let mask = masked.then_some(view);
    let inputs = Inputs { query: &q[..], key: &k[..], value: &v[..], room: keys, mask };
    let room = keys + 2;
    let (far_k, far_v) =
        (apart(&k, planes, [keys, room, features]), apart(&v, planes, [keys, room, values]));
    let far = Inputs { key: &far_k[..], value: &far_v[..], room, ..inputs };
    let run = |on: Machine, inputs: Inputs<'_, T>| {
        let mut out = vec![T::NAN; grad.len()];
        let mut log_sums = vec![T::NAN; planes * queries];
        attention(on, how, extent, inputs, (&mut out, &mut log_sums));
        let mut by = [q.len(), k.len(), v.len()].map(|len| vec![T::NAN; len]);
        let results = Results { out: &out, log_sums: &log_sums, grad: &grad };
        let [by_q, by_k, by_v] = &mut by;
        attention_gradient(on, how, extent, inputs, results, [by_q, by_k, by_v]);
        let [by_q, by_k, by_v] = by;
        [out, by_q, by_k, by_v]
    };
    for isa in Isa::available() {
        let one = run(Machine { isa, threads: 1 }, inputs);
        assert!(run(Machine { isa, threads: 1 }, far) == one, "{isa} {extent:?} with room");
        for (name, (found, wanted)) in
            ["out", "by q", "by k", "by v"].into_iter().zip(one.iter().zip(&wanted))
        {
            let scale = wanted.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
            for (found, wanted) in found.iter().zip(wanted) {
                let error = (found.to_f64() - wanted).abs();
                let same = error <= epsilon * scale;
                assert!(same, "{isa} {how:?} {extent:?} {name}: {found:?} is not {wanted}");
            }
        }
        let three = run(Machine { isa, threads: 3 }, inputs);
        assert_eq!(one, three, "{isa} {extent:?} depends on the number of threads");
    }
}

#[test]
fn attention_and_its_gradients_equal_the_definition() {
    let extents = [
        (3, 150, 150, 32, 32),
        (2, 70, 33, 8, 5),
        (5, 64, 200, 16, 24),
        (2, 1, 100, 64, 64),
        (1, 5, 1, 3, 2),
        (2, 4, 0, 3, 2),
        (0, 4, 4, 3, 2),
        (2, 0, 4, 3, 2),
    ];
    for (planes, queries, keys, features, values) in extents {
        let extent = Extent { planes, queries, keys, features, values };
        for causal in [false, true] {
            for masked in [false, true] {
                for dropout in [None, Some(Dropout { share: 0.3, key: 9, position: 5 })] {
                    let precision = Precision::Highest;
                    let how = Attention { scale: 0.7, causal, dropout, precision };
                    check::<f32>(how, extent, masked, 4e-6);
                    check::<f64>(how, extent, masked, 1e-14);
                }
            }
        }
    }
}

/// What lies plane by plane, [B, H, T, D], as it lies element by element, [B, T, H, D].
fn by_elements<T: Float>(x: &[T], heads: Heads) -> Vec<T> {
    let Heads { batch, elements, heads, features } = heads;
    let mut out = vec![];
    for place in 0..batch * elements * heads {
        let (example, element) = (place / heads / elements, place / heads % elements);
        let row = (example * heads + place % heads) * elements + element;
        out.extend_from_slice(&x[row * features..][..features]);
    }
    out
}

/// Each element's part of some tensors, side by side.
fn together<T: Float>(parts: [&[T]; 3], width: usize) -> Vec<T> {
    let count = parts[0].len() / width;
    let elements = (0..count).flat_map(|i| parts.map(|part| &part[i * width..][..width]));
    elements.flatten().copied().collect()
}

/// Heads whose queries, keys and values lie together give the same bits as planes that lie apart.
fn check_heads<T: Float>(on: Machine, how: Attention, heads: Heads, masked: bool) {
    let Heads { batch, elements, heads: count, features } = heads;
    let planes = batch * count;
    let extent = Extent { planes, queries: elements, keys: elements, features, values: features };
    let len = planes * elements * features;
    let [query, key, value, grad] = [1, 2, 3, 4].map(|seed| numbers::<T>(len, seed));
    let numbers_of_mask: Vec<T> = numbers(elements * elements, 5);
    let (shape, strides) = ([planes, elements, elements], [0, elements as isize, 1]);
    let mask = Strided { data: &numbers_of_mask[..], offset: 0, shape: &shape, strides: &strides };
    let mask = masked.then_some(mask);

    let mut out = vec![T::NAN; len];
    let mut log_sums = vec![T::NAN; planes * elements];
    let inputs = Inputs { query: &query[..], key: &key, value: &value, room: elements, mask };
    attention(on, how, extent, inputs, (&mut out, &mut log_sums));
    let mut by = [(); 3].map(|()| vec![T::NAN; len]);
    let [by_query, by_key, by_value] = &mut by;
    let results = Results { out: &out, log_sums: &log_sums, grad: &grad };
    attention_gradient(on, how, extent, inputs, results, [by_query, by_key, by_value]);

    let width = count * features;
    let parts = [&query, &key, &value].map(|x| by_elements(x, heads));
    let x = together(parts.each_ref().map(|x| &x[..]), width);
    let mut own_out = vec![T::NAN; len];
    let mut own_sums = vec![T::NAN; log_sums.len()];
    self_attention(on, how, heads, (&x, mask), (&mut own_out, &mut own_sums));
    assert_eq!(own_out, by_elements(&out, heads), "{on:?} {heads:?}");
    assert_eq!(own_sums, log_sums, "{on:?} {heads:?}");
    let grad = by_elements(&grad, heads);
    let results = Results { out: &own_out, log_sums: &own_sums, grad: &grad };
    let mut by_x = vec![T::NAN; x.len()];
    self_attention_gradient(on, how, heads, (&x, mask), results, &mut by_x);
    let by = by.map(|x| by_elements(&x, heads));
    assert_eq!(by_x, together(by.each_ref().map(|x| &x[..]), width), "{on:?} {heads:?}");
}

#[test]
fn heads_that_lie_together_are_planes() {
    let sizes = [(2, 130, 3, 16), (1, 70, 1, 5), (3, 5, 2, 8), (2, 0, 3, 4), (0, 3, 2, 4)];
    for (batch, elements, heads, features) in sizes {
        let heads = Heads { batch, elements, heads, features };
        for on in Isa::available().flat_map(|isa| [1, 3].map(|threads| Machine { isa, threads })) {
            for (causal, masked, precision) in [
                (false, false, Precision::Highest),
                (true, false, Precision::Medium),
                (false, true, Precision::Highest),
            ] {
                let dropout = causal.then_some(Dropout { share: 0.3, key: 9, position: 5 });
                let how = Attention { scale: 0.7, causal, dropout, precision };
                check_heads::<f32>(on, how, heads, masked);
                check_heads::<f64>(on, how, heads, masked);
            }
        }
    }
}
