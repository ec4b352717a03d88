//! The comparison: everyone in turn, round after round.

use crate::limit::Probe;
use crate::line::{Line, Outcome};
use crate::measure::{Measurement, median};
use crate::peer::{Peer, Serving, exe};
use crate::program::{About, Program};
use crate::workload::{Ratio, Workload};
use crate::workloads::WORKLOADS;
use crate::{Comparison, Result, page};
use gradus_kernels::{Isa, Machine, Precision};
use std::path::Path;
use std::process::Command;

/// How far the losses of the first steps may be apart, relative. Rounding grows with each step.
const LOSS_TOLERANCE: f64 = 2e-3;

/// How many steps are compared; they warm up as well.
const COMPARED_STEPS: usize = 5;

/// PyTorch's variants that even in the best of the first rounds take so many times as long as its fastest
/// are not run again: they would take most of the time, and change nothing.
const HOPELESS: f64 = 1.25;

/// The rounds before that is judged: more than one, as any can be disturbed.
const TRIALS: usize = 2;

/// What a comparison runs on.
struct Setting<'a> {
    on: &'a Comparison,
    /// With the instruction set that Gradus chooses, and as many threads as processors.
    machine: Machine,
    /// Those that are programs of their own.
    programs: Vec<(Program, About)>,
    probe: Probe,
}

/// Runs the comparison and prints it.
///
/// # Errors
/// If no workload is named so, or a workload could not be compared: the others are, and shown, before.
pub fn run(on: &Comparison) -> Result<()> {
    let chosen = |own: &&Workload| {
        on.names.is_empty() || on.names.iter().any(|name| own.name.starts_with(name.as_str()))
    };
    let workloads: Vec<&Workload> = WORKLOADS.iter().filter(chosen).collect();
    if workloads.is_empty() {
        return Err("no workload's name begins so: 'gradus-bench list' shows them".into());
    }
    if let Some(isa) = on.isa.iter().find(|isa| !isa.is_available()) {
        return Err(format!("this processor does not have {isa}").into());
    }
    let machine = Machine { threads: on.threads(), ..Machine::from_environment()? };
    let programs = Program::given(on)?;
    let mut setting = Setting { on, machine, programs, probe: Probe::new() };
    let (mut lines, mut failures) = (vec![], vec![]);
    for workload in workloads {
        eprintln!("{}: {}", workload.name, workload.title);
        match setting.compare(workload) {
            Ok(line) => {
                if on.json {
                    println!("{}", line.json());
                }
                lines.push(line);
            }
            Err(error) => {
                eprintln!("{error}");
                failures.push(error.to_string());
            }
        }
    }
    let page = page::page(on, machine, &setting.programs, &lines, &failures)?;
    if !on.json {
        println!("{page}");
    }
    if let Some(path) = &on.write {
        std::fs::write(path, &page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match failures.as_slice() {
        [] => Ok(()),
        some => Err(format!("{} workloads could not be compared", some.len()).into()),
    }
}

/// One who takes part.
struct Contestant {
    peer: Peer,
    /// None once it is not run again.
    process: Option<Serving>,
    times: Vec<Measurement>,
    /// Of the machine's limit.
    shares: Vec<f64>,
}

impl Setting<'_> {
    /// Everyone who does a workload, Gradus first.
    fn peers(&self, workload: &Workload) -> Vec<Peer> {
        let own = self.machine.isa;
        let others = self.on.isa.iter().copied().filter(|isa| *isa != own).map(Peer::Gradus);
        let variants = workload.variants.iter().copied();
        let wanted = variants.filter(|name| !(self.on.no_compile && name.starts_with("compile")));
        let mut peers = vec![Peer::Gradus(own)];
        peers.extend(others);
        peers.extend(workload.rounded.then_some(Peer::Rounded(own)));
        peers.push(Peer::DEFAULT);
        peers.extend(wanted.map(Peer::PyTorch));
        peers.extend(workload.rounded.then_some(Peer::AUTOCAST));
        let able = |about: &About| about.workloads.iter().any(|name| name == workload.name);
        let programs = self.programs.iter().filter(|(_, about)| able(about));
        peers.extend(programs.map(|(program, _)| Peer::Program(*program)));
        peers
    }

    fn compare(&mut self, workload: &'static Workload) -> Result<Line> {
        let folder = tempfile::tempdir()?;
        let tensors = &folder.path().join("tensors.safetensors");
        write_tensors(workload, tensors)?;
        let (mut contestants, notes) = self.gather(workload, tensors)?;
        let mut first_ms = [vec![], vec![]];
        for round in 0..self.on.rounds {
            if workload.bar(Ratio::FirstStep).is_some() {
                let both = [Peer::Gradus(self.machine.isa), Peer::DEFAULT];
                for (peer, times) in both.iter().zip(&mut first_ms) {
                    times.push(peer.first_step_ms(self.on, workload.name, tensors)?);
                }
            }
            for contestant in &mut contestants {
                self.time(workload, contestant)?;
            }
            if round + 1 == TRIALS {
                for index in hopeless(&contestants) {
                    contestants[index].process = None;
                }
            }
        }
        let outcomes = contestants.into_iter().map(Contestant::outcome).collect();
        let first_ms = first_ms.map(|mut times| (!times.is_empty()).then(|| median(&mut times)));
        Ok(Line { workload, own: self.machine.isa, outcomes, first_ms, notes })
    }

    /// Starts everyone, and has them show by their losses that they do the same. A peer that does not, or
    /// that cannot, is left out with a note; without Gradus and PyTorch as it is there is no comparison.
    fn gather(
        &self,
        workload: &Workload,
        tensors: &Path,
    ) -> Result<(Vec<Contestant>, Vec<String>)> {
        let (mut contestants, mut notes) = (vec![], vec![]);
        let mut expected: Option<Vec<f64>> = None;
        for peer in self.peers(workload) {
            let begin = || -> Result<(Serving, Vec<f64>)> {
                let mut process = peer.start(self.on, workload.name, tensors)?;
                let losses = process.losses(COMPARED_STEPS)?;
                let exact = workload.exact && !matches!(peer, Peer::Rounded(_) | Peer::AUTOCAST);
                if let Some(expected) = expected.as_ref().filter(|_| exact) {
                    check_same_work(workload, peer, &losses, expected)?;
                }
                Ok((process, losses))
            };
            match begin() {
                Ok((process, losses)) => {
                    expected.get_or_insert(losses);
                    let (times, shares) = (vec![], vec![]);
                    contestants.push(Contestant { peer, process: Some(process), times, shares });
                }
                Err(error) if expected.is_none() || peer == Peer::DEFAULT => return Err(error),
                Err(error) => {
                    eprintln!("left out: {error}");
                    notes.push(error.to_string());
                }
            }
        }
        Ok((contestants, notes))
    }

    /// Times one, and for Gradus the machine's limit just before.
    fn time(&mut self, workload: &Workload, contestant: &mut Contestant) -> Result<()> {
        let Some(process) = &mut contestant.process else { return Ok(()) };
        let mut probe = |isa: Isa, precision| {
            let on = Machine { isa, ..self.machine };
            self.probe.measure(workload.limit, on, precision)
        };
        let reached = match contestant.peer {
            Peer::Gradus(isa) => Some(probe(isa, Precision::Highest)),
            Peer::Rounded(isa) => Some(probe(isa, Precision::Medium)),
            _ => None,
        };
        let measured = process.measure(self.on.seconds)?;
        let share = reached.and_then(|reached| reached.share(measured.step_ms));
        contestant.shares.extend(share);
        contestant.times.push(measured);
        Ok(())
    }
}

impl Contestant {
    fn outcome(self) -> Outcome {
        let Self { peer, times, mut shares, .. } = self;
        let figure =
            |pick: fn(&Measurement) -> f64| median(&mut times.iter().map(pick).collect::<Vec<_>>());
        let found = Measurement {
            step_ms: figure(|it| it.step_ms),
            peak_mib: figure(|it| it.peak_mib),
            faults: figure(|it| it.faults),
        };
        let share = (!shares.is_empty()).then(|| median(&mut shares));
        Outcome { peer, rounds: times.len(), found, share }
    }
}

/// Which are PyTorch's variants that cannot be its fastest.
fn hopeless(contestants: &[Contestant]) -> Vec<usize> {
    let variant =
        |one: &Contestant| matches!(one.peer, Peer::PyTorch(_)) && one.peer != Peer::AUTOCAST;
    let best =
        |one: &Contestant| one.times.iter().map(|it| it.step_ms).fold(f64::INFINITY, f64::min);
    let variants = contestants.iter().filter(|one| variant(one));
    let fastest = variants.map(best).fold(f64::INFINITY, f64::min);
    let slow = |one: &Contestant| {
        variant(one) && one.peer != Peer::DEFAULT && best(one) > HOPELESS * fastest
    };
    (0..contestants.len()).filter(|&index| slow(&contestants[index])).collect()
}

/// Has a process of its own write the weights and inputs, so that this one stays small.
fn write_tensors(workload: &Workload, to: &Path) -> Result<()> {
    let output = Command::new(exe()?).args(["tensors", workload.name]).arg(to).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
    }
}

