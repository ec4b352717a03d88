//! The page of results.

use crate::evidence::{self, Evidence, STEPS};
use crate::line::{Line, Outcome};
use crate::peer::Peer;
use crate::program::{About, Program};
use crate::workload::Ratio;
use crate::{Comparison, Result, machine, markdown};
use gradus_kernels::{Isa, Machine};
use std::fmt::Write;

/// The page of all that was compared.
///
/// # Errors
/// If a program that tells about the machine or about memory fails.
pub fn page(
    on: &Comparison,
    machine: Machine,
    programs: &[(Program, About)],
    lines: &[Line],
    failures: &[String],
) -> Result<String> {
    let mut page = String::from("# Performance\n\n");
    page += &introduction(on, machine, programs)?;
    let (products, steps): (Vec<&Line>, Vec<&Line>) =
        lines.iter().partition(|line| line.workload.name.starts_with("product."));
    let mut section = |title: &str, text: &str, table: String| {
        if !table.is_empty() {
            let _ = write!(page, "## {title}\n\n{text}\n\n{table}\n");
        }
    };
    let without = if on.no_compile { WITHOUT_COMPILE } else { "" };
    section("Against PyTorch", &format!("{AGAINST_PYTORCH}{without}"), against_pytorch(&steps));
    let others: Vec<Program> = programs.iter().map(|(program, _)| *program).collect();
    section(
        "Against other frameworks of Rust",
        AGAINST_PROGRAMS,
        against_programs(&others, &steps),
    );
    section("Products of matrices", PRODUCTS, matrix_products(&products));
    section("Products of bf16", ROUNDED, rounded(&steps));
    section("Memory", MEMORY, memory(&steps));
    section("From the start to the end of the first step", FIRST_STEP, first_step(&steps));
    section("Other instruction sets", OTHER_SETS, other_sets(on, lines));
    let evidence = evidence::gather(on, lines)?;
    let text = STEADY.replace("FEW", &STEPS[0].to_string()).replace("MANY", &STEPS[1].to_string());
    section("Steady training takes nothing from the system", &text, steady(&evidence));
    page += &verdict(lines, failures);
    Ok(page)
}

const AGAINST_PYTORCH: &str = "\
Milliseconds a step, and PyTorch's divided by those of Gradus. \"Best\" is PyTorch's fastest variant that \
computes in `f32`: fused optimizers, `channels_last`, `torch.compile`. \"Of the limit\" is the share of what \
the machine can do, measured just before: multiply-adds in registers or, where so few are needed, \
copying in memory. The bar is what Gradus promises.";

const WITHOUT_COMPILE: &str = " `torch.compile` did not take part this time: where it is PyTorch's \
fastest, the ratio to the best is smaller.";

const AGAINST_PROGRAMS: &str = "\
The same work, built for this machine's processor: milliseconds a step, these divided by those of \
Gradus, and the most memory of the process in MiB. The bar is for candle with MKL.";

const PRODUCTS: &str = "\
Rows x depth x columns, in `f32`, 10⁹ operations a second (for a vector, 10⁹ bytes of the matrix), beside \
`torch.matmul`. How exact they are: [split.md](split.md).";

const ROUNDED: &str = "\
`Precision::Medium` beside PyTorch's autocast to `bf16`. The limit is that of multiply-adds of `bf16` \
where the processor has them, else of `f32`.";

const MEMORY: &str = "\
The most memory that the process ever had, in MiB, PyTorch as it is beside Gradus; and page faults while \
it was timed, on average over the steps.";

const FIRST_STEP: &str = "Milliseconds, of a fresh process.";

const OTHER_SETS: &str = "\
The same rounds with `GRADUS_ISA` set. The ratio is to PyTorch's best, which chooses its own instruction \
set; the limit is that of each set.";

const STEADY: &str = "\
What whole processes ask the system for, from their start to their end, in FEW steps and in MANY. The \
page faults are those that `perf stat` counts; the calls those that `strace -f -e trace=%memory` \
counts (`mmap`, `munmap`, `brk`, `madvise` …); the pool is how often the allocator of Gradus asked for \
more. What does not grow with the steps, no step takes.";

fn introduction(
    on: &Comparison,
    machine: Machine,
    programs: &[(Program, About)],
) -> Result<String> {
    let mut text = format!(
        "Medians of {} interleaved rounds of {} s each on processors {}, on {}. Everyone has a \
         process of its own, and shows before it is timed that its losses, from the same weights \
         and inputs, are those of Gradus. This page is written by the program: see \
         [its README](../benches/README.md). Times of different days cannot be compared, only the \
         ratios within one run.\n\n```sh\n{}\n```\n\n",
        on.rounds,
        on.seconds,
        on.cpus,
        machine::date()?,
        machine::command(),
    );
    let pairs = if machine.isa.multiplies_pairs() { " with pairs of bf16" } else { "" };
    let _ = writeln!(text, "- machine: {}", machine::described());
    let _ = writeln!(text, "- Gradus {}: {}{pairs}", env!("CARGO_PKG_VERSION"), machine.isa);
    let _ = writeln!(text, "- PyTorch {}", machine::pytorch(on)?);
    for (program, about) in programs {
        let _ = writeln!(text, "- {program} {}", about.version);
    }
    text.push('\n');
    Ok(text)
}

