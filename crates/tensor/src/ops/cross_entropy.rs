//! Cross-entropy of logits with classes or with probabilities of classes.

use super::case::{Arg, Case, Gradient, Sample};
use crate::error::{fail, reject};
use crate::kernel::{CrossEntropy, Kernel, Total};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch, launch_many};
use crate::{DType, OpError, Result, Shape, Tensor};
use smallvec::{SmallVec, smallvec};

/// What becomes of the losses of single elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossReduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// They are given as they are.
    None,
}

impl LossReduction {
    /// Reduces losses, which all count the same.
    #[track_caller]
    pub fn apply(self, losses: &Tensor) -> Tensor {
        match self {
            Self::Mean => losses.mean(..),
            Self::Sum => losses.sum(..),
            Self::None => losses.clone(),
        }
    }
}

/// The settings of [`Tensor::cross_entropy_with`].
#[derive(Clone, Debug)]
pub struct CrossEntropyOptions {
    /// ε, from 0 to 1: how much of each target is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Elements with this class count for nothing. For targets that are classes only.
    pub ignore_index: Option<i64>,
    /// The weight of each class, `[C]`; none is 1 for each. A constant: no gradient flows to it.
    pub weight: Option<Tensor>,
    /// What becomes of the losses of single elements. The mean is over the weights of their classes.
    pub reduction: LossReduction,
}

/// As in PyTorch: no smoothing, no weights, the class -100 ignored, the mean.
impl Default for CrossEntropyOptions {
    fn default() -> Self {
        Self {
            label_smoothing: 0.0,
            ignore_index: Some(-100),
            weight: None,
            reduction: LossReduction::Mean,
        }
    }
}

/// The losses of single elements, or their total: of logits [B, C, …] or [C], classes [B, …], and
/// maybe weights [C].
#[derive(Debug)]
struct Losses(CrossEntropy);

/// Which axis of logits is that of the classes.
fn class_axis(rank: usize) -> usize {
    rank.min(2) - 1
}

/// The logits as rows: a matrix [N, C].
fn rows(logits: &Tensor) -> Tensor {
    let logits = logits.detach();
    let axis = class_axis(logits.rank());
    let classes = logits.shape()[axis];
    let count = logits.shape().without(axis).count();
    classes_last(&logits, axis).reshape([count, classes])
}

/// The view of logits with the classes behind the other axes.
fn classes_last(x: &Tensor, axis: usize) -> Tensor {
    if axis + 1 == x.rank() {
        return x.clone();
    }
    let mut order: Vec<isize> = (0..x.rank() as isize).collect();
    let class = order.remove(axis);
    order.push(class);
    x.permute(&order)
}

/// The view of what has the classes behind the other axes with them in their place.
fn classes_back(x: &Tensor, axis: usize) -> Tensor {
    let last = x.rank() - 1;
    if axis == last {
        return x.clone();
    }
    let mut order: Vec<isize> = (0..last as isize).collect();
    order.insert(axis, last as isize);
    x.permute(&order)
}

