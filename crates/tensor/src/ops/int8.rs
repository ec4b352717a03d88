//! Convolutions and matrix products of integers of eight bits, for the use of trained models.

use super::case::{Arg, Case, Gradient, Sample};
use super::conv::{ConvOptions, forward_geometry};
use crate::error::reject;
use crate::kernel::{CodeScale, ConvGeometry, Kernel};
use crate::op::{Context, Forward, Grads, Op, Spec, common_device, launch};
use crate::{DType, Device, Error, OpError, Result, Shape, Tensor};
use gradus_kernels::integer::{MAX_DEPTH, pack, packed_len, unpack};
use smallvec::SmallVec;

/// The largest code of a weight; the least is its negative.
const LARGEST: f32 = 127.0;

/// The weight of a convolution or a linear layer as integers from -127 to 127, each output's with a
/// scale of its own, and how inputs become integers from 0 to 255.
///
/// # Source
/// Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
/// Integer-Arithmetic-Only Inference", section 2; scales of channels as in Krishnamoorthi 2018,
/// "Quantizing deep convolutional networks for efficient inference", section 2.
///
/// ```
/// use gradus_tensor::kernel::CodeScale;
/// use gradus_tensor::ops::Int8Weight;
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let (x, weight) = (Tensor::rand([2, 64], &mut rng), Tensor::randn([10, 64], &mut rng));
/// let codes = Int8Weight::new(&weight, CodeScale::covering(0.0, 1.0))?;
/// let error = (x.linear_int8(&codes, None, false) - x.linear(&weight, None)).abs().max(..);
/// assert!(error.item::<f32>() < 0.2);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Int8Weight {
    /// `[O, D]`, or `[O, C, K…]` of a convolution.
    shape: Shape,
    input: CodeScale,
    /// The codes as the kernel reads them, of `u8`.
    packed: Tensor,
    /// The sum of the codes of each output, `[O]` of `i64`.
    sums: Tensor,
    /// What a code of each output stands for, `[O]`.
    scales: Tensor,
}

impl Int8Weight {
    /// The codes that come nearest to a weight `[O, D]` or `[O, C, K…]`, for inputs of a range.
    ///
    /// # Errors
    /// [`Error::Op`] for what is no such weight of finite floats, or if an output is the sum of no
    /// product or more than 65,536 of them.
    pub fn new(weight: &Tensor, input: CodeScale) -> Result<Self> {
        let shape = *weight.shape();
        let depth = depth_of(&shape)?;
        let numbers = weight.detach().to_dtype(DType::F32).try_to_vec::<f32>()?;
        if !numbers.iter().all(|x| x.is_finite()) {
            return Err(refused("a number is infinite or NaN"));
        }
        let mut codes = Vec::with_capacity(numbers.len());
        let mut scales = Vec::with_capacity(shape[0]);
        for row in numbers.chunks(depth) {
            let largest = row.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
            let scale = match largest / LARGEST {
                // Nothing but zeros, or numbers so small that their scale would be none.
                scale if scale < f32::MIN_POSITIVE => 1.0,
                scale => scale,
            };
            codes.extend(row.iter().map(|x| (x / scale).round().clamp(-LARGEST, LARGEST) as i8));
            scales.push(scale);
        }
        let made = Self::of_codes(shape, input, &codes, Tensor::from(scales));
        Ok(made.to_device(weight.device()))
    }

    fn of_codes(shape: Shape, input: CodeScale, codes: &[i8], scales: Tensor) -> Self {
        let geometry = geometry_of(&shape);
        let mut packed = vec![0; packed_len(&geometry)];
        pack(&geometry, codes, &mut packed);
        let sum = |row: &[i8]| row.iter().map(|&code| i64::from(code)).sum();
        let depth = shape[1..].iter().product();
        let sums: Vec<i64> = codes.chunks(depth).map(sum).collect();
        Self { shape, input, packed: Tensor::from(packed), sums: Tensor::from(sums), scales }
    }

    /// `[O, D]`, or `[O, C, K…]` of a convolution.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How inputs become codes.
    pub fn input(&self) -> CodeScale {
        self.input
    }

    /// How many bytes codes, their sums and scales take.
    pub fn size_bytes(&self) -> usize {
        let parts = [&self.packed, &self.sums, &self.scales];
        parts.iter().map(|x| x.count() * x.dtype().size_bytes()).sum()
    }

