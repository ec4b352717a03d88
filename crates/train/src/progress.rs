//! A bar that shows how far a training is.

use crate::callback::{Callback, Session, Step};
use gradus_tensor::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Instant;

/// Shows a bar for each epoch on the standard error: batches, loss, figures, samples a second, time
/// left; then a line with the epoch's figures. Where the standard error is no terminal, only the
/// lines.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    start: Instant,
    samples: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { bar: ProgressBar::hidden(), start: Instant::now(), samples: 0 }
    }
}

impl Callback for Progress {
    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step) -> Result<()> {
        if step.batch == 1 {
            self.bar = ProgressBar::new(session.batches as u64).with_style(style());
            self.start = Instant::now();
            self.samples = 0;
        }
        self.samples += step.samples;
        let epochs = session.epochs;
        let rate = self.samples as f64 / self.start.elapsed().as_secs_f64();
        let figures = figures(&step.figures);
        let epoch = session.history.len() + 1;
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        let loss = step.loss;
        self.bar.set_message(format!("loss {loss:.4}{figures}  {rate:.0} samples/s"));
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
    let template = "{prefix} [{bar:30}] {pos}/{len}  {msg}  {eta} left";
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