/// What the table calls a workload.
fn name(line: &Line) -> String {
    format!("{}: {}", line.workload.name, line.workload.title)
}

/// Three digits that mean something.
fn figure(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.4}"),
        value if value < 10.0 => format!("{value:.2}"),
        value => format!("{value:.1}"),
    }
}

fn times(outcome: &Outcome) -> String {
    figure(outcome.found.step_ms)
}

fn share(outcome: &Outcome) -> String {
    outcome.share.map_or("–".into(), |share| format!("{:.0} %", share * 100.0))
}

fn ratio(value: Option<f64>) -> String {
    value.map_or("–".into(), figure)
}

fn against_pytorch(lines: &[&Line]) -> String {
    let header = ["", "Gradus", "of the limit", "best", "ratio", "default", "ratio", "bar"];
    let rows = lines.iter().filter_map(|line| {
        let (own, best, default) = (line.gradus()?, line.best()?, line.of(Peer::DEFAULT)?);
        let Peer::PyTorch(variant) = best.peer else { return None };
        let variant = if variant == "eager" { "default" } else { variant };
        Some(vec![
            name(line),
            times(own),
            share(own),
            format!("{} ({variant})", times(best)),
            ratio(line.ratio(Ratio::Best)),
            times(default),
            ratio(line.ratio(Ratio::Default)),
            line.verdicts(&[Ratio::Best, Ratio::Default]),
        ])
    });
    markdown::table(&header, &rows.collect::<Vec<_>>())
}

fn against_programs(programs: &[Program], lines: &[&Line]) -> String {
    let mut header = vec!["".to_string(), "Gradus".into(), "memory".into()];
    for program in programs {
        header.extend([program.to_string(), "ratio".into(), "memory".into()]);
    }
    header.push("bar".into());
    let memory = |outcome: &Outcome| format!("{:.0}", outcome.found.peak_mib);
    let rows = lines.iter().filter_map(|line| {
        let own = line.gradus()?;
        let others = programs.iter().map(|program| line.of(Peer::Program(*program)));
        let others: Vec<Option<&Outcome>> = others.collect();
        others.iter().flatten().next()?;
        let mut row = vec![name(line), times(own), memory(own)];
        for other in others {
            row.extend(other.map_or(["–"; 3].map(String::from), |other| {
                [times(other), figure(other.found.step_ms / own.found.step_ms), memory(other)]
            }));
        }
        row.push(line.verdicts(&[Ratio::Candle]));
        Some(row)
    });
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    markdown::table(&header, &rows.collect::<Vec<_>>())
}

fn matrix_products(lines: &[&Line]) -> String {
    let header = ["", "Gradus", "of the limit", "PyTorch", "ratio", "bar"];
    let rows = lines.iter().filter_map(|line| {
        let (own, best) = (line.gradus()?, line.best()?);
        let rate = |outcome: &Outcome| ratio(line.workload.limit.rate(outcome.found.step_ms));
        Some(vec![
            line.workload.title.to_string(),
            rate(own),
            share(own),
            rate(best),
            ratio(line.ratio(Ratio::Best)),
            line.verdicts(&[Ratio::Best]),
        ])
    });
    markdown::table(&header, &rows.collect::<Vec<_>>())
}

fn rounded(lines: &[&Line]) -> String {
    let header = ["", "Gradus", "of the limit", "PyTorch", "ratio", "bar"];
    let rows = lines.iter().filter_map(|line| {
        let (own, other) = (line.of(Peer::Rounded(line.own))?, line.of(Peer::AUTOCAST)?);
        Some(vec![
            name(line),
            times(own),
            share(own),
            times(other),
            ratio(line.ratio(Ratio::Rounded)),
            line.verdicts(&[Ratio::Rounded]),
        ])
    });
    markdown::table(&header, &rows.collect::<Vec<_>>())
}

fn memory(lines: &[&Line]) -> String {
    let header = ["", "Gradus", "PyTorch", "ratio", "bar", "faults a step", "PyTorch's"];
    let rows = lines.iter().filter_map(|line| {
        let (own, other) = (line.gradus()?, line.of(Peer::DEFAULT)?);
        Some(vec![
            name(line),
            format!("{:.0}", own.found.peak_mib),
            format!("{:.0}", other.found.peak_mib),
            ratio(line.ratio(Ratio::Memory)),
            line.verdicts(&[Ratio::Memory]),
            faults(own.found.faults),
            faults(other.found.faults),
        ])
    });
    markdown::table(&header, &rows.collect::<Vec<_>>())
}

