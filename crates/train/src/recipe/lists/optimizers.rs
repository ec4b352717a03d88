//! The optimizers that a recipe can name, and which of their settings each parameter gets.

use crate::recipe::check;
use crate::recipe::entry::{
    Entry, Outline, Part, Product, Settings, attempt, field, option_fields, option_read, section,
};
use crate::recipe::field::{Field, OneOrMore, SHARE, choices};
use crate::recipe::tree::{Node, Value};
use gradus_nn::*;
use gradus_tensor::Result;

/// Parameters with the settings that an optimizer has for them.
#[derive(Clone, Debug)]
pub struct Group {
    /// The parameters.
    pub params: Vec<Param>,
    /// The settings, checked.
    pub settings: Node,
}

impl Product for Box<dyn Optimizer> {
    type Site = Vec<Group>;
    const NAME: &'static str = "optimizers";
    const NOUN: &'static str = "optimizer";

    fn entries() -> Vec<Entry<Self>> {
        [plain(), adaptive(), others()].into_iter().flatten().collect()
    }

    fn common() -> Vec<Field> {
        vec![
            field!(freeze: OneOrMore<String> => "Patterns of the names of parameters that stay as they are: \"0.*\".").or(Value::List(vec![])),
            field!(decay_vectors: bool = true => "Let `weight_decay` also act on biases and on the weights of normalisation."),
            field!(layer_decay: Option<f64>, SHARE => "The learning rate of each part of the model as a share of the next part's: rates that fall towards the input."),
            field!(lookahead: Option<LookaheadOptions> => "Slow weights that follow this optimizer's."),
            field!(groups: Vec<FreeTable> => "Parameters with settings of their own: tables of `params`, patterns of names, and any settings of the optimizer."),
        ]
    }
}

/// A table whose settings are checked later.
#[derive(Clone, Debug)]
pub struct FreeTable(Node);

impl crate::recipe::field::Setting for FreeTable {
    fn kind() -> crate::recipe::field::Kind {
        crate::recipe::field::Kind::Free
    }
    fn read(node: &Node) -> Option<Self> {
        Some(Self(node.clone()))
    }
    fn write(&self) -> Option<Value> {
        Some(self.0.value.clone())
    }
}

/// Each optimizer: what a recipe calls it, its type and options, what it is, and its settings, whose
/// defaults are those of the options.
macro_rules! optimizers {
    ($($kind:ident = $type:ident($options:ty), $doc:literal { $($fields:tt)* })*) => {
        vec![$(Entry {
            outline: Outline {
                kind: stringify!($kind),
                doc: $doc,
                fields: option_fields!($options { $($fields)* }),
            },
            make: |_, groups| {
                let read = |group: &Group| -> $options {
                    option_read!(settings_of(group), $options { $($fields)* })
                };
                let (first, rest) = groups.split_first().expect("there is a first group");
                let start = $type::new(first.params.clone(), read(first));
                let all = rest.iter().fold(start, |all, group| {
                    all.group(group.params.clone(), read(group))
                });
                Ok(Box::new(all))
            },
        }),*]
    };
}

fn settings_of(group: &Group) -> Settings<'_> {
    match &group.settings.value {
        Value::Table(table) => Settings::of(table),
        _ => unreachable!("the settings of a group were checked"),
    }
}

