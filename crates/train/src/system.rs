//! How busy the machine and this process are, as far as the system tells.

use std::fs;

/// What the whole machine does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// How many processors it has.
    pub cores: usize,
    /// How much memory it has.
    pub memory_bytes: u64,
    /// How much of it a new program could have.
    pub available_bytes: u64,
    /// The time that all processors together were busy, and all their time, in the system's ticks.
    busy: u64,
    ticks: u64,
}

/// What this process has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// The time of processors, all threads together.
    pub cpu_s: f64,
    /// The memory it holds now.
    pub resident_bytes: u64,
}

/// In a second, in all figures that Linux gives to programs (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

impl Machine {
    /// The machine as it is now; none where the system does not tell as Linux does.
    pub fn now() -> Option<Self> {
        let (stat, memory) = (read("/proc/stat")?, read("/proc/meminfo")?);
        Self::parse(&stat, &memory)
    }

    /// The share of the processors' time that was used between two looks, from 0 to 1; none if they
    /// were so close that the system had not counted on.
    pub fn cpu_share_since(&self, before: &Self) -> Option<f64> {
        let ticks = self.ticks.checked_sub(before.ticks).filter(|&ticks| ticks > 0)?;
        Some((self.busy.saturating_sub(before.busy) as f64 / ticks as f64).min(1.0))
    }

    fn parse(stat: &str, memory: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user nice system idle iowait irq softirq steal; guests are within user.
        let times: Vec<u64> =
            line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let ticks = times.iter().sum::<u64>();
        let idle = times.get(3)? + times.get(4)?;
        let core = |line: &&str| {
            line.strip_prefix("cpu")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        Some(Self {
            cores: stat.lines().filter(core).count(),
            memory_bytes: kibibytes(memory, "MemTotal:")?,
            available_bytes: kibibytes(memory, "MemAvailable:")?,
            busy: ticks - idle,
            ticks,
        })
    }
}

impl Usage {
    /// What was used up to now; none where the system does not tell as Linux does.
    pub fn now() -> Option<Self> {
        Self::parse(&read("/proc/self/stat")?, &read("/proc/self/status")?)
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name of the program, in brackets, may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        let cpu_s = (ticks()? + ticks()?) as f64 / TICKS_PER_SECOND;
        Some(Self { cpu_s, resident_bytes: kibibytes(status, "VmRSS:")? })
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The bytes of a line such as `VmRSS:   1234 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = "MemTotal:  16 kB\nMemFree: 1 kB\nMemAvailable:  4 kB\n";

    #[test]
    fn a_machine_is_read() {
        let look = |line: &str| Machine::parse(&format!("{line}\ncpu0 1\ncpu1 1\nctxt 4"), MEMORY);
        let before = look("cpu  10 0 10 70 10 0 0 0 5 0").unwrap();
        let after = look("cpu  40 0 10 80 10 0 0 0 9 0").unwrap();
        assert_eq!((after.cores, after.memory_bytes, after.available_bytes), (2, 16384, 4096));
        assert_eq!(after.cpu_share_since(&before), Some(0.75));
        assert_eq!(before.cpu_share_since(&before), None);
        assert_eq!(before.cpu_share_since(&after), None);
        assert_eq!(look("cpu  1 x"), None);
    }

    #[test]
    fn a_process_is_read() {
        let stat = "7 (a) b) R 1 1 1 1 1 1 1 1 1 1 250 50 3 4";
        let usage = Usage::parse(stat, "VmHWM: 9 kB\nVmRSS:\t 2 kB\n").unwrap();
        assert_eq!(usage, Usage { cpu_s: 3.0, resident_bytes: 2048 });
        assert_eq!(Usage::parse("7 (a", ""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_is_read() {
        let usage = Usage::now().unwrap();
        assert!(usage.resident_bytes > 1 << 16 && usage.cpu_s >= 0.0);
        assert!(Machine::now().unwrap().memory_bytes > usage.resident_bytes);
    }
}
