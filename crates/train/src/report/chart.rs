//! Line charts of what changed with the epochs, drawn as SVG.
//!
//! Places are percentages of the plot, sizes are pixels: a chart takes the width it is given, and
//! its letters and lines stay as they are, on a wide screen and on a phone.

use super::markup::{Attributes, Markup};
use super::scale::{Axis, Unit, drawable};
use super::{listed, scroll_box, shortened};

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

/// How many places of a plot, at most, show their values to a pointer.
const READ_OUTS: usize = 200;

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

    fn canvas(&self, html: &mut Markup) {
        if self.lines.iter().all(|line| line.runs().next().is_none()) {
            html.element("p", &[("class", &"nothing")], |html| html.text("Nothing to draw."));
            return;
        }
        let letters = self.y.ticks.iter().map(|(_, label)| label.chars().count()).max();
        let gutter = 16 + LETTER_WIDTH * letters.unwrap_or(0);
        let style = format!("padding-left:{gutter}px");
        html.element("div", &[("class", &"plot"), ("style", &style)], |html| {
            let description = self.description();
            html.element("svg", &[("role", &"img"), ("aria-label", &description)], |html| {
                self.axes(html, gutter);
                self.lines.iter().for_each(|line| self.line(html, line));
                self.read_outs(html);
            });
        });
        html.line();
    }

    /// Grid, ticks and titles of both axes.
    fn axes(&self, html: &mut Markup, gutter: usize) {
        let scale = if self.y.logarithmic { ", logarithmic" } else { "" };
        let label: Attributes = &[("class", &"title"), ("x", &-(gutter as i64)), ("y", &-14)];
        html.element("text", label, |html| html.text(format_args!("{}{scale}", self.chart.title)));
        for (tick, label) in &self.y.ticks {
            let y = at(100.0 * (1.0 - self.y.place(*tick)));
            let ends: Attributes = &[("x1", &0), ("x2", &"100%"), ("y1", &y), ("y2", &y)];
            html.leaf("line", ends);
            let place: Attributes = &[("class", &"y"), ("x", &-8), ("y", &y), ("dy", &"0.35em")];
            html.element("text", place, |html| html.text(label));
        }
        html.leaf("line", &[("class", &"axis"), ("x2", &"100%"), ("y1", &"100%"), ("y2", &"100%")]);
        for (tick, label) in &self.x.ticks {
            let x = at(100.0 * self.x.place(*tick));
            html.element("svg", &[("x", &x), ("y", &"100%")], |html| {
                html.leaf("line", &[("class", &"axis"), ("y2", &5)]);
                html.element("text", &[("class", &"x"), ("y", &19)], |html| html.text(label));
            });
        }
        html.element("svg", &[("x", &"100%"), ("y", &"100%")], |html| {
            html.element("text", &[("class", &"x end title"), ("y", &36)], |html| {
                html.text("epoch")
            });
        });
    }

    fn line(&self, html: &mut Markup, line: &Line) {
        html.element("g", &[("class", &line.class)], |html| {
            // Stretched to the plot: only strokes keep their width in it.
            let stretched: Attributes =
                &[("viewBox", &"0 0 100 100"), ("preserveAspectRatio", &"none")];
            html.element("svg", stretched, |html| {
                for run in line.runs().filter(|run| run.len() > 1) {
                    let pairs = run.into_iter().map(|point| {
                        let (x, y) = self.place(point);
                        format!("{x:.2},{y:.2}")
                    });
                    html.leaf("polyline", &[("points", &pairs.collect::<Vec<_>>().join(" "))]);
                }
            });
            let few = line.points.len() <= MARKED_POINTS;
            for point in line.runs().filter(|run| few || run.len() == 1).flatten() {
                let (x, y) = self.place(point);
                html.element("svg", &[("x", &at(x)), ("y", &at(y))], |html| {
                    html.leaf("path", &[("class", &"mark"), ("d", &line.mark)]);
                });
            }
            if let Some(best) = line.best {
                let (x, y) = self.place(best);
                let (x, y) = (at(x), at(y));
                html.leaf("circle", &[("class", &"ring"), ("cx", &x), ("cy", &y), ("r", &8)]);
            }
        });
        html.line();
    }

    /// Columns over the plot, each of which shows the values of its epoch to a pointer over it.
    fn read_outs(&self, html: &mut Markup) {
        let every = self.epochs.len().div_ceil(READ_OUTS).max(1);
        let epochs: Vec<f64> = self.epochs.iter().copied().step_by(every).collect();
        let place = |index: usize| 100.0 * self.x.place(epochs[index]);
        for (index, &epoch) in epochs.iter().enumerate() {
            let left = if index == 0 { 0.0 } else { (place(index - 1) + place(index)) / 2.0 };
            let last = index + 1 == epochs.len();
            let right = if last { 100.0 } else { (place(index) + place(index + 1)) / 2.0 };
            let (x, width) = (at(place(index)), at(right - left));
            html.element("g", &[("class", &"read-out")], |html| {
                html.leaf("rect", &[("x", &at(left)), ("width", &width), ("height", &"100%")]);
                html.leaf("line", &[("x1", &x), ("x2", &x), ("y2", &"100%")]);
                html.element("svg", &[("x", &x), ("y", &4)], |html| {
                    self.tip(html, epoch, place(index) > 50.0);
                });
            });
        }
        html.line();
    }

    /// A box with the values of an epoch, to the right or to the left of it.
    fn tip(&self, html: &mut Markup, epoch: f64, to_the_left: bool) {
        let values = self.lines.iter().filter_map(|line| {
            let value = self.written(line.at(epoch)?);
            Some((line, format!("{} {value}", shortened(&line.series.name, 14))))
        });
        let values: Vec<(&Line, String)> = values.collect();
        let letters = values.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        let width = 36 + LETTER_WIDTH * letters.max(6);
        let height = 28 + 18 * values.len();
        let left = if to_the_left { -10 - width as i64 } else { 10 };
        html.element("g", &[("transform", &format_args!("translate({left} 0)"))], |html| {
            html.leaf("rect", &[("width", &width), ("height", &height), ("rx", &4)]);
            let heading = format!("epoch {epoch}");
            html.element("text", &[("x", &10), ("y", &18)], |html| html.text(heading));
            for (index, (line, text)) in values.iter().enumerate() {
                let y = 36 + 18 * index;
                let moved = format!("translate(14 {})", y - 4);
                html.element("g", &[("class", &line.class), ("transform", &moved)], |html| {
                    html.leaf("path", &[("class", &"mark"), ("d", &line.mark)]);
                });
                html.element("text", &[("x", &26), ("y", &y)], |html| html.text(text));
            }
        });
    }

    /// Says which values have no place in the plot.
    fn gaps(&self, html: &mut Markup) {
        for line in &self.lines {
            let epochs = |missing: fn(f64) -> bool| {
                epochs_in_words(line.points.iter().map(|&(x, y)| (x, missing(y))))
            };
            let kinds = [
                ("not a number", epochs(f64::is_nan)),
                ("infinite", epochs(f64::is_infinite)),
                ("too large", epochs(|y| y.is_finite() && drawable(y).is_none())),
            ];
            let found = kinds.into_iter().filter_map(|(kind, epochs)| Some((kind, epochs?)));
            let found: Vec<_> = found.map(|(kind, epochs)| format!("{epochs} ({kind})")).collect();
            if !found.is_empty() {
                html.element("p", &[("class", &"note")], |html| {
                    html.text("Not drawn: ");
                    html.name(&line.series.name);
                    html.text(format_args!(" at {}.", listed(&found)));
                });
            }
        }
    }

    /// Every number of the chart.
    fn table(&self, html: &mut Markup) {
        if self.epochs.is_empty() {
            return;
        }
        html.element("details", &[], |html| {
            html.element("summary", &[], |html| html.text("Numbers"));
            scroll_box(html, &format!("{}: every number", self.chart.title), |html| {
                html.element("table", &[("class", &"numbers")], |html| self.rows(html));
            });
        });
    }

    fn rows(&self, html: &mut Markup) {
        html.element("thead", &[], |html| {
            html.element("tr", &[], |html| {
                html.element("th", &[("scope", &"col")], |html| html.text("epoch"));
                for line in &self.lines {
                    html.element("th", &[("scope", &"col")], |html| html.name(&line.series.name));
                }
            });
        });
        html.element("tbody", &[], |html| {
            for &epoch in &self.epochs {
                html.element("tr", &[], |html| {
                    html.element("th", &[("scope", &"row")], |html| html.text(epoch));
                    for line in &self.lines {
                        let value = line.at(epoch).map_or(String::new(), |y| self.written(y));
                        html.element("td", &[], |html| html.text(value));
                    }
                });
            }
        });
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

/// A length of the plot's width or height.
fn at(percent: f64) -> String {
    format!("{percent:.2}%")
}

/// The epochs of which something is true, neighbours drawn together: "epochs 7 to 9 and 12".
fn epochs_in_words(epochs: impl Iterator<Item = (f64, bool)>) -> Option<String> {
    let epochs: Vec<(f64, bool)> = epochs.collect();
    let stretches = epochs.split(|&(_, is_one)| !is_one).filter_map(|stretch| {
        let (first, last) = (stretch.first()?.0, stretch.last()?.0);
        Some(if first == last { first.to_string() } else { format!("{first} to {last}") })
    });
    let mut words: Vec<String> = stretches.collect();
    let one = epochs.iter().filter(|(_, is_one)| *is_one).count() == 1;
    let more = words.len().saturating_sub(5);
    if more > 1 {
        words.truncate(5);
        words.push(format!("{more} more places"));
    }
    let noun = if one { "epoch" } else { "epochs" };
    (!words.is_empty()).then(|| format!("{noun} {}", listed(&words)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use roxmltree::{Document, Node};

    fn drawn(chart: &Chart) -> String {
        let mut html = Markup::default();
        chart.draw(&mut html);
        html.finish()
    }

    fn line(values: &[f64], best: Option<Best>) -> Series {
        let points = (1..).map(f64::from).zip(values.iter().copied()).collect();
        Series { name: "train".to_string(), points, best }
    }

    fn chart(values: &[f64], best: Option<Best>) -> Chart {
        Chart { title: "Loss".to_string(), series: vec![line(values, best)], ..Default::default() }
    }

    /// What `show` says of the elements of the lines that have a name.
    fn of_lines(html: &str, name: &str, show: impl Fn(Node) -> String) -> Vec<String> {
        let document = Document::parse(html).unwrap();
        let class =
            |node: &Node, class| node.ancestors().any(|a| a.attribute("class") == Some(class));
        let found = document.descendants().filter(|node| {
            node.has_tag_name(name) && class(node, "plot") && !class(node, "read-out")
        });
        found.map(show).collect()
    }

    fn attribute(node: Node, name: &str) -> String {
        node.attribute(name).unwrap_or_default().to_string()
    }

    fn polylines(html: &str) -> Vec<String> {
        of_lines(html, "polyline", |node| attribute(node, "points"))
    }

    fn marks(html: &str) -> Vec<String> {
        of_lines(html, "path", |node| {
            let place = node.parent().unwrap();
            format!("{} {}", attribute(place, "x"), attribute(place, "y"))
        })
    }

    fn rings(html: &str) -> Vec<String> {
        of_lines(html, "circle", |node| {
            format!("{} {}", attribute(node, "cx"), attribute(node, "cy"))
        })
    }

    /// The text of the elements of a class.
    fn texts(html: &str, class: &str) -> Vec<String> {
        let document = Document::parse(html).unwrap();
        let found = document.descendants().filter(|node| node.attribute("class") == Some(class));
        let text = |node: Node| {
            node.descendants().filter_map(|n| n.text().filter(|_| n.is_text())).collect()
        };
        found.map(text).collect()
    }

    #[test]
    fn points_lie_where_their_values_are() {
        let html = drawn(&chart(&[0.0, 5.0, 10.0], Some(Best::Highest)));
        assert_eq!(polylines(&html), ["2.50,100.00 50.00,50.00 97.50,0.00"]);
        assert_eq!(marks(&html), ["2.50% 100.00%", "50.00% 50.00%", "97.50% 0.00%"]);
        assert_eq!(rings(&html), ["97.50% 0.00%"]);
        assert_eq!(texts(&html, "best"), ["highest 10.00 at epoch 3"]);
        assert_eq!(texts(&html, "y"), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(texts(&html, "x"), ["1", "2", "3"]);
    }

    #[test]
    fn points_lie_where_their_values_are_on_a_logarithmic_axis() {
        let html = drawn(&chart(&[100.0, 10.0, 1.0], None));
        assert_eq!(polylines(&html), ["2.50,0.00 50.00,50.00 97.50,100.00"]);
        assert_eq!(texts(&html, "title"), ["Loss, logarithmic"]);
    }

    #[test]
    fn points_are_drawn_in_the_order_of_their_epochs() {
        let mut shuffled = chart(&[0.0, 5.0, 10.0], None);
        shuffled.series[0].points.reverse();
        shuffled.series[0].points.push((f64::NAN, 7.0));
        assert_eq!(drawn(&shuffled), drawn(&chart(&[0.0, 5.0, 10.0], None)));
    }

    #[test]
    fn one_point_is_a_mark_in_the_middle() {
        let html = drawn(&chart(&[0.5], Some(Best::Lowest)));
        assert!(polylines(&html).is_empty());
        assert_eq!(marks(&html), ["50.00% 50.00%"]);
        assert_eq!(rings(&html), ["50.00% 50.00%"]);
    }

    #[test]
    fn the_first_of_equal_values_is_the_best() {
        for (best, epoch) in [(Best::Lowest, 2), (Best::Highest, 1)] {
            let html = drawn(&chart(&[3.0, 1.0, 2.0, 1.0, 3.0, f64::NAN], Some(best)));
            let [text] = &texts(&html, "best")[..] else { panic!("one best point") };
            assert!(text.ends_with(&format!("at epoch {epoch}")), "{text}");
        }
    }

    #[test]
    fn what_is_not_finite_leaves_gaps_and_is_said() {
        let (nan, infinite) = (f64::NAN, f64::INFINITY);
        let html = drawn(&chart(&[4.0, 3.0, nan, nan, 2.0, infinite, 1.0, 0.0, 1e301], None));
        assert_eq!(polylines(&html).len(), 2);
        assert_eq!(marks(&html).len(), 5);
        let note = "Not drawn: train at epochs 3 to 4 (not a number), epoch 6 (infinite) and epoch 9 \
                    (too large).";
        assert_eq!(texts(&html, "note"), [note]);
        assert!(html.contains("<td>infinite</td>"));
    }

    #[test]
    fn many_gaps_are_counted() {
        let values: Vec<f64> = (0..40).map(|i| if i % 2 == 0 { f64::NAN } else { 1.0 }).collect();
        let note = "Not drawn: train at epochs 1, 3, 5, 7, 9 and 15 more places (not a number).";
        assert_eq!(texts(&drawn(&chart(&values, None)), "note"), [note]);
    }

    #[test]
    fn without_a_finite_value_nothing_is_drawn() {
        for values in [&[][..], &[f64::NAN, f64::INFINITY]] {
            let html = drawn(&chart(values, Some(Best::Lowest)));
            assert!(polylines(&html).is_empty() && marks(&html).is_empty());
            assert_eq!(texts(&html, "nothing"), ["Nothing to draw."]);
        }
        assert_eq!(texts(&drawn(&Chart::default()), "nothing"), ["Nothing to draw."]);
    }

    #[test]
    fn long_lines_have_every_point_but_no_marks() {
        let values: Vec<f64> = (0..3000).map(|i| 1.0 / f64::from(i + 1)).collect();
        let html = drawn(&chart(&values, None));
        let [points] = &polylines(&html)[..] else { panic!("one line") };
        assert_eq!(points.split(' ').count(), 3000);
        assert!(marks(&html).is_empty());
        let columns = texts(&html, "read-out").len();
        assert!((100..=READ_OUTS).contains(&columns), "{columns}");
    }

    #[test]
    fn read_outs_cover_the_plot_and_tell_the_values() {
        let mut two = chart(&[0.25, 0.5, 0.75], None);
        two.series.push(Series { name: "validation".into(), points: vec![(2.0, 0.4)], best: None });
        let html = drawn(&two);
        let expected =
            ["epoch 1train 0.2500", "epoch 2train 0.5000validation 0.4000", "epoch 3train 0.7500"];
        assert_eq!(texts(&html, "read-out"), expected);
        let document = Document::parse(&html).unwrap();
        let columns = document.descendants().filter(|node| {
            node.has_tag_name("rect")
                && node.parent().unwrap().attribute("class") == Some("read-out")
        });
        let number =
            |node: Node, name| attribute(node, name).trim_end_matches('%').parse::<f64>().unwrap();
        let end = columns.fold(0.0, |end: f64, column| {
            assert!((number(column, "x") - end).abs() < 0.02);
            number(column, "x") + number(column, "width")
        });
        assert!((end - 100.0).abs() < 0.02);
    }
}
