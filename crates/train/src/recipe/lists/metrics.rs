//! The metrics that a recipe can name, and how they see what the data wants to be told.

use crate::metrics::*;
use crate::recipe::entry::{Entry, Outline, Product, Settings, entry, field};
use crate::recipe::field::choices;
use crate::state::State;
use gradus_data::source::{Answers, Number};
use gradus_tensor::{DType, Error, Result, Tensor};

/// What a metric is made for.
#[derive(Clone, Debug)]
pub struct MetricSite {
    /// What the data wants a model to answer.
    pub answers: Answers,
    /// How many numbers it answers with.
    pub outputs: usize,
}

impl MetricSite {
    /// The number of classes that right and wrong are counted of, and their names: of several labels,
    /// each holds or not.
    fn classes(&self) -> Result<(usize, Vec<String>)> {
        match &self.answers {
            Answers::Classes(names) | Answers::Mask(names) => Ok((names.len(), names.clone())),
            Answers::Labels(_) => Ok((2, vec!["no".into(), "yes".into()])),
            _ => self.refuse("classes or labels"),
        }
    }

    fn check_tokens(&self) -> Result<()> {
        match self.answers {
            Answers::NextToken => Ok(()),
            _ => self.refuse("tokens"),
        }
    }

    fn refuse<T>(&self, wanted: &str) -> Result<T> {
        let own = match self.answers {
            Answers::Classes(_) => "a class",
            Answers::Labels(_) => "labels",
            Answers::Numbers(_) => "numbers",
            Answers::NextToken => "the next token",
            Answers::Mask(_) => "masks",
            _ => "something else",
        };
        Err(Error::Setting(format!("this is of {wanted}, but the data wants {own} to be told")))
    }

    /// A metric that is given what it takes.
    fn view(&self, metric: impl Metric + 'static) -> Result<Box<dyn Metric>> {
        let view = match &self.answers {
            Answers::NextToken => View::ClassesLast,
            Answers::Labels(_) => View::Labels,
            Answers::Numbers(numbers) => View::numbers(numbers),
            Answers::Mask(_) => View::Pixels,
            _ => return Ok(Box::new(metric)),
        };
        Ok(Box::new(Viewed { metric: Box::new(metric), view }))
    }
}

/// How outputs and targets become those that a metric takes.
#[derive(Clone, Debug)]
enum View {
    /// Scores of tokens, [B, T, C], with the classes second: [B, C, T].
    ClassesLast,
    /// Each label of each sample by itself: [B, L] -> [B L].
    Labels,
    /// Each pixel by itself of which something is told: [B, C, H, W] -> [P, C].
    Pixels,
    /// Numbers as they were before they were scaled.
    Numbers { mean: Tensor, deviation: Tensor },
}

impl View {
    fn numbers(numbers: &[Number]) -> Self {
        let of =
            |part: fn(&Number) -> f64| Tensor::from(numbers.iter().map(part).collect::<Vec<f64>>());
        Self::Numbers { mean: of(|number| number.mean), deviation: of(|number| number.deviation) }
    }

    fn apply(&self, output: &Tensor, target: &Tensor) -> (Tensor, Tensor) {
        match self {
            Self::ClassesLast if output.rank() == 3 => (output.permute(&[0, 2, 1]), target.clone()),
            Self::Labels if output.rank() > 1 => (output.flatten(0, -1), target.flatten(0, -1)),
            Self::Pixels if output.rank() == 4 => {
                let (output, target) =
                    (output.detach().permute(&[0, 2, 3, 1]), target.flatten(0, -1));
                let classes: Vec<i64> = target.to_vec();
                let told = (0..).zip(&classes).filter(|(_, class)| **class >= 0);
                let told = Tensor::from(told.map(|(place, _)| place).collect::<Vec<i64>>());
                let rows = |x: &Tensor| x.index_select(0, &told);
                (rows(&output.contiguous().flatten(0, 2)), rows(&target))
            }
            Self::Numbers { mean, deviation } => {
                let own = |x: &Tensor| x.detach().to_dtype(DType::F64) * deviation + mean;
                (own(output), own(target))
            }
            _ => (output.clone(), target.clone()),
        }
    }
}

