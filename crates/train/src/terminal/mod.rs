//! A training in the whole of a terminal.

mod screen;
mod view;

use crate::callback::{Callback, Session, Step};
use crate::interrupt::Interrupt;
use crate::system::Usage;
use console::Term;
use gradus_tensor::{Error, Result};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};
use view::Moment;

/// Shows a training in the whole of the terminal: how far it is, curves of the loss and the figures,
/// the learning rate, the load, and what happened last.
///
/// The terminal is as it was after the training, however that ends; what was on it comes back. Only
/// a program that is killed cannot put it right: the command `reset` does then.
pub struct Terminal {
    term: Term,
    moment: Moment,
    interrupt: Interrupt,
    stage: Option<Stage>,
    start: Instant,
    /// How many batches had been trained before.
    batches_before: usize,
    drawn: Instant,
    usage: Option<Usage>,
    samples: u64,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("moment", &self.moment).finish_non_exhaustive()
    }
}

/// The screen is drawn at most so often.
const REDRAW: Duration = Duration::from_millis(200);

/// How often it is asked whether somebody wants the training to end.
const WATCH: Duration = Duration::from_millis(50);

/// How many losses of batches are kept for the curve.
const MOST_LOSSES: usize = 4000;

const MOST_EVENTS: usize = 20;

impl Terminal {
    /// One that shows a training of a name on the standard output; none, if that is no terminal.
    /// When the interrupt is requested, the terminal is given back at once.
    pub fn new(title: impl Into<String>, interrupt: Interrupt) -> Option<Self> {
        let term = Term::stdout();
        if !term.is_term() {
            return None;
        }
        let now = Instant::now();
        Some(Self {
            term,
            moment: Moment { title: title.into(), ..Default::default() },
            interrupt,
            stage: None,
            start: now,
            batches_before: 0,
            drawn: now,
            usage: None,
            samples: 0,
        })
    }

    /// Brings up to date what is known of where the training is.
    fn note(&mut self, session: &Session<'_>) {
        let position = session.position;
        let done = session.history.len() * position.batches + position.batches_done;
        let all = position.epochs * position.batches;
        let moment = &mut self.moment;
        moment.epoch = (session.history.len() + 1).min(position.epochs);
        (moment.epochs, moment.batches) = (position.epochs, position.batches);
        moment.batch = position.batches_done;
        moment.learning_rate = session.optimizer.learning_rate();
        moment.elapsed = self.start.elapsed();
        let own = done.saturating_sub(self.batches_before);
        moment.left =
            (own > 0).then(|| moment.elapsed.mul_f64(all.saturating_sub(done) as f64 / own as f64));
    }

    /// What was used since the screen was drawn before.
    fn measure(&mut self) {
        let seconds = self.drawn.elapsed().as_secs_f64();
        let usage = Usage::now();
        if let (Some(before), Some(now)) = (self.usage, usage) {
            self.moment.cpu = Some((now.cpu_s - before.cpu_s) / seconds);
        }
        self.moment.memory_bytes = usage.map(|usage| usage.resident_bytes);
        self.moment.samples_per_s = self.samples as f64 / seconds;
        (self.usage, self.samples, self.drawn) = (usage, 0, Instant::now());
    }

    fn draw(&self) -> Result<()> {
        let Some(stage) = &self.stage else {
            return Ok(());
        };
        let (rows, columns) = self.term.size();
        let screen = view::draw(&self.moment, columns.into(), rows.into());
        stage.show(&screen.to_ansi())
    }
}

