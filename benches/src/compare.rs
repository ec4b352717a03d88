//! The comparison: everyone in turn, round after round.

use crate::limit::Peak;
use crate::measure::{Measurement, median};
use crate::peer::Peer;
use crate::table::{self, Line};
use crate::workload::{WORKLOADS, Workload};
use crate::{Comparison, Result};
use gradus_kernels::Machine;
use std::path::Path;

/// How far the losses of the first steps may be apart, relative. Rounding grows with each step.
const LOSS_TOLERANCE: f64 = 2e-3;

/// Runs the comparison and prints it.
pub fn run(on: &Comparison) -> Result<()> {
    let chosen = |own: &&Workload| {
        on.names.is_empty() || on.names.iter().any(|name| own.name.starts_with(name.as_str()))
    };
    let workloads: Vec<&Workload> = WORKLOADS.iter().filter(chosen).collect();
    if workloads.is_empty() {
        return Err("no workload's name begins so: 'gradus-bench list' shows them".into());
    }
    let folder = tempfile::tempdir()?;
    let mut lines = vec![];
    for workload in workloads {
        eprintln!("{}: {}", workload.name, workload.title);
        let line = compare(on, workload, folder.path())?;
        if on.json {
            println!("{}", line.json());
        }
        lines.push(line);
    }
    let page = table::page(on, &lines)?;
    if !on.json {
        println!("{page}");
    }
    if let Some(path) = &on.write {
        std::fs::write(path, &page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn compare(on: &Comparison, workload: &'static Workload, folder: &Path) -> Result<Line> {
    let tensors = &folder.join("tensors.safetensors");
    let machine = Machine { threads: on.cpus.split(',').count(), ..Machine::from_environment()? };
    let first_ms = Peer::Gradus.first_step_ms(on, workload.name, tensors)?;
    match workload.exact {
        true => check_same_work(on, workload, tensors)?,
        // The peers still need the weights and inputs.
        false => drop(Peer::Gradus.losses(on, workload.name, tensors)?),
    }
    let variants = workload.variants.iter().copied();
    let wanted = variants.filter(|name| !(on.no_compile && name.starts_with("compile")));
    let rounded = workload.variants.contains(&"bf16").then_some(Peer::Rounded);
    let peers: Vec<Peer> = [Peer::Gradus]
        .into_iter()
        .chain(rounded)
        .chain([Peer::PyTorch("eager")])
        .chain(wanted.map(Peer::PyTorch))
        .collect();
    let peer_first_ms = Peer::PyTorch("eager").first_step_ms(on, workload.name, tensors)?;
    let mut times: Vec<Vec<Measurement>> = vec![vec![]; peers.len()];
    let mut shares = vec![];
    for _ in 0..on.rounds {
        for (peer, times) in peers.iter().zip(&mut times) {
            let peak = (*peer == Peer::Gradus).then(|| Peak::measure(machine));
            let measured = peer.measure(on, workload.name, tensors)?;
            let share = peak.and_then(|peak| workload.limit.share(peak, measured.step_ms));
            shares.extend(share);
            times.push(measured);
        }
    }
    let results = peers.into_iter().zip(times.iter().map(|times| middle(times))).collect();
    let share = (!shares.is_empty()).then(|| median(&mut shares));
    Ok(Line { workload, results, share, first_ms: [first_ms, peer_first_ms] })
}

/// Fails unless PyTorch's losses, from the same weights and inputs, are those of Gradus.
fn check_same_work(on: &Comparison, workload: &Workload, tensors: &Path) -> Result<()> {
    let own = Peer::Gradus.losses(on, workload.name, tensors)?;
    let other = Peer::PyTorch("eager").losses(on, workload.name, tensors)?;
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= LOSS_TOLERANCE * b.abs().max(1e-3);
    if own.len() != other.len() || !own.iter().zip(&other).all(near) {
        let name = workload.name;
        return Err(format!("{name}: the losses are {own:?}, but PyTorch's are {other:?}").into());
    }
    Ok(())
}

fn middle(times: &[Measurement]) -> Measurement {
    let figure =
        |pick: fn(&Measurement) -> f64| median(&mut times.iter().map(pick).collect::<Vec<_>>());
    Measurement { step_ms: figure(|it| it.step_ms), peak_mib: figure(|it| it.peak_mib) }
}