/// A metric that sees outputs and targets in another way.
#[derive(Debug)]
struct Viewed {
    metric: Box<dyn Metric>,
    view: View,
}

impl Metric for Viewed {
    fn name(&self) -> &str {
        self.metric.name()
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let (output, target) = self.view.apply(output, target);
        self.metric.update(&output, &target);
    }

    fn value(&self) -> f64 {
        self.metric.value()
    }

    fn figures(&self) -> Vec<(String, f64)> {
        self.metric.figures()
    }

    fn reset(&mut self) {
        self.metric.reset();
    }

    fn state(&self) -> State {
        self.metric.state()
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.metric.load_state(state)
    }
}

choices! {
    Averaging { Micro = "micro", Macro = "macro", Weighted = "weighted", PerClass = "per_class" }
}

impl Product for Box<dyn Metric> {
    type Site = MetricSite;
    const NAME: &'static str = "metrics";
    const NOUN: &'static str = "metric";

    fn entries() -> Vec<Entry<Self>> {
        let tables = [shares(), classes(), rankings(), probabilities(), numbers(), texts()];
        tables.into_iter().flatten().collect()
    }
}

fn shares() -> Vec<Entry<Box<dyn Metric>>> {
    vec![
        entry! {
            accuracy(site): "The share of right answers: of classes, of next tokens, or of labels each by itself.";
            => match site.answers {
                Answers::Numbers(_) => site.refuse("classes, labels or tokens"),
                _ => site.view(Accuracy::default()),
            }
        },
        entry! {
            top_accuracy(site): "The share of samples whose right class is among the k with the highest scores.";
            k: usize = 5, 1.. => "k.";
            => {
                if !matches!(site.answers, Answers::Classes(_) | Answers::NextToken) {
                    return site.refuse("classes or tokens");
                }
                if k >= site.outputs {
                    let message = format!("k = {k} of {} classes is always right", site.outputs);
                    return Err(Error::Setting(message));
                }
                site.view(TopAccuracy::new(k)?)
            }
        },
    ]
}

