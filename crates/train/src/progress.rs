//! A bar that shows how far a training is.

use crate::callback::{Callback, Session, Step};
use crate::shares::figure_text;
use gradus_tensor::Result;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// The bar is drawn at most so often: figures may be expensive.
const REDRAW: Duration = Duration::from_millis(100);

/// Shows a bar for each epoch on the standard error: batches, loss, figures, samples a second, and
/// the time left to the end of the training; then a line with the epoch's figures. Where the
/// standard error is no terminal, only the lines.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// When the training started or went on, and how many batches had been trained before.
    start: Instant,
    batches_before: usize,
    epoch_start: Instant,
    samples: u64,
    /// When the bar was drawn last.
    drawn: Option<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        let now = Instant::now();
        let bar = ProgressBar::hidden();
        Self { bar, start: now, batches_before: 0, epoch_start: now, samples: 0, drawn: None }
    }
}

impl Callback for Progress {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.start = Instant::now();
        self.batches_before = batches(session);
        self.begin(session);
        Ok(())
    }

    fn on_epoch_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.begin(session);
        Ok(())
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        self.samples += step.samples;
        let last = step.batch == session.position.batches;
        if self.bar.is_hidden() || !last && self.drawn.is_some_and(|at| at.elapsed() < REDRAW) {
            return Ok(());
        }
        self.drawn = Some(Instant::now());
        let rate = self.samples as f64 / self.epoch_start.elapsed().as_secs_f64();
        let done = batches(session) - self.batches_before;
        let all = session.position.epochs * session.position.batches - self.batches_before;
        let left = self.start.elapsed().mul_f64(all.saturating_sub(done) as f64 / done as f64);
        let (figures, left) = (figures(&step.figures()), HumanDuration(left));
        let loss = step.mean_loss;
        self.bar.set_message(format!("loss {loss:.4}{figures}  {rate:.0} samples/s  {left} left"));
        self.bar.set_position(step.batch as u64);
        Ok(())
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.bar.finish_and_clear();
        let Some(epoch) = session.history.epochs().last() else {
            return Ok(());
        };
        let (number, epochs, seconds) = (epoch.number, session.position.epochs, epoch.seconds);
        let shown: Vec<(String, f64)> =
            epoch.figures.iter().filter(|(name, _)| name != "learning_rate").cloned().collect();
        eprintln!("epoch {number}/{epochs}{}  {seconds:.1} s", figures(&shown));
        Ok(())
    }

    fn on_end(&mut self, _: &mut Session<'_>) -> Result<()> {
        self.bar.finish_and_clear();
        Ok(())
    }
}

impl Progress {
    /// Begins the bar of an epoch.
    fn begin(&mut self, session: &Session<'_>) {
        let (epoch, epochs) = (session.history.len() + 1, session.position.epochs);
        if epoch > epochs {
            return;
        }
        self.bar = ProgressBar::new(session.position.batches as u64).with_style(style());
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        self.epoch_start = Instant::now();
        (self.samples, self.drawn) = (0, None);
    }
}

/// How many batches are done in all epochs together.
fn batches(session: &Session<'_>) -> usize {
    session.history.len() * session.position.batches + session.position.batches_done
}

fn style() -> ProgressStyle {
    let template = "{prefix} [{bar:30}] {pos}/{len}  {msg}";
    ProgressStyle::with_template(template)
        .expect("the template is well-formed")
        .progress_chars("=> ")
}

/// Figures as text: shares in percent, all else with four digits.
pub(crate) fn figures(figures: &[(String, f64)]) -> String {
    let text = |(name, value): &(String, f64)| {
        let label = name.replace('_', " ");
        match name.ends_with("skipped") {
            true => format!("  {label} {value}"),
            false => format!("  {label} {}", figure_text(name, *value)),
        }
    };
    figures.iter().map(text).collect()
}
