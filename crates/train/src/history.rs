//! What a training recorded.

use crate::state::{from_json, to_json};
use gradus_nn::schedule::Goal;
use gradus_tensor::{Error, Result};
use serde_json::{Map, Value, json};

/// The figures of each epoch, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History(Vec<Epoch>);

/// The figures of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1 on.
    pub number: usize,
    /// Figures by name.
    pub figures: Vec<(String, f64)>,
    /// How long it took.
    pub seconds: f64,
}

impl Epoch {
    /// A figure.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }

    /// A figure that there should be.
    ///
    /// # Errors
    /// [`Error::Setting`], if there is none of this name; it lists those there are.
    pub fn figure(&self, name: &str) -> Result<f64> {
        self.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.figures.iter().map(|(name, _)| name.as_str()).collect();
            Error::Setting(format!("no figure is called {name}: there are {}", known.join(", ")))
        })
    }

    /// The epoch as one JSON object: its number, its figures, its time. Figures that are not finite
    /// become strings, since JSON has no such numbers.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("epoch".into(), json!(self.number));
        for (name, value) in &self.figures {
            object.insert(name.clone(), to_json(*value));
        }
        object.insert("seconds".into(), to_json((self.seconds * 1000.0).round() / 1000.0));
        Value::Object(object)
    }

    /// The epoch that [`Epoch::to_json`] wrote.
    fn from_json(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let mut figures = vec![];
        for (name, value) in
            object.iter().filter(|(name, _)| !["epoch", "seconds"].contains(&&name[..]))
        {
            figures.push((name.clone(), from_json(value)?));
        }
        let epoch = object.get("epoch")?.as_u64()? as usize;
        Some(Self { number: epoch, figures, seconds: from_json(object.get("seconds")?)? })
    }
}

impl History {
    /// How many epochs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The epochs.
    pub fn epochs(&self) -> &[Epoch] {
        &self.0
    }

    /// Records an epoch.
    pub fn push(&mut self, epoch: Epoch) {
        self.0.push(epoch);
    }

    /// A figure of the last epoch.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.0.last()?.get(name)
    }

    /// The epoch in which a figure was lowest, the first of several.
    pub fn lowest(&self, name: &str) -> Option<&Epoch> {
        self.best(name, Goal::Lowest)
    }

    /// The epoch in which a figure was best, the first of several.
    pub fn best(&self, name: &str, goal: Goal) -> Option<&Epoch> {
        let known = self.0.iter().filter(|epoch| epoch.get(name).is_some_and(|x| !x.is_nan()));
        let better = |epoch: &Epoch, best: &Epoch| match goal {
            Goal::Lowest => epoch.get(name) < best.get(name),
            Goal::Highest => epoch.get(name) > best.get(name),
        };
        known.reduce(|best, epoch| if better(epoch, best) { epoch } else { best })
    }

    /// One JSON object a line.
    pub fn to_json_lines(&self) -> String {
        self.0.iter().map(|epoch| format!("{}\n", epoch.to_json())).collect()
    }

    /// The history that [`History::to_json_lines`] wrote.
    ///
    /// # Errors
    /// If a line is no epoch.
    pub fn from_json_lines(text: &str) -> Result<Self> {
        let epoch = |line| Epoch::from_json(&serde_json::from_str(line).ok()?);
        let epochs: Option<Vec<Epoch>> = text.lines().map(epoch).collect();
        let damaged = || Error::format("history", "has a line that is no epoch with figures");
        epochs.map(Self).ok_or_else(damaged)
    }

    /// The epochs as a JSON array.
    pub fn to_json(&self) -> Value {
        self.0.iter().map(Epoch::to_json).collect()
    }

    /// The history that [`History::to_json`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_json(value: &Value) -> Result<Self> {
        let epochs = value.as_array().into_iter().flatten().map(Epoch::from_json);
        match epochs.collect::<Option<Vec<_>>>() {
            Some(epochs) if value.is_array() => Ok(Self(epochs)),
            _ => Err(Error::format("history", "is not a list of epochs with figures")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let mut history = History::default();
        for (number, loss) in [(1, 0.5), (2, f64::NAN), (3, 0.1 + 0.2), (4, 0.3000000000000001)] {
            let figures = vec![("valid_loss".into(), loss), ("accuracy".into(), f64::INFINITY)];
            history.push(Epoch { number, figures, seconds: 1.25 });
        }
        history
    }

    #[test]
    fn survives_json_to_the_bit() {
        let history = history();
        let text = history.to_json().to_string();
        let read = History::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{history:?}"));
        assert!(History::from_json(&json!({"epoch": 1})).is_err());
        assert!(History::from_json(&json!([{"epoch": "one"}])).is_err());
        let lines = history.to_json_lines();
        let read = History::from_json_lines(&lines).unwrap();
        assert_eq!(format!("{read:?}"), format!("{history:?}"));
        let cut = History::from_json_lines(&lines[..lines.len() - 2]).unwrap_err().to_string();
        assert_eq!(cut, "history: has a line that is no epoch with figures");
    }

    #[test]
    fn finds_the_best_epoch() {
        assert_eq!(history().lowest("valid_loss").unwrap().number, 3);
        assert_eq!(history().best("valid_loss", Goal::Highest).unwrap().number, 1);
        assert_eq!(history().lowest("nothing"), None);
        let message = history().epochs()[0].figure("nothing").unwrap_err().to_string();
        assert!(message.contains("valid_loss, accuracy"), "{message}");
    }
}
