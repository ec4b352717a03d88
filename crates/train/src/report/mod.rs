//! What a run has learnt, as one page.

mod answers;
mod chart;
mod confusion;
mod labels;
mod language;
mod markup;
mod of_run;
mod scale;
#[cfg(test)]
mod tests;
mod values;

pub use chart::{Best, Chart, Series};
pub use confusion::Confusion;
pub use of_run::settings_of;
pub use scale::Unit;

use crate::findings::{Findings, Input, Prediction, Predictions};
use markup::Markup;

/// The colours of all pages, light and dark, as a style sheet of custom properties.
pub const COLOURS: &str = include_str!("colours.css");

/// What a run has learnt: headline figures, curves, the confusion matrix, mistakes, predictions.
///
/// ```
/// use gradus_train::{Best, Chart, Report, Series};
///
/// let series = |name: &str, values: [f64; 3], best| Series {
///     name: name.into(),
///     points: (1..).map(f64::from).zip(values).collect(),
///     best,
/// };
/// let loss = Chart {
///     title: "Loss".into(),
///     series: vec![
///         series("train", [0.61, 0.22, 0.13], None),
///         series("validation", [0.31, 0.19, 0.20], Some(Best::Lowest)),
///     ],
///     ..Default::default()
/// };
/// let report = Report { title: "digits".into(), curves: vec![loss], ..Default::default() };
/// let page = report.to_html();
/// assert!(page.contains("lowest 0.1900 at epoch 2"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The name of the run.
    pub title: String,
    /// What was trained on what, and when, in a line.
    pub subtitle: String,
    /// The headline figures, each with its name: test accuracy, loss, time, parameters.
    pub facts: Vec<(String, String)>,
    /// The configuration, each setting with its value.
    pub settings: Vec<(String, String)>,
    /// What changed with the epochs.
    pub curves: Vec<Chart>,
    /// How often each class was taken for each.
    pub confusion: Option<Confusion>,
    /// What was found in the test of numbers, of labels or of a language.
    pub findings: Option<Findings>,
    /// What was answered in the test, in any order: names that are wrong are shown as mistakes,
    /// numbers beside the true ones, texts as they are. If the confusion matrix counts more mistakes
    /// than are here, the page says that it shows a part.
    pub predictions: Option<Predictions>,
    /// The table of the model's layers, in letters of one width.
    pub model: String,
}

/// A section of the page: its anchor, its heading, and what draws it.
type Section<'a> = (&'static str, &'static str, Box<dyn FnOnce(&mut Markup) + 'a>);

impl Report {
    /// The page: one HTML file, at the same time well-formed XML, that needs nothing beside itself,
    /// neither network nor script. The same report gives the same bytes.
    ///
    /// # Panics
    /// If the counts of the confusion matrix are not square over its classes.
    #[track_caller]
    pub fn to_html(&self) -> String {
        self.confusion.iter().for_each(Confusion::check);
        let mut html = Markup::default();
        html.verbatim("<!DOCTYPE html>\n");
        html.element("html", &[("lang", &"en")], |html| {
            self.head(html);
            html.element("body", &[], |html| self.body(html));
        });
        html.line();
        html.finish()
    }

    fn head(&self, html: &mut Markup) {
        html.element("head", &[], |html| {
            html.leaf("meta", &[("charset", &"utf-8")]);
            // The page asks for nothing, and a name that got through the escaping could not either.
            let policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
            let name = "Content-Security-Policy";
            html.leaf("meta", &[("http-equiv", &name), ("content", &policy)]);
            let content = "width=device-width, initial-scale=1";
            html.leaf("meta", &[("name", &"viewport"), ("content", &content)]);
            html.leaf("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
            html.leaf("link", &[("rel", &"icon"), ("href", &"data:,")]);
            html.element("title", &[], |html| html.text(&self.title));
            html.element("style", &[], |html| {
                html.verbatim(COLOURS);
                html.verbatim(include_str!("style.css"));
            });
        });
        html.line();
    }

    fn body(&self, html: &mut Markup) {
        let sections = self.sections();
        html.element("header", &[], |html| {
            html.element("h1", &[], |html| html.text(&self.title));
            if !self.subtitle.is_empty() {
                html.element("p", &[], |html| html.text(&self.subtitle));
            }
            if sections.len() > 1 {
                html.element("nav", &[("aria-label", &"Sections")], |html| {
                    for (id, heading, _) in &sections {
                        let target = format!("#{id}");
                        html.element("a", &[("href", &target)], |html| html.text(heading));
                        html.line();
                    }
                });
            }
        });
        html.line();
        html.element("main", &[], |html| {
            if !self.facts.is_empty() {
                html.element("dl", &[("class", &"facts")], |html| pairs(html, &self.facts));
            }
            for (id, heading, draw) in sections {
                html.element("section", &[("id", &id)], |html| {
                    html.element("h2", &[], |html| html.text(heading));
                    draw(html);
                });
                html.line();
            }
        });
    }

    /// The sections that there is something to say in.
    fn sections(&self) -> Vec<Section<'_>> {
        let mut sections: Vec<Section> = Vec::new();
        if !self.curves.is_empty() {
            sections.push(("curves", "Curves", Box::new(|html| self.charts(html))));
        }
        self.tested(&mut sections);
        if !self.model.is_empty() {
            sections.push(("model", "Model", Box::new(|html| self.model(html))));
        }
        if !self.settings.is_empty() {
            sections.push(("settings", "Settings", Box::new(|html| self.settings(html))));
        }
        sections
    }

