//! The recurrent layers, their options, and what they have in common.

use super::stack::{Stack, StackOptions};
use super::weights::{Kind, Plan};
use super::{GruReset, PackedSequence, RecurrentState, RecurrentWeights, RnnActivation};
use crate::{Layer, Module, Path, Visitor};
use gradus_tensor::{Rng, Tensor};

/// A network that goes through sequences and remembers.
pub trait Recurrent: Layer {
    /// Goes through sequences from a state, or from zeros. Gives the output of the last layer at
    /// each time, and the last state of every layer.
    ///
    /// # Shapes
    /// `x: [B, T, I] -> [B, T, O]`, or with T before B if the layer is not `batch_first`, or without
    /// B. O is H, P where outputs are projected, and twice that in both directions.
    ///
    /// # Panics
    /// If the layer does not take the input, or the state is not that of this layer and batch.
    #[track_caller]
    fn run(&self, x: &Tensor, state: Option<&RecurrentState>) -> (Tensor, RecurrentState);

    /// As [`Recurrent::run`], through sequences of different lengths. The state is that of each
    /// sequence at its own end, in the order in which sequences were packed.
    ///
    /// # Panics
    /// As [`Recurrent::run`].
    #[track_caller]
    fn run_packed(
        &self,
        x: &PackedSequence,
        state: Option<&RecurrentState>,
    ) -> (PackedSequence, RecurrentState);
}

/// What all recurrent layers have: a stack, shown under their own name.
macro_rules! recurrent {
    ($($name:ident)*) => {$(
        impl $name {
            /// The parameters of a layer, of its direction backwards if it has one and that is
            /// meant.
            ///
            /// # Panics
            /// If there is no such layer or direction.
            #[track_caller]
            pub fn weights(&self, layer: usize, backwards: bool) -> &RecurrentWeights {
                self.0.weights(layer, backwards)
            }
        }

        impl Recurrent for $name {
            fn run(&self, x: &Tensor, state: Option<&RecurrentState>) -> (Tensor, RecurrentState) {
                self.0.run(x, state)
            }

            fn run_packed(
                &self,
                x: &PackedSequence,
                state: Option<&RecurrentState>,
            ) -> (PackedSequence, RecurrentState) {
                self.0.run_packed(x, state)
            }
        }

        /// The output alone, from a state of zeros.
        impl Layer for $name {
            fn forward(&self, x: &Tensor) -> Tensor {
                self.0.run(x, None).0
            }
        }

        impl Module for $name {
            fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
                self.0.visit(path, visitor);
            }
        }
    )*};
}
recurrent! { Rnn Lstm Gru }

/// The settings of a [`Rnn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RnnOptions {
    /// How many layers lie upon each other.
    pub num_layers: usize,
    /// The function of a cell.
    pub activation: RnnActivation,
    /// Add biases.
    pub bias: bool,
    /// Take [B, T, I], not [T, B, I].
    pub batch_first: bool,
    /// How likely an output of a layer is left out, in training, before the next layer.
    pub dropout: f64,
    /// Go through sequences backwards too, and give both outputs side by side.
    pub bidirectional: bool,
}

impl Default for RnnOptions {
    fn default() -> Self {
        Self {
            num_layers: 1,
            activation: RnnActivation::Tanh,
            bias: true,
            batch_first: true,
            dropout: 0.0,
            bidirectional: false,
        }
    }
}

/// A plain recurrent network: h' = tanh(W x + b + U h + d).
///
/// # Shapes
/// As [`Recurrent::run`] says; its parameters are [`RecurrentWeights`] with one gate.
///
/// # Source
/// Elman 1990, "Finding Structure in Time". PyTorch: `torch.nn.RNN`, whose first values it has, all
/// uniform in ±1 / √H; there the batch does not come first unless that is said.
///
/// ```
/// use gradus_nn::{Recurrent, Rnn};
/// use gradus_tensor::{Rng, Tensor};
///
/// let layer = Rnn::new(3, 8, &mut Rng::new(1));
/// let (output, state) = layer.run(&Tensor::ones([2, 5, 3]), None);
/// assert_eq!(output.shape(), [2, 5, 8]);
/// assert_eq!(state.hidden.shape(), [1, 2, 8]);
/// ```
#[derive(Debug)]
pub struct Rnn(Stack);

