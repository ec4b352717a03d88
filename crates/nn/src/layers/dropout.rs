//! Dropout as layers.

use crate::{Layer, Mode, Module, Stream};
use gradus_tensor::{OpError, Rng, Tensor};

/// For each kind of dropout: what it does, its name, the number and the names of the axes it takes
/// where these matter, and its output in training.
macro_rules! dropouts {
    ($(
        $(#[$doc:meta])*
        $name:ident $(takes $rank:literal $axes:literal)?, |$x:ident, $p:ident, $rng:ident| $body:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            /// How likely it is to be left out.
            pub p: f64,
            mode: Mode,
            stream: Stream,
        }

        impl $name {
            /// A layer that leaves out with a probability, drawn from a stream split off from
            /// `rng`.
            pub fn new(p: f64, rng: &mut Rng) -> Self {
                Self { p, mode: Mode::default(), stream: Stream::new(rng) }
            }

            /// True if the output differs from the input.
            fn is_active(&self) -> bool {
                self.p > 0.0 && self.mode.is_training()
            }
        }

        impl Layer for $name {
            fn forward(&self, $x: &Tensor) -> Tensor {
                $(if $x.rank() != $rank {
                    let message = format_args!(concat!("takes ", $axes, ", not {}"), $x.shape());
                    panic!("{}", OpError::of(stringify!($name), message));
                })?
                if !self.is_active() {
                    return $x.clone();
                }
                let $p = self.p;
                self.stream.draw(|$rng| $body)
            }
        }
    )*};
}

dropouts! {
    /// Leaves out numbers at random while the model is trained, and scales up the others; see
    /// [`Tensor::dropout`]. In evaluation the output is the input. PyTorch: `torch.nn.Dropout`.
    Dropout, |x, p, rng| x.dropout(p, rng);

    /// Leaves out whole channels `[B, C, T]` in training, and scales up the others.
    ///
    /// # Source
    /// Tompson, Goroshin, Jain, LeCun, Bregler 2015, "Efficient Object Localization Using
    /// Convolutional Networks", section 3.2; PyTorch: `torch.nn.Dropout1d`.
    Dropout1d takes 3 "[B, C, T]", |x, p, rng| x * kept(x, 2, p, rng);

    /// Leaves out whole channels `[B, C, H, W]` in training; see [`Dropout1d`]. PyTorch:
    /// `torch.nn.Dropout2d`.
    Dropout2d takes 4 "[B, C, H, W]", |x, p, rng| x * kept(x, 2, p, rng);

    /// Leaves out whole channels `[B, C, D, H, W]` in training; see [`Dropout1d`]. PyTorch:
    /// `torch.nn.Dropout3d`.
    Dropout3d takes 5 "[B, C, D, H, W]", |x, p, rng| x * kept(x, 2, p, rng);

    /// Leaves out whole elements of a batch in training, and scales up the others: as the last layer
    /// of a residual branch, it makes the network shorter at random (stochastic depth).
    ///
    /// # Source
    /// Huang, Sun, Liu, Sedra, Weinberger 2016, "Deep Networks with Stochastic Depth", where
    /// evaluation is scaled down instead; torchvision: `torchvision.ops.StochasticDepth(mode='row')`.
    DropPath, |x, p, rng| x * kept(x, 1, p, rng);

    /// Puts random numbers to SELU's limit at -∞ in training, then scales and shifts all, so that
    /// mean 0 and variance 1 stay.
    ///
    /// # Source
    /// Klambauer, Unterthiner, Mayr, Hochreiter 2017, "Self-Normalizing Neural Networks", section
    /// "New Dropout Technique"; PyTorch: `torch.nn.AlphaDropout`.
    AlphaDropout, |x, p, rng| alpha_dropout(p, x, |x| x.dropout(p, rng));

    /// Puts whole channels `[B, C, …]` to SELU's limit at -∞ in training; see [`AlphaDropout`].
    /// PyTorch: `torch.nn.FeatureAlphaDropout`.
    FeatureAlphaDropout, |x, p, rng| alpha_dropout(p, x, |x| x * kept(x, 2, p, rng));
}

/// 0 with the probability p, else 1 / (1 - p), for each place of the first `axes` axes of x.
#[track_caller]
fn kept(x: &Tensor, axes: usize, p: f64, rng: &mut Rng) -> Tensor {
    let mut shape = *x.shape();
    shape.iter_mut().skip(axes).for_each(|len| *len = 1);
    Tensor::ones(x.spec().with_shape(shape)).dropout(p, rng)
}

/// SELU's limit at -∞, -λα. Klambauer et al. 2017, appendix A.
const SELU_LIMIT: f64 = -1.050_700_987_355_480_5 * 1.673_263_242_354_377_2;

/// a (x where it stays, else -λα) + b, where `drop` gives 0 or x / (1 - p). With l = -λα and the
/// share q = 1 - p that stays, a = (q + l² q p)^(-1/2) and b = -a p l.
fn alpha_dropout(p: f64, x: &Tensor, drop: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    let (limit, kept) = (SELU_LIMIT, 1.0 - p);
    if kept == 0.0 {
        return x * 0.0;
    }
    let scale = 1.0 / (kept + limit * limit * kept * p).sqrt();
    drop(&(x - limit)) * (kept * scale) + (1.0 - p) * limit * scale
}

impl Dropout {
    /// What the next call would leave out, for an op that drops out itself; none in evaluation.
    pub(crate) fn draw(&self) -> Option<gradus_tensor::kernel::Dropout> {
        match self.is_active() {
            true => self.stream.draw(|rng| rng.dropout(self.p)),
            false => None,
        }
    }
}
