//! Which classes are taken for which, and what follows from it.

use super::input::{guesses, refuse, truths};
use super::{Metric, figures};
use crate::state::State;
use gradus_tensor::{Error, Result, Tensor};

/// How often each class was taken for each: `counts[truth][guess]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// A matrix of `classes` classes, without answers.
    pub fn new(classes: usize) -> Self {
        Self { counts: vec![vec![0; classes]; classes] }
    }

    /// Takes in an answer.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn add(&mut self, truth: usize, guess: usize) {
        self.counts[truth][guess] += 1;
    }

    /// The counts, `[truth][guess]`.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.total() as f64
    }

    fn right(&self) -> u64 {
        (0..self.counts.len()).map(|class| self.counts[class][class]).sum()
    }

    fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// How often a class was true.
    fn truths(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// How often a class was the guess.
    fn guesses(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }
}

figures! {
    /// What a [`ClassMetric`] says about right and wrong classes. With TP, FP and FN of a class: how
    /// often it was rightly guessed, wrongly guessed, and missed.
    ClassFigure: "figure of classes";
    /// TP / (TP + FP). scikit-learn: `precision_score`.
    Precision = "precision",
    /// TP / (TP + FN). scikit-learn: `recall_score`.
    Recall = "recall",
    /// 2 TP / (2 TP + FP + FN). scikit-learn: `f1_score`.
    F1 = "f1",
    /// TP / (TP + FP + FN), intersection over union. scikit-learn: `jaccard_score`.
    Iou = "iou",
    /// 2 TP / (2 TP + FP + FN): the same as F1, by the name it has for masks.
    Dice = "dice",
    /// The mean recall of the classes that are true at least once. scikit-learn:
    /// `balanced_accuracy_score`.
    BalancedAccuracy = "balanced_accuracy",
    /// Matthews' correlation coefficient; 0 where all answers, or all truths, are one class.
    /// scikit-learn: `matthews_corrcoef`.
    Matthews = "matthews",
    /// Cohen's κ: (accuracy - chance) / (1 - chance). scikit-learn: `cohen_kappa_score`.
    Kappa = "kappa",
}

figures! {
    /// How the figures of classes become one.
    Averaging: "averaging";
    /// Counts are summed up over all classes before.
    Micro = "micro",
    /// The mean over the classes that occur, as truth or as guess.
    Macro = "macro",
    /// The mean over the classes, each as often as it is true.
    Weighted = "weighted",
    /// The figure of each class; the mean of them, as for `macro`, is the first.
    PerClass = "per_class",
}

/// The settings of [`ClassMetric`].
#[derive(Clone, Debug, PartialEq)]
pub struct ClassOptions {
    /// How many classes there are.
    pub classes: usize,
    /// How the figures of classes become one, for those that are of a class.
    pub averaging: Averaging,
    /// A target that stands for no answer, such as that of padding.
    pub ignore: Option<i64>,
    /// Names of the classes for [`Averaging::PerClass`]; their numbers if there are none.
    pub names: Vec<String>,
}

impl Default for ClassOptions {
    fn default() -> Self {
        Self { classes: 2, averaging: Averaging::Macro, ignore: None, names: vec![] }
    }
}

/// A figure of a [`ConfusionMatrix`]: precision, recall, F1, intersection over union and others.
///
/// As in scikit-learn, 0/0 is 0 for a class that occurs. NaN, if an output had NaN.
///
/// # Shapes
/// `output: [B, C, …]`, `target: [B, …]` of class numbers or `[B, C, …]` of shares; with two classes
/// also `output: [B]` or `[B, 1]`, positive for class 1.
///
/// ```
/// use gradus_tensor::Tensor;
/// use gradus_train::{ClassFigure, ClassMetric, ClassOptions, Metric};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let options = ClassOptions { classes: 2, ..Default::default() };
/// let mut recall = ClassMetric::new(ClassFigure::Recall, options)?;
/// recall.update(&Tensor::from([1.0f32, 1.0, -1.0, -1.0]), &Tensor::from([1i64, 1, 1, 0]));
/// assert!((recall.value() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClassMetric {
    figure: ClassFigure,
    options: ClassOptions,
    matrix: ConfusionMatrix,
    /// How many outputs had NaN.
    broken: u64,
}

impl ClassMetric {
    /// A figure with settings.
    ///
    /// # Errors
    /// If there are fewer than two classes, or not as many names.
    pub fn new(figure: ClassFigure, options: ClassOptions) -> Result<Self> {
        let (name, classes) = (figure.name(), options.classes);
        if !(2..=65_536).contains(&classes) {
            let message = format!("{name}: {classes} classes: give 2 to 65536");
            return Err(Error::Setting(message));
        }
        if !options.names.is_empty() && options.names.len() != classes {
            let count = options.names.len();
            let message = format!("{name}: {count} names for {classes} classes: give one for each");
            return Err(Error::Setting(message));
        }
        Ok(Self { figure, options, matrix: ConfusionMatrix::new(classes), broken: 0 })
    }

    /// What was counted.
    pub fn matrix(&self) -> &ConfusionMatrix {
        &self.matrix
    }

