//! Predicted numbers beside the true ones: how they scatter, and how far they are away.

use super::markup::{Attributes, Markup};
use super::scale::{Axis, drawable, number};
use crate::findings::{Findings, NumberFindings, Predictions};
use gradus_nn::grouped;

/// How many points are drawn.
const MOST_POINTS: usize = 3000;

/// How many bars the residuals are counted in.
const BARS: usize = 31;

/// A number that is told, as it is shown.
pub(super) struct Told<'a> {
    name: &'a str,
    unit: &'a str,
    /// The true and the predicted ones that were kept.
    pairs: Vec<(f64, f64)>,
    /// What was found of all answers, if that is known.
    whole: Option<&'a NumberFindings>,
}

/// The numbers that a test told.
pub(super) fn told<'a>(
    findings: Option<&'a Findings>,
    predictions: Option<&'a Predictions>,
) -> Vec<Told<'a>> {
    let kept = predictions.map(Predictions::numbers).unwrap_or_default();
    let Some(Findings::Numbers(all)) = findings else {
        let told = |(name, pairs)| Told { name, unit: "", pairs, whole: None };
        return kept.into_iter().map(told).collect();
    };
    let told = |whole: &'a NumberFindings| {
        let own = kept.iter().find(|(of, _)| *of == whole.name);
        let pairs = own.map(|(_, pairs)| pairs.clone()).unwrap_or_default();
        Told { name: &whole.name, unit: &whole.unit, pairs, whole: Some(whole) }
    };
    all.iter().map(told).collect()
}

impl Told<'_> {
    /// Draws the pairs, out of `total`, and says how far they are apart.
    pub(super) fn draw(&self, html: &mut Markup, total: u64) {
        let is_drawable = |(x, y): &(f64, f64)| drawable(*x).is_some() && drawable(*y).is_some();
        let known: Vec<(f64, f64)> = self.pairs.iter().copied().filter(is_drawable).collect();
        html.element("p", &[], |html| html.text(self.introduction(&known, total)));
        if known.is_empty() {
            html.element("p", &[("class", &"nothing")], |html| html.text("Nothing to draw."));
            return;
        }
        html.element("div", &[("class", &"charts")], |html| {
            scatter(html, &known, &self.heading("Predicted by true value"));
            residuals(html, &known, &self.heading("Predicted less true value"));
        });
    }

    /// "Predicted by true value: price, €".
    fn heading(&self, heading: &str) -> String {
        let what = [self.name, self.unit].into_iter().filter(|part| !part.is_empty());
        match what.collect::<Vec<_>>().join(", ") {
            what if what.is_empty() => heading.to_string(),
            what => format!("{heading}: {what}"),
        }
    }

    fn introduction(&self, known: &[(f64, f64)], total: u64) -> String {
        let of_known = NumberFindings::of(self.name, self.unit, known);
        let kept = grouped(self.pairs.len() as u64);
        let mut text = match self.whole {
            Some(whole) => {
                format!("Of all {}: {}", grouped(whole.count), distances(whole))
                    + &match (self.pairs.len() as u64) < whole.count {
                        true => format!(" {kept} are shown, the farthest among them."),
                        false => String::new(),
                    }
            }
            None => format!("{kept} of {} are shown.", grouped(total)),
        };
        text += &match self.pairs.len() - known.len() {
            0 => String::new(),
            1 => " One of them is not finite and not drawn.".to_string(),
            count => format!(" {} of them are not finite and not drawn.", grouped(count as u64)),
        };
        if self.whole.is_none() && !known.is_empty() {
            text += &format!(" Of these: {}", distances(&of_known));
        }
        text
    }
}

/// How far answers are from the truth, in words.
fn distances(found: &NumberFindings) -> String {
    let unit = if found.unit.is_empty() { String::new() } else { format!("\u{A0}{}", found.unit) };
    let (absolute, root) = (number(found.mae), number(found.rmse));
    let text =
        format!("mean absolute error {absolute}{unit}, root of the mean square {root}{unit}");
    // Of a single value nothing is explained.
    match found.r2.is_nan() {
        true => text + ".",
        false => format!("{text}, R² {}.", number(found.r2)),
    }
}

