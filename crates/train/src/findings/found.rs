//! What was found in a test beside its figures, by the kind of answers.

use super::read;
use crate::checkpoint::write_json;
use crate::metrics::{
    Metric, RankingFigure, RankingMetric, RankingOptions, RegressionFigure, RegressionMetric,
};
use crate::run::RunFolder;
use crate::state::{from_json, to_json};
use gradus_tensor::{Error, Result, Tensor};
use serde_json::{Value, json};

/// What was found in a test beside its loss and its metrics, by what the model is asked; kept in
/// `findings.json`. Of classes it is a [`Confusion`](crate::Confusion).
///
/// ```
/// use gradus_train::{Findings, NumberFindings};
///
/// let price = NumberFindings::of("price", "€", &[(10.0, 11.0), (14.0, 13.0)]);
/// assert_eq!((price.mae, price.rmse, price.r2), (1.0, 1.0, 0.75));
/// let findings = Findings::Numbers(vec![price]);
/// assert_eq!(Findings::from_json(&findings.to_json()).unwrap(), findings);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Findings {
    /// Of each number that is told, how far the answers are from the truth.
    Numbers(Vec<NumberFindings>),
    /// Of each label, how often it is told rightly.
    Labels {
        /// The labels.
        labels: Vec<LabelFindings>,
        /// Of how many samples a label is told wrongly, or several.
        mistaken: u64,
    },
    /// Of what comes next in a text, how well it is foreseen.
    Language(LanguageFindings),
}

/// How far the answers for a number are from the truth, in its own unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumberFindings {
    /// What the number is called.
    pub name: String,
    /// What it is measured in; nothing if that is not known.
    pub unit: String,
    /// How many answers there were.
    pub count: u64,
    /// As [`RegressionFigure::Mae`].
    pub mae: f64,
    /// As [`RegressionFigure::Rmse`].
    pub rmse: f64,
    /// As [`RegressionFigure::R2`].
    pub r2: f64,
}

/// How often a label is told rightly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelFindings {
    /// What the label is called.
    pub name: String,
    /// How often it holds.
    pub truths: u64,
    /// How often the model says that it holds: with a probability of a half or more.
    pub guesses: u64,
    /// How often both are so.
    pub right: u64,
    /// As [`RankingFigure::RocAuc`]; NaN if it always holds, or never.
    pub roc_auc: f64,
}

/// How well the next token of a text is foreseen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LanguageFindings {
    /// How many tokens were told.
    pub tokens: u64,
    /// The mean of -ln p, p being the probability that the model gave the token.
    pub loss: f64,
    /// The same by place in the window: of tokens that come after one, after two …
    pub by_place: Vec<f64>,
}

impl NumberFindings {
    /// Those of pairs of the true and the predicted number.
    pub fn of(name: &str, unit: &str, pairs: &[(f64, f64)]) -> Self {
        let (truths, guesses): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let (truths, guesses) = (Tensor::from(truths), Tensor::from(guesses));
        let figure = |figure| {
            let mut metric = RegressionMetric::new(figure);
            metric.update(&guesses, &truths);
            metric.value()
        };
        Self {
            name: name.into(),
            unit: unit.into(),
            count: pairs.len() as u64,
            mae: figure(RegressionFigure::Mae),
            rmse: figure(RegressionFigure::Rmse),
            r2: figure(RegressionFigure::R2),
        }
    }

    fn to_json(&self) -> Value {
        let Self { name, unit, count, mae, rmse, r2 } = self;
        let (mae, rmse, r2) = (to_json(*mae), to_json(*rmse), to_json(*r2));
        json!({ "name": name, "unit": unit, "count": count, "mae": mae, "rmse": rmse, "r2": r2 })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            name: value["name"].as_str()?.into(),
            unit: value["unit"].as_str()?.into(),
            count: value["count"].as_u64()?,
            mae: from_json(&value["mae"])?,
            rmse: from_json(&value["rmse"])?,
            r2: from_json(&value["r2"])?,
        })
    }
}

impl LabelFindings {
    /// Those of pairs: whether the label holds, and the probability that the model gave it.
    pub fn of(name: &str, pairs: &[(bool, f64)]) -> Self {
        let count = |which: fn(&(bool, f64)) -> bool| {
            pairs.iter().filter(|pair| which(pair)).count() as u64
        };
        let (held, scores): (Vec<i64>, Vec<f64>) =
            pairs.iter().map(|&(holds, p)| (i64::from(holds), p)).unzip();
        let (scores, held) = (Tensor::from(scores), Tensor::from(held));
        let order = RankingMetric::new(RankingFigure::RocAuc, RankingOptions::default());
        let roc_auc = order.map(|mut order| {
            order.update(&scores, &held);
            order.value()
        });
        Self {
            name: name.into(),
            truths: count(|(holds, _)| *holds),
            guesses: count(|(_, p)| *p >= 0.5),
            right: count(|(holds, p)| *holds && *p >= 0.5),
            // Of two classes there always is an order.
            roc_auc: roc_auc.unwrap_or(f64::NAN),
        }
    }

