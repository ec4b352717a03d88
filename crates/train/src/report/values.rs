//! Predicted numbers beside the true ones: how they scatter, and how far they are away.

use super::markup::{Attributes, Markup};
use super::scale::{Axis, drawable, number};
use gradus_nn::grouped;

/// How many points are drawn.
const MOST_POINTS: usize = 3000;

/// How many bars the residuals are counted in.
const BARS: usize = 31;

/// Draws pairs of the true and the predicted number, out of `total`.
pub(super) fn draw(html: &mut Markup, pairs: &[(f64, f64)], total: u64) {
    let known: Vec<(f64, f64)> = pairs
        .iter()
        .copied()
        .filter(|(truth, guess)| drawable(*truth).is_some() && drawable(*guess).is_some())
        .collect();
    html.element("p", &[], |html| html.text(introduction(&known, pairs.len(), total)));
    if known.is_empty() {
        html.element("p", &[("class", &"nothing")], |html| html.text("Nothing to draw."));
        return;
    }
    html.element("div", &[("class", &"charts")], |html| {
        scatter(html, &known);
        residuals(html, &known);
    });
}

fn introduction(known: &[(f64, f64)], kept: usize, total: u64) -> String {
    let count = known.len() as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        known.iter().map(|&(truth, guess)| of(truth, guess)).sum::<f64>() / count
    };
    let absolute = mean(&|truth, guess| (guess - truth).abs());
    let square = mean(&|truth, guess| (guess - truth).powi(2));
    let middle = mean(&|truth, _| truth);
    let spread = mean(&|truth, _| (truth - middle).powi(2));
    let mut text = format!("{} of {} are shown.", grouped(kept as u64), grouped(total));
    text += &match kept - known.len() {
        0 => String::new(),
        1 => " One of them is not finite and not drawn.".to_string(),
        count => format!(" {} of them are not finite and not drawn.", grouped(count as u64)),
    };
    if !known.is_empty() {
        let (absolute, root) = (number(absolute), number(square.sqrt()));
        text +=
            &format!(" Of these: mean absolute error {absolute}, root of the mean square {root}");
        // Of values that are all alike nothing is explained.
        text += &match spread > 0.0 {
            true => format!(", R² {}.", number(1.0 - square / spread)),
            false => ".".to_string(),
        };
    }
    text
}

fn scatter(html: &mut Markup, pairs: &[(f64, f64)]) {
    let values: Vec<f64> = pairs.iter().flat_map(|&(truth, guess)| [truth, guess]).collect();
    let axis = Axis::of_plain_values(&values);
    let label = "Predicted against true values. Points on the dashed line are predicted exactly.";
    figure(html, "Predicted by true value", label, "square", |html| {
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

fn residuals(html: &mut Markup, pairs: &[(f64, f64)]) {
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
    figure(html, "Predicted less true value", label, "", |html| {
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

fn figure(
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
fn grid(html: &mut Markup, x: &Axis, y: &Axis) {
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
fn at(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}