/// Few faults in many steps are told as such, and not as none.
fn faults(count: f64) -> String {
    match count {
        0.0 => "0".into(),
        count if count < 0.01 => "< 0.01".into(),
        count if count < 10.0 => format!("{count:.2}"),
        count => format!("{count:.0}"),
    }
}

fn first_step(lines: &[&Line]) -> String {
    let rows = lines.iter().filter_map(|line| {
        let [Some(own), Some(other)] = line.first_ms else { return None };
        Some(vec![
            name(line),
            figure(own),
            figure(other),
            ratio(line.ratio(Ratio::FirstStep)),
            line.verdicts(&[Ratio::FirstStep]),
        ])
    });
    markdown::table(&["", "Gradus", "PyTorch", "ratio", "bar"], &rows.collect::<Vec<_>>())
}

fn other_sets(on: &Comparison, lines: &[Line]) -> String {
    let mut header = vec!["".to_string()];
    for isa in &on.isa {
        header.extend([format!("{isa}, ms"), "of the limit".into(), "ratio".into()]);
    }
    header.push("bar".into());
    let cells = |line: &Line, isa: Isa| -> Option<[String; 3]> {
        let (own, best) = (line.of(Peer::Gradus(isa))?, line.best()?);
        let found = best.found.step_ms / own.found.step_ms;
        Some([times(own), share(own), figure(found)])
    };
    let rows = lines.iter().filter(|_| !on.isa.is_empty()).map(|line| {
        let mut row = vec![name(line)];
        for isa in &on.isa {
            row.extend(cells(line, *isa).unwrap_or_else(|| ["–"; 3].map(String::from)));
        }
        row.push(line.workload.bar(Ratio::Best).map_or("–".into(), |bar| format!("{bar}x")));
        row
    });
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    markdown::table(&header, &rows.collect::<Vec<_>>())
}

fn steady(evidence: &[Evidence]) -> String {
    let header = ["", "page faults", "", "calls for memory", "", "by the pool", ""];
    let count = |number: Option<u64>| number.map_or("–".into(), |number| number.to_string());
    let rows = evidence.iter().map(|one| {
        let mut row = vec![one.name.to_string()];
        row.extend(one.faults.map(count));
        row.extend(one.calls.map(count));
        row.extend(one.pool.map(|calls| count(calls.map(|calls| calls as u64))));
        row
    });
    let steps = STEPS.map(|steps| format!("{steps} steps"));
    let mut first = vec![String::new()];
    first.extend([&steps[..], &steps[..], &steps[..]].concat());
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    markdown::table(&header, &[vec![first], rows].concat())
}

/// Which bars do not hold, and what was left out.
fn verdict(lines: &[Line], failures: &[String]) -> String {
    let mut missed = String::new();
    let (mut held, mut all) = (0, 0);
    for line in lines {
        for bar in line.workload.bars {
            all += 1;
            match line.ratio(bar.ratio) {
                Some(found) if found >= bar.at_least => held += 1,
                found => {
                    let found = found.map_or("not run".into(), |found| format!("{found:.2}"));
                    let what = bar.ratio.described();
                    let _ =
                        writeln!(missed, "- {}, {what}: {found} of {}", name(line), bar.at_least);
                }
            }
        }
    }
    let mut text = format!("## Bars\n\n{held} of {all} hold.");
    if !missed.is_empty() {
        let _ = write!(text, " These do not, or were not run:\n\n{}", missed.trim_end());
    }
    text.push('\n');
    let left_out = lines.iter().flat_map(|line| &line.notes).chain(failures);
    let left_out: String = left_out.map(|note| format!("- {note}\n")).collect();
    if !left_out.is_empty() {
        let _ = write!(text, "\nLeft out:\n\n{left_out}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::tests::line;

    #[test]
    fn every_program_that_is_given_has_its_columns() {
        let line = line();
        let title = name(&line);
        let of = |programs: &[Program]| against_programs(programs, &[&line]);
        let both = format!(
            "|  | Gradus | memory | candle | ratio | memory | burn | ratio | memory | bar |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n\
             | {title} | 10.0 | 50 | 80.0 | 8.00 | 60 | – | – | – | – |\n"
        );
        assert_eq!(of(&[Program::Candle, Program::Burn]), both, "burn has not done this one");
        assert_eq!(of(&[Program::Burn]), "", "nobody has done anything");
        assert_eq!(of(&[]), "");
    }
}
