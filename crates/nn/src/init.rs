//! First values of parameters.

use gradus_tensor::{DType, Rng, Shape, Tensor};

/// How a parameter gets its first value.
///
/// The fans of a weight `[O, I, K…]` are the numbers of connections of a unit: its inputs, I · ΠK
/// (fan-in), and its outputs, O · ΠK (fan-out).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// One number everywhere. PyTorch: `constant_`, `zeros_`, `ones_`.
    Constant(f64),
    /// All numbers between two alike. PyTorch: `uniform_`.
    Uniform {
        /// The smallest.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// The normal distribution. PyTorch: `normal_`.
    Normal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        std: f64,
    },
    /// The normal distribution between two numbers, without what lies beyond. PyTorch:
    /// `trunc_normal_`.
    TruncatedNormal {
        /// The mean of the whole distribution.
        mean: f64,
        /// The standard deviation of the whole distribution.
        std: f64,
        /// The smallest number.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// Normal with mean 0, but for a share of zeros in each column of a matrix. Martens 2010, "Deep
    /// learning via Hessian-free optimization", section 5. PyTorch: `sparse_`.
    Sparse {
        /// The share of zeros.
        share: f64,
        /// The standard deviation of the others.
        std: f64,
    },
    /// The weight of a convolution `[O, I, K…]` that leaves channels as they are: 1 in the middle of
    /// the kernel from channel i to channel i of each group of outputs, else 0. PyTorch: `dirac_`.
    Dirac {
        /// How many groups the outputs make.
        groups: usize,
    },
    /// A matrix with ones on its diagonal. PyTorch: `eye_`.
    Identity,
    /// Uniform in ±gain √(6 / (fan-in + fan-out)). Glorot, Bengio 2010, "Understanding the
    /// difficulty of training deep feedforward neural networks", equation 16. PyTorch:
    /// `xavier_uniform_`.
    XavierUniform {
        /// The factor that suits the activation; see [`gain`].
        gain: f64,
    },
    /// Normal with standard deviation gain √(2 / (fan-in + fan-out)). The same source, equation 12.
    /// PyTorch: `xavier_normal_`.
    XavierNormal {
        /// The factor that suits the activation.
        gain: f64,
    },
    /// Uniform in ±gain √(3 / fan). He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers",
    /// equation 10, where the gain is √2. PyTorch: `kaiming_uniform_`.
    HeUniform {
        /// The factor that suits the activation.
        gain: f64,
        /// Which fan.
        fan: Fan,
    },
    /// Normal with standard deviation gain / √fan. The same source. PyTorch: `kaiming_normal_`.
    HeNormal {
        /// The factor that suits the activation.
        gain: f64,
        /// Which fan.
        fan: Fan,
    },
    /// Uniform in ±√(3 / fan-in). LeCun, Bottou, Orr, Müller 1998, "Efficient BackProp", section
    /// 4.6.
    LeCunUniform,
    /// Normal with standard deviation √(1 / fan-in). The same source.
    LeCunNormal,
    /// Rows (or columns, whichever are fewer) that are orthogonal to each other and of length gain,
    /// for the weight as a matrix `[O, I · ΠK]`. Saxe, McClelland, Ganguli 2014, "Exact solutions to
    /// the nonlinear dynamics of learning in deep linear neural networks". PyTorch: `orthogonal_`.
    Orthogonal {
        /// The length.
        gain: f64,
    },
}

/// One of the two fans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Keeps the size of activations on the way forward.
    In,
    /// Keeps the size of gradients on the way back.
    Out,
}

/// The gain that keeps the size of activations through a function. PyTorch: `calculate_gain`.
pub mod gain {
    /// Of linear layers, convolutions and the logistic function.
    pub const LINEAR: f64 = 1.0;
    /// Of tanh.
    pub const TANH: f64 = 5.0 / 3.0;
    /// Of the ReLU: √2.
    pub const RELU: f64 = std::f64::consts::SQRT_2;
    /// Of SELU.
    pub const SELU: f64 = 0.75;

