//! Line charts of what changed with the epochs, drawn as SVG.
//!
//! Places are percentages of the plot, sizes are pixels: a chart takes the width it is given, and
//! its letters and lines stay as they are, on a wide screen and on a phone.

mod numbers;
mod plot;

use super::markup::{Attributes, Markup};
use super::scale::{Axis, Unit, drawable};

/// One or more values over the epochs, which are counted from 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What is measured: "Loss".
    pub title: String,
    /// What the values are.
    pub unit: Unit,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What tells the line from the others: "validation".
    pub name: String,
    /// Epochs and values. A value that is not finite leaves a gap, which the chart tells of in
    /// words; a point whose epoch is not finite has no place and is left out.
    pub points: Vec<(f64, f64)>,
    /// Which point is marked.
    pub best: Option<Best>,
}

/// What makes a value the best of its series; of equal ones, the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// As a loss.
    Lowest,
    /// As an accuracy.
    Highest,
}

/// How many looks there are for lines, in the style sheet and in [`MARKS`].
const LOOKS: usize = 6;

/// The shapes of points, round the origin, in the order of the looks.
const MARKS: [&str; LOOKS] = [
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
    "M-3 -3h6v6h-6z",
    "M0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z",
    "M0 -4l4 7h-8z",
    "M0 4l4 -7h-8z",
    "M-1.3 -4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
];

/// Up to how many points a line shows each of them; longer lines show the lone ones only.
const MARKED_POINTS: usize = 25;

/// A letter's width, about, in pixels: to keep room for text that only the browser can measure.
const LETTER_WIDTH: usize = 7;

impl Series {
    /// The points in the order of their epochs.
    fn ordered(&self) -> Vec<(f64, f64)> {
        let placed = self.points.iter().copied().filter(|&(x, _)| drawable(x).is_some());
        let mut points: Vec<_> = placed.collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        points
    }

    /// The best point that can be drawn.
    fn best_point(&self) -> Option<(f64, f64)> {
        let sign = match self.best? {
            Best::Lowest => 1.0,
            Best::Highest => -1.0,
        };
        let points = self.ordered().into_iter().filter(|&(_, y)| drawable(y).is_some());
        points.min_by(|(_, a), (_, b)| (sign * a).total_cmp(&(sign * b)))
    }
}

/// A series with what drawing it takes.
struct Line<'a> {
    series: &'a Series,
    /// The class of its look.
    class: String,
    mark: &'static str,
    points: Vec<(f64, f64)>,
    best: Option<(f64, f64)>,
}

impl Line<'_> {
    /// The value at an epoch.
    fn at(&self, epoch: f64) -> Option<f64> {
        let index = self.points.binary_search_by(|(x, _)| x.total_cmp(&epoch)).ok()?;
        Some(self.points[index].1)
    }

    /// The stretches of points without a gap.
    fn runs(&self) -> impl Iterator<Item = Vec<(f64, f64)>> {
        let points: Vec<_> = self.points.iter().map(|&(x, y)| Some((x, drawable(y)?))).collect();
        let runs: Vec<Vec<_>> = points
            .split(Option::is_none)
            .map(|run| run.iter().flatten().copied().collect())
            .collect();
        runs.into_iter().filter(|run| !run.is_empty())
    }
}

/// A chart with its axes.
struct Plot<'a> {
    chart: &'a Chart,
    lines: Vec<Line<'a>>,
    /// All epochs at which a series has a value.
    epochs: Vec<f64>,
    x: Axis,
    y: Axis,
}

impl Chart {
    /// Draws the chart: legend, plot, what could not be drawn, and the numbers as a table.
    pub(super) fn draw(&self, html: &mut Markup) {
        let plot = Plot::new(self);
        html.element("figure", &[("class", &"chart")], |html| {
            html.element("figcaption", &[], |html| {
                html.element("h3", &[], |html| html.text(&self.title));
                plot.legend(html);
            });
            plot.canvas(html);
            plot.gaps(html);
            plot.table(html);
        });
        html.line();
    }
}

impl<'a> Plot<'a> {
    fn new(chart: &'a Chart) -> Self {
        let lines = chart.series.iter().enumerate().map(|(index, series)| Line {
            series,
            class: format!("look-{}", index % LOOKS),
            mark: MARKS[index % LOOKS],
            points: series.ordered(),
            best: series.best_point(),
        });
        let lines: Vec<_> = lines.collect();
        let points = || lines.iter().flat_map(|line| line.points.iter().copied());
        let mut epochs: Vec<f64> = points().map(|(x, _)| x).collect();
        epochs.sort_by(f64::total_cmp);
        epochs.dedup();
        let values: Vec<f64> = points().filter_map(|(_, y)| drawable(y)).collect();
        let (first, last) = (epochs.first().copied(), epochs.last().copied());
        let x = Axis::of_epochs(first.unwrap_or(1.0), last.unwrap_or(1.0));
        let y = Axis::of_values(&values, chart.unit);
        Self { chart, lines, epochs, x, y }
    }

    /// A place in the plot, in percent from its top left corner.
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (100.0 * self.x.place(x), 100.0 * (1.0 - self.y.place(self.chart.unit.scaled(y))))
    }

    fn written(&self, value: f64) -> String {
        self.chart.unit.written(value)
    }

    /// "lowest 0.0314 at epoch 7".
    fn best(&self, line: &Line) -> Option<String> {
        let word = match line.series.best? {
            Best::Lowest => "lowest",
            Best::Highest => "highest",
        };
        let (x, y) = line.best?;
        Some(format!("{word} {} at epoch {x}", self.written(y)))
    }

    fn legend(&self, html: &mut Markup) {
        html.element("ul", &[("class", &"legend")], |html| {
            for line in &self.lines {
                html.element("li", &[("class", &line.class)], |html| {
                    swatch(html, line.mark);
                    html.name(&line.series.name);
                    if let Some(best) = self.best(line) {
                        html.element("span", &[("class", &"best")], |html| {
                            ring(html);
                            html.text(best);
                        });
                    }
                });
            }
        });
    }

    /// What the chart shows, for those who cannot see it.
    fn description(&self) -> String {
        let mut text = format!("Line chart of {} by epoch.", self.chart.title);
        for line in &self.lines {
            let name = &line.series.name;
            let known = || line.points.iter().filter(|(_, y)| drawable(*y).is_some());
            let (Some(first), Some(last)) = (known().next(), known().next_back()) else {
                text += &format!(" {name}: no values.");
                continue;
            };
            let (from, to) = (self.written(first.1), self.written(last.1));
            text += &format!(" {name}: {from} at epoch {}, {to} at epoch {}", first.0, last.0);
            text += &self.best(line).map_or(".".to_string(), |best| format!("; {best}."));
        }
        text + " The table below it has every number."
    }
}

/// The look of a line, small.
fn swatch(html: &mut Markup, mark: &str) {
    let size: Attributes = &[("width", &30), ("height", &12), ("aria-hidden", &"true")];
    html.element("svg", size, |html| {
        html.leaf("polyline", &[("points", &"0,6 30,6")]);
        html.element("svg", &[("x", &15), ("y", &6)], |html| {
            html.leaf("path", &[("class", &"mark"), ("d", &mark)]);
        });
    });
}

/// What marks the best point, small.
fn ring(html: &mut Markup) {
    let size: Attributes = &[("width", &12), ("height", &12), ("aria-hidden", &"true")];
    html.element("svg", size, |html| {
        html.leaf("circle", &[("class", &"ring"), ("cx", &6), ("cy", &6), ("r", &5)]);
    });
}

#[cfg(test)]
mod tests;
