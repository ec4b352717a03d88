//! The plot: axes, lines, and what a pointer is shown.

use super::{LETTER_WIDTH, Line, MARKED_POINTS, Plot};
use crate::report::markup::{Attributes, Markup};
use crate::report::shortened;

/// How many places of a plot, at most, show their values to a pointer.
pub(super) const READ_OUTS: usize = 200;

impl Plot<'_> {
    /// Draws the plot, if there is anything to draw.
    pub(super) fn canvas(&self, html: &mut Markup) {
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
}

/// A length of the plot's width or height.
fn at(percent: f64) -> String {
    format!("{percent:.2}%")
}
