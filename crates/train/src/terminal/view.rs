//! What a terminal shows of a training.

use super::screen::{Area, Ink, Screen};
use crate::progress::figures;
use std::time::Duration;

/// A training at a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    pub title: String,
    /// The number of the epoch, from 1 on, and how many there will be.
    pub epoch: usize,
    pub epochs: usize,
    pub batch: usize,
    pub batches: usize,
    /// The mean loss and the figures of the epoch so far.
    pub figures: Vec<(String, f64)>,
    pub learning_rate: f64,
    pub samples_per_s: f64,
    pub elapsed: Duration,
    pub left: Option<Duration>,
    /// Processors in use and memory held, where the system tells.
    pub cpu: Option<f64>,
    pub memory_bytes: Option<u64>,
    /// The losses of batches, the oldest first.
    pub losses: Vec<f64>,
    /// A figure of training and of validation after each epoch, by name.
    pub curves: Vec<(String, Vec<f64>, Vec<f64>)>,
    /// What happened, the newest last.
    pub events: Vec<String>,
}

/// Below this size there is no room for curves.
const LEAST_WIDTH: usize = 40;
const LEAST_HEIGHT: usize = 14;

/// How wide the numbers beside a curve are.
const SCALE_WIDTH: usize = 9;

/// How many lines of events are shown, at most.
const MOST_EVENTS: usize = 6;

/// Draws a moment.
pub(super) fn draw(moment: &Moment, width: usize, height: usize) -> Screen {
    let mut screen = Screen::new(width, height);
    let top = head(&mut screen, moment, width);
    if width < LEAST_WIDTH || height < LEAST_HEIGHT {
        return screen;
    }
    let events = moment.events.len().min(MOST_EVENTS).min((height - top) / 3);
    let foot = height - events;
    let curves = Area { left: 0, top, width, height: foot - top - 1 };
    draw_curves(&mut screen, moment, curves);
    let newest = &moment.events[moment.events.len() - events..];
    for (row, event) in newest.iter().enumerate() {
        screen.write(0, foot + row, event, Ink::Faint);
    }
    screen
}

/// The lines above the curves; gives the row after them.
fn head(screen: &mut Screen, moment: &Moment, width: usize) -> usize {
    let column = screen.write(0, 0, &moment.title, Ink::Bold);
    let left = moment.left.map_or(String::new(), |left| format!(", {} left", span(left)));
    screen.write(column + 2, 0, &format!("{}{left}", span(moment.elapsed)), Ink::Faint);

    let share = |done: usize, all: usize| done as f64 / all.max(1) as f64;
    let within = share(moment.batch, moment.batches);
    let whole = (moment.epoch.saturating_sub(1) as f64 + within) / moment.epochs.max(1) as f64;
    let rows = [
        (
            format!("epoch {}/{}", moment.epoch, moment.epochs),
            within,
            format!("{}/{}", moment.batch, moment.batches),
        ),
        ("training".to_string(), whole, format!("{:.0} %", 100.0 * whole.min(1.0))),
    ];
    let first = rows.iter().map(|(label, ..)| label.chars().count()).max().unwrap_or(0) + 2;
    let last = rows.iter().map(|(.., text)| text.chars().count()).max().unwrap_or(0) + 2;
    let bar = width.saturating_sub(first + last);
    for (row, (label, share, text)) in rows.into_iter().enumerate() {
        screen.write(0, row + 1, &label, Ink::Plain);
        screen.bar(first, row + 1, bar, share);
        screen.write(first + bar + 2, row + 1, &text, Ink::Plain);
    }

    screen.write(0, 3, figures(&moment.figures).trim_start(), Ink::Bold);
    let mut load = format!(
        "learning rate {}  {:.0} samples/s",
        short(moment.learning_rate),
        moment.samples_per_s
    );
    if let Some(cpu) = moment.cpu {
        load += &format!("  {cpu:.1} cores");
    }
    if let Some(bytes) = moment.memory_bytes {
        load += &format!("  {} MiB", bytes >> 20);
    }
    screen.write(0, 4, &load, Ink::Faint);
    6
}

