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

/// How much of a name stands below a picture, and of a text.
const MOST_LETTERS: usize = 24;
const MOST_TEXT: usize = 600;

/// Draws the mistakes, the most confident first, out of `total` that were made.
pub(super) fn mistakes(html: &mut Markup, mistakes: &[&Prediction], total: u64) {
    let mut ordered = mistakes.to_vec();
    // What is not a number is no confidence at all.
    let confidence =
        |sample: &Prediction| sample.confidence.unwrap_or(f64::NAN).max(f64::NEG_INFINITY);
    ordered.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then(a.index.cmp(&b.index)));
    ordered.truncate(MOST_SAMPLES);
    html.element("p", &[], |html| html.text(introduction(ordered.len(), mistakes.len(), total)));
    list(html, &ordered);
}

/// Draws what the model wrote, beginning with what it was given.
pub(super) fn writings(html: &mut Markup, samples: &[&Prediction]) {
    let shown = &samples[..samples.len().min(MOST_SAMPLES)];
    list(html, shown);
}

/// A list of samples: pictures in narrow columns, texts and rows of tables in wide ones.
fn list(html: &mut Markup, samples: &[&Prediction]) {
    let pictures = samples.iter().all(|sample| matches!(sample.input, Input::Picture(_)));
    let class = if pictures { "mistakes" } else { "mistakes wide" };
    html.element("ul", &[("class", &class)], |html| {
        samples.iter().for_each(|sample| html.element("li", &[], |html| item(html, sample)));
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

fn item(html: &mut Markup, sample: &Prediction) {
    let Prediction { index, input, truth, guess, confidence } = sample;
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
            html.element("dl", &[], |html| super::pairs(html, row));
        }
    }
    html.element("p", &[], |html| match &truth {
        Some(truth) => {
            html.name(&shortened(truth, MOST_LETTERS));
            html.text(" → ");
            html.element("strong", &[], |html| html.name(&shortened(&guess, MOST_LETTERS)));
        }
        None => html.name(&shortened(&guess, MOST_TEXT)),
    });
    if let Some(confidence) = confidence {
        let confidence = Unit::Percent.written(*confidence);
        html.element("p", &[("class", &"small")], |html| html.text(confidence));
    }
    html.element("p", &[("class", &"small")], |html| html.text(format_args!("no. {index}")));
}

fn written(answer: &Answer) -> String {
    match answer {
        Answer::Name(name) => name.clone(),
        Answer::Number(number) => Unit::Number.written(*number),
    }
}