fn plain() -> Vec<Entry<Box<dyn Optimizer>>> {
    optimizers! {
        sgd = Sgd(SgdOptions), "Gradient descent, perhaps with momentum." {
            learning_rate, 0.0.. => "How far a step goes.";
            momentum, 0.0..1.0 => "How much of the last direction is kept.";
            dampening, 0.0..=1.0 => "How little of the gradient is added to it.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
            nesterov => "Look ahead along the last direction.";
        }
        lars = Lars(LarsOptions), "Momentum with a rate for each parameter by its size, for large batches." {
            learning_rate, 0.0.. => "How far a step goes.";
            momentum, 0.0..1.0 => "How much of the last direction is kept.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
            trust, 0.0.. => "How far a parameter may go in relation to its size.";
        }
        lion = Lion(LionOptions), "Steps by the sign of a mean gradient." {
            learning_rate, 0.0.. => "How far a step goes; a third to a tenth of Adam's.";
            beta1, 0.0..1.0 => "How much the mean counts in the direction.";
            beta2, 0.0..1.0 => "How much of the mean is kept.";
            weight_decay, 0.0.. => "The share of each parameter that is taken off.";
        }
        asgd = Asgd(AsgdOptions), "Gradient descent with averaged parameters." {
            learning_rate, 0.0.. => "How far the first step goes.";
            lambda, 0.0.. => "How fast parameters decay.";
            alpha, 0.0.. => "How fast the rate falls.";
            start, 0.0.. => "The step at which averaging starts.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
        }
        rprop = Rprop(RpropOptions), "Steps by the sign of the gradient, for whole data sets as batches." {
            learning_rate, 0.0.. => "The first size of a step.";
            shrink, 0.0..1.0 => "By which a step shrinks when the sign changes.";
            grow, 1.0.. => "By which it grows when not.";
            smallest, 0.0.. => "The smallest step.";
            largest, 0.0.. => "The largest step.";
        }
    }
}

fn adaptive() -> Vec<Entry<Box<dyn Optimizer>>> {
    optimizers! {
        adam = Adam(AdamOptions), "Adam: steps by a mean gradient over the root of its mean square." {
            learning_rate, 0.0.. => "How far a step goes.";
            beta1, 0.0..1.0 => "How much of the mean gradient is kept.";
            beta2, 0.0..1.0 => "How much of the mean square is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
            amsgrad => "Divide by the largest mean square so far.";
        }
        adamw = AdamW(AdamOptions), "Adam whose weight decay is taken off the parameters themselves." {
            learning_rate, 0.0.. => "How far a step goes.";
            beta1, 0.0..1.0 => "How much of the mean gradient is kept.";
            beta2, 0.0..1.0 => "How much of the mean square is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The share of each parameter that is taken off, times the learning rate.";
            amsgrad => "Divide by the largest mean square so far.";
        }
        adamax = Adamax(AdamaxOptions), "Adam with the largest gradient in the place of the mean square." {
            learning_rate, 0.0.. => "How far a step goes.";
            beta1, 0.0..1.0 => "How much of the mean gradient is kept.";
            beta2, 0.0..1.0 => "How much of the largest gradient is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
        }
        nadam = NAdam(NAdamOptions), "Adam with Nesterov's look ahead." {
            learning_rate, 0.0.. => "How far a step goes.";
            beta1, 0.0..1.0 => "How much of the mean gradient is kept.";
            beta2, 0.0..1.0 => "How much of the mean square is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The weight decay.";
            momentum_decay, 0.0.. => "How fast the momentum warms up.";
            decoupled => "Take the decay off the parameter itself.";
        }
        radam = RAdam(RAdamOptions), "Adam that waits until its mean square is known." {
            learning_rate, 0.0.. => "How far a step goes.";
            beta1, 0.0..1.0 => "How much of the mean gradient is kept.";
            beta2, 0.0..1.0 => "How much of the mean square is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The weight decay.";
            decoupled => "Take the decay off the parameter itself.";
        }
        adabelief = AdaBelief(AdaBeliefOptions), "Adam that divides by how much the gradient differs from its mean." {
            learning_rate, 0.0.. => "How far a step goes.";
            beta1, 0.0..1.0 => "How much of the mean gradient is kept.";
            beta2, 0.0..1.0 => "How much of the mean square is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The weight decay.";
            decoupled => "Take the decay off the parameter itself.";
        }
        lamb = Lamb(LambOptions), "Adam with a rate for each parameter by its size, for large batches." {
            learning_rate, 0.0.. => "How far a step goes.";
            beta1, 0.0..1.0 => "How much of the mean gradient is kept.";
            beta2, 0.0..1.0 => "How much of the mean square is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The weight decay.";
        }
    }
}