/// The loss of batches, and as many figures of epochs as have room beside or below it.
fn draw_curves(screen: &mut Screen, moment: &Moment, area: Area) {
    let across = (area.width / LEAST_WIDTH).clamp(1, 3);
    let down = (area.height / 8).clamp(1, 2);
    let batches = ("loss of batches".to_string(), moment.losses.clone(), vec![]);
    // An epoch alone makes no curve.
    let epochs = moment.curves.iter().filter(|(_, train, valid)| train.len().max(valid.len()) > 1);
    let all: Vec<_> = std::iter::once(&batches).chain(epochs).take(across * down).collect();
    let across = across.min(all.len());
    let down = all.len().div_ceil(across);
    let (width, height) = (area.width / across, area.height / down);
    for (index, (title, first, second)) in all.into_iter().enumerate() {
        let (left, top) = (area.left + index % across * width, area.top + index / across * height);
        chart(screen, Area { left, top, width: width - 2, height }, title, [first, second]);
    }
}

/// One curve or two with a title and the numbers at their ends.
fn chart(screen: &mut Screen, area: Area, title: &str, curves: [&[f64]; 2]) {
    if area.height < 3 || area.width < SCALE_WIDTH + 4 {
        return;
    }
    let Area { left, top, width, height } = area;
    let column = screen.write(left, top, &title.replace('_', " "), Ink::Bold);
    if !curves[1].is_empty() {
        let column = screen.write(column + 2, top, "training", Ink::First);
        screen.write(column + 2, top, "validation", Ink::Second);
    }
    let known = || curves.into_iter().flatten().copied().filter(|value| value.is_finite());
    let (Some(low), Some(high)) = (known().reduce(f64::min), known().reduce(f64::max)) else {
        screen.write(left, top + 1, "no values yet", Ink::Faint);
        return;
    };
    screen.write(left, top + 1, &format!("{:>8}", short(high)), Ink::Faint);
    screen.write(left, top + height - 1, &format!("{:>8}", short(low)), Ink::Faint);
    let range = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
    let inner = Area {
        left: left + SCALE_WIDTH,
        top: top + 1,
        width: width - SCALE_WIDTH,
        height: height - 1,
    };
    for (values, ink) in curves.into_iter().zip([Ink::First, Ink::Second]) {
        screen.curve(inner, values, range, ink);
    }
}

/// A number in eight characters at most.
fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e5).contains(&size) {
        let digits = if size >= 100.0 { 1 } else { 4 };
        format!("{value:.digits$}")
    } else {
        format!("{value:.1e}")
    }
}

/// A time for people: "1:05:09" or "5:09".
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment {
            title: "runs/digits-1".into(),
            epoch: 2,
            epochs: 4,
            batch: 30,
            batches: 60,
            figures: vec![("loss".into(), 0.25), ("accuracy".into(), 0.9)],
            learning_rate: 1e-3,
            samples_per_s: 812.3,
            elapsed: Duration::from_secs(65),
            left: Some(Duration::from_secs(3700)),
            cpu: Some(1.96),
            memory_bytes: Some(300 << 20),
            losses: (0..90).map(|i| 1.0 / f64::from(i + 1)).collect(),
            curves: vec![("loss".into(), vec![0.5, 0.25, 0.2], vec![0.6, 0.3, 0.4])],
            events: vec!["epoch 1: valid loss 0.3000".into()],
        }
    }

    #[test]
    fn all_that_matters_is_on_the_screen() {
        let text = draw(&moment(), 100, 24).text();
        assert_eq!(text[0], "runs/digits-1  1:05, 1:01:40 left");
        assert!(
            text[1].starts_with("epoch 2/4  █") && text[1].ends_with("·  30/60"),
            "{}",
            text[1]
        );
        assert!(text[2].starts_with("training") && text[2].ends_with("38 %"), "{}", text[2]);
        assert_eq!(text[3], "loss 0.2500  accuracy 90.00 %");
        assert_eq!(text[4], "learning rate 0.0010  812 samples/s  2.0 cores  300 MiB");
        assert!(text[6].contains("loss of batches") && text[6].contains("training  validation"));
        assert!(text[7].starts_with("  1.0000") && text[7].contains("0.6000"), "{}", text[7]);
        assert_eq!(text[23], "epoch 1: valid loss 0.3000");
        let dots = text.iter().flat_map(|row| row.chars());
        assert!(dots.filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count() > 40);
    }

    #[test]
    fn every_size_of_a_terminal_is_drawn() {
        let empty = Moment::default();
        let endless = Moment { losses: vec![f64::NAN; 3], ..moment() };
        for moment in [&moment(), &empty, &endless] {
            for width in 0..130 {
                for height in 0..40 {
                    let screen = draw(moment, width, height);
                    assert!(screen.to_ansi().starts_with("\x1b[H"));
                }
            }
        }
        assert!(draw(&empty, 80, 24).text().iter().any(|row| row.contains("no values yet")));
    }
}
