//! Weights that are kept as integers of a few bits, and products with them.

use super::case::{Arg, Case, Gradient, Sample};
use crate::error::reject;
use crate::kernel::{CodeBits, CodeFormat, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{DType, Device, Error, OpError, Result, Tensor};
use gradus_kernels::quantised::CHUNK;
use smallvec::{SmallVec, smallvec};

/// How a matrix is made codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantiseOptions {
    /// How long a code is: 8 or 4 bits.
    pub bits: usize,
    /// How many neighbours in a row share a scale, a multiple of 32; a whole row, if none is given.
    pub group: Option<usize>,
    /// Zero is in the middle of the codes; else where it wastes no code on numbers that a group does
    /// not have, for which one more number is kept for each group.
    pub symmetric: bool,
}

impl Default for QuantiseOptions {
    /// Eight bits, with a symmetric scale for each row.
    fn default() -> Self {
        Self { bits: 8, group: None, symmetric: true }
    }
}

impl QuantiseOptions {
    /// Four bits, with a symmetric scale for each 64 numbers.
    pub fn four_bits() -> Self {
        Self { bits: 4, group: Some(64), symmetric: true }
    }

    /// Says whether a matrix can be kept so.
    ///
    /// # Errors
    /// [`Error::Setting`], if not.
    pub fn check(&self) -> Result<()> {
        if ![4, 8].contains(&self.bits) {
            let bits = self.bits;
            return Err(Error::Setting(format!("bits is {bits}: codes have 8 or 4")));
        }
        match self.group {
            Some(group) if group == 0 || !group.is_multiple_of(CHUNK) => Err(Error::Setting(
                format!("group is {group}: give a multiple of {CHUNK}, or none for whole rows"),
            )),
            _ => Ok(()),
        }
    }

    fn format(&self, depth: usize) -> CodeFormat {
        let bits = if self.bits == 4 { CodeBits::Four } else { CodeBits::Eight };
        let row = depth.next_multiple_of(CHUNK).max(CHUNK);
        CodeFormat { bits, group: self.group.unwrap_or(row).min(row) }
    }
}

/// A matrix whose numbers are kept as codes: number = scale · (code - zero), where the neighbours of
/// a group in a row share scale and zero.
///
/// # Source
/// Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
/// Integer-Arithmetic-Only Inference", equation 1; groups as in Frantar et al. 2023, "GPTQ",
/// section 5.
///
/// ```
/// use gradus_tensor::ops::{QuantiseOptions, QuantisedMatrix};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let (x, weight) = (Tensor::randn([2, 64], &mut rng), Tensor::randn([10, 64], &mut rng));
/// let codes = QuantisedMatrix::new(&weight, QuantiseOptions::default()).unwrap();
/// let error = (x.linear_quantised(&codes, None) - x.linear(&weight, None)).abs().max(..);
/// assert!(error.item::<f32>() < 0.3);
/// assert_eq!(codes.size_bytes(), 10 * 64 + 10 * 4);
/// ```
#[derive(Clone, Debug)]
pub struct QuantisedMatrix {
    format: CodeFormat,
    /// How long a row is.
    depth: usize,
    /// `[N, bytes of a row]`, of `u8`.
    codes: Tensor,
    /// `[N, groups of a row]`.
    scales: Tensor,
    zeros: Option<Tensor>,
}

impl QuantisedMatrix {
    /// The codes that come nearest to a matrix `[N, D]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for options that cannot be, [`Error::Op`] for what is no matrix of finite
    /// floats.
    pub fn new(matrix: &Tensor, options: QuantiseOptions) -> Result<Self> {
        options.check()?;
        let &[rows, depth] = &matrix.shape()[..] else {
            return Err(refused(format_args!("takes a matrix, not {}", matrix.shape())));
        };
        let numbers = matrix.detach().to_dtype(DType::F32).try_to_vec::<f32>()?;
        if !numbers.iter().all(|x| x.is_finite()) {
            return Err(refused(format_args!("a number is infinite or NaN")));
        }
        let format = options.format(depth);
        let (bytes, groups) = (format.row_bytes(depth), format.row_groups(depth));
        let mut codes = vec![0u8; rows * bytes];
        let mut scales = Vec::with_capacity(rows * groups);
        let mut zeros = Vec::with_capacity(if options.symmetric { 0 } else { rows * groups });
        let mut row_codes = Vec::with_capacity(depth);
        for row in 0..rows {
            row_codes.clear();
            for group in numbers[row * depth..][..depth].chunks(format.group) {
                let (scale, zero) = fit(group, format.bits, options.symmetric);
                let highest = (format.bits.count() - 1) as f32;
                let code = |x: &f32| (x / scale + zero).round().clamp(0.0, highest) as u8;
                row_codes.extend(group.iter().map(code));
                scales.push(scale);
                if !options.symmetric {
                    zeros.push(zero);
                }
            }
            format.encode(&row_codes, &mut codes[row * bytes..][..bytes]);
        }
        let place = |x: Tensor| x.to_device(matrix.device());
        Ok(Self {
            format,
            depth,
            codes: place(Tensor::from_vec(codes, [rows, bytes])),
            scales: place(Tensor::from_vec(scales, [rows, groups])),
            zeros: (!options.symmetric).then(|| place(Tensor::from_vec(zeros, [rows, groups]))),
        })
    }

