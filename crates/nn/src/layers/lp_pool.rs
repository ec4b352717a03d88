//! Pooling by the p-norm of windows.

use crate::{Layer, Module, PoolOptions, Sizes};
use gradus_tensor::Tensor;

/// For each number of axes: its name as a layer, PyTorch's name, and the pooling by means.
macro_rules! lp_pools {
    ($($name:ident, $torch:literal, $axes:literal, $mean:ident;)*) => {$(
        /// y = (Σ xᵖ)^(1/p) over each window: for p = 1 a sum, for p = 2 the Euclidean norm; the
        /// larger p, the closer to the largest of numbers that are not negative. Where the sum is 0
        /// the gradient is 0. What `ceil_mode` keeps of a window counts as much as a whole one, as in
        /// PyTorch.
        ///
        /// # Source
        #[doc = concat!("PyTorch: `torch.nn.", $torch, "`, also in that powers are of x, not of |x|.")]
        #[derive(Clone, Copy, Debug, Module)]
        pub struct $name {
            /// p.
            pub p: f64,
            /// The size of a window.
            #[module(skip)]
            pub kernel: Sizes,
            /// How windows lie.
            #[module(skip)]
            pub options: PoolOptions,
        }

        impl $name {
            /// Windows of a size, side by side and without padding.
            #[track_caller]
            pub fn new(p: f64, kernel: impl Into<Sizes>) -> Self {
                Self::with_options(p, kernel, PoolOptions::default())
            }

            /// Windows of a size, with their stride and so on.
            #[track_caller]
            pub fn with_options(p: f64, kernel: impl Into<Sizes>, options: PoolOptions) -> Self {
                Self { p, kernel: kernel.into(), options }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                let options = PoolOptions { count_include_pad: true, ..self.options };
                let mean = x.pow_scalar(self.p).$mean(self.kernel, options);
                let places: usize = match self.kernel.resolve("kernel", $axes) {
                    Ok(kernel) => kernel.iter().product(),
                    Err(error) => panic!("{}", error.named(stringify!($name))),
                };
                root(&(mean * places as f64), self.p)
            }
        }
    )*};
}

lp_pools! {
    LpPool1d, "LPPool1d", 1, avg_pool1d;
    LpPool2d, "LPPool2d", 2, avg_pool2d;
    LpPool3d, "LPPool3d", 3, avg_pool3d;
}

/// x^(1/p), whose gradient at 0, infinite by itself, is 0.
fn root(x: &Tensor, p: f64) -> Tensor {
    let zero = x.eq_scalar(0.0);
    x.masked_fill(&zero, 1.0).pow_scalar(1.0 / p).masked_fill(&zero, 0.0)
}