    /// Of the leaky ReLU with a slope a: √(2 / (1 + a²)).
    pub fn leaky_relu(slope: f64) -> f64 {
        (2.0 / (1.0 + slope * slope)).sqrt()
    }
}

impl Init {
    /// PyTorch's choice for the weights of linear layers and convolutions: uniform in
    /// ±1 / √fan-in.
    pub const PYTORCH_WEIGHT: Self =
        Self::HeUniform { gain: 0.577_350_269_189_625_8, fan: Fan::In };

    /// A tensor of `f32` drawn so.
    ///
    /// # Panics
    /// If the shape has too few axes: two for fans, exactly two for [`Init::Sparse`] and
    /// [`Init::Identity`], three to five for [`Init::Dirac`]. If there is nothing between the bounds
    /// of [`Init::TruncatedNormal`], the share of [`Init::Sparse`] is not from 0 to 1, or the groups
    /// of [`Init::Dirac`] do not divide the outputs.
    #[track_caller]
    pub fn draw(self, shape: impl Into<Shape>, rng: &mut Rng) -> Tensor {
        let shape = shape.into();
        match self {
            Self::Constant(value) => Tensor::full(shape, value),
            Self::Uniform { low, high } => Tensor::rand(shape, rng) * (high - low) + low,
            Self::Normal { mean, std } => Tensor::randn(shape, rng) * std + mean,
            Self::TruncatedNormal { mean, std, low, high } => {
                let bounds = ((low - mean) / std, (high - mean) / std);
                assert!(
                    bounds.0 < bounds.1,
                    "a normal distribution with a standard deviation of {std} from {low} to {high} \
                     has no numbers: give a positive deviation and bounds in order"
                );
                let draw = || (mean + std * truncated_normal(bounds, rng)).clamp(low, high) as f32;
                Tensor::from_vec(std::iter::repeat_with(draw).take(shape.count()).collect(), shape)
            }
            Self::Sparse { share, std } => sparse(share, std, shape, rng),
            Self::Dirac { groups } => dirac(groups, shape),
            Self::Identity => {
                check_rank("identity", &shape, 2..=2);
                ones_at(shape, (0..shape[0].min(shape[1])).map(|i| i * shape[1] + i))
            }
            Self::XavierUniform { gain } => {
                symmetric(gain * (6.0 / both_fans(&shape)).sqrt(), shape, rng)
            }
            Self::XavierNormal { gain } => {
                Tensor::randn(shape, rng) * (gain * (2.0 / both_fans(&shape)).sqrt())
            }
            Self::HeUniform { gain, fan } => {
                symmetric(gain * (3.0 / fan.of(&shape)).sqrt(), shape, rng)
            }
            Self::HeNormal { gain, fan } => {
                Tensor::randn(shape, rng) * (gain / fan.of(&shape).sqrt())
            }
            Self::LeCunUniform => symmetric((3.0 / Fan::In.of(&shape)).sqrt(), shape, rng),
            Self::LeCunNormal => Tensor::randn(shape, rng) * (1.0 / Fan::In.of(&shape).sqrt()),
            Self::Orthogonal { gain } => orthogonal(gain, shape, rng),
        }
    }
}

/// Uniform numbers in ±bound.
#[track_caller]
fn symmetric(bound: f64, shape: Shape, rng: &mut Rng) -> Tensor {
    Tensor::rand(shape, rng) * (2.0 * bound) - bound
}

impl Fan {
    /// How large it is for a weight of this shape.
    #[track_caller]
    fn of(self, shape: &Shape) -> f64 {
        assert!(shape.rank() >= 2, "a weight of shape {shape} has no fans: they need two axes");
        let units = match self {
            Self::In => shape[1],
            Self::Out => shape[0],
        };
        shape[2..].iter().fold(units as f64, |fan, &len| fan * len as f64)
    }
}

/// The sum of both fans.
#[track_caller]
fn both_fans(shape: &Shape) -> f64 {
    Fan::In.of(shape) + Fan::Out.of(shape)
}

