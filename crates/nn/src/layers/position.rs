//! Positions in a sequence: attention alone does not know them.

use crate::{Init, Layer, Module, Param};
use gradus_tensor::{DType, OpError, Rng, Tensor};

/// y = x + p with fixed positions p, sines and cosines of lengths that grow geometrically:
/// p[t, 2i] = sin(t / 10000^(2i/D)), p[t, 2i + 1] = cos(t / 10000^(2i/D)).
///
/// # Shapes
/// `x: [.., T, D] -> [.., T, D]`.
///
/// # Source
/// Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
///
/// ```
/// use gradus_nn::{Layer, SinusoidalPositions};
/// use gradus_tensor::Tensor;
///
/// let y = SinusoidalPositions.forward(&Tensor::zeros([1, 3, 2]));
/// assert_eq!(y.to_vec::<f32>()[..2], [0.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct SinusoidalPositions;

impl SinusoidalPositions {
    /// y for elements whose first has a position other than 0.
    #[track_caller]
    pub fn add_from(&self, start: usize, x: &Tensor) -> Tensor {
        let (len, features) = sizes(x, "SinusoidalPositions");
        let angles = angles(start, len, features.div_ceil(2), |i| {
            10_000f64.powf(-2.0 * i as f64 / features as f64)
        });
        let both = Tensor::stack(&[angles.sin(), angles.cos()], -1);
        let table = both.flatten(-2, -1).narrow(-1, 0, features);
        x + table.to_dtype(x.dtype()).to_device(x.device())
    }
}

impl Layer for SinusoidalPositions {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.add_from(0, x)
    }
}

/// y = x + p with learned positions p.
///
/// # Shapes
/// `x: [.., T, D] -> [.., T, D]`, with `weight: [N, D]` and T of N positions in use.
///
/// # Source
/// Gehring, Auli, Grangier, Yarats, Dauphin 2017, "Convolutional Sequence to Sequence Learning",
/// section 3.1. The first values are normal with standard deviation 1, as of PyTorch's
/// `torch.nn.Embedding`.
#[derive(Debug, Module)]
pub struct LearnedPositions {
    /// p.
    pub weight: Param,
}

impl LearnedPositions {
    /// As many positions as the longest sequence has elements.
    #[track_caller]
    pub fn new(longest: usize, features: usize, rng: &mut Rng) -> Self {
        let weight = Init::Normal { mean: 0.0, std: 1.0 }.draw([longest, features], rng);
        Self { weight: Param::new(weight) }
    }

    /// y for elements whose first has a position other than 0.
    ///
    /// # Panics
    /// If there are too few positions.
    #[track_caller]
    pub fn add_from(&self, start: usize, x: &Tensor) -> Tensor {
        let (len, _) = sizes(x, "LearnedPositions");
        let weight = self.weight.tensor();
        let longest = weight.len_of(0);
        if start + len > longest {
            let message = format_args!(
                "{len} elements from position {start} on need {} positions, not {longest}: shorten the sequence or learn more",
                start + len
            );
            panic!("{}", OpError::of("LearnedPositions", message));
        }
        x + weight.narrow(0, start, len)
    }
}

impl Layer for LearnedPositions {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.add_from(0, x)
    }
}

/// Which two features make a pair that turns together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotaryStyle {
    /// Features i and i + D/2: GPT-NeoX's, and that of Llama's weights at Hugging Face.
    #[default]
    HalfSplit,
    /// Features 2i and 2i + 1: the paper's, GPT-J's, and that of Llama's weights at Meta.
    Interleaved,
}

/// Rotary positions: each pair (a, b) of features at position t is turned by the angle
/// tθᵢ, θᵢ = base^(-2i/D): (a cos tθᵢ - b sin tθᵢ, b cos tθᵢ + a sin tθᵢ). The product of a turned
/// query and a turned key depends on the distance of their positions alone.
///
/// # Shapes
/// `x: [.., T, D] -> [.., T, D]`, D even.
///
/// # Source
/// Su, Lu, Pan, Murtadha, Wen, Liu 2021, "RoFormer: Enhanced Transformer with Rotary Position
/// Embedding", equations 15 and 34.
///
/// ```
/// use gradus_nn::{Layer, Rotary};
/// use gradus_tensor::{Rng, Tensor};
///
/// let queries = Tensor::randn([2, 4, 10, 16], &mut Rng::new(1));
/// let turned = Rotary::default().forward(&queries);
/// assert_eq!(turned.shape(), queries.shape());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Module)]
pub struct Rotary {
    /// From which the angles of the pairs derive.
    pub base: f64,
    /// Which features make pairs.
    #[module(skip)]
    pub style: RotaryStyle,
}

/// The base 10,000, and features i and i + D/2 in pairs.
impl Default for Rotary {
    fn default() -> Self {
        Self { base: 10_000.0, style: RotaryStyle::default() }
    }
}

