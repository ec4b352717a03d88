//! Chains of element-wise operations against the operations one after another: the same bits.

use gradus_kernels::chain::{Chain, MAX_STEPS, Source, Step};
use gradus_kernels::memory::scratch;
use gradus_kernels::random::{Distribution, fill};
use gradus_kernels::{
    Binary, Element, Float, Isa, Machine, Reducible, Reduction, Strided, Unary, map, reduce,
    reduce_chain, zip,
};

const ROWS: usize = 37;
const COLUMNS: usize = 1_100;
const COUNT: usize = ROWS * COLUMNS;

fn machines() -> impl Iterator<Item = Machine> {
    Isa::available().flat_map(|isa| [1, 3].map(|threads| Machine { isa, threads }))
}

fn random<T: Float>(key: u64) -> Vec<T> {
    let mut numbers = vec![0f32; COUNT];
    let on = Machine { isa: Isa::Portable, threads: 1 };
    fill(on, Distribution::Normal, (key, 0), &mut numbers);
    numbers.into_iter().map(|x| T::from_f64(x.into())).collect()
}

fn flat<T>(data: &[T]) -> Strided<'_, T> {
    Strided { data, offset: 0, shape: &[COUNT], strides: &[1] }
}

/// gelu(x · w + b) · (x · w + b) - x of rows x and numbers w and b for each column.
fn steps() -> Vec<Step> {
    use Source::{Input, Step as Result};
    vec![
        Step::Zip(Binary::Mul, Input(0), Input(1)),
        Step::Zip(Binary::Add, Result(0), Input(2)),
        Step::Map(Unary::Gelu, Result(1)),
        Step::Zip(Binary::Mul, Result(2), Result(1)),
        Step::Zip(Binary::Sub, Result(3), Input(0)),
    ]
}

/// The inputs of [`steps`], `x` in every other column of its memory.
fn inputs<'a, T>(x: &'a [T], w: &'a [T], b: &'a [T]) -> [Strided<'a, T>; 3] {
    let shape = &[ROWS, COLUMNS];
    [
        Strided { data: x, offset: 1, shape, strides: &[2 * COLUMNS as isize, 2] },
        Strided { data: w, offset: 5, shape, strides: &[0, 1] },
        Strided { data: b, offset: 0, shape, strides: &[0, 1] },
    ]
}