impl Callback for Terminal {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.start = Instant::now();
        let position = session.position;
        self.batches_before = session.history.len() * position.batches + position.batches_done;
        (self.usage, self.drawn, self.samples) = (Usage::now(), Instant::now(), 0);
        self.moment.curves = curves(session);
        self.note(session);
        self.stage = Some(Stage::enter(self.term.clone(), self.interrupt.clone())?);
        self.draw()
    }

    fn on_batch_end(&mut self, session: &mut Session<'_>, step: &Step<'_>) -> Result<()> {
        self.samples += step.samples;
        self.moment.losses.push(step.loss);
        if self.moment.losses.len() > MOST_LOSSES {
            self.moment.losses.drain(..MOST_LOSSES / 4);
        }
        if self.drawn.elapsed() < REDRAW {
            return Ok(());
        }
        self.note(session);
        self.moment.figures = vec![("loss".to_string(), step.mean_loss)];
        self.moment.figures.extend(step.figures());
        self.measure();
        self.draw()
    }

    fn on_epoch_end(&mut self, session: &mut Session<'_>) -> Result<()> {
        self.note(session);
        self.moment.curves = curves(session);
        if let Some(epoch) = session.history.epochs().last() {
            let shown: Vec<_> =
                epoch.figures.iter().filter(|(name, _)| name != "learning_rate").cloned().collect();
            let text = crate::progress::figures(&shown);
            self.moment.events.push(format!("epoch {}{text}", epoch.number));
        }
        let surplus = self.moment.events.len().saturating_sub(MOST_EVENTS);
        self.moment.events.drain(..surplus);
        self.draw()
    }

    fn on_end(&mut self, _: &mut Session<'_>) -> Result<()> {
        self.stage = None;
        Ok(())
    }
}

/// The figures of the epochs, training beside validation.
fn curves(session: &Session<'_>) -> Vec<(String, Vec<f64>, Vec<f64>)> {
    let epochs = session.history.epochs();
    let last = epochs.last().into_iter().flat_map(|epoch| &epoch.figures);
    let figures = last.filter_map(|(name, _)| name.strip_prefix("train_"));
    let values = |name: String| epochs.iter().filter_map(|epoch| epoch.get(&name)).collect();
    figures
        .map(|figure| {
            (figure.into(), values(format!("train_{figure}")), values(format!("valid_{figure}")))
        })
        .collect()
}

/// A terminal whose other screen is shown, without a cursor, until this is dropped.
struct Stage(Arc<Shown>);

struct Shown {
    term: Term,
    /// Whether the other screen is still there. Who draws holds it.
    on: Mutex<bool>,
}

/// # Source
/// The control sequences of xterm, "DEC private modes" 1049 and 25.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

impl Stage {
    fn enter(term: Term, interrupt: Interrupt) -> Result<Self> {
        let shown = Arc::new(Shown { term, on: Mutex::new(true) });
        shown.write(ENTER)?;
        // The words of a panic would be lost with the other screen.
        let (before, own) = (std::panic::take_hook(), Arc::downgrade(&shown));
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(shown) = own.upgrade() {
                shown.leave_in_panic();
            }
            before(panic);
        }));
        // A second wish ends the program at once: the terminal must be right by then.
        let own = Arc::downgrade(&shown);
        thread::spawn(move || {
            while let Some(shown) = own.upgrade() {
                if interrupt.is_requested() {
                    shown.leave();
                    return;
                }
                drop(shown);
                thread::sleep(WATCH);
            }
        });
        Ok(Self(shown))
    }

    /// Sends text to the terminal, if its other screen is there.
    fn show(&self, text: &str) -> Result<()> {
        match self.0.on.lock() {
            Ok(on) if *on => self.0.write(text),
            _ => Ok(()),
        }
    }
}

impl Shown {
    fn write(&self, text: &str) -> Result<()> {
        let written = self.term.write_str(text).and_then(|()| self.term.flush());
        written.map_err(|error| Error::io("the terminal", error))
    }

    /// Gives the terminal back, once.
    fn leave(&self) {
        let mut on = self.on.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *on) {
            // There is nobody to tell if the terminal is gone.
            let _ = self.write(LEAVE);
        }
    }

    /// The same in a panic, which may have come while the terminal is drawn on: who draws then waits
    /// for us.
    fn leave_in_panic(&self) {
        match self.on.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let _ = self.write(LEAVE);
            }
            free => {
                drop(free);
                self.leave();
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.0.leave();
    }
}