impl Rnn {
    /// A layer from `inputs` to `hidden` features.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self::with_options(inputs, hidden, RnnOptions::default(), rng)
    }

    /// A layer with options.
    ///
    /// # Panics
    /// If it has no layer, or dropout but one layer.
    #[track_caller]
    pub fn with_options(inputs: usize, hidden: usize, options: RnnOptions, rng: &mut Rng) -> Self {
        let RnnOptions { num_layers, activation, bias, batch_first, dropout, bidirectional } =
            options;
        let kind = Kind::Rnn(activation);
        let plan = Plan { kind, hidden, bias, projection: None, peepholes: false };
        let options = StackOptions { num_layers, batch_first, dropout, bidirectional };
        Self(Stack::new("Rnn", inputs, (plan, options), rng))
    }
}

/// The settings of a [`Lstm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LstmOptions {
    /// How many layers lie upon each other.
    pub num_layers: usize,
    /// Add biases.
    pub bias: bool,
    /// Take [B, T, I], not [T, B, I].
    pub batch_first: bool,
    /// How likely an output of a layer is left out, in training, before the next layer.
    pub dropout: f64,
    /// Go through sequences backwards too, and give both outputs side by side.
    pub bidirectional: bool,
    /// Multiply outputs by a matrix that makes them shorter: the length they get.
    pub proj_size: Option<usize>,
    /// Let the gates see the cell state.
    pub peepholes: bool,
}

impl Default for LstmOptions {
    fn default() -> Self {
        Self {
            num_layers: 1,
            bias: true,
            batch_first: true,
            dropout: 0.0,
            bidirectional: false,
            proj_size: None,
            peepholes: false,
        }
    }
}

/// A network with long short-term memory:
///
/// i, f, o = σ(W x + b + U h + d), g = tanh(W x + b + U h + d), c' = f ∘ c + i ∘ g, h' = o ∘ tanh c'.
///
/// With `proj_size` h' = R (o ∘ tanh c'). With `peepholes` p ∘ c is added to the gates i and f, and
/// p ∘ c' to o.
///
/// # Shapes
/// As [`Recurrent::run`] says; its parameters are [`RecurrentWeights`] with four gates.
///
/// # Source
/// Hochreiter, Schmidhuber 1997, "Long Short-Term Memory", with the forget gate of Gers,
/// Schmidhuber, Cummins 2000, "Learning to Forget"; the projection is that of Sak, Senior, Beaufays
/// 2014, "Long Short-Term Memory Recurrent Neural Network Architectures for Large Scale Acoustic
/// Modeling", equation 7; peepholes are those of Gers, Schmidhuber 2000, "Recurrent Nets that Time
/// and Count", equations 1 to 3. PyTorch: `torch.nn.LSTM`, whose first values it has, all uniform in
/// ±1 / √H; there the batch does not come first unless that is said, and there are no peepholes.
///
/// ```
/// use gradus_nn::{Lstm, LstmOptions, Recurrent};
/// use gradus_tensor::{Rng, Tensor};
///
/// let options = LstmOptions { num_layers: 2, bidirectional: true, ..Default::default() };
/// let layer = Lstm::with_options(3, 8, options, &mut Rng::new(1));
/// let x = Tensor::ones([2, 5, 3]);
/// let (output, state) = layer.run(&x, None);
/// assert_eq!(output.shape(), [2, 5, 16]);
/// assert_eq!(state.hidden.shape(), [4, 2, 8]);
/// // The next part of the same sequences goes on from there.
/// let (output, _) = layer.run(&x, Some(&state));
/// assert_eq!(output.shape(), [2, 5, 16]);
/// ```
#[derive(Debug)]
pub struct Lstm(Stack);