    /// How many rows of how many numbers.
    pub fn shape(&self) -> [usize; 2] {
        [self.codes.len_of(0), self.depth]
    }

    /// How many bytes codes, scales and zeros take.
    pub fn size_bytes(&self) -> usize {
        let all = [Some(&self.codes), Some(&self.scales), self.zeros.as_ref()];
        all.into_iter().flatten().map(|x| x.count() * x.dtype().size_bytes()).sum()
    }

    /// How it was made.
    pub fn options(&self) -> QuantiseOptions {
        QuantiseOptions {
            bits: if self.format.bits == CodeBits::Four { 4 } else { 8 },
            group: Some(self.format.group),
            symmetric: self.zeros.is_none(),
        }
    }

    /// What it is made of, to be saved: codes, scales and, unless it is symmetric, zeros.
    pub fn parts(&self) -> Vec<(&'static str, Tensor)> {
        let zeros = self.zeros.clone().map(|zeros| ("zeros", zeros));
        let parts = [("codes", self.codes.clone()), ("scales", self.scales.clone())];
        parts.into_iter().chain(zeros).collect()
    }

    /// The matrix `[N, D]` whose [`QuantisedMatrix::parts`] these are.
    ///
    /// # Errors
    /// [`Error::Setting`] for options that cannot be, [`Error::Mismatch`] if the parts do not fit
    /// them.
    pub fn from_parts(
        shape: [usize; 2],
        options: QuantiseOptions,
        parts: &[(&str, Tensor)],
    ) -> Result<Self> {
        options.check()?;
        let ([rows, depth], format) = (shape, options.format(shape[1]));
        let of_groups = [rows, format.row_groups(depth)];
        let part = |name: &str, shape: [usize; 2], dtype: DType| {
            let found = parts.iter().find(|(own, _)| *own == name).map(|(_, x)| x);
            let fits = found.filter(|x| *x.shape() == shape && x.dtype() == dtype);
            let message = || format!("a quantised matrix wants {name} of {shape:?} {dtype}");
            fits.map(Tensor::contiguous).ok_or_else(|| Error::Mismatch(message()))
        };
        let zeros = || part("zeros", of_groups, DType::F32);
        Ok(Self {
            format,
            depth,
            codes: part("codes", [rows, format.row_bytes(depth)], DType::U8)?,
            scales: part("scales", of_groups, DType::F32)?,
            zeros: (!options.symmetric).then(zeros).transpose()?,
        })
    }

    /// The same codes on another device.
    #[track_caller]
    pub fn to_device(&self, device: Device) -> Self {
        let moved = |x: &Tensor| x.to_device(device);
        let zeros = self.zeros.as_ref().map(moved);
        Self { codes: moved(&self.codes), scales: moved(&self.scales), zeros, ..*self }
    }

    /// The rows that a list names, `[M]` of `i64`, as codes.
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn rows(&self, list: &Tensor) -> Self {
        let chosen = |x: &Tensor| x.index_select(0, list);
        Self {
            codes: chosen(&self.codes),
            scales: chosen(&self.scales),
            zeros: self.zeros.as_ref().map(chosen),
            ..*self
        }
    }

    /// The numbers that the codes stand for, `[N, D]` of `f32`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn numbers(&self) -> Result<Tensor> {
        let [rows, depth] = self.shape();
        let (bytes, groups) = (self.codes.len_of(1), self.scales.len_of(1));
        let (codes, scales) = (self.codes.try_to_vec::<u8>()?, self.scales.try_to_vec::<f32>()?);
        let zeros = self.zeros.as_ref().map(Tensor::try_to_vec::<f32>).transpose()?;
        let mut numbers = Vec::with_capacity(rows * depth);
        for row in 0..rows {
            let codes = &codes[row * bytes..][..bytes];
            numbers.extend((0..depth).map(|index| {
                let group = row * groups + index / self.format.group;
                let zero = zeros.as_ref().map_or(self.format.bits.middle(), |zeros| zeros[group]);
                scales[group] * (f32::from(self.format.decode(codes, index)) - zero)
            }));
        }
        Ok(Tensor::from_vec(numbers, [rows, depth]).to_device(self.codes.device()))
    }
}

fn refused(message: std::fmt::Arguments<'_>) -> Error {
    Error::Op(OpError::of("quantise", message))
}

/// The scale and the zero of a group. Zero itself is always kept without an error.
fn fit(group: &[f32], bits: CodeBits, symmetric: bool) -> (f32, f32) {
    let bound = |start, better: fn(f32, f32) -> f32| group.iter().copied().fold(start, better);
    let (low, high) = (bound(0.0, f32::min), bound(0.0, f32::max));
    let scale = match symmetric {
        true => high.max(-low) / (bits.middle() - 1.0),
        false => (high - low) / (bits.count() - 1) as f32,
    };
    // Nothing but zeros, or numbers so small that their scale would be none.
    if scale < f32::MIN_POSITIVE {
        return (1.0, bits.middle());
    }
    (scale, if symmetric { bits.middle() } else { (-low / scale).round() })
}

