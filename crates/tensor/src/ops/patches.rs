//! Images as matrices of their patches, and back.

use super::case::{Case, Gradient, Sample};
use super::sizes::Sizes;
use crate::error::reject;
use crate::kernel::{Kernel, Pool, Window};
use crate::op::{Context, Forward, Grads, Op, Spec, launch};
use crate::{OpError, Result, Tensor};
use smallvec::smallvec;

/// How patches lie in an image, as in PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct PatchOptions {
    /// How far apart patches start.
    pub stride: Sizes,
    /// How many zeros are added on both sides of each axis.
    pub padding: Sizes,
    /// How far apart a patch's places are.
    pub dilation: Sizes,
}

/// A patch at each place, without padding.
impl Default for PatchOptions {
    fn default() -> Self {
        Self { stride: 1.into(), padding: 0.into(), dilation: 1.into() }
    }
}

/// Patches of a size.
#[derive(Clone, Copy, Debug)]
struct Patches {
    kernel: Sizes,
    options: PatchOptions,
}

impl Patches {
    /// The patches of a plane of height H and width W.
    fn of(&self, lens: [usize; 2]) -> Result<Pool, OpError> {
        let mut pool = Pool {
            windows: [Window::EACH; 3],
            input: [1, lens[0], lens[1]],
            output: [1; 3],
            counts_padding: false,
        };
        for (axis, len) in lens.into_iter().enumerate() {
            let size = self.kernel.resolve("kernel", 2)?[axis];
            let stride = self.options.stride.resolve("stride", 2)?[axis];
            let padding = self.options.padding.resolve("padding", 2)?[axis];
            let dilation = self.options.dilation.resolve("dilation", 2)?[axis];
            if size == 0 || stride == 0 || dilation == 0 {
                reject!(
                    "size {size}, stride {stride} and dilation {dilation} are not all positive"
                );
            }
            let reach = (size - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
            let padded = padding.checked_mul(2).and_then(|both| both.checked_add(len));
            let (Some(reach), Some(padded)) = (reach, padded) else {
                reject!("patches of {size} places {dilation} apart, padding {padding}: too large");
            };
            if reach > padded {
                reject!("a patch that reaches over {reach} does not fit {len}, padding {padding}");
            }
            pool.windows[axis + 1] = Window::Sliding { size, stride, padding, dilation };
            pool.output[axis + 1] = (padded - reach) / stride + 1;
        }
        Ok(pool)
    }

    /// How many places a patch has.
    fn places(&self) -> Result<usize, OpError> {
        Ok(self.kernel.resolve("kernel", 2)?.iter().product())
    }
}

/// y[b, c · K + k, l] = the number at place k of patch l of channel c.
#[derive(Debug)]
struct Unfold(Patches);

impl Op for Unfold {
    fn name(&self) -> &'static str {
        "unfold2d"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        let &[batch, channels, height, width] = &x.shape[..] else {
            reject!("takes images [B, C, H, W], not {}", x.shape);
        };
        let pool = self.0.of([height, width])?;
        let places = self.0.places()?;
        let windows = pool.output[1].checked_mul(pool.output[2]);
        let (Some(windows), Some(rows)) = (windows, channels.checked_mul(places)) else {
            reject!("too many patches of {}", x.shape);
        };
        Ok(x.with_shape([batch, rows, windows].into()))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let x = inputs[0];
        let pool = self.0.of([x.shape()[2], x.shape()[3]])?;
        let kernel = Kernel::Unfold(pool);
        Ok(Forward::new(launch(&kernel, &[&x.detach().contiguous()], output)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        let shape = context.inputs[0].shape;
        let fold = Fold { patches: self.0, size: [shape[2], shape[3]] };
        Ok(smallvec![Some(Tensor::try_apply(fold, &[grad])?)])
    }
}

/// The adjoint of [`Unfold`].
#[derive(Debug)]
struct Fold {
    patches: Patches,
    size: [usize; 2],
}

impl Op for Fold {
    fn name(&self) -> &'static str {
        "fold2d"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, [height, width]) = (inputs[0], self.size);
        if !x.dtype.is_float() {
            return Err(OpError::dtype(x.dtype, "floats"));
        }
        let &[batch, rows, windows] = &x.shape[..] else {
            reject!("takes patches [B, C K, L], not {}", x.shape);
        };
        let pool = self.patches.of(self.size)?;
        let places = self.patches.places()?;
        if rows % places != 0 {
            reject!("{rows} rows are not channels of {places} places each");
        }
        let wanted = pool.output[1].checked_mul(pool.output[2]);
        if wanted != Some(windows) {
            let [_, rows, columns] = pool.output;
            reject!("an image of {height} x {width} has {rows} x {columns} patches, not {windows}");
        }
        Ok(x.with_shape([batch, rows / places, height, width].into()))
    }