    /// The same on another device.
    #[track_caller]
    pub fn to_device(&self, device: Device) -> Self {
        let moved = |x: &Tensor| x.to_device(device);
        let (packed, sums) = (moved(&self.packed), moved(&self.sums));
        Self { packed, sums, scales: moved(&self.scales), ..*self }
    }

    /// What it is made of, to be saved: `codes`, each plus 128, of the weight's shape and `u8`;
    /// `scales`, `[O]`; and `input`, the scale and the zero of inputs.
    ///
    /// # Errors
    /// If the device fails.
    pub fn parts(&self) -> Result<Vec<(&'static str, Tensor)>> {
        let codes = self.codes()?.into_iter().map(|code| (i16::from(code) + 128) as u8).collect();
        let input = vec![self.input.scale, f32::from(self.input.zero)];
        Ok(vec![
            ("codes", Tensor::from_vec(codes, self.shape)),
            ("scales", self.scales.to_device(Device::cpu())),
            ("input", Tensor::from(input)),
        ])
    }

    /// The weight whose [`Int8Weight::parts`] these are.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if they are not those of one.
    pub fn from_parts(parts: &[(&str, Tensor)]) -> Result<Self> {
        let wrong = |what| Error::Mismatch(format!("a weight of eight bits {what}"));
        let part = |name: &str, dtype: DType| {
            let found = parts.iter().find(|(own, x)| *own == name && x.dtype() == dtype);
            found.map(|(_, x)| x).ok_or_else(|| wrong(format!("wants {name} of {dtype}")))
        };
        let (codes, scales) = (part("codes", DType::U8)?, part("scales", DType::F32)?);
        let shape = *codes.shape();
        depth_of(&shape)?;
        if *scales.shape() != [shape[0]] {
            return Err(wrong(format!("{shape} has no scales {}", scales.shape())));
        }
        let input = match part("input", DType::F32)?.try_to_vec::<f32>()?[..] {
            [scale, zero] if scale.is_normal() && scale > 0.0 && zero == f32::from(zero as u8) => {
                CodeScale { scale, zero: zero as u8 }
            }
            ref other => return Err(wrong(format!("takes no inputs of {other:?}"))),
        };
        let bytes = codes.try_to_vec::<u8>()?;
        if bytes.contains(&0) {
            return Err(wrong("has a code of -128".to_string()));
        }
        let codes: Vec<i8> = bytes.into_iter().map(|x| (i16::from(x) - 128) as i8).collect();
        Ok(Self::of_codes(shape, input, &codes, scales.contiguous()))
    }

    /// The numbers that the codes stand for, of the weight's shape and `f32`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn numbers(&self) -> Result<Tensor> {
        let (codes, scales) = (self.codes()?, self.scales.try_to_vec::<f32>()?);
        let rows = codes.chunks(self.shape[1..].iter().product()).zip(scales);
        let numbers = rows
            .flat_map(|(row, scale)| row.iter().map(move |&code| f32::from(code) * scale))
            .collect();
        Ok(Tensor::from_vec(numbers, self.shape).to_device(self.packed.device()))
    }

    fn codes(&self) -> Result<Vec<i8>> {
        let mut codes = vec![0; self.shape.count()];
        unpack(&geometry_of(&self.shape), &self.packed.try_to_vec::<u8>()?, &mut codes);
        Ok(codes)
    }
}

/// How many products an output is the sum of at each place.
fn depth_of(shape: &Shape) -> Result<usize> {
    if !(2..=5).contains(&shape.rank()) {
        return Err(refused(format_args!("takes a weight [O, D] or [O, C, K…], not {shape}")));
    }
    let depth = shape[1..].iter().product();
    if !(1..=MAX_DEPTH).contains(&depth) {
        let message = format_args!("{shape} sums {depth} products: 1 to {MAX_DEPTH} can be");
        return Err(refused(message));
    }
    Ok(depth)
}

fn refused(message: impl std::fmt::Display) -> Error {
    Error::Op(OpError::of("int8", message))
}

/// The sizes of a convolution with such a weight, as far as they concern the weight.
fn geometry_of(shape: &Shape) -> ConvGeometry {
    let mut kernel = [1; 3];
    kernel[5 - shape.rank()..].copy_from_slice(&shape[2..]);
    ConvGeometry {
        batch: 1,
        groups: 1,
        in_channels: shape[1],
        out_channels: shape[0],
        input: kernel,
        kernel,
        output: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        before: [0; 3],
    }
}