/// A number of the standard normal distribution between bounds, by rejection of numbers that are
/// uniform there.
///
/// # Source
/// Robert 1995, "Simulation of truncated normal variables", section 2.2.
fn truncated_normal((low, high): (f64, f64), rng: &mut Rng) -> f64 {
    // Where the density is largest, and a window outside of which it is less than e⁻⁴⁰ of that.
    let nearest = 0.0f64.clamp(low, high);
    let width = 9f64.min(40.0 / nearest.abs());
    let (low, high) = (low.max(nearest - width), high.min(nearest + width));
    loop {
        let x = low + (high - low) * rng.uniform();
        if rng.uniform() <= (0.5 * (nearest * nearest - x * x)).exp() {
            return x;
        }
    }
}

/// Normal numbers with zeros at random places of each column.
#[track_caller]
fn sparse(share: f64, std: f64, shape: Shape, rng: &mut Rng) -> Tensor {
    check_rank("sparse", &shape, 2..=2);
    assert!((0.0..=1.0).contains(&share), "a share of {share} zeros: give a number from 0 to 1");
    let (rows, columns) = (shape[0], shape[1]);
    let zeros = (share * rows as f64).ceil() as usize;
    let mut numbers = (Tensor::randn(shape, rng) * std).to_vec::<f32>();
    for column in 0..columns {
        for row in rng.permutation(rows).into_iter().take(zeros) {
            numbers[row * columns + column] = 0.0;
        }
    }
    Tensor::from_vec(numbers, shape)
}

/// Ones from each channel to itself, in the middle of the kernels.
#[track_caller]
fn dirac(groups: usize, shape: Shape) -> Tensor {
    check_rank("dirac", &shape, 3..=5);
    let (outputs, inputs) = (shape[0], shape[1]);
    assert!(
        groups > 0 && outputs.is_multiple_of(groups),
        "dirac: {outputs} output channels do not make {groups} groups"
    );
    let kernel: usize = shape[2..].iter().product();
    let middle = shape[2..].iter().fold(0, |place, &len| place * len + len / 2);
    let group = outputs / groups;
    let channels = (0..outputs).filter(|output| output % group < inputs);
    ones_at(shape, channels.map(|output| (output * inputs + output % group) * kernel + middle))
}

/// Zeros, but for ones at these places in row-major order.
fn ones_at(shape: Shape, places: impl Iterator<Item = usize>) -> Tensor {
    let mut numbers = vec![0f32; shape.count()];
    places.for_each(|place| numbers[place] = 1.0);
    Tensor::from_vec(numbers, shape)
}

#[track_caller]
fn check_rank(init: &str, shape: &Shape, ranks: std::ops::RangeInclusive<usize>) {
    assert!(
        ranks.contains(&shape.rank()),
        "{init}: a weight of shape {shape} has {} axes, not {} to {}",
        shape.rank(),
        ranks.start(),
        ranks.end()
    );
}

/// Random orthogonal rows, by Gram and Schmidt's process in `f64`, made twice for accuracy.
#[track_caller]
fn orthogonal(gain: f64, shape: Shape, rng: &mut Rng) -> Tensor {
    assert!(shape.rank() >= 2, "a weight of shape {shape} is no matrix: that needs two axes");
    let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
    let (count, len) = (rows.min(columns), rows.max(columns));
    let numbers = Tensor::randn(([count, len], DType::F64), rng).to_vec::<f64>();
    let mut vectors: Vec<Vec<f64>> = numbers.chunks(len.max(1)).map(<[f64]>::to_vec).collect();
    for i in 0..vectors.len() {
        let (done, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        for _ in 0..2 {
            for other in done.iter() {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let length = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|a| *a /= length);
    }
    let matrix = Tensor::from_vec(vectors.concat(), [count, len]) * gain;
    let matrix = if rows <= columns { matrix } else { matrix.t() };
    matrix.reshape(shape).to_dtype(DType::F32)
}
