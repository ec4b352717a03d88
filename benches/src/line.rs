//! What was found of one workload.

use crate::measure::Measurement;
use crate::peer::Peer;
use crate::program::Program;
use crate::workload::{Ratio, Workload};
use gradus_kernels::Isa;
use serde_json::{Value, json};

/// The medians of one workload.
pub struct Line {
    pub workload: &'static Workload,
    /// The instruction set that Gradus chose.
    pub own: Isa,
    pub outcomes: Vec<Outcome>,
    /// From the start of the process to the end of the first step: Gradus, PyTorch.
    pub first_ms: [Option<f64>; 2],
    /// Who was left out, and why.
    pub notes: Vec<String>,
}

/// The medians of one who took part.
pub struct Outcome {
    pub peer: Peer,
    /// How often it was timed.
    pub rounds: usize,
    pub found: Measurement,
    /// Of the machine's limit.
    pub share: Option<f64>,
}

impl Line {
    /// What was found of one, if it took part.
    pub fn of(&self, wanted: Peer) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.peer == wanted)
    }

    /// Gradus as it is.
    pub fn gradus(&self) -> Option<&Outcome> {
        self.of(Peer::Gradus(self.own))
    }

    /// PyTorch's fastest way that computes in `f32`.
    pub fn best(&self) -> Option<&Outcome> {
        let exact = |peer: Peer| matches!(peer, Peer::PyTorch(_)) && peer != Peer::AUTOCAST;
        let variants = self.outcomes.iter().filter(|outcome| exact(outcome.peer));
        variants.min_by(|a, b| a.found.step_ms.total_cmp(&b.found.step_ms))
    }

    /// A ratio, if both sides were measured.
    pub fn ratio(&self, ratio: Ratio) -> Option<f64> {
        let own = self.gradus()?;
        let time = |other: &Outcome| other.found.step_ms / own.found.step_ms;
        match ratio {
            Ratio::Best => self.best().map(time),
            Ratio::Default => self.of(Peer::DEFAULT).map(time),
            Ratio::Rounded => {
                let own = self.of(Peer::Rounded(self.own))?;
                Some(self.of(Peer::AUTOCAST)?.found.step_ms / own.found.step_ms)
            }
            Ratio::Memory => Some(self.of(Peer::DEFAULT)?.found.peak_mib / own.found.peak_mib),
            Ratio::FirstStep => Some(self.first_ms[1]? / self.first_ms[0]?),
            Ratio::Candle => self.of(Peer::Program(Program::Candle)).map(time),
        }
    }

    /// The bars among some ratios, and whether they hold: "2x yes".
    pub fn verdicts(&self, ratios: &[Ratio]) -> String {
        let bars = self.workload.bars.iter().filter(|bar| ratios.contains(&bar.ratio));
        let told = bars.map(|bar| {
            let of = match bar.ratio {
                Ratio::Default => " default",
                Ratio::Candle => " candle",
                _ => "",
            };
            let holds = match self.ratio(bar.ratio) {
                Some(found) if found >= bar.at_least => "yes",
                Some(_) => "**no**",
                None => "not run",
            };
            format!("{}x{of} {holds}", bar.at_least)
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { "–".to_string() } else { told.join(", ") }
    }

    /// All figures.
    pub fn json(&self) -> Value {
        let results = self.outcomes.iter().map(|outcome| {
            json!({
                "peer": outcome.peer.to_string(),
                "rounds": outcome.rounds,
                "step_ms": outcome.found.step_ms,
                "peak_mib": outcome.found.peak_mib,
                "faults": outcome.found.faults,
                "share_of_limit": outcome.share,
            })
        });
        let bars = self.workload.bars.iter().map(|bar| {
            let name = format!("{:?}", bar.ratio).to_lowercase();
            json!({ "ratio": name, "at_least": bar.at_least, "found": self.ratio(bar.ratio) })
        });
        json!({
            "workload": self.workload.name,
            "title": self.workload.title,
            "results": results.collect::<Vec<_>>(),
            "bars": bars.collect::<Vec<_>>(),
            "first_step_ms": self.first_ms,
            "left_out": self.notes,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::workloads::WORKLOADS;

    fn outcome(peer: Peer, step_ms: f64, peak_mib: f64) -> Outcome {
        let found = Measurement { step_ms, peak_mib, faults: 0.0 };
        Outcome { peer, rounds: 1, found, share: None }
    }

    /// W3 of made-up figures.
    pub fn line() -> Line {
        let workload = WORKLOADS.iter().find(|own| own.name == "W3.train").unwrap();
        let outcomes = vec![
            outcome(Peer::Gradus(Isa::Portable), 10.0, 50.0),
            outcome(Peer::Rounded(Isa::Portable), 5.0, 50.0),
            outcome(Peer::DEFAULT, 40.0, 150.0),
            outcome(Peer::PyTorch("compile"), 19.0, 150.0),
            outcome(Peer::AUTOCAST, 15.0, 150.0),
            outcome(Peer::Program(Program::Candle), 80.0, 60.0),
        ];
        let first_ms = [Some(10.0), Some(1000.0)];
        Line { workload, own: Isa::Portable, outcomes, first_ms, notes: vec![] }
    }

    #[test]
    fn ratios_are_of_the_other_by_gradus() {
        let line = line();
        let expected = [
            (Ratio::Best, Some(1.9)),
            (Ratio::Default, Some(4.0)),
            (Ratio::Rounded, Some(3.0)),
            (Ratio::Memory, Some(3.0)),
            (Ratio::FirstStep, Some(100.0)),
            (Ratio::Candle, Some(8.0)),
        ];
        for (ratio, value) in expected {
            assert_eq!(line.ratio(ratio), value, "{ratio:?}");
        }
    }

    #[test]
    fn bars_that_do_not_hold_are_told() {
        let line = line();
        assert_eq!(line.verdicts(&[Ratio::Best, Ratio::Default]), "2x **no**, 3x default yes");
        assert_eq!(line.verdicts(&[Ratio::Memory]), "4x **no**");
        assert_eq!(line.verdicts(&[Ratio::FirstStep]), "–");
    }
}
