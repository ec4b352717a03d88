//! Modules: structs of parameters, and what can be done with all of them.

use crate::fold::ChannelLine;
use crate::pattern::matches;
use crate::{Buffer, LoadOptions, Mode, Param, StateReport, Stream};
use gradus_tensor::{DType, Device, Error, Gradients, Result, Tensor};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// A part of a model: parameters, buffers and other modules.
///
/// `#[derive(Module)]` writes the only method that is needed. Names are the fields' names, joined by
/// dots, so that saved models have the keys that PyTorch gives them.
///
/// ```
/// use gradus_nn::{Layer, Linear, Module};
/// use gradus_tensor::{Rng, Tensor};
///
/// #[derive(Debug, Module)]
/// struct Net {
///     fc1: Linear,
///     fc2: Linear,
/// }
///
/// let mut rng = Rng::new(1);
/// let net = Net { fc1: Linear::new(4, 8, &mut rng), fc2: Linear::new(8, 2, &mut rng) };
/// let names: Vec<String> = net.named_params().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a parameter, a buffer, a module nor a plain value",
    note = "derive Module for it, or mark the field `#[module(skip)]` if it holds nothing to train or save"
)]
pub trait Module {
    /// Shows every part to a visitor, in a fixed order.
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor);

    /// All parameters with their names, in order; one that has several names comes under its first.
    fn named_params(&self) -> Vec<(String, Param)> {
        let mut seen = HashSet::new();
        let mut params = collect(self, |part| match part {
            Part::Param(param) => Some(param.clone()),
            _ => None,
        });
        params.retain(|(_, param)| seen.insert(param.id()));
        params
    }

    /// All parameters that are not frozen.
    fn params(&self) -> Vec<Param> {
        let params = self.named_params().into_iter().map(|(_, param)| param);
        params.filter(Param::is_trainable).collect()
    }

    /// The parameters, frozen or not, whose names fit a pattern, in which `*` stands for any
    /// characters or none, dots included.
    ///
    /// ```
    /// use gradus_nn::{Linear, Module, Relu, Sequential};
    /// use gradus_tensor::Rng;
    ///
    /// let mut rng = Rng::new(1);
    /// let model = Sequential::new().then(Linear::new(4, 8, &mut rng)).then(Linear::new(8, 2, &mut rng));
    /// assert_eq!(model.params_matching("*.bias").len(), 2);
    /// model.freeze("0.*");
    /// assert_eq!(model.params().len(), 2);
    /// ```
    fn params_matching(&self, pattern: &str) -> Vec<Param> {
        let params = self.named_params().into_iter();
        params.filter(|(name, _)| matches(pattern, name)).map(|(_, param)| param).collect()
    }

    /// Stops training the parameters whose names fit a pattern; see [`Module::params_matching`].
    ///
    /// # Panics
    /// If none fits.
    #[track_caller]
    fn freeze(&self, pattern: &str) {
        some_matching("freeze", self, pattern).iter().for_each(Param::freeze);
    }

    /// Trains the parameters whose names fit a pattern again; see [`Module::params_matching`].
    ///
    /// # Panics
    /// If none fits.
    #[track_caller]
    fn unfreeze(&self, pattern: &str) {
        some_matching("unfreeze", self, pattern).iter().for_each(Param::unfreeze);
    }

    /// How many numbers the parameters hold.
    fn param_count(&self) -> usize {
        self.named_params().iter().map(|(_, param)| param.tensor().count()).sum()
    }

    /// All random streams with their names.
    fn named_streams(&self) -> Vec<(String, (u64, u64))> {
        collect(self, |part| match part {
            Part::Stream(stream) => Some(stream.state()),
            _ => None,
        })
    }

    /// The values of all parameters and buffers with their names, in order.
    fn state_dict(&self) -> Vec<(String, Tensor)> {
        collect(self, |part| match part {
            Part::Param(param) => Some(param.tensor().detach()),
            Part::Buffer(buffer) => Some(buffer.tensor()),
            _ => None,
        })
    }

    /// Gives every parameter and buffer the value that has its name. All or none: if one does not
    /// fit, nothing is changed.
    ///
    /// # Errors
    /// [`Error::Mismatch`], which names the first missing, unexpected and mis-shaped values.
    fn load_state_dict(&self, state: &[(String, Tensor)]) -> Result<()> {
        self.load_state_dict_with(state, &LoadOptions::default()).map(|_| ())
    }

    /// Gives parameters and buffers the values that have their names once these are renamed, and
    /// says what was missing and what was left over. All or none: if a value does not fit, nothing
    /// is changed. PyTorch: `load_state_dict(state, strict)`.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if a value has another shape, two values come to the same name, or, where
    /// [`LoadOptions::strict`] is set, values are missing or unexpected.
    ///
    /// ```
    /// use gradus_nn::{Linear, LoadOptions, Module, Renames};
    /// use gradus_tensor::{Rng, Tensor};
    ///
    /// let layer = Linear::new(3, 2, &mut Rng::new(1));
    /// let saved = [("module.weight".to_string(), Tensor::zeros([2, 3]))];
    /// let renames = Renames::parse(&["module.* -> *"])?;
    /// let options = LoadOptions { strict: false, renames };
    /// let report = layer.load_state_dict_with(&saved, &options)?;
    /// assert_eq!(report.missing, ["bias"]);
    /// # Ok::<(), gradus_tensor::Error>(())
    /// ```
    fn load_state_dict_with(
        &self,
        state: &[(String, Tensor)],
        options: &LoadOptions,
    ) -> Result<StateReport> {
        let state = &options.renames.rename(state)?;
        let report = self.compare_state_dict(state);
        if !report.fits() && (options.strict || !report.mis_shaped.is_empty()) {
            return Err(Error::Mismatch(report.to_string()));
        }
        let values: HashMap<&str, &Tensor> =
            state.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let mut result = Ok(());
        for_each(self, &mut |name, part| {
            let set = match (part, values.get(name)) {
                (Part::Param(param), Some(value)) => param.set(value),
                (Part::Buffer(buffer), Some(value)) => buffer.set(value),
                _ => Ok(()),
            };
            if result.is_ok() {
                result = set;
            }
        });
        result.map(|()| report)
    }

    /// What loading a state would find.
    fn compare_state_dict(&self, state: &[(String, Tensor)]) -> StateReport {
        let own = self.state_dict();
        let own_names: HashSet<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        let values: HashMap<&str, &Tensor> =
            state.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let mut report = StateReport::default();
        for (name, tensor) in &own {
            match values.get(name.as_str()) {
                None => report.missing.push(name.clone()),
                Some(value) if value.shape() != tensor.shape() => {
                    let (has, wants) = (value.shape(), tensor.shape());
                    report.mis_shaped.push(format!("{name} (is {has}, should be {wants})"));
                }
                Some(_) => {}
            }
        }
        let unexpected = state.iter().filter(|(name, _)| !own_names.contains(name.as_str()));
        report.unexpected = unexpected.map(|(name, _)| name.clone()).collect();
        report
    }

    /// Continues random streams where they were saved; see [`Module::named_streams`].
    ///
    /// # Errors
    /// [`Error::Mismatch`], if the names are not those of the streams.
    fn load_streams(&self, states: &[(String, (u64, u64))]) -> Result<()> {
        let own = self.named_streams();
        if !own.iter().map(|(name, _)| name).eq(states.iter().map(|(name, _)| name)) {
            let message = "the random streams are those of another model".to_string();
            return Err(Error::Mismatch(message));
        }
        let mut states = states.iter();
        for_each(self, &mut |_, part| {
            if let Part::Stream(stream) = part
                && let Some((_, state)) = states.next()
            {
                stream.set_state(*state);
            }
        });
        Ok(())
    }

    /// The names of the parameters, not frozen, that no gradient reached.
    fn unreached(&self, gradients: &Gradients) -> Vec<String> {
        let params = self.named_params().into_iter();
        let unreached =
            params.filter(|(_, param)| param.is_trainable() && param.grad(gradients).is_none());
        unreached.map(|(name, _)| name).collect()
    }

    /// Puts the module and all in it into training.
    fn train(&self) {
        set_training(self, true);
    }

    /// Puts the module and all in it into use.
    fn eval(&self) {
        set_training(self, false);
    }

    /// Moves all parameters and buffers to a device.
    fn to_device(&self, device: Device) {
        convert(self, &|tensor| tensor.to_device(device));
    }

    /// Converts all parameters, and the buffers that hold floats, to another type of float.
    fn to_dtype(&self, dtype: DType) {
        convert(self, &|tensor| match tensor.dtype().is_float() {
            true => tensor.to_dtype(dtype),
            false => tensor.clone(),
        });
    }
}