section! {
    LookaheadOptions {
        follow, SHARE => "How far the slow weights follow.";
        every, 1.. => "After how many steps they do, and the fast ones go on from there.";
    }
}

choices! {
    MuonScale { Original = "original", MatchAdamW = "match_adamw", Spectral = "spectral" }
}

fn others() -> Vec<Entry<Box<dyn Optimizer>>> {
    optimizers! {
        adagrad = Adagrad(AdagradOptions), "Steps over the root of all squared gradients so far." {
            learning_rate, 0.0.. => "How far a step goes.";
            learning_rate_decay, 0.0.. => "How fast it falls.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
            initial_accumulator, 0.0.. => "The first sum of squares.";
            epsilon, 0.0.. => "What keeps the division from zero.";
        }
        adadelta = Adadelta(AdadeltaOptions), "Steps whose size follows from the steps before." {
            learning_rate, 0.0.. => "A factor of each step.";
            rho, 0.0..1.0 => "How much of the mean squares is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
        }
        rmsprop = RmsProp(RmsPropOptions), "Steps over the root of a mean square gradient." {
            learning_rate, 0.0.. => "How far a step goes.";
            alpha, 0.0..1.0 => "How much of the mean square is kept.";
            epsilon, 0.0.. => "What keeps the division from zero.";
            weight_decay, 0.0.. => "The share of each parameter that is added to its gradient.";
            momentum, 0.0..1.0 => "How much of the last direction is kept.";
            centred => "Take the mean off before the square.";
        }
        adafactor = Adafactor(AdafactorOptions), "Adam that remembers rows and columns of squares only." {
            learning_rate, 0.0.. => "How far a step goes at most.";
            threshold, 1.0.. => "How large a step may be against the others.";
            weight_decay, 0.0.. => "The share of each parameter that is taken off.";
        }
        muon = Muon(MuonOptions), "Momentum made orthogonal, for matrices: give all else to a group of its own." {
            learning_rate, 0.0.. => "How far a step goes.";
            weight_decay, 0.0.. => "The share of each parameter that is taken off.";
            momentum, 0.0..1.0 => "How much of the mean gradient is kept.";
            nesterov => "Look ahead along the mean.";
            iterations, 1.. => "How often the iteration is done.";
            scale => "How the length of a step goes with the shape of the matrix.";
        }
    }
}

/// Makes the optimizer of a model, with the groups that the recipe says.
///
/// # Errors
/// If a pattern fits no name, or settings do not fit.
pub fn make(part: &Part<Box<dyn Optimizer>>, model: &dyn Layer) -> Result<Box<dyn Optimizer>> {
    let settings = part.settings();
    for pattern in settings.get::<OneOrMore<String>>("freeze").0 {
        attempt(part.place(), None, || {
            model.freeze(&pattern);
            Ok(())
        })?;
    }
    let mut groups = groups(part, model)?;
    if !settings.get::<bool>("decay_vectors") {
        groups = groups.into_iter().flat_map(without_decay_of_vectors).collect();
    }
    if let Some(decay) = settings.get::<Option<f64>>("layer_decay") {
        groups = groups.into_iter().flat_map(|group| by_depth(group, model, decay)).collect();
    }
    if groups.iter().all(|group| group.params.is_empty()) {
        return Err(part.place().complain("every parameter is frozen: there is nothing to train"));
    }
    let optimizer = part.make(&mut groups)?;
    match settings.get::<Option<LookaheadOptions>>("lookahead") {
        Some(options) => {
            part.attempt(|| Ok(Box::new(Lookahead::new(optimizer, options)) as Box<dyn Optimizer>))
        }
        None => Ok(optimizer),
    }
}

