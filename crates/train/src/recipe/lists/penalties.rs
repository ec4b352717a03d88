//! The penalties on the size of parameters that a recipe can name.

use crate::recipe::entry::{Entry, Product, entry};
use crate::recipe::field::OneOrMore;
use gradus_nn::losses::{Selection, elastic_net_penalty, l1_penalty, l2_penalty};
use gradus_nn::{Module, Param, Path, Visitor};
use gradus_tensor::{Error, Result, Tensor};

/// What is added to the loss in training.
pub struct Penalty(
    /// It.
    pub Box<dyn Fn() -> Tensor + Send + Sync>,
);

/// The parameters of a model, by name.
#[derive(Clone)]
pub struct Params(
    /// They.
    pub Vec<(String, Param)>,
);

/// The parameters, under their names.
impl Module for Params {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        for (name, param) in &self.0 {
            path.enter(name);
            visitor.param(path, param);
            path.leave();
        }
    }
}

impl Product for Penalty {
    type Site = Params;
    const NAME: &'static str = "penalties";
    const NOUN: &'static str = "penalty";

    fn entries() -> Vec<Entry<Self>> {
        vec![
            entry! {
                l1(model): "factor · Σ |w|: makes weights sparse.";
                factor: f64, 0.0.. => "The factor.";
                params: OneOrMore<String> => "Patterns of the names of parameters; if not given, all with two axes or more.";
                => penalty(model, &params.0, move |model, which| l1_penalty(model, which) * factor)
            },
            entry! {
                l2(model): "factor · Σ w²: keeps weights small.";
                factor: f64, 0.0.. => "The factor.";
                params: OneOrMore<String> => "Patterns of the names of parameters; if not given, all with two axes or more.";
                => penalty(model, &params.0, move |model, which| l2_penalty(model, which) * factor)
            },
            entry! {
                elastic_net(model): "l1 · Σ |w| + l2 · Σ w².";
                l1: f64, 0.0.. => "The factor of the sum of sizes.";
                l2: f64, 0.0.. => "The factor of the sum of squares.";
                params: OneOrMore<String> => "Patterns of the names of parameters; if not given, all with two axes or more.";
                => penalty(model, &params.0, move |model, which| elastic_net_penalty(model, which, (l1, l2)))
            },
        ]
    }
}

fn penalty(
    model: &Params,
    patterns: &[String],
    size: impl Fn(&Params, &Selection) -> Tensor + Send + Sync + 'static,
) -> Result<Penalty> {
    let which = match patterns {
        [] => Selection::all().without_vectors(),
        patterns => patterns.iter().fold(Selection::all(), |all, one| all.or_matching(one)),
    };
    // Patterns that fit nothing complain now, not after the data was read.
    if which.params(model).is_empty() {
        return Err(Error::Setting("no parameter that is trained is meant: give `params`".into()));
    }
    let model = model.clone();
    Ok(Penalty(Box::new(move || size(&model, &which))))
}