fn scatter(html: &mut Markup, pairs: &[(f64, f64)], title: &str) {
    let values: Vec<f64> = pairs.iter().flat_map(|&(truth, guess)| [truth, guess]).collect();
    let axis = Axis::of_plain_values(&values);
    let label = "Predicted against true values. Points on the dashed line are predicted exactly.";
    figure(html, title, label, "square", |html| {
        grid(html, &axis, &axis);
        let ends: Attributes =
            &[("class", &"equal"), ("x1", &"0%"), ("y1", &"100%"), ("x2", &"100%"), ("y2", &"0%")];
        html.leaf("line", ends);
        let every = pairs.len().div_ceil(MOST_POINTS);
        html.element("g", &[("class", &"look-0 points")], |html| {
            for &(truth, guess) in pairs.iter().step_by(every) {
                let (x, y) = (at(axis.place(truth)), at(1.0 - axis.place(guess)));
                html.leaf("circle", &[("cx", &x), ("cy", &y), ("r", &2.5)]);
            }
        });
    });
}

fn residuals(html: &mut Markup, pairs: &[(f64, f64)], title: &str) {
    let residuals: Vec<f64> =
        pairs.iter().filter_map(|(truth, guess)| drawable(guess - truth)).collect();
    let farthest = residuals.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let axis = Axis::of_plain_values(&[-farthest, farthest]);
    let mut counts = [0_u32; BARS];
    for &residual in &residuals {
        counts[((axis.place(residual) * BARS as f64) as usize).min(BARS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let heights = Axis::of_plain_values(&[0.0, f64::from(most)]);
    let label = "How many predictions are how far from the truth; above zero they are too large.";
    figure(html, title, label, "", |html| {
        grid(html, &axis, &heights);
        html.element("g", &[("class", &"look-0 bars")], |html| {
            for (bar, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let (left, width) = (bar as f64 / BARS as f64, 1.0 / BARS as f64);
                let height = heights.place(f64::from(count));
                let (x, y) = (at(left), at(1.0 - height));
                let (width, height) = (at(0.94 * width), at(height));
                let place: Attributes =
                    &[("x", &x), ("y", &y), ("width", &width), ("height", &height)];
                html.element("rect", place, |html| {
                    html.element("title", &[], |html| html.text(grouped(count.into())));
                });
            }
        });
    });
}

/// A plot with a heading.
pub(super) fn figure(
    html: &mut Markup,
    title: &str,
    label: &str,
    class: &str,
    draw: impl FnOnce(&mut Markup),
) {
    html.element("figure", &[("class", &"chart")], |html| {
        html.element("figcaption", &[], |html| html.element("h3", &[], |html| html.text(title)));
        let class = format!("plot values {class}");
        html.element("div", &[("class", &class.trim_end())], |html| {
            html.element("svg", &[("role", &"img"), ("aria-label", &label)], draw);
        });
    });
    html.line();
}

/// The lines and numbers of both axes.
pub(super) fn grid(html: &mut Markup, x: &Axis, y: &Axis) {
    for (tick, label) in &y.ticks {
        let place = at(1.0 - y.place(*tick));
        html.leaf("line", &[("x1", &0), ("x2", &"100%"), ("y1", &place), ("y2", &place)]);
        let text: Attributes = &[("class", &"y"), ("x", &-8), ("y", &place), ("dy", &"0.35em")];
        html.element("text", text, |html| html.text(label));
    }
    html.leaf("line", &[("class", &"axis"), ("x2", &"100%"), ("y1", &"100%"), ("y2", &"100%")]);
    for (tick, label) in &x.ticks {
        html.element("svg", &[("x", &at(x.place(*tick))), ("y", &"100%")], |html| {
            html.leaf("line", &[("class", &"axis"), ("y2", &5)]);
            html.element("text", &[("class", &"x"), ("y", &19)], |html| html.text(label));
        });
    }
}

/// A share of the plot's width or height.
pub(super) fn at(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}