    /// The share of the answers that the label holds that are right; none without such answers.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.right, self.guesses)
    }

    /// The share of the samples that have the label of which the model says so; none without such
    /// samples.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.right, self.truths)
    }

    /// The harmonic mean of precision and recall; none if the label neither holds nor is told.
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.right, self.guesses + self.truths)
    }

    fn to_json(&self) -> Value {
        let Self { name, truths, guesses, right, roc_auc } = self;
        json!({
            "name": name, "truths": truths, "guesses": guesses, "right": right,
            "roc_auc": to_json(*roc_auc),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let count = |name: &str| value[name].as_u64();
        Some(Self {
            name: value["name"].as_str()?.into(),
            truths: count("truths")?,
            guesses: count("guesses")?,
            right: count("right")?,
            roc_auc: from_json(&value["roc_auc"])?,
        })
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl LanguageFindings {
    /// e to the mean loss: between how many equally likely tokens the model wavers, as it were.
    pub fn perplexity(&self) -> f64 {
        self.loss.exp()
    }

    fn to_json(&self) -> Value {
        let by_place: Value = self.by_place.iter().copied().map(to_json).collect();
        json!({ "tokens": self.tokens, "loss": to_json(self.loss), "by_place": by_place })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            tokens: value["tokens"].as_u64()?,
            loss: from_json(&value["loss"])?,
            by_place: value["by_place"].as_array()?.iter().map(from_json).collect::<Option<_>>()?,
        })
    }
}

impl Findings {
    /// As JSON: an object with `numbers`, `labels` or `language`.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Numbers(all) => {
                json!({ "numbers": all.iter().map(NumberFindings::to_json).collect::<Value>() })
            }
            Self::Labels { labels, mistaken } => {
                let labels: Value = labels.iter().map(LabelFindings::to_json).collect();
                json!({ "labels": labels, "mistaken": mistaken })
            }
            Self::Language(language) => json!({ "language": language.to_json() }),
        }
    }

    /// What [`Findings::to_json`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_json(value: &Value) -> Result<Self> {
        fn list<T>(value: &Value, one: fn(&Value) -> Option<T>) -> Option<Vec<T>> {
            value.as_array()?.iter().map(one).collect()
        }
        let numbers = || list(&value["numbers"], NumberFindings::from_json).map(Self::Numbers);
        let labels = || {
            let labels = list(&value["labels"], LabelFindings::from_json)?;
            Some(Self::Labels { labels, mistaken: value["mistaken"].as_u64()? })
        };
        let language = || LanguageFindings::from_json(&value["language"]).map(Self::Language);
        let found = numbers().or_else(labels).or_else(language);
        found.ok_or_else(|| Error::format("findings", "have no numbers, labels or language"))
    }

    /// Writes `findings.json` into the folder of a run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, run: &RunFolder) -> Result<()> {
        write_json(run.file("findings.json"), &self.to_json())
    }

    /// The findings of a run; none if it has no such file.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn read(run: &RunFolder) -> Result<Option<Self>> {
        read(run, "findings.json", Self::from_json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn labels_are_counted_and_ordered() {
        // scikit-learn: precision 2/3, recall 2/3, F1 2/3, roc_auc_score 4/6.
        let pairs = [(true, 0.9), (true, 0.5), (false, 0.7), (true, 0.4), (false, 0.1)];
        let found = LabelFindings::of("red", &pairs);
        assert_eq!((found.truths, found.guesses, found.right), (3, 3, 2));
        let shares = [found.precision(), found.recall(), found.f1()];
        assert_eq!(shares, [Some(2.0 / 3.0); 3]);
        assert!((found.roc_auc - 4.0 / 6.0).abs() < 1e-12, "{}", found.roc_auc);
        let never = LabelFindings::of("never", &[(false, 0.2)]);
        assert_eq!([never.precision(), never.recall(), never.f1()], [None; 3]);
        assert!(never.roc_auc.is_nan());
    }

    #[test]
    fn findings_survive_their_file_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), "test").unwrap();
        assert_eq!(Findings::read(&run).unwrap(), None);
        let language =
            LanguageFindings { tokens: 9, loss: 0.5, by_place: vec![f64::INFINITY, 0.25] };
        let label = LabelFindings::of("b", &[(true, 1.0), (false, 0.0)]);
        for findings in [
            Findings::Numbers(vec![NumberFindings::of("a", "m", &[(0.0, f64::NEG_INFINITY)])]),
            Findings::Labels { labels: vec![label], mistaken: 2 },
            Findings::Language(language),
        ] {
            findings.write(&run).unwrap();
            let read = Findings::read(&run).unwrap().unwrap();
            // NaN is not equal to itself, but is written alike.
            assert_eq!(format!("{read:?}"), format!("{findings:?}"));
        }
        for text in ["{", "{}", "{\"numbers\": [{}]}", "{\"language\": {\"tokens\": -1}}"] {
            fs::write(run.file("findings.json"), text).unwrap();
            let message = Findings::read(&run).unwrap_err().to_string();
            assert!(message.contains("findings.json"), "{text}: {message}");
        }
    }
}