/// An entry for each figure, with what it is and its settings.
fn of_figures(
    figures: &[(&'static str, &'static str)],
    fields: fn() -> Vec<crate::recipe::field::Field>,
    make: fn(&Settings<'_>, &mut MetricSite) -> Result<Box<dyn Metric>>,
) -> Vec<Entry<Box<dyn Metric>>> {
    let entry = |&(kind, doc)| Entry { outline: Outline { kind, doc, fields: fields() }, make };
    figures.iter().map(entry).collect()
}

/// The kind of an entry, by which the figure is known.
fn kind(settings: &Settings<'_>) -> String {
    settings.get("kind")
}

fn classes() -> Vec<Entry<Box<dyn Metric>>> {
    let averaged = [
        ("precision", "How many of those taken for a class are of it."),
        ("recall", "How many of those of a class are taken for it."),
        ("f1", "The harmonic mean of precision and recall."),
        (
            "iou",
            "How many of those of a class, or taken for it, are both: intersection over union.",
        ),
        ("dice", "The overlap of masks; the same as `f1`."),
    ];
    let whole = [
        ("balanced_accuracy", "The mean recall of the classes."),
        ("matthews", "The correlation of classes and guesses, Matthews' coefficient."),
        ("kappa", "Agreement beyond chance, Cohen's κ."),
    ];
    let averaging = || {
        vec![
            field!(averaging: Averaging = Averaging::Macro => "How the figures of classes become one: of all counts (`micro`), their mean (`macro`), weighted by how frequent classes are, or one for each besides the mean."),
        ]
    };
    let mut entries = of_figures(&averaged, averaging, |settings, site| {
        class_metric(settings, site, settings.get("averaging"))
    });
    entries.extend(of_figures(&whole, Vec::new, |settings, site| {
        class_metric(settings, site, Averaging::Macro)
    }));
    entries
}

fn class_metric(
    settings: &Settings<'_>,
    site: &mut MetricSite,
    averaging: Averaging,
) -> Result<Box<dyn Metric>> {
    let (classes, names) = site.classes()?;
    let options = ClassOptions { classes, averaging, names, ..Default::default() };
    site.view(ClassMetric::new(ClassFigure::named(&kind(settings))?, options)?)
}

fn rankings() -> Vec<Entry<Box<dyn Metric>>> {
    let figures = [
        ("roc_auc", "How often a sample of a class has a higher score than one that is not of it."),
        ("average_precision", "The area under the curve of precision and recall."),
    ];
    let fields = || vec![field!(per_class: bool = false => "Also record that of each class.")];
    of_figures(&figures, fields, |settings, site| {
        let (classes, _) = site.classes()?;
        let options = RankingOptions { classes, per_class: settings.get("per_class") };
        site.view(RankingMetric::new(RankingFigure::named(&kind(settings))?, options)?)
    })
}

fn probabilities() -> Vec<Entry<Box<dyn Metric>>> {
    let figures = [
        ("brier", "The mean squared distance of probabilities from 1 for the right class and 0."),
        ("log_loss", "-ln of the right class's probability."),
    ];
    let calibration =
        [("calibration_error", "How far confidence is from the share of right answers.")];
    let bins = || {
        vec![
            field!(bins: usize = ProbabilityOptions::default().bins, 1..=1_000_000 => "In how many bins confidences are gathered."),
        ]
    };
    let mut entries = of_figures(&calibration, bins, |settings, site| {
        probability(settings, site, ProbabilityOptions { bins: settings.get("bins") })
    });
    entries.extend(of_figures(&figures, Vec::new, |settings, site| {
        probability(settings, site, ProbabilityOptions::default())
    }));
    entries
}

fn probability(
    settings: &Settings<'_>,
    site: &mut MetricSite,
    options: ProbabilityOptions,
) -> Result<Box<dyn Metric>> {
    site.classes()?;
    site.view(ProbabilityMetric::new(ProbabilityFigure::named(&kind(settings))?, options)?)
}

fn numbers() -> Vec<Entry<Box<dyn Metric>>> {
    let figures = [
        ("mae", "The mean distance from the right number, in its own unit."),
        ("mse", "The mean squared distance, in the square of its unit."),
        ("rmse", "The root of the mean squared distance, in its unit."),
        ("r2", "The share of the numbers' variance that is told."),
        ("mape", "The mean distance as a share of the right number."),
    ];
    of_figures(&figures, Vec::new, |settings, site| match site.answers {
        Answers::Numbers(_) => {
            site.view(RegressionMetric::new(RegressionFigure::named(&kind(settings))?))
        }
        _ => site.refuse("numbers"),
    })
}

fn texts() -> Vec<Entry<Box<dyn Metric>>> {
    let bleu = [
        ("perplexity", "Among how many tokens, as if equally likely, the model hesitates."),
        ("bleu", "How many runs of up to four tokens are right, BLEU."),
    ];
    let rouge = [
        ("rouge_1", "What windows and what was told have in common: single tokens."),
        ("rouge_2", "What windows and what was told have in common: pairs of tokens."),
        ("rouge_l", "What windows and what was told have in common: the longest sequence."),
    ];
    let rates = [
        ("wer", "How many tokens are to be changed, over how many there are: for words."),
        ("cer", "How many tokens are to be changed, over how many there are: for characters."),
    ];
    let mut entries = of_figures(&bleu, Vec::new, |settings, site| {
        site.check_tokens()?;
        match kind(settings).as_str() {
            "bleu" => site.view(Bleu::new(BleuOptions::default())),
            _ => site.view(Perplexity::default()),
        }
    });
    entries.extend(of_figures(&rouge, Vec::new, |settings, site| {
        site.check_tokens()?;
        site.view(Rouge::new(RougeFigure::named(&kind(settings))?, TokenOptions::default()))
    }));
    entries.extend(of_figures(&rates, Vec::new, |settings, site| {
        site.check_tokens()?;
        site.view(ErrorRate::new(ErrorUnit::named(&kind(settings))?, TokenOptions::default()))
    }));
    entries
}