/// How [`Tensor::conv_int8`] moves its kernel, and what becomes of its outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Int8Options {
    /// Stride, padding and dilation; channels in groups are not taken.
    pub conv: ConvOptions,
    /// Whether y becomes max(y, 0) in the same pass.
    pub relu: bool,
}

/// The op of both methods: inputs are x, the parts of the weight, and the bias if there is one.
#[derive(Debug)]
struct Int8 {
    shape: Shape,
    input: CodeScale,
    /// The settings of a convolution; none of a matrix product.
    conv: Option<ConvOptions>,
    relu: bool,
}

/// Where the bias is among the inputs.
const BIAS: usize = 4;

impl Op for Int8 {
    fn name(&self) -> &'static str {
        if self.conv.is_some() { "conv_int8" } else { "linear_int8" }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        if x.dtype != DType::F32 {
            return Err(OpError::dtype(x.dtype, "f32"));
        }
        let geometry = self.geometry(&x)?;
        let outputs = self.shape[0];
        if let Some(bias) = inputs.get(BIAS) {
            if bias.shape != [outputs] {
                reject!("the weight {} wants a bias [{outputs}], not {}", self.shape, bias.shape);
            }
            if bias.dtype != DType::F32 {
                return Err(OpError::dtype(bias.dtype, "a bias of f32"));
            }
        }
        let shape = match self.conv {
            None => x.shape.with(x.shape.rank() - 1, outputs),
            Some(_) => {
                let lens = &geometry.output[5 - self.shape.rank()..];
                Shape::from([&[x.shape[0], outputs], lens].concat())
            }
        };
        Ok(Spec { shape, dtype: x.dtype, device: common_device(inputs)? })
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let geometry = self.geometry(&inputs[0].spec())?;
        let inputs: SmallVec<[Tensor; 5]> =
            inputs.iter().map(|input| input.detach().contiguous()).collect();
        let inputs: SmallVec<[&Tensor; 5]> = inputs.iter().collect();
        let kernel = Kernel::ConvInt8 { geometry, input: self.input, relu: self.relu };
        Ok(Forward::new(launch(&kernel, &inputs, output)?))
    }

    fn backward(&self, _: &Context<'_>, _: &Tensor) -> Result<Grads> {
        let message =
            "has no gradient: integers are for the use of a model, so train the one of floats";
        Err(Error::Op(OpError::of(self.name(), message)))
    }

    fn flops(&self, inputs: &[Spec], output: &Spec) -> u64 {
        let depth: usize = self.shape[1..].iter().product();
        let bias = (inputs.len() > BIAS) as u64;
        output.shape.count() as u64 * (2 * depth as u64 + bias)
    }
}

impl Int8 {
    /// The sizes for an input; a matrix product is a convolution of images of one place.
    fn geometry(&self, x: &Spec) -> Result<ConvGeometry, OpError> {
        let weight = self.shape;
        let Some(conv) = self.conv else {
            let depth = weight[1];
            if x.shape.last() != Some(&depth) {
                reject!("the weight takes {depth} features, but the input is {}", x.shape);
            }
            return Ok(ConvGeometry { batch: x.shape.count() / depth, ..geometry_of(&weight) });
        };
        if conv.groups != 1 {
            reject!("takes no channels in {} groups: convolve floats", conv.groups);
        }
        forward_geometry(weight.rank() - 2, conv, [x.shape, weight])
    }
}

impl Tensor {
    /// The convolution of [`Tensor::conv1d`], [`Tensor::conv2d`] or [`Tensor::conv3d`], by the rank of
    /// the weight, of integers of eight bits:
    /// y = scale · scaleₒ · Σ (code(x) - zero) · codeₒ + biasₒ, the sum being exact. Inputs of other
    /// floats are converted to `f32` and the result back.
    ///
    /// It has no gradient: a backward pass that comes to it panics. Where an input is NaN, so it need
    /// not be where that one counts.
    ///
    /// # Shapes
    /// As those of [`Tensor::conv2d`], in one group.
    ///
    /// # Panics
    /// If the shapes do not fit together, x is not of floats, or there are several groups.
    ///
    /// # Source
    /// PyTorch: `torch.ao.nn.quantized.functional.conv2d`, which gives codes, not floats.
    #[track_caller]
    pub fn conv_int8(
        &self,
        weight: &Int8Weight,
        bias: Option<&Self>,
        options: Int8Options,
    ) -> Self {
        if weight.shape.rank() < 3 {
            let message = format_args!("takes a weight [O, C, K…], not {}", weight.shape);
            crate::error::fail(OpError::of("conv_int8", message));
        }
        self.int8(weight, bias, (Some(options.conv), options.relu))
    }

