//! How a peer written in Rust answers gradus-bench: 'losses COUNT' and 'time SECONDS', a line each way.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Makes a step of training, or of something else, and returns its loss.
pub type Step = Box<dyn FnMut() -> Result<f64>>;

/// A workload: its name, and what makes it of a file of weights and inputs.
pub type Workload = (&'static str, fn(PathBuf) -> Result<Step>);

/// Does what the command line asks for: 'about', or 'WORKLOAD --tensors FILE'.
pub fn run(version: &str, workloads: &[Workload]) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["about"] => {
            let names: Vec<&str> = workloads.iter().map(|(name, _)| *name).collect();
            println!("{{\"version\": {version:?}, \"workloads\": {names:?}}}");
        }
        [wanted, "--tensors", file] => {
            let found = workloads.iter().find(|(name, _)| *name == wanted);
            let (_, make) = found.ok_or_else(|| format!("there is no workload {wanted}"))?;
            serve(make(file.into())?)?;
        }
        _ => return Err("give 'about', or a workload and '--tensors FILE'".into()),
    }
    Ok(())
}

fn serve(mut step: Step) -> Result<()> {
    for request in std::io::stdin().lines() {
        match request?.split_once(' ') {
            Some(("losses", count)) => {
                let losses = (0..count.parse()?).map(|_| step()).collect::<Result<Vec<f64>>>()?;
                println!("{{\"losses\": {losses:?}}}");
            }
            Some(("time", seconds)) => println!("{}", measure(&mut step, seconds.parse()?)?),
            _ => return Err("a request is neither 'losses N' nor 'time S'".into()),
        }
    }
    Ok(())
}

/// Times steps as gradus-bench does: short ones in groups of two milliseconds.
fn measure(step: &mut Step, seconds: f64) -> Result<String> {
    let start = Instant::now();
    step()?;
    let group = (0.002 / start.elapsed().as_secs_f64()).ceil().max(1.0) as u32;
    let mut times = vec![];
    let before = page_faults()?;
    let start = Instant::now();
    while times.len() < 2 || start.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        for _ in 0..group {
            step()?;
        }
        times.push(start.elapsed().as_secs_f64() * 1e3 / f64::from(group));
    }
    let faults = (page_faults()? - before) / (times.len() as f64 * f64::from(group));
    times.sort_by(f64::total_cmp);
    let (step_ms, peak_mib) = (times[times.len() / 2], peak_mib()?);
    Ok(format!("{{\"step_ms\": {step_ms}, \"peak_mib\": {peak_mib}, \"faults\": {faults}}}"))
}

fn page_faults() -> Result<f64> {
    let told = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may itself have spaces and brackets in it.
    let (_, numbers) = told.rsplit_once(") ").ok_or("/proc/self/stat has no name in it")?;
    let numbers: Vec<&str> = numbers.split(' ').collect();
    Ok(numbers[7].parse::<f64>()? + numbers[9].parse::<f64>()?)
}

fn peak_mib() -> Result<f64> {
    let told = std::fs::read_to_string("/proc/self/status")?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no peak of memory")?;
    Ok(kibibytes.parse::<f64>()? / 1024.0)
}