    fn forward(&self, inputs: &[&Tensor], output: Spec) -> Result<Forward> {
        let kernel = Kernel::Fold(self.patches.of(self.size)?);
        Ok(Forward::new(launch(&kernel, &[&inputs[0].detach().contiguous()], output)?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Grads> {
        Ok(smallvec![Some(Tensor::try_apply(Unfold(self.patches), &[grad])?)])
    }
}

impl Tensor {
    /// The patches of an image as columns of a matrix: y[b, c · K + k, l] is the number at place k
    /// of patch l of channel c, zero in the padding.
    ///
    /// # Shapes
    /// `[B, C, H, W] -> [B, C K, L]`, where K is the number of places of a patch and L that of
    /// patches.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.unfold`.
    #[track_caller]
    pub fn unfold2d(&self, kernel: impl Into<Sizes>, options: PatchOptions) -> Self {
        Self::apply(Unfold(Patches { kernel: kernel.into(), options }), &[self])
    }

    /// The sum of patches in an image of a size, `[H, W]`: the adjoint of [`Tensor::unfold2d`].
    ///
    /// # Shapes
    /// `[B, C K, L] -> [B, C, H, W]`.
    ///
    /// # Source
    /// PyTorch: `torch.nn.functional.fold`.
    #[track_caller]
    pub fn fold2d(
        &self,
        size: [usize; 2],
        kernel: impl Into<Sizes>,
        options: PatchOptions,
    ) -> Self {
        Self::apply(Fold { patches: Patches { kernel: kernel.into(), options }, size }, &[self])
    }
}

/// Patches that overlap, reach into the padding and leave places out.
fn wide() -> PatchOptions {
    PatchOptions { stride: [1, 2].into(), padding: [2, 1].into(), dilation: [2, 1].into() }
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "unfold2d",
        formula: "the patches of images as columns",
        torch: "torch.nn.functional.unfold",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |shape: &[usize], options: PatchOptions| {
                Sample::floats(&[shape], -1.0..1.0, move |x| x[0].unfold2d([2, 3], options))
            };
            vec![
                sample(&[2, 3, 4, 5], PatchOptions::default()),
                sample(&[1, 2, 4, 5], wide()).label("dilated, padded"),
                sample(&[0, 2, 4, 5], PatchOptions::default()).label("empty"),
            ]
        },
    },
    Case {
        name: "fold2d",
        formula: "the sum of patches in images",
        torch: "torch.nn.functional.fold",
        gradient: Gradient::Twice,
        samples: || {
            let sample = |shape: &[usize], options: PatchOptions| {
                Sample::floats(&[shape], -1.0..1.0, move |x| x[0].fold2d([4, 5], [2, 3], options))
            };
            vec![
                sample(&[2, 12, 9], PatchOptions::default()),
                sample(&[1, 6, 18], wide()).label("dilated, padded"),
                sample(&[0, 6, 9], PatchOptions::default()).label("empty"),
            ]
        },
    },
];
