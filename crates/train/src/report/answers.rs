//! What the model answered: its mistakes, and the texts that it wrote.

use super::markup::Markup;
use super::scale::Unit;
use super::shortened;
use crate::findings::{Answer, Input, Prediction};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use gradus_nn::grouped;

/// How many samples a page shows.
const MOST_SAMPLES: usize = 120;

/// How much of a name stands below a picture, of an answer elsewhere, and of a text.
const MOST_LETTERS: usize = 24;
const MOST_ANSWER: usize = 120;
const MOST_TEXT: usize = 600;

/// How many columns of a row are shown.
const MOST_COLUMNS: usize = 16;

/// Draws the mistakes, the most confident first, out of `total` that were made.
pub(super) fn mistakes(html: &mut Markup, mistakes: &[&Prediction], total: u64) {
    let mut ordered = mistakes.to_vec();
    // What is not a number is no confidence at all.
    let confidence =
        |sample: &Prediction| sample.confidence.unwrap_or(f64::NAN).max(f64::NEG_INFINITY);
    ordered.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then(a.index.cmp(&b.index)));
    ordered.truncate(MOST_SAMPLES);
    html.element("p", &[], |html| html.text(introduction(ordered.len(), mistakes.len(), total)));
    list(html, &ordered, |_| "");
}

/// Draws the answers that are farthest from the truth, the farthest first, out of `total`; `unit` says
/// what a number is measured in.
pub(super) fn farthest<'a>(
    html: &mut Markup,
    samples: &[&Prediction],
    unit: impl Fn(&Prediction) -> &'a str,
    total: u64,
) {
    let distance = |sample: &Prediction| {
        let (truth, guess) = sample.numbers().unwrap_or_default();
        (truth - guess).abs()
    };
    let mut ordered = samples.to_vec();
    ordered.sort_by(|a, b| distance(b).total_cmp(&distance(a)).then(a.index.cmp(&b.index)));
    html.element("p", &[], |html| {
        let (shown, total) = (ordered.len(), grouped(total));
        html.text(format_args!("{shown} of {total}, the farthest first: truth → guess."));
    });
    list(html, &ordered, unit);
}

/// A list of samples: pictures in narrow columns, texts and rows of tables in wide ones.
pub(super) fn list<'a>(
    html: &mut Markup,
    samples: &[&Prediction],
    unit: impl Fn(&Prediction) -> &'a str,
) {
    let samples = &samples[..samples.len().min(MOST_SAMPLES)];
    let pictures = samples.iter().all(|sample| matches!(sample.input, Input::Picture(_)));
    let class = if pictures { "mistakes" } else { "mistakes wide" };
    html.element("ul", &[("class", &class)], |html| {
        for sample in samples {
            html.element("li", &[], |html| item(html, sample, unit(sample)));
        }
    });
}

/// Says how many of the mistakes are shown.
fn introduction(shown: usize, known: usize, total: u64) -> String {
    let count = grouped(total);
    match (shown, total) {
        (_, 0) => "There are none.".to_string(),
        (0, 1) => "There is one; it was not kept.".to_string(),
        (0, _) => format!("There are {count}; they were not kept."),
        (1, 1) => "There is one. Below it: truth → guess, and how sure the guess was.".to_string(),
        _ => {
            let part = match shown {
                _ if shown as u64 == total => format!("All {count}"),
                _ if known as u64 == total => format!("The {shown} most confident of {count}"),
                _ => format!("{shown} of {count}"),
            };
            format!("{part}, the most confident first: truth → guess, and how sure the guess was.")
        }
    }
}

fn item(html: &mut Markup, sample: &Prediction, unit: &str) {
    let Prediction { index, input, of, truth, guess, confidence } = sample;
    let written = |answer: &Answer| written(answer, unit);
    let (truth, guess) = (truth.as_ref().map(written), written(guess));
    match input {
        Input::Hidden => {}
        Input::Picture(png) => {
            let source = format!("data:image/png;base64,{}", Base64Display::new(png, &STANDARD));
            let taken = truth.as_ref().map(|truth| format!(": {truth}, taken for {guess}"));
            let description = format!("Picture {index}{}", taken.unwrap_or_default());
            html.leaf("img", &[("src", &source), ("alt", &description)]);
        }
        Input::Text(text) => {
            html.element("p", &[("class", &"quote")], |html| {
                html.name(&shortened(text, MOST_TEXT));
            });
        }
        Input::Row(row) => {
            let shown = &row[..row.len().min(MOST_COLUMNS)];
            html.element("dl", &[], |html| super::pairs(html, shown));
            if shown.len() < row.len() {
                let more = format!("and {} columns more", row.len() - shown.len());
                html.element("p", &[("class", &"small")], |html| html.text(more));
            }
        }
    }
    // Below a picture there is little room.
    let most = if matches!(input, Input::Picture(_)) { MOST_LETTERS } else { MOST_ANSWER };
    html.element("p", &[], |html| match &truth {
        Some(truth) => {
            if !of.is_empty() {
                html.name(&shortened(of, most));
                html.text(": ");
            }
            html.name(&shortened(truth, most));
            html.text(" → ");
            html.element("strong", &[], |html| html.name(&shortened(&guess, most)));
        }
        None => html.name(&shortened(&guess, MOST_TEXT)),
    });
    if let Some(confidence) = confidence {
        let confidence = Unit::Percent.written(*confidence);
        html.element("p", &[("class", &"small")], |html| html.text(confidence));
    }
    html.element("p", &[("class", &"small")], |html| html.text(format_args!("no. {index}")));
}

/// An answer, a number with its unit.
fn written(answer: &Answer, unit: &str) -> String {
    match answer {
        Answer::Name(name) => name.clone(),
        Answer::Number(number) if unit.is_empty() => Unit::Number.written(*number),
        Answer::Number(number) => format!("{}\u{A0}{unit}", Unit::Number.written(*number)),
    }
}
