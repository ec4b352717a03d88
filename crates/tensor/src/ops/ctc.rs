//! Connectionist temporal classification: the loss of sequences whose labels have no times.

use super::case::{Arg, Case, Gradient, Sample};
use super::cross_entropy::LossReduction;
use crate::error::{fail, reject};
use crate::kernel::{Ctc, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch, launch_many};
use crate::{DType, OpError, Result, Shape, Tensor};
use smallvec::smallvec;

/// The settings of [`Tensor::ctc_loss`].
#[derive(Clone, Debug, Default)]
pub struct CtcOptions {
    /// The class that stands for no label.
    pub blank: usize,
    /// How many steps of each example count; none is all of them.
    pub input_lengths: Option<Vec<usize>>,
    /// How many labels of each example count; none is all of them.
    pub target_lengths: Option<Vec<usize>>,
    /// What becomes of the losses of single examples. For the mean, each is divided by the number of
    /// its labels first.
    pub reduction: LossReduction,
    /// Whether the loss of labels that cannot be is 0 and not infinity.
    pub zero_infinity: bool,
}

/// The losses of single examples: of log-probabilities [T, N, C], labels [N, S], and how many steps
/// [N] and labels [N] of each example count.
#[derive(Debug)]
struct Losses(Ctc);

impl Op for Losses {
    fn name(&self) -> &'static str {
        "ctc_loss"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, labels) = (inputs[0], inputs[1]);
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "log-probabilities as floats"));
        }
        if labels.dtype != DType::I64 {
            return Err(OpError::dtype(labels.dtype, "labels as integers"));
        }
        let [_, batch, classes] = x.shape[..] else {
            reject!("takes log-probabilities [T, N, C], not {}", x.shape);
        };
        if labels.shape.rank() != 2 || labels.shape[0] != batch {
            let x = x.shape;
            reject!("log-probabilities {x} want labels [{batch}, S], not {}", labels.shape);
        }
        if self.0.blank >= classes {
            reject!("the blank is {}, but there are only {classes} classes", self.0.blank);
        }
        Ok(Spec { shape: [batch].into(), dtype: x.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let (steps, labels) = (inputs[0].len_of(0), inputs[1].len_of(1));
        let alpha = Shape::from([output.shape[0], steps + 1, 2 * labels + 3]);
        let specs = [output, output.with_shape(alpha).with_dtype(DType::F64)];
        let mut outputs = launch_many(&Kernel::Ctc(self.0), inputs, &specs)?;
        let alpha = outputs.remove(1);
        Ok(Forward::new(outputs.remove(0)).saving_inputs(4).saving(alpha))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let mut given: Vec<&Tensor> = context.saved.iter().collect();
        given.push(grad);
        let by_x = launch(&Kernel::CtcGradient(self.0), &given, context.inputs[0])?;
        Ok(smallvec![Some(by_x), None, None, None])
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        Some(Ok(self.step_by_step(inputs)))
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        let (steps, labels) = (inputs[0].shape[0], inputs[1].shape.count());
        20 * steps as u64 * labels as u64
    }
}

impl Losses {
    /// The recursion of α over all examples at once: equations 6 to 8 of the paper.
    #[track_caller]
    fn step_by_step(&self, inputs: &[&Tensor]) -> Tensor {
        let (x, steps, counts) = (inputs[0], inputs[2], inputs[3]);
        let (batch, states) = (x.len_of(1), 2 * inputs[1].len_of(1) + 1);
        let symbols = self.symbols(inputs[1], counts);
        // A blank between two labels that differ may be left out, and the one before the first.
        let before = symbols.pad_axis(1, (2, 0), -1).narrow(1, 0, states);
        let may_skip = symbols.ne(&before).logical_and(&symbols.ne_scalar(self.0.blank));
        let all = symbols.unsqueeze(0).broadcast_to([x.len_of(0), batch, states]);
        let emissions = x.gather(2, &all);

        let start = Tensor::zeros(x.spec().with_shape([batch, 1].into()));
        let mut alpha = start.pad_axis(1, (1, states), f64::NEG_INFINITY);
        for step in 0..x.len_of(0) {
            let skipped = alpha.narrow(1, 0, states);
            let skipped = may_skip.where_cond(&skipped, &skipped.full_like(f64::NEG_INFINITY));
            let past = [alpha.narrow(1, 2, states), alpha.narrow(1, 1, states), skipped];
            let next = log_sum(&past) + emissions.select(0, step);
            let next = next.pad_axis(1, (2, 0), f64::NEG_INFINITY);
            let counts = steps.gt_scalar(step).unsqueeze(1);
            alpha = counts.where_cond(&next, &alpha);
        }
        let end = |from_end: i64| alpha.gather(1, &(counts * 2 + from_end).unsqueeze(1)).squeeze(1);
        -log_sum(&[end(2), end(1)])
    }

