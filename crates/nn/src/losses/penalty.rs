//! Penalties on the size of parameters.

use super::fail;
use crate::pattern::matches;
use crate::{Module, Param};
use gradus_tensor::{DType, Tensor};

/// Which parameters of a model are meant. Frozen ones never are.
///
/// ```
/// use gradus_nn::{LayerNorm, Linear, Module, Sequential, losses::Selection};
/// use gradus_tensor::Rng;
///
/// let mut rng = Rng::new(1);
/// let model = Sequential::new().then(Linear::new(2, 3, &mut rng)).then(LayerNorm::new(3));
/// let names = |selection: Selection| -> Vec<String> {
///     selection.params(&model).into_iter().map(|(name, _)| name).collect()
/// };
/// assert_eq!(names(Selection::all()), ["0.weight", "0.bias", "1.weight", "1.bias"]);
/// assert_eq!(names(Selection::all().without_vectors()), ["0.weight"]);
/// assert_eq!(names(Selection::matching("*.bias")), ["0.bias", "1.bias"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// What names look like; one of them is enough, and without any all do.
    patterns: Vec<String>,
    without_vectors: bool,
}

impl Selection {
    /// All parameters.
    pub fn all() -> Self {
        Self::default()
    }

    /// The parameters whose whole name is as the pattern, in which `*` stands for anything:
    /// `"encoder.*.weight"`.
    pub fn matching(pattern: &str) -> Self {
        Self::all().or_matching(pattern)
    }

    /// Those, too, whose name is as this pattern.
    pub fn or_matching(mut self, pattern: &str) -> Self {
        self.patterns.push(pattern.to_string());
        self
    }

    /// Leaves out parameters of fewer than two axes: biases, and the weights of normalisation.
    pub fn without_vectors(mut self) -> Self {
        self.without_vectors = true;
        self
    }

    /// The selected parameters of a model with their names, in order.
    ///
    /// # Panics
    /// If a pattern is like no name of a parameter.
    #[track_caller]
    pub fn params<M: Module + ?Sized>(&self, model: &M) -> Vec<(String, Param)> {
        let mut params = model.named_params();
        for pattern in &self.patterns {
            if !params.iter().any(|(name, _)| matches(pattern, name)) {
                let some: Vec<&str> =
                    params.iter().take(3).map(|(name, _)| name.as_str()).collect();
                let message = format_args!(
                    "no parameter has a name like {pattern}: names are like {}",
                    some.join(", ")
                );
                fail("penalty", message);
            }
        }
        params.retain(|(name, param)| {
            let patterns = &self.patterns;
            let named =
                patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name));
            let left_out = self.without_vectors && param.tensor().rank() < 2;
            named && !left_out && param.is_trainable()
        });
        params
    }
}

/// Σ |w| over the selected parameters of a model: what makes weights sparse (lasso). Times a factor,
/// it is added to a loss.
///
/// # Panics
/// If a pattern of the selection is like no name, or nothing is selected.
///
/// # Source
/// Tibshirani 1996, "Regression Shrinkage and Selection via the Lasso".
#[track_caller]
pub fn l1_penalty<M: Module + ?Sized>(model: &M, selection: &Selection) -> Tensor {
    sum_over(model, selection, |w| w.abs().sum(..))
}

/// Σ w² over the selected parameters of a model: what keeps weights small (ridge). Times a factor, it
/// is added to a loss; an optimizer's weight decay of λ does to plain gradient descent what ½ λ Σ w²
/// does.
///
/// # Panics
/// As [`l1_penalty`].
///
/// # Source
/// Hoerl & Kennard 1970, "Ridge Regression".
///
/// ```
/// use gradus_nn::{Linear, Module, losses::{Selection, l2_penalty}};
/// use gradus_tensor::{Rng, Tensor};
///
/// let model = Linear::new(3, 2, &mut Rng::new(1));
/// let weight = model.named_params()[0].1.clone();
/// weight.set(&Tensor::full([2, 3], 2.0)).unwrap();
/// let penalty = l2_penalty(&model, &Selection::all().without_vectors());
/// assert_eq!(penalty.item::<f32>(), 24.0);
/// ```
#[track_caller]
pub fn l2_penalty<M: Module + ?Sized>(model: &M, selection: &Selection) -> Tensor {
    sum_over(model, selection, |w| w.square().sum(..))
}

/// λ₁ Σ |w| + λ₂ Σ w² over the selected parameters of a model, for (λ₁, λ₂).
///
/// # Panics
/// As [`l1_penalty`].
///
/// # Source
/// Zou & Hastie 2005, "Regularization and variable selection via the elastic net", equation 3.
#[track_caller]
pub fn elastic_net_penalty<M: Module + ?Sized>(
    model: &M,
    selection: &Selection,
    (l1, l2): (f64, f64),
) -> Tensor {
    sum_over(model, selection, |w| w.abs().sum(..) * l1 + w.square().sum(..) * l2)
}

#[track_caller]
fn sum_over<M: Module + ?Sized>(
    model: &M,
    selection: &Selection,
    size: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let sizes = selection.params(model).into_iter().map(|(_, param)| {
        let w = param.tensor();
        // Sums of many halves would leave their range.
        size(&w.to_dtype(if w.dtype().is_half() { DType::F32 } else { w.dtype() }))
    });
    let Some(sum) = sizes.reduce(|a, b| a + b) else {
        fail("penalty", "no parameter is selected: choose some that are not frozen");
    };
    sum
}
