//! What was found, as a table.

use crate::measure::Measurement;
use crate::peer::Peer;
use crate::workload::Workload;
use crate::{Comparison, Result};
use gradus_kernels::Machine;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::Command;

/// The medians of one workload.
pub struct Line {
    pub workload: &'static Workload,
    pub results: Vec<(Peer, Measurement)>,
    /// Of the machine's limit, by Gradus.
    pub share: Option<f64>,
    /// From the start of the process to the end of the first step: Gradus, PyTorch.
    pub first_ms: [f64; 2],
}

impl Line {
    fn of(&self, wanted: Peer) -> Option<&Measurement> {
        self.results.iter().find(|(peer, _)| *peer == wanted).map(|(_, found)| found)
    }

    /// PyTorch's fastest way that computes in `f32`.
    fn best(&self) -> Option<(&'static str, &Measurement)> {
        let torch = self.results.iter().filter_map(|(peer, found)| match peer {
            Peer::PyTorch(variant) if !variant.ends_with("bf16") => Some((*variant, found)),
            _ => None,
        });
        torch.min_by(|(_, a), (_, b)| a.step_ms.total_cmp(&b.step_ms))
    }

    /// All figures.
    pub fn json(&self) -> Value {
        let results: serde_json::Map<String, Value> = self
            .results
            .iter()
            .map(|(peer, found)| (peer.name().to_string(), json!(found)))
            .collect();
        json!({
            "workload": self.workload.name,
            "title": self.workload.title,
            "results": results,
            "share_of_limit": self.share,
            "first_step_ms": self.first_ms,
        })
    }
}

/// The page of all workloads.
pub fn page(on: &Comparison, lines: &[Line]) -> Result<String> {
    let machine = Machine::from_environment()?;
    let mut page = String::from("# Performance\n\n");
    let _ = write!(
        page,
        "Milliseconds a step, medians of {} interleaved rounds of {} s each, every one a process of its \
         own on processors {}; {}, {}, {:?}. Made by `cargo run --release -p gradus-bench`, which \
         first checks that both sides compute the same losses from the same weights and inputs. \
         Ratios are PyTorch's time divided by ours; with bf16, that of its autocast by that of \
         `Precision::Medium`. \"Best\" is PyTorch's fastest variant that computes in f32. The share is of \
         the machine's limit in the same second: of its fused multiply-adds, or of its memory's \
         bandwidth.\n\n",
        on.rounds,
        on.seconds,
        on.cpus,
        told("date", &["+%Y-%m-%d"]),
        processor(),
        machine.isa,
    );
    page.push_str(
        "| workload | Gradus | share | PyTorch eager | ratio | PyTorch best | ratio | Gradus bf16 \
         | PyTorch bf16 | ratio | MiB, Gradus | MiB, PyTorch | first step ms, Gradus | PyTorch |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let own = line.of(Peer::Gradus).ok_or("Gradus was not timed")?;
        let eager = line.of(Peer::PyTorch("eager")).ok_or("PyTorch was not timed")?;
        let compared = |found: &Measurement, own: &Measurement| {
            format!("{} | {:.2}", figure(found.step_ms), found.step_ms / own.step_ms)
        };
        let best = line.best().map_or("– | –".into(), |(variant, found)| {
            let ratio = found.step_ms / own.step_ms;
            format!("{} ({variant}) | {ratio:.2}", figure(found.step_ms))
        });
        let rounded = match (line.of(Peer::Rounded), line.of(Peer::PyTorch("bf16"))) {
            (Some(own), Some(found)) => {
                format!("{} | {}", figure(own.step_ms), compared(found, own))
            }
            _ => "– | – | –".into(),
        };
        let share = line.share.map_or("–".into(), |share| format!("{:.0} %", share * 100.0));
        let _ = writeln!(
            page,
            "| {}: {} | {} | {share} | {} | {best} | {rounded} | {:.0} | {:.0} | {:.0} | {:.0} |",
            line.workload.name,
            line.workload.title,
            figure(own.step_ms),
            compared(eager, own),
            own.peak_mib,
            eager.peak_mib,
            line.first_ms[0],
            line.first_ms[1],
        );
    }
    Ok(page)
}

/// Three digits that mean something.
fn figure(ms: f64) -> String {
    match ms {
        ms if ms < 0.1 => format!("{ms:.4}"),
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms => format!("{ms:.1}"),
    }
}

/// What the machine calls its processor.
fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = told.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(':').nth(1))
        .map_or("unknown processor".into(), |name| name.trim().to_string())
}

fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}