    /// The class of each state: blanks before, between and after the labels, [N, 2S + 1].
    #[track_caller]
    fn symbols(&self, labels: &Tensor, counts: &Tensor) -> Tensor {
        let blank = self.0.blank as i64;
        let place = Tensor::arange(0, labels.len_of(1) as i64, 1).to_device(labels.device());
        let labels = labels.masked_fill(&place.ge(&counts.unsqueeze(1)), blank);
        let pairs = Tensor::stack(&[labels.full_like(blank), labels], -1).flatten(1, 2);
        pairs.pad_axis(1, (0, 1), blank)
    }
}

/// ln Σ eˣ of several tensors, element by element. Where all are minus infinity, so is the result, and
/// no gradient flows.
#[track_caller]
fn log_sum(terms: &[Tensor]) -> Tensor {
    let highest = terms[1..].iter().fold(terms[0].detach(), |a, b| a.maximum(&b.detach()));
    let nothing = highest.eq_scalar(f64::NEG_INFINITY);
    let shift = highest.masked_fill(&nothing, 0.0);
    let powers = terms.iter().map(|term| (term - &shift).exp());
    let sum = powers.reduce(|a, b| a + b).expect("there are terms");
    let log = sum.masked_fill(&nothing, 1.0).log() + shift;
    log.masked_fill(&nothing, f64::NEG_INFINITY)
}

impl Tensor {
    /// Minus the logarithm of the probability of labels, whenever each of them comes: connectionist
    /// temporal classification (CTC). This tensor holds logarithms of probabilities of classes for
    /// each step of time, as `log_softmax` gives them, one class being blank. All paths count that
    /// read as the labels when repetitions are drawn together and blanks dropped.
    ///
    /// Labels that cannot be, for want of steps, have the loss infinity, or 0 if the options say so,
    /// and the gradient 0.
    ///
    /// # Shapes
    /// `self: [T, N, C]`, `targets: [N, S]` of integers, or the labels of all examples one after
    /// another, `-> []`, or `[N]` if not reduced; or without the batch, `self: [T, C]`, `targets:
    /// [S]`.
    ///
    /// # Panics
    /// If the shapes do not fit, a length is more than there is, or a label is no class or the blank.
    ///
    /// # Source
    /// Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented Sequence
    /// Data with Recurrent Neural Networks", equations 6 to 16; PyTorch:
    /// `torch.nn.functional.ctc_loss`, whose gradient is right by what goes into `log_softmax` only.
    ///
    /// ```
    /// use gradus_tensor::{Tensor, ops::CtcOptions};
    ///
    /// // Two steps, two classes, all equally likely: "11", "01" and "10" read as "1", "00" does not.
    /// let x = Tensor::zeros([2, 1, 2]).log_softmax(-1);
    /// let loss = x.ctc_loss(&Tensor::from_vec(vec![1i64], [1, 1]), &CtcOptions::default());
    /// assert!((loss.item::<f32>() + 0.75f32.ln()).abs() < 1e-6);
    /// ```
    #[track_caller]
    pub fn ctc_loss(&self, targets: &Self, options: &CtcOptions) -> Self {
        if self.rank() == 2 {
            let (x, targets) = (self.unsqueeze(1), targets.unsqueeze(0));
            let loss = x.ctc_loss(&targets, options);
            return if options.reduction == LossReduction::None { loss.squeeze(0) } else { loss };
        }
        if self.rank() != 3 {
            let message =
                format_args!("takes log-probabilities [T, N, C] or [T, C], not {}", self.shape());
            fail(OpError::of("ctc_loss", message));
        }
        let (steps, batch) = (self.len_of(0), self.len_of(1));
        let input_lengths = lengths("input", options.input_lengths.as_deref(), batch, steps);
        let targets = if targets.dtype().is_integer() {
            targets.to_dtype(DType::I64)
        } else {
            targets.clone()
        };
        let (targets, target_lengths) = by_example(&targets, options, batch);
        let list = |lengths: &[usize]| {
            let lengths: Vec<i64> = lengths.iter().map(|&length| length as i64).collect();
            Self::from(lengths).to_device(self.device())
        };
        let inputs = [self, &targets, &list(&input_lengths), &list(&target_lengths)];
        let mut losses = Self::apply(Losses(Ctc { blank: options.blank }), &inputs);
        if options.zero_infinity {
            losses = losses.masked_fill(&losses.eq_scalar(f64::INFINITY), 0.0);
        }
        if options.reduction == LossReduction::Mean {
            let counts = target_lengths.iter().map(|&length| length.max(1) as f64);
            let counts = Self::from(counts.collect::<Vec<f64>>()).to_dtype(losses.dtype());
            losses = losses / counts.to_device(self.device());
        }
        options.reduction.apply(&losses)
    }
}

