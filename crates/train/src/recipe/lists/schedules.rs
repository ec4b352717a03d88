//! The schedules that a recipe can name.

use crate::recipe::entry::{Entry, Part, Product, entry};
use crate::recipe::field::{POSITIVE, choices};
use gradus_nn::schedule::*;
use gradus_tensor::Result;

/// What a schedule is made for.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleSite {
    /// The optimizer's learning rate.
    pub learning_rate: f64,
    /// How many steps an epoch has.
    pub steps_per_epoch: u64,
    /// How many epochs there will be.
    pub epochs: f64,
}

impl ScheduleSite {
    /// Epochs as steps; if not given, all of the training.
    fn steps(&self, epochs: Option<f64>) -> u64 {
        let epochs = epochs.unwrap_or(self.epochs);
        (epochs * self.steps_per_epoch as f64).round().max(1.0) as u64
    }
}

choices! {
    Anneal { Cosine = "cosine", Line = "line" }
}

impl Product for Box<dyn Schedule> {
    type Site = ScheduleSite;
    const NAME: &'static str = "schedules";
    const NOUN: &'static str = "schedule";

    fn entries() -> Vec<Entry<Self>> {
        [falling(), moving(), combined()].into_iter().flatten().collect()
    }
}

fn schedule(schedule: impl Schedule + 'static) -> Result<Box<dyn Schedule>> {
    Ok(Box::new(schedule))
}

fn falling() -> Vec<Entry<Box<dyn Schedule>>> {
    vec![
        entry! {
            constant(site): "The optimizer's learning rate throughout.";
            => schedule(Constant(site.learning_rate))
        },
        entry! {
            cosine(site): "Down half a cosine.";
            end: f64 = 0.0, 0.0.. => "The learning rate at the end.";
            epochs: Option<f64>, POSITIVE => "How many epochs it takes; if not given, all.";
            => schedule(Cosine { start: site.learning_rate, end, steps: site.steps(epochs) })
        },
        entry! {
            linear(site): "Down, or up, a line.";
            end: f64 = 0.0, 0.0.. => "The learning rate at the end.";
            epochs: Option<f64>, POSITIVE => "How many epochs it takes; if not given, all.";
            => schedule(Linear { start: site.learning_rate, end, steps: site.steps(epochs) })
        },
        entry! {
            polynomial(site): "Down to 0 by (1 - t / T)^power.";
            power: f64 = 1.0, POSITIVE => "The power.";
            epochs: Option<f64>, POSITIVE => "How many epochs it takes; if not given, all.";
            => schedule(Polynomial { start: site.learning_rate, steps: site.steps(epochs), power })
        },
        entry! {
            step(site): "Falls by a factor after each so many epochs.";
            every: f64, POSITIVE => "After how many epochs.";
            gamma: f64 = 0.1, POSITIVE => "The factor.";
            => schedule(Step { start: site.learning_rate, size: site.steps(Some(every)), gamma })
        },
        entry! {
            multi_step(site): "Falls by a factor at given epochs.";
            milestones: Vec<f64>, POSITIVE => "The epochs.";
            gamma: f64 = 0.1, POSITIVE => "The factor.";
            => {
                let milestones = milestones.into_iter().map(|epoch| site.steps(Some(epoch)));
                let milestones = milestones.collect();
                schedule(MultiStep { start: site.learning_rate, milestones, gamma })
            }
        },
        entry! {
            exponential(site): "Falls by a factor in each epoch.";
            gamma: f64, POSITIVE => "The factor.";
            => {
                let gamma = gamma.powf(1.0 / site.steps(Some(1.0)) as f64);
                schedule(Exponential { start: site.learning_rate, gamma })
            }
        },
        entry! {
            inverse_square_root(site): "Stays for a while, then falls with the square root of the steps.";
            stay: u64 = 1000, 1.. => "How many steps it stays.";
            => schedule(InverseSquareRoot { start: site.learning_rate, stay })
        },
        entry! {
            noam(_): "Up a line, then down with the square root of the steps, whatever the optimizer's learning rate is.";
            factor: f64 = 1.0, POSITIVE => "The factor of all.";
            features: usize, 1.. => "How many features the model's vectors have.";
            warm_up: u64 = 4000, 1.. => "How many steps it warms up.";
            => schedule(Noam { factor, features, warm_up })
        },
    ]
}

fn moving() -> Vec<Entry<Box<dyn Schedule>>> {
    vec![
        entry! {
            cosine_restarts(site): "Down half a cosine, again and again.";
            end: f64 = 0.0, 0.0.. => "The learning rate that each goes towards.";
            epochs: f64, POSITIVE => "How many epochs the first takes.";
            growth: u64 = 1, 1.. => "How many times as long as the one before each is.";
            => {
                let steps = site.steps(Some(epochs));
                schedule(CosineRestarts { start: site.learning_rate, end, steps, growth })
            }
        },
        entry! {
            one_cycle(site): "Up to the optimizer's learning rate and down below the first; momentum goes down and up.";
            rise: f64 = OneCycle::default().rise, 0.0..=1.0 => "Which part of the steps goes up.";
            anneal: Anneal = OneCycle::default().anneal => "How it goes between two learning rates.";
            division: f64 = OneCycle::default().division, POSITIVE => "The highest learning rate as a multiple of the first.";
            final_division: f64 = OneCycle::default().final_division, POSITIVE => "The first as a multiple of the last.";
            three_phases: bool = OneCycle::default().three_phases => "Go down as fast as up before it goes to the last.";
            momentum: Option<(f64, f64)> = OneCycle::default().momentum, 0.0..1.0 => "The smallest and the largest momentum.";
            => {
                let (peak, steps) = (site.learning_rate, site.steps(None));
                schedule(OneCycle {
                    peak, steps, rise, anneal, division, final_division, three_phases, momentum,
                })
            }
        },
        entry! {
            cyclic(site): "Up a line to the optimizer's learning rate and down, again and again.";
            low: f64 = 0.0, 0.0.. => "The lowest learning rate.";
            up: f64, POSITIVE => "How many epochs it goes up.";
            down: f64, POSITIVE => "How many epochs it goes down.";
            => {
                let (up, down) = (site.steps(Some(up)), site.steps(Some(down)));
                let high = site.learning_rate;
                schedule(Cyclic { low, high, up, down, momentum: None, ..Default::default() })
            }
        },
    ]
}

fn combined() -> Vec<Entry<Box<dyn Schedule>>> {
    vec![entry! {
        warm_up(site): "Up a line to another schedule, which then goes to the end of the training.";
        epochs: f64, POSITIVE => "How many epochs it warms up.";
        factor: f64 = 0.0, 0.0..=1.0 => "The first learning rate as a share of the other schedule's first.";
        then: Part<Box<dyn Schedule>> => "The other schedule.";
        => {
            let steps = site.steps(Some(epochs));
            let mut rest = ScheduleSite { epochs: (site.epochs - epochs).max(0.0), ..*site };
            schedule(WarmUp { factor, steps, then: then.make(&mut rest)? })
        }
    }]
}

/// A schedule, if one is wanted.
pub type Scheduling = Option<Part<Box<dyn Schedule>>>;