/// A module that makes one tensor of another: what stands in a [`Sequential`](crate::Sequential).
pub trait Layer: Module + fmt::Debug + Send + Sync {
    /// The output for an input.
    ///
    /// # Panics
    /// If the layer does not take the input.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor;

    /// max(y, 0) of what [`Layer::forward`] gives; some layers do both at once, which is faster.
    ///
    /// # Panics
    /// If the layer does not take the input.
    #[track_caller]
    fn forward_relu(&self, x: &Tensor) -> Tensor {
        self.forward(x).relu()
    }

    /// True of the ReLU, which the layer before it may do.
    fn is_relu(&self) -> bool {
        false
    }

    /// What it does to each channel, if that is y = scale · x + shift: a batch norm in evaluation.
    fn channel_line(&self) -> Option<ChannelLine> {
        None
    }

    /// Changes its weight and bias so that it does what a line does behind it, and says whether it
    /// could; see [`fold_norm`](crate::fold_norm).
    fn take_up(&mut self, _line: &ChannelLine) -> bool {
        false
    }

    /// Lets the layers within it take up the batch norms right behind them, and says how many did. A
    /// model of its own type calls it for its parts, and [`fold_norm`](crate::fold_norm) for norms
    /// among its fields.
    fn fold_norms(&mut self) -> usize {
        0
    }