/// The given lengths, or the most for each example.
#[track_caller]
fn lengths(what: &str, given: Option<&[usize]>, batch: usize, most: usize) -> Vec<usize> {
    let Some(given) = given else { return vec![most; batch] };
    if given.len() != batch {
        let message = format_args!("there are {} {what} lengths for {batch} examples", given.len());
        fail(OpError::of("ctc_loss", message));
    }
    if let Some(length) = given.iter().find(|&&length| length > most) {
        let message =
            format_args!("one of the {what} lengths is {length}, but there are only {most}");
        fail(OpError::of("ctc_loss", message));
    }
    given.to_vec()
}

/// Labels as [N, S] and how many of each example count, whether they came so or one after another.
#[track_caller]
fn by_example(targets: &Tensor, options: &CtcOptions, batch: usize) -> (Tensor, Vec<usize>) {
    let given = options.target_lengths.as_deref();
    if targets.rank() != 1 {
        let most = if targets.rank() == 2 { targets.len_of(1) } else { 0 };
        return (targets.clone(), lengths("target", given, batch, most));
    }
    let lengths = lengths("target", Some(given.unwrap_or_default()), batch, targets.count());
    let total: usize = lengths.iter().sum();
    if total != targets.count() {
        let message = format_args!(
            "the target lengths add up to {total}, but there are {} labels one after another",
            targets.count()
        );
        fail(OpError::of("ctc_loss", message));
    }
    let most = lengths.iter().copied().max().unwrap_or(0);
    let mut places = Vec::with_capacity(batch * most);
    let mut start = 0;
    for &length in &lengths {
        // What is behind an example's own labels counts for nothing: any place will do.
        places.extend((0..most).map(|i| if i < length { (start + i) as i64 } else { 0 }));
        start += length;
    }
    let places = Tensor::from_vec(places, [batch, most]).to_device(targets.device());
    (targets.take(&places), lengths)
}

/// Samples: their sizes [T, N, C], the shape of their labels, and options.
fn samples() -> Vec<Sample> {
    let sample = |sizes: &[usize], labels: &[usize], options: CtcOptions| {
        let below = sizes[sizes.len() - 1] - 1;
        let args = vec![Arg::floats(sizes, -2.0..2.0), Arg::indices(labels, below)];
        Sample::new(args, move |x| {
            // Labels leave the blank out: they begin behind it, or it is the last class.
            let first = i64::from(options.blank == 0);
            x[0].log_softmax(-1).ctc_loss(&(&x[1] + first), &options)
        })
    };
    let reduced = |reduction| CtcOptions { reduction, ..Default::default() };
    let (sum, each) = (LossReduction::Sum, LossReduction::None);
    let lengths = |inputs: &[usize], targets: &[usize], options| CtcOptions {
        input_lengths: Some(inputs.to_vec()),
        target_lengths: Some(targets.to_vec()),
        ..options
    };
    let last_is_blank = CtcOptions { blank: 4, ..reduced(each) };
    let impossible = CtcOptions { zero_infinity: true, ..reduced(sum) };
    vec![
        sample(&[6, 2, 4], &[2, 3], CtcOptions::default()),
        sample(&[7, 2, 5], &[2, 3], lengths(&[5, 7], &[2, 3], last_is_blank)).label("lengths"),
        sample(&[6, 2, 4], &[4], lengths(&[6, 5], &[1, 3], reduced(sum)))
            .label("one after another"),
        sample(&[6, 4], &[3], reduced(each)).label("no batch"),
        sample(&[5, 3, 4], &[3, 3], lengths(&[2, 5, 3], &[3, 2, 0], impossible))
            .label("impossible and nothing"),
        sample(&[4, 0, 3], &[0, 2], reduced(sum)).label("empty"),
    ]
}

pub(super) const CASES: &[Case] = &[Case {
    name: "ctc_loss",
    formula: "-ln Σ Π p(path at t) over the paths that read as the labels",
    torch: "torch.nn.functional.ctc_loss",
    gradient: Gradient::Twice,
    samples,
}];