/// Fails unless the losses, from the same weights and inputs, are those of Gradus.
fn check_same_work(workload: &Workload, peer: Peer, losses: &[f64], own: &[f64]) -> Result<()> {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= LOSS_TOLERANCE * b.abs().max(1e-3);
    if own.len() == losses.len() && losses.iter().zip(own).all(near) {
        return Ok(());
    }
    let name = workload.name;
    Err(format!("{name}: the losses are {own:?}, but those of {peer} {losses:?}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_makes_no_variant_hopeless() {
        let rounds = [
            (Peer::Gradus(Isa::Portable), [1.0, 1.0]),
            (Peer::DEFAULT, [30.0, 28.0]),
            (Peer::PyTorch("channels_last"), [40.0, 17.0]),
            (Peer::PyTorch("compile"), [22.0, 22.0]),
            (Peer::PyTorch("compile_channels_last"), [18.0, 60.0]),
            (Peer::AUTOCAST, [90.0, 90.0]),
        ];
        let contestants = rounds.map(|(peer, times)| {
            let measured = |step_ms| Measurement { step_ms, peak_mib: 0.0, faults: 0.0 };
            let times = times.map(measured).to_vec();
            Contestant { peer, process: None, times, shares: vec![] }
        });
        assert_eq!(hopeless(&contestants), [3], "compile alone is far from the fastest");
    }
}
