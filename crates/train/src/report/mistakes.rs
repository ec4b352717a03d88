//! The pictures that were guessed wrong.

use super::markup::Markup;
use super::scale::Unit;
use super::shortened;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use gradus_nn::grouped;

/// One picture that was guessed wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mistake {
    /// The picture as a PNG file.
    pub png: Vec<u8>,
    /// The name of its class.
    pub truth: String,
    /// The name of the class that was guessed.
    pub guess: String,
    /// The probability that the guess was given, from 0 to 1.
    pub confidence: f64,
    /// Where in its data set the picture is, counted from 0.
    pub index: usize,
}

/// How many pictures a page shows.
const MOST_PICTURES: usize = 120;

/// How much of a name stands below a picture.
const MOST_LETTERS: usize = 24;

/// Draws the mistakes, the most confident first, out of `total` that were made.
pub(super) fn draw(html: &mut Markup, mistakes: &[Mistake], total: u64) {
    let mut ordered: Vec<&Mistake> = mistakes.iter().collect();
    // What is not a number is no confidence at all.
    let confidence = |mistake: &Mistake| mistake.confidence.max(f64::NEG_INFINITY);
    ordered.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then(a.index.cmp(&b.index)));
    ordered.truncate(MOST_PICTURES);
    html.element("p", &[], |html| html.text(introduction(ordered.len(), mistakes.len(), total)));
    html.element("ul", &[("class", &"mistakes")], |html| {
        ordered.into_iter().for_each(|mistake| picture(html, mistake));
    });
}

/// Says how many of the mistakes are shown.
fn introduction(shown: usize, known: usize, total: u64) -> String {
    let count = grouped(total);
    match (shown, total) {
        (_, 0) => "There are none.".to_string(),
        (0, 1) => "There is one; its picture was not kept.".to_string(),
        (0, _) => format!("There are {count}; their pictures were not kept."),
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

fn picture(html: &mut Markup, mistake: &Mistake) {
    let Mistake { png, truth, guess, confidence, index } = mistake;
    html.element("li", &[], |html| {
        let source = format!("data:image/png;base64,{}", Base64Display::new(png, &STANDARD));
        let description = format!("Picture {index}: {truth}, taken for {guess}");
        html.leaf("img", &[("src", &source), ("alt", &description)]);
        html.element("p", &[], |html| {
            html.name(&shortened(truth, MOST_LETTERS));
            html.text(" → ");
            html.element("strong", &[], |html| html.name(&shortened(guess, MOST_LETTERS)));
        });
        html.element("p", &[("class", &"small")], |html| {
            html.text(Unit::Percent.written(*confidence));
        });
        html.element("p", &[("class", &"small")], |html| html.text(format_args!("no. {index}")));
    });
    html.line();
}