    /// y = x · Wᵀ + b of integers of eight bits, and max(y, 0) if `relu`: see [`Tensor::conv_int8`].
    ///
    /// # Shapes
    /// `x: [.., D], W: [O, D], b: [O] -> [.., O]`.
    ///
    /// # Panics
    /// If the shapes do not fit together, or x is not of floats.
    ///
    /// # Source
    /// PyTorch: `torch.ao.nn.quantized.functional.linear`, which gives codes, not floats.
    #[track_caller]
    pub fn linear_int8(&self, weight: &Int8Weight, bias: Option<&Self>, relu: bool) -> Self {
        if weight.shape.rank() != 2 {
            let message = format_args!("takes a weight [O, D], not {}", weight.shape);
            crate::error::fail(OpError::of("linear_int8", message));
        }
        self.int8(weight, bias, (None, relu))
    }

    #[track_caller]
    fn int8(
        &self,
        weight: &Int8Weight,
        bias: Option<&Self>,
        (conv, relu): (Option<ConvOptions>, bool),
    ) -> Self {
        let Int8Weight { shape, input, packed, sums, scales } = weight;
        let op = Int8 { shape: *shape, input: *input, conv, relu };
        let wide = |x: &Self| match x.dtype().is_float() {
            true => x.to_dtype(DType::F32),
            false => x.clone(),
        };
        let (x, bias) = (wide(self), bias.map(wide));
        let all = [Some(&x), Some(packed), Some(sums), Some(scales), bias.as_ref()];
        let inputs: SmallVec<[&Self; 5]> = all.into_iter().flatten().collect();
        Self::apply(op, &inputs).to_dtype(self.dtype())
    }
}

/// A sample with a weight of that shape.
fn sample(
    x: &[usize],
    weight: &[usize],
    call: impl Fn(&[Tensor], &Int8Weight) -> Tensor + 'static,
) -> Sample {
    let numbers = Tensor::randn(weight, &mut crate::Rng::new(4));
    let made = Int8Weight::new(&numbers, CodeScale::covering(-1.0, 0.9));
    let args = [x, &weight[..1]].map(|shape| Arg::floats(shape, -1.0..1.0));
    Sample::new(args.to_vec(), move |x| match &made {
        Ok(weight) => call(x, &weight.to_device(x[0].device())),
        Err(error) => panic!("{error}"),
    })
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "conv_int8",
        formula: "s sₒ Σ (code(x) - zero) codeₒ + b",
        torch: "torch.ao.nn.quantized.functional.conv2d",
        gradient: Gradient::None,
        samples: || {
            let conv = ConvOptions { stride: 2.into(), padding: 1.into(), ..Default::default() };
            let options = Int8Options { conv, relu: true };
            let plain = Int8Options::default();
            vec![
                sample(&[2, 3, 5, 6], &[4, 3, 3, 3], move |x, w| x[0].conv_int8(w, None, plain))
                    .label("no bias"),
                sample(&[2, 3, 5, 6], &[4, 3, 3, 3], move |x, w| {
                    x[0].conv_int8(w, Some(&x[1]), options)
                })
                .label("stride, padding, ReLU"),
                sample(&[2, 3, 7], &[4, 3, 2], move |x, w| x[0].conv_int8(w, Some(&x[1]), plain))
                    .label("one axis"),
                sample(&[1, 2, 3, 4, 3], &[4, 2, 2, 2, 2], move |x, w| {
                    x[0].conv_int8(w, Some(&x[1]), plain)
                })
                .label("three axes"),
                sample(&[0, 3, 5, 6], &[4, 3, 3, 3], move |x, w| x[0].conv_int8(w, None, plain))
                    .label("empty"),
            ]
        },
    },
    Case {
        name: "linear_int8",
        formula: "s sₒ Σ (code(x) - zero) codeₒ + b",
        torch: "torch.ao.nn.quantized.functional.linear",
        gradient: Gradient::None,
        samples: || {
            let plain = |x: &[Tensor], w: &Int8Weight| x[0].linear_int8(w, Some(&x[1]), false);
            vec![
                sample(&[2, 3, 40], &[5, 40], plain),
                sample(&[3, 40], &[5, 40], |x, w| x[0].linear_int8(w, None, true)).label("ReLU"),
                sample(&[0, 40], &[5, 40], plain).label("empty"),
            ]
        },
    },
];