/// The parameters by the patterns of the groups; the first group has those that are in no other.
fn groups(part: &Part<Box<dyn Optimizer>>, model: &dyn Layer) -> Result<Vec<Group>> {
    let list = <Box<dyn Optimizer>>::list();
    let outline = list.outlines.iter().find(|outline| outline.kind == part.kind());
    let own = outline.expect("the kind was checked").fields.clone();
    let mut fields = vec![
        field!(params: OneOrMore<String> => "Patterns of the names of the parameters that are meant."),
    ];
    fields[0].required = true;
    fields.extend(own.iter().cloned().map(|field| Field {
        default: None,
        required: false,
        ..field
    }));

    let mut rest = model.named_params();
    rest.retain(|(_, param)| param.is_trainable());
    let mut further = vec![];
    for (index, FreeTable(node)) in
        part.settings().get::<Vec<FreeTable>>("groups").iter().enumerate()
    {
        let node = check::settings(&fields, node, &format!("optimizer.groups.{index}"))?;
        let Value::Table(table) = &node.value else { unreachable!("a table was checked") };
        let patterns = Settings::of(table).get::<OneOrMore<String>>("params").0;
        let fits = |name: &str| patterns.iter().any(|pattern| name_fits(pattern, name));
        let (chosen, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(name, _)| fits(name));
        rest = others;
        if chosen.is_empty() {
            let message =
                format!("no parameter that is left to train fits {}", patterns.join(", "));
            return Err(node.place.complain(message));
        }
        let mut settings = part.node().clone();
        for item in table.items().filter(|item| item.name != "params") {
            set(&mut settings, &item.name, item.node.clone());
        }
        further
            .push(Group { params: chosen.into_iter().map(|(_, param)| param).collect(), settings });
    }
    let params = rest.into_iter().map(|(_, param)| param).collect();
    let first = Group { params, settings: part.node().clone() };
    Ok([vec![first], further].concat())
}

/// True if a name fits a pattern in which `*` stands for anything.
pub(crate) fn name_fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).any(|end| name.is_char_boundary(end) && name_fits(rest, &name[end..]))
}

fn set(settings: &mut Node, name: &str, node: Node) {
    if let Value::Table(table) = &mut settings.value {
        table.set(name, node);
    }
}

/// The same settings with a number changed.
fn changed(settings: &Node, name: &str, change: impl Fn(f64) -> f64) -> Node {
    let mut settings = settings.clone();
    let number = match &settings.value {
        Value::Table(table) if table.get(name).is_some() => Settings::of(table).get::<f64>(name),
        _ => return settings,
    };
    set(&mut settings, name, Node::unwritten(Value::Float(change(number))));
    settings
}

/// A group in two: what has fewer than two axes goes without decay.
fn without_decay_of_vectors(group: Group) -> Vec<Group> {
    let (matrices, vectors) =
        group.params.into_iter().partition(|param| param.tensor().rank() >= 2);
    let undecayed = changed(&group.settings, "weight_decay", |_| 0.0);
    vec![
        Group { params: matrices, settings: group.settings },
        Group { params: vectors, settings: undecayed },
    ]
}

/// A group in as many as the model has parts: the learning rate falls towards the input.
fn by_depth(group: Group, model: &dyn Layer, decay: f64) -> Vec<Group> {
    let mut parts: Vec<(String, Vec<u64>)> = vec![];
    for (name, param) in model.named_params() {
        let part = name.split('.').next().unwrap_or_default().to_string();
        match parts.last_mut().filter(|(last, _)| *last == part) {
            Some((_, ids)) => ids.push(param.id()),
            None => parts.push((part, vec![param.id()])),
        }
    }
    // The last part first: its rate is that of the settings, which a schedule moves.
    let of_part = |(depth, (_, ids)): (usize, &(String, Vec<u64>))| {
        let params = group.params.iter().filter(|param| ids.contains(&param.id()));
        let factor = decay.powi(depth as i32);
        Group {
            params: params.cloned().collect(),
            settings: changed(&group.settings, "learning_rate", |rate| rate * factor),
        }
    };
    parts.iter().rev().enumerate().map(of_part).collect()
}