    /// True if [`Layer::forward_relu`] takes no longer than [`Layer::forward`].
    fn has_free_relu(&self) -> bool {
        false
    }

    /// True of layers that may stand before a ReLU as well as behind it, and make tensors smaller: the
    /// largest numbers are the same, and so are gradients.
    fn commutes_with_relu(&self) -> bool {
        false
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn forward(&self, x: &Tensor) -> Tensor {
        (**self).forward(x)
    }
    fn forward_relu(&self, x: &Tensor) -> Tensor {
        (**self).forward_relu(x)
    }
    fn is_relu(&self) -> bool {
        (**self).is_relu()
    }
    fn channel_line(&self) -> Option<ChannelLine> {
        (**self).channel_line()
    }
    fn take_up(&mut self, line: &ChannelLine) -> bool {
        (**self).take_up(line)
    }
    fn fold_norms(&mut self) -> usize {
        (**self).fold_norms()
    }
    fn has_free_relu(&self) -> bool {
        (**self).has_free_relu()
    }
    fn commutes_with_relu(&self) -> bool {
        (**self).commutes_with_relu()
    }
}

/// Sees every part of a module; each method does nothing unless it is written.
pub trait Visitor {
    /// A parameter.
    fn param(&mut self, _path: &Path, _param: &Param) {}
    /// A buffer.
    fn buffer(&mut self, _path: &Path, _buffer: &Buffer) {}
    /// A mode.
    fn mode(&mut self, _path: &Path, _mode: &Mode) {}
    /// A random stream.
    fn stream(&mut self, _path: &Path, _stream: &Stream) {}
}

/// Where in a module a visit is: the names of the fields on the way.
#[derive(Clone, Debug, Default)]
pub struct Path(Vec<String>);

impl Path {
    /// Goes into a field.
    pub fn enter(&mut self, name: &str) {
        self.0.push(name.to_string());
    }