/// y = x · Wᵀ + b for x: [.., D], the codes, scales and maybe zeros of W, and maybe b: [N].
#[derive(Debug)]
struct LinearQuantised(QuantisedMatrix);

impl Op for LinearQuantised {
    fn name(&self) -> &'static str {
        "linear_quantised"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        let [outputs, depth] = self.0.shape();
        if x.shape.last() != Some(&depth) {
            reject!("the weight takes {depth} features, but the input is {}", x.shape);
        }
        if let Some(bias) = inputs.get(self.parts()) {
            if bias.shape != [outputs] {
                reject!("the weight wants a bias [{outputs}], not {}", bias.shape);
            }
            if bias.dtype != x.dtype {
                reject!("types differ: {} and {}", x.dtype, bias.dtype);
            }
        }
        let shape = x.shape.with(x.shape.rank() - 1, outputs);
        Ok(Spec { shape, dtype: x.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let x = inputs[0].detach().contiguous();
        let bias = inputs.get(self.parts()).map(|bias| bias.detach().contiguous());
        let parts = inputs[1..self.parts()].iter().copied();
        let all: SmallVec<[&Tensor; 5]> = [&x].into_iter().chain(parts).chain(&bias).collect();
        Ok(Forward::new(launch(&Kernel::LinearQuantised(self.0.format), &all, output)?))
    }

    /// dx = dy · W, db = Σ dy.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let by_x = context.if_needed(0, || Ok(grad.matmul(&self.numbers_as(grad)?)))?;
        let mut grads: Grads = smallvec![by_x];
        grads.resize(self.parts(), None);
        if context.inputs.len() > self.parts() {
            let rows = [grad.count() / self.0.shape()[0].max(1), self.0.shape()[0]];
            grads.push(context.if_needed(self.parts(), || Ok(grad.reshape(rows).sum(0)))?);
        }
        Ok(grads)
    }

    fn composite(&self, inputs: &[&Tensor]) -> Option<Result<Tensor>> {
        let bias = inputs.get(self.parts()).copied();
        Some(self.numbers_as(inputs[0]).map(|weight| inputs[0].linear(&weight, bias)))
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let depth = inputs[0].shape.last().copied().unwrap_or(1);
        let bias = inputs.len().saturating_sub(self.parts()) as u64;
        output.shape.count() as u64 * (2 * depth as u64 + bias)
    }
}

impl LinearQuantised {
    /// How many inputs x and the parts of W are: the bias comes behind them.
    fn parts(&self) -> usize {
        3 + self.0.zeros.is_some() as usize
    }

    /// The numbers of W in the type of another tensor.
    fn numbers_as(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.0.numbers()?.to_dtype(x.dtype()))
    }
}

impl Tensor {
    /// y = x · Wᵀ + b with a matrix W that is kept as codes, which are turned into numbers on the way,
    /// so that no more memory is read than they take. Gradients flow to x and b.
    ///
    /// # Shapes
    /// `x: [.., D], W: [N, D], b: [N] -> [.., N]`.
    ///
    /// # Panics
    /// If x is of another length or not of floats, or b does not fit.
    #[track_caller]
    pub fn linear_quantised(&self, weight: &QuantisedMatrix, bias: Option<&Self>) -> Self {
        let QuantisedMatrix { codes, scales, zeros, .. } = weight;
        let all = [Some(self), Some(codes), Some(scales), zeros.as_ref(), bias];
        let inputs: SmallVec<[&Self; 5]> = all.into_iter().flatten().collect();
        Self::apply(LinearQuantised(weight.clone()), &inputs)
    }
}

pub(super) const CASES: &[Case] = &[Case {
    name: "linear_quantised",
    formula: "x · Wᵀ + b, W of few bits",
    torch: "",
    gradient: Gradient::Twice,
    samples: || {
        let sample = |shape: &[usize], options: QuantiseOptions| {
            let weight = Tensor::randn([5, 40], &mut crate::Rng::new(4));
            let weight = QuantisedMatrix::new(&weight, options);
            let args = [shape, &[5]].map(|shape| Arg::floats(shape, -1.0..1.0));
            Sample::new(args.to_vec(), move |x| match &weight {
                Ok(weight) => x[0].linear_quantised(&weight.to_device(x[0].device()), Some(&x[1])),
                Err(error) => panic!("{error}"),
            })
        };
        let asymmetric = QuantiseOptions { symmetric: false, ..QuantiseOptions::default() };
        vec![
            sample(&[2, 3, 40], QuantiseOptions::default()),
            sample(&[3, 40], QuantiseOptions::four_bits()).label("four bits"),
            sample(&[2, 40], asymmetric).label("asymmetric"),
            sample(&[0, 40], QuantiseOptions::default()).label("empty"),
        ]
    },
}];
