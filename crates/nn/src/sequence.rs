//! Training on sequences: in windows, and with the right past or the model's own.

use crate::RecurrentState;
use gradus_tensor::{OpError, Rng, Tensor};
use std::ops::Range;

/// Truncated back-propagation through time: goes through a long sequence in windows. `body` is
/// given the times of a window and the state in which the window before it ended, and gives the
/// state in which this one ends. Between them the state is detached, so that a gradient flows back
/// to the start of its window and no farther.
///
/// Gives the last state, from which later times of the sequence may go on.
///
/// # Panics
/// If a window has no time.
///
/// # Source
/// Williams, Peng 1990, "An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent
/// Network Trajectories": BPTT(h; h') with h = h'.
///
/// ```
/// use gradus_nn::{Lstm, Module, Optimizer, Recurrent, Sgd, SgdOptions, truncated_bptt};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let lstm = Lstm::new(3, 4, &mut rng);
/// let mut optimizer = Sgd::new(lstm.params(), SgdOptions::default());
/// let x = Tensor::randn([2, 100, 3], &mut rng);
/// truncated_bptt(100, 30, None, |times, state| {
///     let (output, state) = lstm.run(&x.narrow(1, times.start, times.len()), state);
///     optimizer.step(&output.square().mean(..).backward());
///     state
/// });
/// ```
#[track_caller]
pub fn truncated_bptt(
    time: usize,
    window: usize,
    mut state: Option<RecurrentState>,
    mut body: impl FnMut(Range<usize>, Option<&RecurrentState>) -> RecurrentState,
) -> Option<RecurrentState> {
    if window == 0 {
        panic!("{}", OpError::of("truncated_bptt", "windows have no time: give at least 1"));
    }
    for start in (0..time).step_by(window) {
        let end = time.min(start + window);
        state = Some(body(start..end, state.as_ref()).detach());
    }
    state
}

/// A decoder's way through sequences in training: what follows is predicted from the right number
/// before (the teacher's) or from the model's own guess of it.
///
/// # Source
/// Williams, Zipser 1989, "A Learning Algorithm for Continually Running Fully Recurrent Neural
/// Networks", section 2.3; with a probability below 1 Bengio, Vinyals, Jaitly, Shazeer 2015,
/// "Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks", section 2.4.
///
/// ```
/// use gradus_nn::{GruCell, TeacherForcing};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let cell = GruCell::new(4, 4, &mut rng);
/// let (start, targets) = (Tensor::zeros([2, 4]), Tensor::randn([2, 7, 4], &mut rng));
/// let forcing = TeacherForcing { start: &start, targets: &targets, probability: 0.75 };
/// let mut state = None;
/// let outputs = forcing.run(&mut rng, |input| {
///     let next = cell.step(input, state.as_ref());
///     let output = next.hidden.clone();
///     state = Some(next);
///     (output.clone(), output.detach())
/// });
/// assert_eq!(outputs.shape(), [2, 7, 4]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TeacherForcing<'a> {
    /// The first inputs, `[B, ..]`.
    pub start: &'a Tensor,
    /// The right outputs as they serve as inputs, `[B, T, ..]`.
    pub targets: &'a Tensor,
    /// How likely an input is the right one, for each sequence and time by itself.
    pub probability: f64,
}

impl TeacherForcing<'_> {
    /// Goes through the times. `step` is given the inputs, `[B, ..]`, and gives the outputs and the
    /// model's guesses of the next inputs (the likeliest word, say). Gives the outputs, `[B, T, ..]`.
    ///
    /// # Panics
    /// If there are no times, the probability is none, or the shapes do not fit.
    #[track_caller]
    pub fn run(&self, rng: &mut Rng, mut step: impl FnMut(&Tensor) -> (Tensor, Tensor)) -> Tensor {
        let Self { start, targets, probability } = *self;
        let fits = targets.rank() >= 2
            && targets.len_of(1) > 0
            && *start.shape() == targets.shape().without(1)
            && (0.0..=1.0).contains(&probability);
        if !fits {
            let message = format_args!(
                "takes a start [B, ..], targets [B, T, ..] of at least one time and a probability, \
                 not {}, {} and {probability}",
                start.shape(),
                targets.shape()
            );
            panic!("{}", OpError::of("TeacherForcing", message));
        }
        // One truth value for each sequence, whatever the shape of its input.
        let mut coins = vec![1; start.rank()];
        coins[0] = start.len_of(0);
        let mut input = start.clone();
        let mut outputs = vec![];
        for time in 0..targets.len_of(1) {
            let (output, guess) = step(&input);
            outputs.push(output);
            let forced = Tensor::rand(&coins[..], rng).lt_scalar(probability);
            input = forced.to_device(start.device()).where_cond(&targets.select(1, time), &guess);
        }
        Tensor::stack(&outputs, 1)
    }
}

/// How the probability of [`TeacherForcing`] falls from step to step of training.
///
/// # Source
/// Bengio, Vinyals, Jaitly, Shazeer 2015, "Scheduled Sampling for Sequence Prediction with Recurrent
/// Neural Networks", section 2.4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScheduledSampling {
    /// max(least, start - slope i).
    Linear {
        /// The first probability.
        start: f64,
        /// How much it falls in a step.
        slope: f64,
        /// Where it stays.
        least: f64,
    },
    /// baseⁱ.
    Exponential {
        /// The share that is left after a step, below 1.
        base: f64,
    },
    /// k / (k + e^(i/k)).
    InverseSigmoid {
        /// How slowly it falls, at least 1.
        k: f64,
    },
}

impl ScheduledSampling {
    /// The probability at step i, which counts from 0.
    pub fn probability(self, step: usize) -> f64 {
        let step = step as f64;
        match self {
            Self::Linear { start, slope, least } => (start - slope * step).max(least),
            Self::Exponential { base } => base.powf(step),
            Self::InverseSigmoid { k } => k / (k + (step / k).exp()),
        }
    }
}