fn one_after_another<T: Float>(
    on: Machine,
    inputs: &[Strided<'_, T>],
    steps: &[Step],
) -> Vec<Vec<T>> {
    let mut results: Vec<Vec<T>> = vec![];
    for step in steps {
        let mut out = vec![T::from_f64(0.0); COUNT];
        let find = |source| match source {
            Source::Input(i) => inputs[i],
            Source::Step(i) => flat(&results[i]),
        };
        match *step {
            Step::Map(op, x) => map(on, op, find(x), &mut out),
            Step::Zip(op, x, y) => zip(on, op, find(x), find(y), &mut out),
        }
        results.push(out);
    }
    results
}

fn bytes<T: Element>(numbers: &[T]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}

/// Calls a function with each machine, the chain of [`steps`], and their results one after another.
fn for_each_machine<T: Float>(body: impl Fn(Machine, &Chain<'_, T>, &[Vec<T>])) {
    let x = [random::<T>(1), random::<T>(2)].concat();
    let (w, b) = (random::<T>(3), random::<T>(4));
    let inputs = inputs(&x, &w, &b);
    for on in machines() {
        let expected = one_after_another(on, &inputs, &steps());
        body(on, &Chain::new(COUNT, &inputs, steps()), &expected);
    }
}

fn check<T: Float + Reducible>(reductions: &[Reduction]) {
    for_each_machine::<T>(|on, chain, expected| {
        let (mut inner, mut last) = (vec![T::from_f64(0.0); COUNT], vec![T::from_f64(0.0); COUNT]);
        chain.run(on, vec![(1, &mut inner), (4, &mut last)]);
        assert_eq!(bytes(&inner), bytes(&expected[1]), "{on:?}");
        assert_eq!(bytes(&last), bytes(&expected[4]), "{on:?}");

        let views: [(&[usize], &[isize], usize); 4] = [
            // All, each row, short rows, each column.
            (&[COUNT], &[1], 0),
            (&[ROWS, COLUMNS], &[COLUMNS as isize, 1], 1),
            (&[COUNT / 4, 4], &[4, 1], 1),
            (&[COLUMNS, ROWS], &[1, COLUMNS as isize], 1),
        ];
        for (shape, strides, kept) in views {
            for &reduction in reductions {
                let mut found = vec![T::from_f64(0.0); shape[..kept].iter().product()];
                let mut wanted = found.clone();
                let view = Strided { data: &expected[4], offset: 0, shape, strides };
                reduce(on, reduction, view, kept, &mut wanted);
                let view = (shape, strides);
                assert!(reduce_chain(on, reduction, chain, view, kept, &mut found));
                assert_eq!(bytes(&found), bytes(&wanted), "{on:?}, {reduction:?} of {shape:?}");
            }
        }
        // Rows that lie apart, and are summed from left to right, are left to whoever asks.
        let view = (&[4, 5, COUNT / 20][..], &[1, (COUNT / 5) as isize, 4][..]);
        let mut out = vec![T::from_f64(0.0); 4];
        assert!(!reduce_chain(on, Reduction::Sum, chain, view, 1, &mut out));
    });
}

#[test]
fn chains_have_the_bits_of_their_operations() {
    check::<f32>(&[Reduction::Sum, Reduction::Max]);
    check::<f64>(&[Reduction::Sum, Reduction::Min]);
}

fn check_sums<T: Float + Reducible>() {
    for_each_machine::<T>(|on, chain, expected| {
        // More than a tile has; several rows a tile, and more than a block has.
        for columns in [COLUMNS, 3_700, 100, 11] {
            let mut last = vec![T::from_f64(0.0); COUNT];
            let mut sums = [(); 2].map(|()| vec![T::from_f64(7.0); columns]);
            let [first, second] = &mut sums;
            chain.run_and_sum(on, vec![(4, &mut last)], columns, vec![(2, first), (4, second)]);
            assert_eq!(bytes(&last), bytes(&expected[4]), "{on:?}, {columns} columns");
            let (shape, strides) = (&[columns, COUNT / columns], &[1, columns as isize]);
            for (step, sum) in [2, 4].into_iter().zip(&sums) {
                let view = Strided { data: &expected[step], offset: 0, shape, strides };
                let mut wanted = vec![T::from_f64(0.0); columns];
                reduce(on, Reduction::Sum, view, 1, &mut wanted);
                assert_eq!(bytes(sum), bytes(&wanted), "{on:?}, {columns} columns");
            }
            let mut alone = vec![T::from_f64(0.0); columns];
            chain.run_and_sum(on, vec![], columns, vec![(2, &mut alone)]);
            assert_eq!(bytes(&alone), bytes(&sums[0]), "{on:?}, {columns} columns");
        }
    });
}

#[test]
fn sums_of_columns_have_the_bits_of_a_reduction() {
    check_sums::<f32>();
    check_sums::<f64>();
}

#[test]
fn the_longest_chain_runs() {
    let x = random::<f32>(9);
    let ones = Strided { data: &[1f32], offset: 0, shape: &[COUNT], strides: &[0] };
    let mut steps = vec![Step::Zip(Binary::Add, Source::Input(0), Source::Input(1))];
    for i in 1..MAX_STEPS {
        steps.push(Step::Zip(Binary::Add, Source::Step(i - 1), Source::Input(i + 1)));
    }
    let inputs: Vec<Strided<'_, f32>> =
        (0..MAX_STEPS + 1).map(|i| if i == 0 { flat(&x) } else { ones }).collect();
    let expected = x.iter().map(|&x| (0..MAX_STEPS).fold(x, |x, _| x + 1.0));
    for on in machines() {
        let mut out = vec![0.0; COUNT];
        Chain::new(COUNT, &inputs, steps.clone()).run(on, vec![(MAX_STEPS - 1, &mut out)]);
        assert!(expected.clone().eq(out), "{on:?}");
    }
}

#[test]
fn large_chains_are_written_past_the_caches() {
    let count = (16 << 20) / 4 + 21;
    let x: Vec<f32> = (0..count).map(|i| (i % 1013) as f32).collect();
    let x = Strided { data: &x, offset: 0, shape: &[count], strides: &[1] };
    let twice = Step::Map(Unary::MulScalar { value: 2.0 }, Source::Input(0));
    // Around one that keeps the processor busy, and all cheap.
    for op in [Unary::Sqrt, Unary::Abs] {
        let steps = vec![
            twice,
            Step::Map(op, Source::Step(0)),
            Step::Zip(Binary::Add, Source::Step(1), Source::Input(0)),
        ];
        let chain = Chain::new(count, &[x], steps);
        let second = |x: f32| if op == Unary::Sqrt { (2.0 * x).sqrt() } else { 2.0 * x };
        let exact: [&dyn Fn(f32) -> f32; 3] = [&|x| 2.0 * x, &second, &|x| second(x) + x];
        for on in machines() {
            let mut results = [0, 1, 2].map(|_| scratch::<f32>(count));
            let outputs = results.iter_mut().map(|out| &mut out[..]).enumerate();
            chain.run(on, outputs.collect());
            for (out, exact) in results.iter().zip(exact) {
                let same = |(&out, &x): (&f32, &f32)| out.to_bits() == exact(x).to_bits();
                assert!(out.iter().zip(x.data).all(same), "{on:?}");
            }
        }
    }
}

#[test]
fn only_arithmetic_is_cheap() {
    let x = random::<f32>(5);
    let chain = |op| Chain::new(COUNT, &[flat(&x)], vec![Step::Map(op, Source::Input(0))]);
    assert!(chain(Unary::Square).is_cheap());
    assert!(!chain(Unary::Exp).is_cheap());
}

#[test]
#[should_panic]
fn a_step_takes_what_is_there_before_it() {
    let x = random::<f32>(5);
    Chain::new(COUNT, &[flat(&x)], vec![Step::Map(Unary::Neg, Source::Step(0))]);
}