impl Lstm {
    /// A layer from `inputs` to `hidden` features.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self::with_options(inputs, hidden, LstmOptions::default(), rng)
    }

    /// A layer with options.
    ///
    /// # Panics
    /// If it has no layer, dropout but one layer, or a projection that makes nothing shorter.
    #[track_caller]
    pub fn with_options(inputs: usize, hidden: usize, options: LstmOptions, rng: &mut Rng) -> Self {
        let LstmOptions { num_layers, bias, batch_first, dropout, bidirectional, .. } = options;
        let (projection, peepholes) = (options.proj_size, options.peepholes);
        let plan = Plan { kind: Kind::Lstm, hidden, bias, projection, peepholes };
        let options = StackOptions { num_layers, batch_first, dropout, bidirectional };
        Self(Stack::new("Lstm", inputs, (plan, options), rng))
    }
}

/// The settings of a [`Gru`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GruOptions {
    /// How many layers lie upon each other.
    pub num_layers: usize,
    /// Where the reset gate acts.
    pub reset: GruReset,
    /// Add biases.
    pub bias: bool,
    /// Take [B, T, I], not [T, B, I].
    pub batch_first: bool,
    /// How likely an output of a layer is left out, in training, before the next layer.
    pub dropout: f64,
    /// Go through sequences backwards too, and give both outputs side by side.
    pub bidirectional: bool,
}

impl Default for GruOptions {
    fn default() -> Self {
        Self {
            num_layers: 1,
            reset: GruReset::AfterProduct,
            bias: true,
            batch_first: true,
            dropout: 0.0,
            bidirectional: false,
        }
    }
}

/// A network of gated recurrent units:
///
/// r, z = σ(W x + b + U h + d), n = tanh(W x + b + r ∘ (U h + d)), h' = (1 - z) ∘ n + z ∘ h.
///
/// With [`GruReset::BeforeProduct`] n = tanh(W x + b + U (r ∘ h) + d).
///
/// # Shapes
/// As [`Recurrent::run`] says; its parameters are [`RecurrentWeights`] with three gates.
///
/// # Source
/// Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder for Statistical
/// Machine Translation", equations 5 to 8. PyTorch: `torch.nn.GRU`, whose first values it has, all
/// uniform in ±1 / √H; there the batch does not come first unless that is said, and the reset gate
/// acts after the product.
///
/// ```
/// use gradus_nn::{Gru, Recurrent};
/// use gradus_tensor::{Rng, Tensor};
///
/// let layer = Gru::new(3, 8, &mut Rng::new(1));
/// let (output, state) = layer.run(&Tensor::ones([2, 5, 3]), None);
/// assert_eq!(output.shape(), [2, 5, 8]);
/// assert_eq!(state.hidden.shape(), [1, 2, 8]);
/// ```
#[derive(Debug)]
pub struct Gru(Stack);

impl Gru {
    /// A layer from `inputs` to `hidden` features.
    #[track_caller]
    pub fn new(inputs: usize, hidden: usize, rng: &mut Rng) -> Self {
        Self::with_options(inputs, hidden, GruOptions::default(), rng)
    }

    /// A layer with options.
    ///
    /// # Panics
    /// If it has no layer, or dropout but one layer.
    #[track_caller]
    pub fn with_options(inputs: usize, hidden: usize, options: GruOptions, rng: &mut Rng) -> Self {
        let GruOptions { num_layers, reset, bias, batch_first, dropout, bidirectional } = options;
        let kind = Kind::Gru(reset);
        let plan = Plan { kind, hidden, bias, projection: None, peepholes: false };
        let options = StackOptions { num_layers, batch_first, dropout, bidirectional };
        Self(Stack::new("Gru", inputs, (plan, options), rng))
    }
}
