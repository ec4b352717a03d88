//! What cannot be drawn, and every number, in words.

use super::Plot;
use crate::report::markup::Markup;
use crate::report::scale::drawable;
use crate::report::{listed, scroll_box};

impl Plot<'_> {
    /// Says which values have no place in the plot.
    pub(super) fn gaps(&self, html: &mut Markup) {
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
    pub(super) fn table(&self, html: &mut Markup) {
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