    /// Those about what was answered in the test.
    fn tested<'a>(&'a self, sections: &mut Vec<Section<'a>>) {
        if let Some(confusion) = &self.confusion {
            sections.push((
                "confusion",
                "Confusion matrix",
                Box::new(move |html| confusion.draw(html)),
            ));
        }
        let mut mistaken = self.confusion.as_ref().map(Confusion::wrong);
        if let Some(Findings::Labels { labels, mistaken: own }) = &self.findings {
            mistaken = Some(*own);
            let draw = move |html: &mut Markup| labels::draw(html, labels, *own);
            sections.push(("labels", "Labels", Box::new(draw)));
        }
        let wrong = self.samples(Prediction::is_wrong);
        if mistaken.is_some() || !wrong.is_empty() {
            let total = mistaken.unwrap_or(0).max(wrong.len() as u64);
            let draw = move |html: &mut Markup| answers::mistakes(html, &wrong, total);
            sections.push(("mistakes", "Mistakes", Box::new(draw)));
        }
        let total = self.predictions.as_ref().map_or(0, |predictions| predictions.total);
        let told = values::told(self.findings.as_ref(), self.predictions.as_ref());
        if !told.is_empty() {
            let draw = move |html: &mut Markup| told.iter().for_each(|told| told.draw(html, total));
            sections.push(("values", "Predictions", Box::new(draw)));
        }
        let far =
            self.samples(|sample| sample.numbers().is_some() && sample.input != Input::Hidden);
        if !far.is_empty() {
            let draw = move |html: &mut Markup| {
                answers::farthest(html, &far, |sample| self.unit(sample), total);
            };
            sections.push(("farthest", "Farthest from the truth", Box::new(draw)));
        }
        let language = match &self.findings {
            Some(Findings::Language(language)) => Some(language),
            _ => None,
        };
        let written = self.samples(|sample| sample.truth.is_none());
        if language.is_some() || !written.is_empty() {
            let heading = if language.is_some() { "Language" } else { "What it writes" };
            let draw = move |html: &mut Markup| language::draw(html, language, &written);
            sections.push(("writings", heading, Box::new(draw)));
        }
    }

    /// What the number of a sample is measured in.
    fn unit(&self, sample: &Prediction) -> &str {
        let Some(Findings::Numbers(numbers)) = &self.findings else { return "" };
        let found = numbers.iter().find(|number| number.name == sample.of);
        found.map_or("", |number| &number.unit)
    }

    /// The predictions of a kind.
    fn samples(&self, of_kind: impl Fn(&Prediction) -> bool) -> Vec<&Prediction> {
        let samples = self.predictions.iter().flat_map(|predictions| &predictions.samples);
        samples.filter(|sample| of_kind(sample)).collect()
    }

    fn charts(&self, html: &mut Markup) {
        html.element("div", &[("class", &"charts")], |html| {
            self.curves.iter().for_each(|chart| chart.draw(html));
        });
    }

    fn model(&self, html: &mut Markup) {
        scroll_box(html, "Layers of the model", |html| {
            html.element("pre", &[], |html| html.text(&self.model));
        });
    }

    fn settings(&self, html: &mut Markup) {
        html.element("dl", &[("class", &"settings")], |html| pairs(html, &self.settings));
    }
}

/// Names with what they stand for, within a `dl`.
fn pairs(html: &mut Markup, pairs: &[(String, String)]) {
    for (name, value) in pairs {
        html.element("div", &[], |html| {
            html.element("dt", &[], |html| html.text(name));
            html.element("dd", &[], |html| html.text(value));
        });
    }
}

/// A box that scrolls by itself if its content is wider than the page, also by keyboard.
fn scroll_box(html: &mut Markup, label: &str, content: impl FnOnce(&mut Markup)) {
    let attributes: markup::Attributes =
        &[("class", &"scroll"), ("tabindex", &0), ("role", &"region"), ("aria-label", &label)];
    html.element("div", attributes, content);
    html.line();
}

/// "a, b and c".
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [words @ .., last] => format!("{} and {last}", words.join(", ")),
    }
}

/// At most so many characters of a name.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_string();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}
