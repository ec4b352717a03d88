//! How well a model foresees what comes next, and what it writes.

use super::answers;
use super::markup::{Attributes, Markup};
use super::scale::{Axis, Unit, drawable, number};
use super::values::{at, figure, grid};
use crate::findings::{LanguageFindings, Prediction, TEMPERATURE};
use gradus_nn::grouped;

/// Draws what was found, and the texts that the model went on with.
pub(super) fn draw(
    html: &mut Markup,
    findings: Option<&LanguageFindings>,
    samples: &[&Prediction],
) {
    if let Some(findings) = findings {
        html.element("p", &[], |html| html.text(summary(findings)));
        by_place(html, &findings.by_place);
        if !samples.is_empty() {
            html.element("h3", &[], |html| html.text("What it writes"));
            html.element("p", &[], |html| {
                html.text(format_args!(
                    "Below the beginning that it was given: how it went on, each token drawn by the \
                     model's probabilities at a temperature of {TEMPERATURE}."
                ));
            });
        }
    }
    if !samples.is_empty() {
        answers::list(html, samples, |_| "");
    }
}

fn summary(findings: &LanguageFindings) -> String {
    let (perplexity, loss) = (number(findings.perplexity()), number(findings.loss));
    format!(
        "Perplexity {perplexity} over {} tokens, by a mean of −ln p of {loss}.",
        grouped(findings.tokens)
    )
}

/// The loss of tokens after more and more others.
fn by_place(html: &mut Markup, losses: &[f64]) {
    let points: Vec<(f64, f64)> = (1..)
        .map(f64::from)
        .zip(losses.iter().copied())
        .filter(|(_, y)| drawable(*y).is_some())
        .collect();
    if points.len() < 2 {
        return;
    }
    let x = Axis::of_epochs(1.0, losses.len() as f64);
    let values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    let y = Axis::of_values(&values, Unit::Number);
    let label = "The mean loss of a token by how many tokens of the window were read before it.";
    html.element("div", &[("class", &"charts")], |html| {
        figure(html, "Loss by tokens read", label, "", |html| {
            grid(html, &x, &y);
            let place = |&(tokens, loss): &(f64, f64)| {
                format!("{:.2},{:.2}", 100.0 * x.place(tokens), 100.0 * (1.0 - y.place(loss)))
            };
            let stretched: Attributes =
                &[("viewBox", &"0 0 100 100"), ("preserveAspectRatio", &"none")];
            html.element("g", &[("class", &"look-0")], |html| {
                html.element("svg", stretched, |html| {
                    let points = points.iter().map(place).collect::<Vec<_>>().join(" ");
                    html.leaf("polyline", &[("points", &points)]);
                });
                for (tokens, loss) in &points {
                    let (cx, cy) = (at(x.place(*tokens)), at(1.0 - y.place(*loss)));
                    let spot: Attributes =
                        &[("class", &"mark"), ("cx", &cx), ("cy", &cy), ("r", &3)];
                    html.element("circle", spot, |html| {
                        let text = format!("{tokens}: {}", number(*loss));
                        html.element("title", &[], |html| html.text(text));
                    });
                }
            });
        });
    });
}
