//! What happens in a training, as it happens.

use crate::callback::{Callback, Session, Step};
use crate::lines::Lines;
use crate::state::to_json;
use crate::system::Usage;
use gradus_tensor::Result;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Writes `steps.jsonl` and `events.jsonl` into the folder of a run, one JSON object a line, for
/// those who look on.
///
/// A line of `steps.jsonl`, about one a second: `step`, counted over all epochs; `epoch`, with its
/// fraction; `time` in seconds since 1970; `loss` of the batch; `mean_loss` and the figures of the
/// epoch up to here; `learning_rate`; `samples_per_s`; `cpu_share`, how many processors were busy
/// with it; `memory_bytes`. A line of `events.jsonl`: `time`, `kind`, `step`, `text`.
///
/// A training that goes on from an earlier step than the lines reach forgets those after it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    /// None before the training starts.
    steps: Option<Lines>,
    before: Look,
    samples: u64,
    /// Whether it was told that the loss is no number.
    told: bool,
}

/// When it was looked last, and what was used until then.
#[derive(Debug)]
struct Look {
    time: Instant,
    usage: Option<Usage>,
}

impl Look {
    fn now() -> Self {
        Self { time: Instant::now(), usage: Usage::now() }
    }
}

/// How long it is between lines.
const PAUSE: Duration = Duration::from_secs(1);

impl Journal {
    /// Writes into a folder, which is there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), steps: None, before: Look::now(), samples: 0, told: false }
    }

    /// Writes an event.
    fn event(&self, kind: &str, session: &Session<'_>, text: impl Into<String>) -> Result<()> {
        let (step, text) = (session.steps_made(), text.into());
        let event = json!({ "time": now(), "kind": kind, "step": step, "text": text });
        Lines::open(self.folder.join("events.jsonl"))?.append(&event)
    }
}

impl Callback for Journal {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        let path = self.folder.join("steps.jsonl");
        self.steps = Some(Lines::open_until(path, session.steps_made())?);
        (self.before, self.samples) = (Look::now(), 0);
        let (epoch, epochs) = (session.history.len(), session.position.epochs);
        match session.steps_made() {
            0 => self.event("started", session, format!("{epochs} epochs")),
            _ => self.event("resumed", session, format!("after {epoch} of {epochs} epochs")),
        }
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        self.samples += step.samples;
        if !step.loss.is_finite() && !self.told {
            self.told = true;
            let loss = step.loss;
            self.event("warning", session, format!("the loss of a batch is {loss}"))?;
        }
        let last = step.batch == session.position.batches;
        let seconds = self.before.time.elapsed();
        let Some(lines) = self.steps.as_mut().filter(|_| last || seconds >= PAUSE) else {
            return Ok(());
        };
        let look = Look::now();
        let mut line = Map::new();
        let epoch =
            session.history.len() as f64 + step.batch as f64 / session.position.batches as f64;
        line.insert("step".into(), json!(session.steps_made()));
        line.insert("epoch".into(), json!(rounded(epoch)));
        line.insert("time".into(), json!(now()));
        line.insert("loss".into(), to_json(step.loss));
        line.insert("mean_loss".into(), to_json(step.mean_loss));
        for (name, figure) in step.figures() {
            line.insert(name, to_json(figure));
        }
        line.insert("learning_rate".into(), to_json(session.optimizer.learning_rate()));
        let rate = self.samples as f64 / seconds.as_secs_f64();
        line.insert("samples_per_s".into(), json!(rounded(rate)));
        if let (Some(before), Some(after)) = (self.before.usage, look.usage) {
            let share = (after.cpu_s - before.cpu_s) / seconds.as_secs_f64();
            line.insert("cpu_share".into(), json!(rounded(share)));
            line.insert("memory_bytes".into(), json!(after.resident_bytes));
        }
        lines.append(&Value::Object(line))?;
        (self.before, self.samples) = (look, 0);
        Ok(())
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        let history = session.history;
        let Some(epoch) = history.epochs().last() else {
            return Ok(());
        };
        let skipped = epoch.figures.iter().filter(|(name, _)| name.ends_with("_skipped"));
        let skipped: f64 = skipped.map(|(_, count)| count).sum();
        if skipped > 0.0 {
            let number = epoch.number;
            let text = format!("epoch {number} went without {skipped} samples that cannot be read");
            self.event("warning", session, text)?;
        }
        let monitor = if epoch.get("valid_loss").is_some() { "valid_loss" } else { "train_loss" };
        let best = history.lowest(monitor).is_some_and(|best| best.number == epoch.number);
        let loss = epoch.get(monitor).unwrap_or(f64::NAN);
        let (kind, number) = (if best { "best" } else { "epoch" }, epoch.number);
        let (name, epochs) = (monitor.replace('_', " "), session.position.epochs);
        self.event(kind, session, format!("epoch {number} of {epochs}: {name} {loss:.4}"))
    }

    fn on_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        let (done, epochs) = (session.history.len(), session.position.epochs);
        let wishes = &session.wishes;
        match (&wishes.stop, &wishes.pause) {
            (Some(reason), _) => self.event("stopped", session, reason),
            (None, Some(reason)) => self.event("paused", session, reason),
            _ if done < epochs => {
                self.event("interrupted", session, format!("after {done} of {epochs} epochs"))
            }
            _ => self.event("finished", session, format!("{epochs} epochs")),
        }
    }
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    rounded(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

/// A number that nobody wants more of than three digits after the point.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