    /// The figure of a class; none if the class does not occur.
    fn of_class(&self, class: usize) -> Option<f64> {
        let matrix = &self.matrix;
        let (truths, guesses) = (matrix.truths(class), matrix.guesses(class));
        (truths + guesses > 0).then(|| self.ratio(matrix.counts[class][class], truths, guesses))
    }

    /// The figure of counts: how often right, true and guessed.
    fn ratio(&self, right: u64, truths: u64, guesses: u64) -> f64 {
        let (part, whole) = match self.figure {
            ClassFigure::Precision => (right, guesses),
            ClassFigure::Iou => (right, truths + guesses - right),
            ClassFigure::F1 | ClassFigure::Dice => (2 * right, truths + guesses),
            _ => (right, truths),
        };
        if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
    }

    fn averaged(&self) -> f64 {
        let matrix = &self.matrix;
        let classes = 0..matrix.counts.len();
        match self.options.averaging {
            Averaging::Micro => self.ratio(matrix.right(), matrix.total(), matrix.total()),
            Averaging::Weighted => {
                let weighted = classes
                    .filter_map(|class| Some(self.of_class(class)? * matrix.truths(class) as f64));
                weighted.sum::<f64>() / matrix.total() as f64
            }
            Averaging::Macro | Averaging::PerClass => {
                mean(classes.filter_map(|class| self.of_class(class)))
            }
        }
    }

    fn matthews(&self) -> f64 {
        let matrix = &self.matrix;
        let total = matrix.total() as f64;
        let pairs = (0..matrix.counts.len())
            .map(|class| (matrix.truths(class) as f64, matrix.guesses(class) as f64));
        let (mut both, mut truths, mut guesses) = (0.0, 0.0, 0.0);
        for (truth, guess) in pairs {
            both += truth * guess;
            truths += truth * truth;
            guesses += guess * guess;
        }
        let covariance = matrix.right() as f64 * total - both;
        let spread = (total * total - truths) * (total * total - guesses);
        if spread == 0.0 { 0.0 } else { covariance / spread.sqrt() }
    }

    fn kappa(&self) -> f64 {
        let matrix = &self.matrix;
        let total = matrix.total() as f64;
        let chance = (0..matrix.counts.len())
            .map(|class| matrix.truths(class) as f64 * matrix.guesses(class) as f64)
            .sum::<f64>()
            / (total * total);
        // Where all is one class, there is nothing to agree on by more than chance: NaN.
        (matrix.accuracy() - chance) / (1.0 - chance)
    }
}

impl Metric for ClassMetric {
    fn name(&self) -> &str {
        self.figure.name()
    }

    fn update(&mut self, output: &Tensor, target: &Tensor) {
        let (name, classes) = (self.figure.name(), self.options.classes);
        let pairs = truths(name, output, target).into_iter().zip(guesses(name, output));
        for (truth, guess) in pairs.filter(|(truth, _)| Some(*truth) != self.options.ignore) {
            let truth = usize::try_from(truth).unwrap_or(usize::MAX);
            match guess {
                None => self.broken += 1,
                Some(guess) if truth < classes && guess < classes => self.matrix.add(truth, guess),
                Some(guess) => refuse(
                    name,
                    format_args!(
                        "class {} is not below the {classes} that were set",
                        if truth < classes { guess } else { truth }
                    ),
                ),
            }
        }
    }

    fn value(&self) -> f64 {
        if self.broken > 0 || self.matrix.total() == 0 {
            return f64::NAN;
        }
        match self.figure {
            ClassFigure::Matthews => self.matthews(),
            ClassFigure::Kappa => self.kappa(),
            ClassFigure::BalancedAccuracy => {
                let true_ones =
                    (0..self.options.classes).filter(|&class| self.matrix.truths(class) > 0);
                mean(true_ones.filter_map(|class| self.of_class(class)))
            }
            _ => self.averaged(),
        }
    }

    fn figures(&self) -> Vec<(String, f64)> {
        let mut figures = vec![(self.name().to_string(), self.value())];
        let one = matches!(
            self.figure,
            ClassFigure::Matthews | ClassFigure::Kappa | ClassFigure::BalancedAccuracy
        );
        if self.options.averaging == Averaging::PerClass && !one {
            figures.extend((0..self.options.classes).map(|class| {
                let number = || class.to_string();
                let label = self.options.names.get(class).cloned().unwrap_or_else(number);
                let own = self.of_class(class).filter(|_| self.broken == 0);
                (format!("{}_{label}", self.name()), own.unwrap_or(f64::NAN))
            }));
        }
        figures
    }

    fn reset(&mut self) {
        self.matrix = ConfusionMatrix::new(self.options.classes);
        self.broken = 0;
    }

    fn state(&self) -> State {
        let counts: Vec<u64> = self.matrix.counts.iter().flatten().copied().collect();
        State::new().with("counts", counts).with("broken", self.broken)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        let counts = state.counts("counts")?;
        let classes = self.options.classes;
        if counts.len() != classes * classes {
            let name = self.figure.name();
            let message = format!("the saved counts of {name} are not of {classes} classes");
            return Err(Error::Mismatch(message));
        }
        self.matrix.counts = counts.chunks(classes).map(<[u64]>::to_vec).collect();
        self.broken = state.count("broken")?;
        Ok(())
    }
}

/// The mean of numbers; NaN of none.
pub(super) fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    sum / count
}
