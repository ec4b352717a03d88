//! What the parts of a training remember.

use gradus_tensor::{Error, Result, Tensor};
use serde_json::{Map, Value, json};

/// What a callback, a metric or any other part of a training needs to go on: small things as JSON,
/// large ones as tensors, each by name. [`Checkpoint`](crate::Checkpoint)s hold them.
///
/// ```
/// use gradus_tensor::Tensor;
/// use gradus_train::State;
///
/// let state = State::new()
///     .with("seen", 3)
///     .with_number("best", f64::INFINITY)
///     .with_tensor("average", Tensor::zeros([2]));
/// assert_eq!(state.count("seen")?, 3);
/// assert_eq!(state.number("best")?, f64::INFINITY);
/// assert_eq!(state.tensor("average")?.shape(), [2]);
/// # Ok::<(), gradus_tensor::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct State {
    values: Map<String, Value>,
    tensors: Vec<(String, Tensor)>,
}

impl State {
    /// Nothing to remember.
    pub fn new() -> Self {
        Self::default()
    }

    /// True if there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.tensors.is_empty()
    }

    /// Also remembers a value.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Also remembers a number to its last bit; it need not be finite.
    pub fn with_number(self, name: &str, number: f64) -> Self {
        self.with(name, to_json(number))
    }

    /// Also remembers numbers to their last bits; they need not be finite.
    pub fn with_numbers(self, name: &str, numbers: &[f64]) -> Self {
        self.with(name, numbers.iter().map(|&number| to_json(number)).collect::<Value>())
    }

    /// Also remembers a tensor.
    pub fn with_tensor(mut self, name: &str, tensor: Tensor) -> Self {
        self.tensors.push((name.into(), tensor));
        self
    }

    /// Also remembers tensors.
    pub fn with_tensors(mut self, tensors: Vec<(String, Tensor)>) -> Self {
        self.tensors.extend(tensors);
        self
    }

    /// A value, if there is one of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// A whole number from 0 on.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if there is none of this name.
    pub fn count(&self, name: &str) -> Result<u64> {
        self.get(name).and_then(Value::as_u64).ok_or_else(|| lacking(name))
    }

    /// Whole numbers from 0 on.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if there are none of this name.
    pub fn counts(&self, name: &str) -> Result<Vec<u64>> {
        let list = self.get(name).and_then(Value::as_array);
        let counts = list.and_then(|list| list.iter().map(Value::as_u64).collect());
        counts.ok_or_else(|| lacking(name))
    }

    /// A number.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if there is none of this name.
    pub fn number(&self, name: &str) -> Result<f64> {
        self.get(name).and_then(from_json).ok_or_else(|| lacking(name))
    }

    /// Numbers.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if there are none of this name.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let list = self.get(name).and_then(Value::as_array);
        let numbers = list.and_then(|list| list.iter().map(from_json).collect());
        numbers.ok_or_else(|| lacking(name))
    }

    /// A text.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if there is none of this name.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.get(name).and_then(Value::as_str).ok_or_else(|| lacking(name))
    }

    /// A tensor.
    ///
    /// # Errors
    /// [`Error::Mismatch`], if there is none of this name.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        let found = self.tensors.iter().find(|(own, _)| own == name);
        found.map(|(_, tensor)| tensor).ok_or_else(|| lacking(name))
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &[(String, Tensor)] {
        &self.tensors
    }

    /// All but the tensors.
    pub(crate) fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// A state of its parts.
    pub(crate) fn of(values: Map<String, Value>, tensors: Vec<(String, Tensor)>) -> Self {
        Self { values, tensors }
    }
}

/// A number as JSON, which has none that is not finite: these become texts.
pub(crate) fn to_json(number: f64) -> Value {
    if number.is_finite() { json!(number) } else { json!(number.to_string()) }
}

/// The number that [`to_json`] wrote.
pub(crate) fn from_json(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    }
}

fn lacking(name: &str) -> Error {
    Error::Mismatch(format!(
        "the saved state has no fitting `{name}`: it is that of another part, or of another version"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_json_to_the_bit() {
        let numbers = [0.1 + 0.2, -0.0, f64::MIN_POSITIVE, f64::INFINITY, f64::NEG_INFINITY, 1e300];
        let state = State::new().with_numbers("x", &numbers).with_number("y", f64::NAN);
        let text = Value::Object(state.values).to_string();
        let Ok(Value::Object(values)) = serde_json::from_str(&text) else {
            panic!("{text} is no object");
        };
        let read = State::of(values, vec![]);
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.numbers("x").unwrap()), bits(&numbers));
        assert!(read.number("y").unwrap().is_nan());
        assert!(read.number("z").unwrap_err().to_string().contains("`z`"));
        assert!(read.count("y").is_err() && read.counts("x").is_err() && read.text("x").is_err());
    }
}
