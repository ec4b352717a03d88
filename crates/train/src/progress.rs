//! A bar that shows how far a training is.

use crate::callback::{Callback, Session, Step};
use gradus_tensor::Result;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::time::Instant;

/// Shows a bar for each epoch on the standard error: batches, loss, figures, samples a second, and
/// the time left to the end of the training; then a line with the epoch's figures. Where the
/// standard error is no terminal, only the lines.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// When the training started, and how many epochs had been trained before.
    start: Instant,
    epochs_before: usize,
    epoch_start: Instant,
    samples: u64,
}

impl Default for Progress {
    fn default() -> Self {
        let now = Instant::now();
        let bar = ProgressBar::hidden();
        Self { bar, start: now, epochs_before: 0, epoch_start: now, samples: 0 }
    }
}

impl Callback for Progress {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.start = Instant::now();
        self.epochs_before = session.history.len();
        Ok(())
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step) -> Result<()> {
        let (batches, epochs) = (session.batches, session.epochs);
        if step.batch == 1 {
            self.bar = ProgressBar::new(batches as u64).with_style(style());
            self.epoch_start = Instant::now();
            self.samples = 0;
        }
        self.samples += step.samples;
        let rate = self.samples as f64 / self.epoch_start.elapsed().as_secs_f64();
        let done = (session.history.len() - self.epochs_before) * batches + step.batch;
        let all = (epochs - self.epochs_before) * batches;
        let left = self.start.elapsed().mul_f64((all - done) as f64 / done as f64);
        let (figures, left) = (figures(&step.figures), HumanDuration(left));
        let (epoch, loss) = (session.history.len() + 1, step.loss);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        self.bar.set_message(format!("loss {loss:.4}{figures}  {rate:.0} samples/s  {left} left"));
        self.bar.set_position(step.batch as u64);
        Ok(())
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.bar.finish_and_clear();
        let Some(epoch) = session.history.epochs().last() else {
            return Ok(());
        };
        let (number, epochs, seconds) = (epoch.number, session.epochs, epoch.seconds);
        let shown: Vec<(String, f64)> =
            epoch.figures.iter().filter(|(name, _)| name != "learning_rate").cloned().collect();
        eprintln!("epoch {number}/{epochs}{}  {seconds:.1} s", figures(&shown));
        Ok(())
    }
}

fn style() -> ProgressStyle {
    let template = "{prefix} [{bar:30}] {pos}/{len}  {msg}";
    ProgressStyle::with_template(template)
        .expect("the template is well-formed")
        .progress_chars("=> ")
}

/// Figures as text: shares in percent, all else with four digits.
fn figures(figures: &[(String, f64)]) -> String {
    let text = |(name, value): &(String, f64)| {
        let label = name.replace('_', " ");
        match name.ends_with("accuracy") {
            true => format!("  {label} {:.2} %", 100.0 * value),
            false => format!("  {label} {value:.4}"),
        }
    };
    figures.iter().map(text).collect()
}