impl Op for Losses {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (logits, target) = (inputs[0], inputs[1]);
        check_logits(logits, self.0.label_smoothing, inputs.get(2))?;
        if target.dtype != DType::I64 {
            return Err(OpError::dtype(target.dtype, "classes as i64 or probabilities as floats"));
        }
        let wanted = logits.shape.without(class_axis(logits.shape.rank()));
        if target.shape != wanted {
            reject!("logits {} want classes of shape {wanted}, not {}", logits.shape, target.shape);
        }
        let shape = if self.0.total == Total::Rows { wanted } else { ().into() };
        Ok(Spec { shape, dtype: logits.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let count = inputs[1].count();
        let (x, target) = (rows(inputs[0]), inputs[1].reshape(count));
        let mut given: SmallVec<[&Tensor; 3]> = smallvec![&x, &target];
        given.extend(inputs.get(2).copied());
        let (loss, sums) = match self.0.total {
            Total::Rows => (Shape::from(count), count),
            _ => (output.shape, count + 1),
        };
        let specs =
            [output.with_shape(loss), output.with_shape(sums.into()).with_dtype(DType::F64)];
        let outputs = launch_many(&Kernel::CrossEntropy(self.0), &given, &specs)?;
        let forward = Forward::new(outputs[0].reshape(output.shape));
        Ok(forward.saving_inputs(inputs.len()).saving(outputs[1].clone()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let (logits, target) = (&context.saved[0], &context.saved[1]);
        let (inputs, log_sum) = (context.inputs.len(), &context.saved[context.inputs.len()]);
        let (x, target) = (rows(logits), target.reshape(target.count()));
        let grad = grad.reshape(grad.count());
        let mut given: SmallVec<[&Tensor; 5]> = smallvec![&x, &target, log_sum, &grad];
        given.extend(&context.saved[2..inputs]);
        let by_rows = launch(&Kernel::CrossEntropyGradient(self.0), &given, x.spec())?;
        // Back from [N, C] to [B, C, …].
        let axis = class_axis(logits.rank());
        let by_logits = classes_back(&by_rows.reshape(*classes_last(logits, axis).shape()), axis);
        let mut grads: Grads = smallvec![Some(by_logits)];
        grads.resize(inputs, None);
        Ok(grads)
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let losses = self.rows_composite(inputs);
        let (target, ignore_index) = (inputs[1], self.0.ignore_index);
        // Sums of many halves would leave their range.
        let dtype = losses.dtype();
        let wide = if dtype.is_half() { DType::F32 } else { dtype };
        let total = match (self.0.total, inputs.get(2), ignore_index) {
            (Total::Rows, ..) => return Some(Ok(losses)),
            (Total::Sum, ..) => return Some(Ok(losses.sum(..))),
            (Total::Mean, None, None) => return Some(Ok(losses.mean(..))),
            (Total::Mean, None, Some(index)) => target.ne_scalar(index).sum(..).to_dtype(wide),
            (Total::Mean, Some(weight), None) => weight.to_dtype(wide).take(target).sum(..),
            (Total::Mean, Some(weight), Some(index)) => {
                let ignored = target.eq_scalar(index);
                let weights = weight.to_dtype(wide).take(&target.masked_fill(&ignored, 0));
                weights.masked_fill(&ignored, 0.0).sum(..)
            }
        };
        Some(Ok((losses.to_dtype(wide).sum(..) / total).to_dtype(dtype)))
    }

    fn flops(&self, inputs: &[Spec], _: &Spec) -> u64 {
        4 * inputs[0].shape.count() as u64
    }
}

impl Losses {
    /// The losses of single elements, in other ops.
    fn rows_composite(&self, inputs: &[&Tensor]) -> Tensor {
        let (logits, target) = (inputs[0], inputs[1]);
        let CrossEntropy { label_smoothing, ignore_index, .. } = self.0;
        let axis = class_axis(logits.rank());
        let (hot, counts) = one_hot(logits.spec(), target, ignore_index);
        let losses = -logits.log_softmax(axis as isize);
        let losses = match inputs.get(2) {
            Some(weight) => losses * along_classes(weight, logits.rank()),
            None => losses,
        };
        let sum = |x: &Tensor| x.sum(axis as isize);
        let of_class = sum(&hot.where_cond(&losses, &losses.zeros_like()));
        if label_smoothing == 0.0 {
            return of_class;
        }
        let even = sum(&losses) * (label_smoothing / logits.shape()[axis] as f64);
        let even = counts.where_cond(&even, &even.zeros_like());
        of_class * (1.0 - label_smoothing) + even
    }
}

fn check_logits(logits: Spec, label_smoothing: f64, weight: Option<&Spec>) -> Result<(), OpError> {
    if !logits.dtype.is_float() {
        return Err(OpError::dtype(logits.dtype, "logits of floats"));
    }
    if logits.shape.rank() == 0 {
        reject!("takes logits [B, C, …] or [C], not a single number");
    }
    if !(0.0..=1.0).contains(&label_smoothing) {
        reject!("the label smoothing is {label_smoothing}: give a number from 0 to 1");
    }
    let classes = logits.shape[class_axis(logits.shape.rank())];
    match weight {
        Some(weight) if weight.shape != [classes] => {
            reject!("logits {} want weights [{classes}], not {}", logits.shape, weight.shape);
        }
        Some(weight) if weight.dtype != logits.dtype => {
            reject!("types differ: {} and {}", logits.dtype, weight.dtype);
        }
        _ => Ok(()),
    }
}

/// Truth values of the logits' shape that are set for each element's class unless it is ignored,
/// and of the target's shape that are set where it is not ignored.
fn one_hot(logits: Spec, target: &Tensor, ignore_index: Option<i64>) -> (Tensor, Tensor) {
    let axis = class_axis(logits.shape.rank());
    let classes = Tensor::arange(0, logits.shape[axis] as i64, 1).to_device(logits.device);
    let classes = along_classes(&classes, logits.shape.rank());
    let hot = classes.eq(&target.unsqueeze(axis as isize));
    match ignore_index {
        None => (hot, target.eq(target)),
        Some(index) => {
            let counts = target.ne_scalar(index);
            (hot.logical_and(&counts.unsqueeze(axis as isize)), counts)
        }
    }
}

/// A tensor [C] in the shape [C, 1, …] in which it broadcasts to logits.
fn along_classes(x: &Tensor, rank: usize) -> Tensor {
    let mut shape = vec![1; rank];
    shape[class_axis(rank)] = x.count();
    x.reshape(shape)
}

impl Tensor {
    /// The mean cross-entropy of logits with classes: [`Tensor::cross_entropy_with`] as PyTorch does
    /// it if nothing is said.
    ///
    /// ```
    /// use gradus_tensor::Tensor;
    ///
    /// let logits = Tensor::zeros([2, 4]);
    /// let classes = Tensor::from_vec(vec![0i64, 3], 2);
    /// let loss = logits.cross_entropy(&classes).item::<f32>();
    /// assert!((loss - 4f32.ln()).abs() < 1e-6);
    /// ```
    #[track_caller]
    pub fn cross_entropy(&self, target: &Self) -> Self {
        self.cross_entropy_with(target, &CrossEntropyOptions::default())
    }

    /// The cross-entropy -Σᵢ wᵢ qᵢ ln softmax(x)ᵢ of logits x with the target q. A target of
    /// integers names the classes; one of floats gives the probability of each class. Smoothing
    /// makes (1 - ε) q + ε/C of q. The mean of losses with classes is divided by the sum of their
    /// classes' weights, that of losses with probabilities by their number.
    ///
    /// # Shapes
    /// `self: [B, C, …]`, `target: [B, …]` of `i64` or `[B, C, …]` of floats, `-> []`, or `[B, …]`
    /// if not reduced; or without the batch, `self: [C]`.
    ///
    /// # Panics
    /// If the shapes do not fit, or a target is no class.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.cross_entropy`. Smoothing: Szegedy et al. 2016, "Rethinking the
    /// Inception Architecture for Computer Vision", section 7.
    #[track_caller]
    pub fn cross_entropy_with(&self, target: &Self, options: &CrossEntropyOptions) -> Self {
        let logits = self.to_dtype(self.dtype().to_float());
        let weight = options.weight.as_ref().map(|weight| weight.detach().to_dtype(logits.dtype()));
        if target.dtype().is_float() {
            return with_probabilities(&logits, target, weight.as_ref(), options);
        }
        let CrossEntropyOptions { label_smoothing, ignore_index, reduction, .. } = *options;
        let total = match reduction {
            LossReduction::Mean => Total::Mean,
            LossReduction::Sum => Total::Sum,
            LossReduction::None => Total::Rows,
        };
        let op = Losses(CrossEntropy { label_smoothing, ignore_index, total });
        let target = target.to_dtype(DType::I64);
        match &weight {
            Some(weight) => Self::apply(op, &[&logits, &target, weight]),
            None => Self::apply(op, &[&logits, &target]),
        }
    }
}

/// Cross-entropy with the probability of each class.
#[track_caller]
fn with_probabilities(
    logits: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    options: &CrossEntropyOptions,
) -> Tensor {
    let smoothing = options.label_smoothing;
    if let Err(error) = check_logits(logits.spec(), smoothing, weight.map(Tensor::spec).as_ref()) {
        fail(error.named("cross_entropy"));
    }
    if target.shape() != logits.shape() {
        let message = format_args!(
            "logits {} want probabilities of the same shape, not {}",
            logits.shape(),
            target.shape()
        );
        fail(OpError::of("cross_entropy", message));
    }
    let axis = class_axis(logits.rank());
    let mut target = target.clone();
    if smoothing != 0.0 {
        target = target * (1.0 - smoothing) + smoothing / logits.shape()[axis] as f64;
    }
    if let Some(weight) = weight {
        target = target * along_classes(weight, logits.rank());
    }
    let losses = -(target * logits.log_softmax(axis as isize)).sum(axis as isize);
    options.reduction.apply(&losses)
}

/// Samples with classes as the target.
fn samples() -> Vec<Sample> {
    let sample = |logits: &[usize], target: &[usize], options: CrossEntropyOptions| {
        let below = logits[class_axis(logits.len())].max(1);
        let args = vec![Arg::floats(logits, -2.0..2.0), Arg::indices(target, below)];
        let call = move |x: &[Tensor]| {
            let weight = options.weight.as_ref().map(|weight| weight.to_device(x[0].device()));
            x[0].cross_entropy_with(&x[1], &CrossEntropyOptions { weight, ..options.clone() })
        };
        Sample::new(args, call)
    };
    let plain = CrossEntropyOptions::default;
    let weight = || Some(Tensor::from_vec(vec![0.5, 1.0, 2.0, 0.25], 4));
    let smooth = || CrossEntropyOptions { label_smoothing: 0.2, ..plain() };
    let ignoring = |options| CrossEntropyOptions { ignore_index: Some(1), ..options };
    let sum = |options| CrossEntropyOptions { reduction: LossReduction::Sum, ..options };
    let each = |options| CrossEntropyOptions { reduction: LossReduction::None, ..options };
    let weighted = |options| CrossEntropyOptions { weight: weight(), ..options };
    vec![
        sample(&[5, 4], &[5], plain()),
        sample(&[4], &[], plain()).label("no batch"),
        sample(&[2, 4, 3], &[2, 3], plain()).label("more axes"),
        sample(&[5, 4], &[5], smooth()).label("smooth"),
        sample(&[5, 4], &[5], weighted(each(plain()))).label("weighted"),
        sample(&[5, 4], &[5], ignoring(sum(plain()))).label("ignoring"),
        sample(&[2, 4, 3], &[2, 3], ignoring(weighted(smooth()))).label("all options"),
        sample(&[0, 4], &[0], sum(plain())).label("empty"),
    ]
}

/// Samples with probabilities as the target.
fn probability_samples() -> Vec<Sample> {
    let shape: &[usize] = &[2, 4, 3];
    let args = || vec![Arg::floats(shape, -2.0..2.0), Arg::floats(shape, 0.0..1.0)];
    vec![
        Sample::new(args(), |x| x[0].cross_entropy(&x[1])).label("probabilities"),
        Sample::new(args(), |x| {
            let options = CrossEntropyOptions {
                label_smoothing: 0.1,
                weight: Some(
                    Tensor::from_vec(vec![0.5, 1.0, 2.0, 0.25], 4).to_device(x[0].device()),
                ),
                reduction: LossReduction::None,
                ..Default::default()
            };
            x[0].cross_entropy_with(&x[1], &options)
        })
        .label("probabilities, all options"),
    ]
}

pub(super) const CASES: &[Case] = &[Case {
    name: "cross_entropy",
    formula: "-Σᵢ wᵢ qᵢ ln softmax(x)ᵢ",
    torch: "torch.nn.functional.cross_entropy",
    gradient: Gradient::Twice,
    samples: || {
        let mut all = samples();
        all.extend(probability_samples());
        all
    },
}];