    /// Goes back out.
    pub fn leave(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// One part of a module.
enum Part<'a> {
    Param(&'a Param),
    Buffer(&'a Buffer),
    Mode(&'a Mode),
    Stream(&'a Stream),
}

/// Calls a function with every part and its name.
fn for_each<M: Module + ?Sized>(module: &M, body: &mut dyn FnMut(&str, Part<'_>)) {
    struct Each<'a>(&'a mut dyn FnMut(&str, Part<'_>));
    impl Visitor for Each<'_> {
        fn param(&mut self, path: &Path, param: &Param) {
            (self.0)(&path.to_string(), Part::Param(param));
        }
        fn buffer(&mut self, path: &Path, buffer: &Buffer) {
            (self.0)(&path.to_string(), Part::Buffer(buffer));
        }
        fn mode(&mut self, path: &Path, mode: &Mode) {
            (self.0)(&path.to_string(), Part::Mode(mode));
        }
        fn stream(&mut self, path: &Path, stream: &Stream) {
            (self.0)(&path.to_string(), Part::Stream(stream));
        }
    }
    module.visit(&mut Path::default(), &mut Each(body));
}

/// What a function makes of the parts, with their names.
fn collect<M: Module + ?Sized, T>(
    module: &M,
    mut pick: impl FnMut(Part<'_>) -> Option<T>,
) -> Vec<(String, T)> {
    let mut picked = vec![];
    for_each(module, &mut |name, part| picked.extend(pick(part).map(|it| (name.to_string(), it))));
    picked
}

/// The parameters that fit a pattern, of which there is one at least.
#[track_caller]
fn some_matching<M: Module + ?Sized>(wish: &str, module: &M, pattern: &str) -> Vec<Param> {
    let params = module.params_matching(pattern);
    let first = || module.named_params().into_iter().next().map_or("none".into(), |(name, _)| name);
    assert!(
        !params.is_empty(),
        "{wish}: no parameter's name fits `{pattern}`: the first name is {}",
        first()
    );
    params
}

fn set_training<M: Module + ?Sized>(module: &M, training: bool) {
    for_each(module, &mut |_, part| {
        if let Part::Mode(mode) = part {
            mode.set_training(training);
        }
    });
}

/// Whether each mode of a module is training, in order.
pub(crate) fn modes<M: Module + ?Sized>(module: &M) -> Vec<bool> {
    let modes = collect(module, |part| match part {
        Part::Mode(mode) => Some(mode.is_training()),
        _ => None,
    });
    modes.into_iter().map(|(_, training)| training).collect()
}

/// Restores what [`modes`] gave.
pub(crate) fn set_modes<M: Module + ?Sized>(module: &M, modes: &[bool]) {
    let mut modes = modes.iter();
    for_each(module, &mut |_, part| {
        if let Part::Mode(mode) = part {
            mode.set_training(modes.next().copied().unwrap_or(true));
        }
    });
}

fn convert<M: Module + ?Sized>(module: &M, convert: &dyn Fn(&Tensor) -> Tensor) {
    for_each(module, &mut |_, part| match part {
        Part::Param(param) => param.convert(convert),
        Part::Buffer(buffer) => buffer.convert(convert),
        _ => {}
    });
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        (**self).visit(path, visitor);
    }
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        if let Some(module) = self {
            module.visit(path, visitor);
        }
    }
}

impl<M: Module> Module for [M] {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        for (index, module) in self.iter().enumerate() {
            path.enter(&index.to_string());
            module.visit(path, visitor);
            path.leave();
        }
    }
}

impl<M: Module> Module for Vec<M> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self[..].visit(path, visitor);
    }
}

impl<M: Module, const N: usize> Module for [M; N] {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self[..].visit(path, visitor);
    }
}

/// Makes plain values modules without parts.
macro_rules! plain {
    ($($name:ty)*) => {$(
        impl Module for $name {
            fn visit(&self, _: &mut Path, _: &mut dyn Visitor) {}
        }
    )*};
}
plain! { () bool u8 u32 u64 usize i32 i64 isize f32 f64 &'static str String DType }
