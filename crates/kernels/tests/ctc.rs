//! Connectionist temporal classification against the sum over all paths.

mod numbers;

use gradus_kernels::ctc::{Ctc, Sequences, ctc, ctc_gradient};
use gradus_kernels::{Isa, Machine, Strided};
use numbers::numbers;

const SETTINGS: Ctc = Ctc { blank: 1 };
const STEPS: usize = 5;
const CLASSES: usize = 3;

/// Labels, padded with something that must not be read, how many count, and how many steps count.
const EXAMPLES: [([i64; 3], i64, i64); 7] = [
    ([0, 2, 0], 3, 5),
    ([0, 0, -9], 2, 5),
    ([2, 0, 7], 2, 3),
    ([2, -9, -9], 1, 1),
    ([-9, -9, -9], 0, 4),
    ([-9, -9, -9], 0, 0),
    ([0, 0, 2], 3, 3),
];

fn machine(threads: usize) -> Machine {
    Machine { isa: Isa::Portable, threads }
}

/// The labels a path reads as.
fn reading(path: &[usize]) -> Vec<i64> {
    let mut path = path.to_vec();
    path.dedup();
    path.into_iter().filter(|&class| class != SETTINGS.blank).map(|class| class as i64).collect()
}

/// The probability of labels, and the share of it that goes through each step and class, by trying
/// every path. `row(t)` gives the logarithms of a step.
fn by_paths<'a>(labels: &[i64], steps: usize, row: impl Fn(usize) -> &'a [f64]) -> (f64, Vec<f64>) {
    let (mut total, mut through) = (0.0, vec![0.0; STEPS * CLASSES]);
    for number in 0..CLASSES.pow(steps as u32) {
        let path: Vec<usize> =
            (0..steps).map(|t| number / CLASSES.pow(t as u32) % CLASSES).collect();
        if reading(&path) == labels {
            let p: f64 =
                path.iter().enumerate().map(|(t, &class)| row(t)[class]).sum::<f64>().exp();
            total += p;
            path.iter().enumerate().for_each(|(t, &class)| through[t * CLASSES + class] += p);
        }
    }
    (total, through.into_iter().map(|p| if total > 0.0 { p / total } else { 0.0 }).collect())
}

#[test]
fn it_is_the_sum_over_all_paths() {
    let count = EXAMPLES.len();
    let x: Vec<f64> = numbers::<f64>(STEPS * count * CLASSES, 1).iter().map(|x| 2.0 * x).collect();
    let grad: Vec<f64> = numbers(count, 2);
    let labels: Vec<i64> = EXAMPLES.iter().flat_map(|(labels, ..)| *labels).collect();
    let counts = EXAMPLES.map(|(_, count, _)| count);
    let steps = EXAMPLES.map(|(.., steps)| steps);
    // Once as it is, once with the time behind the examples in memory.
    let mut batch_first = vec![0.0; x.len()];
    for (i, x) in x.iter().enumerate() {
        let (t, n, class) = (i / CLASSES / count, i / CLASSES % count, i % CLASSES);
        batch_first[(n * STEPS + t) * CLASSES + class] = *x;
    }
    let shape = [STEPS, count, CLASSES];
    let by_time = [(count * CLASSES) as isize, CLASSES as isize, 1];
    let by_example = [CLASSES as isize, (STEPS * CLASSES) as isize, 1];
    for (data, strides) in [(&x, by_time), (&batch_first, by_example)] {
        let view = Strided { data: &data[..], offset: 0, shape: &shape, strides: &strides };
        let sequences =
            Sequences { log_probabilities: view, labels: &labels, steps: &steps, counts: &counts };
        assert_eq!(sequences.first_bad_label(SETTINGS), None);
        let mut loss = vec![0.0; count];
        let mut alpha = vec![f64::NAN; count * sequences.row_count() * sequences.row_len()];
        ctc(machine(1), SETTINGS, sequences, (&mut loss, &mut alpha));
        let mut gradient = vec![f64::NAN; x.len()];
        ctc_gradient(machine(1), SETTINGS, sequences, (&alpha, &grad), &mut gradient);
        for (n, &(labels, own_count, own_steps)) in EXAMPLES.iter().enumerate() {
            let row = |t: usize| &x[(t * count + n) * CLASSES..][..CLASSES];
            let own = &labels[..own_count as usize];
            let (total, through) = by_paths(own, own_steps as usize, row);
            let wanted = -total.ln();
            assert!(loss[n] == wanted || (loss[n] - wanted).abs() < 1e-13, "example {n}");
            for (i, share) in through.iter().enumerate() {
                let found = gradient[(i / CLASSES * count + n) * CLASSES + i % CLASSES];
                assert!((found + grad[n] * share).abs() < 1e-13, "example {n}, {i}: {found}");
            }
        }
    }
}

#[test]
fn long_sequences_keep_their_accuracy_and_their_bits() {
    // With one label and two classes, all paths but those with a blank between two labels count:
    // as many as there are stretches of steps.
    let (steps, examples) = (2000, 5);
    let x: Vec<f32> = vec![0.5f32.ln(); steps * examples * 2];
    let shape = [steps, examples, 2];
    let strides = [(examples * 2) as isize, 2, 1];
    let view = Strided { data: &x[..], offset: 0, shape: &shape, strides: &strides };
    let (labels, lengths, counts) = ([0; 5], [steps as i64; 5], [1; 5]);
    let sequences =
        Sequences { log_probabilities: view, labels: &labels, steps: &lengths, counts: &counts };
    let run = |threads: usize| {
        let (mut loss, mut gradient) = (vec![0f32; examples], vec![0f32; x.len()]);
        let mut alpha = vec![0.0; examples * sequences.row_count() * sequences.row_len()];
        ctc(machine(threads), SETTINGS, sequences, (&mut loss, &mut alpha));
        let given = (&alpha[..], &[1f32; 5][..]);
        ctc_gradient(machine(threads), SETTINGS, sequences, given, &mut gradient);
        (loss, gradient)
    };
    let (loss, gradient) = run(1);
    let stretches = (steps * (steps + 1) / 2) as f64;
    let wanted = -(stretches.ln() + steps as f64 * f64::from(0.5f32.ln()));
    assert!((f64::from(loss[4]) - wanted).abs() < 1e-7 * wanted, "{} {wanted}", loss[4]);
    // Each step goes to one class or the other.
    let sums: Vec<f32> = gradient.chunks(2).map(|step| step[0] + step[1]).collect();
    assert!(sums.iter().all(|sum| (sum + 1.0).abs() < 1e-6));
    assert_eq!(run(3), (loss, gradient));
}

#[test]
fn labels_are_classes_but_not_the_blank() {
    let x = [0.0; 6];
    let view = Strided { data: &x[..], offset: 0, shape: &[2, 1, 3], strides: &[3, 3, 1] };
    let bad = |labels: [i64; 2], count: i64| {
        let (steps, counts) = ([2], [count]);
        let sequences =
            Sequences { log_probabilities: view, labels: &labels, steps: &steps, counts: &counts };
        sequences.first_bad_label(SETTINGS)
    };
    assert_eq!(bad([0, 2], 2), None);
    assert_eq!(bad([0, 3], 2), Some(3));
    assert_eq!(bad([0, 3], 1), None);
    assert_eq!(bad([0, 1], 2), Some(1));
    assert_eq!(bad([-1, 1], 2), Some(-1));
}