impl Rotary {
    /// Turns tensors whose first element has a position: queries and keys, say.
    ///
    /// # Panics
    /// If the tensors do not have the same T and D, or D is odd.
    #[track_caller]
    pub fn rotate_from<const N: usize>(&self, start: usize, tensors: [&Tensor; N]) -> [Tensor; N] {
        let Some(first) = tensors.first() else { return tensors.map(Tensor::clone) };
        let (len, features) = sizes(first, "Rotary");
        let other = tensors.iter().find(|x| sizes(x, "Rotary") != (len, features));
        if let Some(other) = other {
            complain(format_args!("{} and {} differ in T or D", first.shape(), other.shape()));
        }
        if !features.is_multiple_of(2) {
            complain(format_args!("{features} features do not make pairs: choose an even number"));
        }
        // In f64: an angle of 10⁴ in f32 would be off by 10⁻³.
        let angles =
            angles(start, len, features / 2, |i| self.base.powf(-2.0 * i as f64 / features as f64));
        let turn = [angles.cos(), angles.sin()]
            .map(|x| x.to_dtype(first.dtype()).to_device(first.device()));
        tensors.map(|x| self.turned(x, &turn))
    }

    #[track_caller]
    fn turned(&self, x: &Tensor, [cos, sin]: &[Tensor; 2]) -> Tensor {
        let half = x.len_of(-1) / 2;
        let (a, b) = match self.style {
            RotaryStyle::HalfSplit => (x.narrow(-1, 0, half), x.narrow(-1, half, half)),
            RotaryStyle::Interleaved => (x.slice(-1, 0..2 * half, 2), x.slice(-1, 1..2 * half, 2)),
        };
        let turned = [&a * cos - &b * sin, &b * cos + &a * sin];
        match self.style {
            RotaryStyle::HalfSplit => Tensor::cat(&turned, -1),
            RotaryStyle::Interleaved => Tensor::stack(&turned, -1).flatten(-2, -1),
        }
    }
}

/// The first element has position 0.
impl Layer for Rotary {
    fn forward(&self, x: &Tensor) -> Tensor {
        let [turned] = self.rotate_from(0, [x]);
        turned
    }
}

/// Attention with linear biases: what is added to scores so that a key counts less the farther away
/// it is. Head h subtracts slopeₕ times the distance.
///
/// For H heads, a power of two, slopeₕ = 2^(-8h/H) for h = 1 … H. For another number the slopes are
/// those of the next lower power of two, then every second one of twice that power.
///
/// # Source
/// Press, Smith, Lewis 2022, "Train Short, Test Long: Attention with Linear Biases Enables Input
/// Length Extrapolation", section 3, whose keys all come before the query; here a key after it is as
/// far away as one before.
///
/// ```
/// use gradus_nn::{Alibi, AttentionMasks, MultiheadAttention};
/// use gradus_tensor::{Rng, Tensor};
///
/// let mut rng = Rng::new(1);
/// let attention = MultiheadAttention::new(32, 4, &mut rng);
/// let x = Tensor::randn([2, 10, 32], &mut rng);
/// let bias = Alibi { heads: 4 }.bias(10, 10, 0);
/// let masks = AttentionMasks { mask: Some(&bias), ..AttentionMasks::causal() };
/// assert_eq!(attention.attend(&x, &x, &x, masks).shape(), [2, 10, 32]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Module)]
pub struct Alibi {
    /// How many heads there are.
    pub heads: usize,
}

impl Alibi {
    /// The slope of each head.
    pub fn slopes(&self) -> Vec<f64> {
        let of = |heads: usize| (1..=heads).map(move |h| (-8.0 * h as f64 / heads as f64).exp2());
        let Some(exponent) = self.heads.checked_ilog2() else { return vec![] };
        let power = 1usize << exponent;
        of(power).chain(of(2 * power).step_by(2)).take(self.heads).collect()
    }

    /// What is added to scores, `[H, T, S]`, where the first query has as its own the key number
    /// `earlier`. It is of `f64`; attention converts it to the type of its scores.
    pub fn bias(&self, queries: usize, keys: usize, earlier: usize) -> Tensor {
        let count = |start: usize, len: usize| {
            Tensor::arange(start as i64, (start + len) as i64, 1).to_dtype(DType::F64)
        };
        let distance = (count(earlier, queries).unsqueeze(1) - count(0, keys).unsqueeze(0)).abs();
        let slopes = Tensor::from_vec(self.slopes(), [self.heads, 1, 1]);
        -(slopes * distance)
    }
}

/// Angles `[T, N]` in `f64`: positions from `start` on, times frequencies.
#[track_caller]
fn angles(start: usize, len: usize, count: usize, frequency: impl Fn(usize) -> f64) -> Tensor {
    let positions = Tensor::arange(start as i64, (start + len) as i64, 1).to_dtype(DType::F64);
    let frequencies = Tensor::from_vec((0..count).map(frequency).collect(), [1, count]);
    positions.unsqueeze(1) * frequencies
}

/// T and D of `[.., T, D]`.
#[track_caller]
fn sizes(x: &Tensor, layer: &'static str) -> (usize, usize) {
    if x.rank() < 2 || !x.dtype().is_float() {
        let message = format_args!("takes floats [.., T, D], not {} {}", x.dtype(), x.shape());
        panic!("{}", OpError::of(layer, message));
    }
    (x.len_of(-2), x.len_of(-1))
}

#[track_caller]
fn complain(message: std::fmt::Arguments<'_>) -> ! {
    panic!("{}", OpError::of("Rotary", message));
}
