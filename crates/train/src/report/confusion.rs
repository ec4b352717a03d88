//! The confusion matrix as a heat map of the mistakes.

use super::markup::Markup;
use super::scale::percent;
use super::{listed, scroll_box};
use gradus_nn::grouped;

/// How often each class was taken for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// The classes' names.
    pub classes: Vec<String>,
    /// `counts[truth][guess]`, square over the classes.
    pub counts: Vec<Vec<u64>>,
}

/// The widest matrix that is shown whole.
const MOST_CLASSES: usize = 40;

/// How many pairs of classes are named.
const NAMED_PAIRS: usize = 5;

impl Confusion {
    /// # Panics
    /// If the counts are not square over the classes.
    #[track_caller]
    pub(super) fn check(&self) {
        let classes = self.classes.len();
        let lengths: Vec<usize> = self.counts.iter().map(Vec::len).collect();
        assert!(
            lengths.len() == classes && lengths.iter().all(|&length| length == classes),
            "report: the confusion matrix of {classes} classes has rows of lengths {lengths:?}"
        );
    }

    /// How many were guessed.
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    fn right(&self) -> u64 {
        (0..self.classes.len()).map(|class| self.counts[class][class]).sum()
    }

    /// How many were guessed wrong.
    pub(super) fn wrong(&self) -> u64 {
        self.total() - self.right()
    }

    /// The share of a class's members that were found; none if it has no members.
    fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.counts[class][class], self.counts[class].iter().sum())
    }

    /// The share of the guesses of a class that were right; none if it was never guessed.
    fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.counts[class][class], self.counts.iter().map(|row| row[class]).sum())
    }

    /// The pairs (times, truth, guess) of unlike classes, the most frequent first.
    fn mistaken(&self) -> Vec<(u64, usize, usize)> {
        let pairs = self.counts.iter().enumerate().flat_map(|(truth, row)| {
            row.iter().enumerate().map(move |(guess, &times)| (times, truth, guess))
        });
        let mut pairs: Vec<_> =
            pairs.filter(|&(times, truth, guess)| times > 0 && truth != guess).collect();
        pairs.sort_by_key(|&(times, truth, guess)| (std::cmp::Reverse(times), truth, guess));
        pairs
    }

    /// The classes that are shown: those in most mistakes, if there are too many for all.
    fn shown(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.classes.len()).collect();
        if classes.len() > MOST_CLASSES {
            let mut mistakes = vec![0; classes.len()];
            for (times, truth, guess) in self.mistaken() {
                mistakes[truth] += times;
                mistakes[guess] += times;
            }
            classes.sort_by_key(|&class| std::cmp::Reverse(mistakes[class]));
            classes.truncate(MOST_CLASSES);
            classes.sort();
        }
        classes
    }

    /// Draws the matrix.
    pub(super) fn draw(&self, html: &mut Markup) {
        let classes = self.classes.len();
        self.summary(html);
        let shown = self.shown();
        if shown.len() < classes {
            html.element("p", &[], |html| {
                html.text(format_args!(
                    "Shown are the {} of {classes} classes in the most mistakes; recall \
                     and precision are over all.",
                    shown.len()
                ));
            });
        }
        scroll_box(html, "Confusion matrix", |html| {
            let long = shown.iter().any(|&class| self.classes[class].chars().count() > 3);
            let class = if long { "confusion upright" } else { "confusion" };
            html.element("table", &[("class", &class)], |html| {
                html.element("caption", &[], |html| {
                    html.text("A row for each true class, a column for each guess.");
                });
                self.headings(html, &shown);
                self.rows(html, &shown);
            });
        });
    }

    fn summary(&self, html: &mut Markup) {
        let (right, total) = (self.right(), self.total());
        html.element("p", &[], |html| {
            let share = ratio(right, total).map(|share| format!(" ({}\u{A0}%)", percent(share, 2)));
            let (right, total) = (grouped(right), grouped(total));
            let share = share.unwrap_or_default();
            html.text(format_args!("{right} of {total} were guessed right{share}."));
        });
        let name = |class: usize| &self.classes[class];
        let mistaken = self.mistaken();
        let pairs = mistaken.iter().take(NAMED_PAIRS).map(|&(times, truth, guess)| {
            let times =
                if times == 1 { "once".into() } else { format!("{} times", grouped(times)) };
            format!("{} taken for {} ({times})", name(truth), name(guess))
        });
        let pairs: Vec<String> = pairs.collect();
        if !pairs.is_empty() {
            html.element("p", &[], |html| {
                html.text(format_args!("Most frequent: {}.", listed(&pairs)));
            });
        }
    }

    fn headings(&self, html: &mut Markup, shown: &[usize]) {
        html.element("thead", &[], |html| {
            html.element("tr", &[], |html| {
                html.element("th", &[("scope", &"col"), ("rowspan", &2)], |html| {
                    html.text("truth")
                });
                html.element("th", &[("scope", &"colgroup"), ("colspan", &shown.len())], |html| {
                    html.text("guess");
                });
                html.element("th", &[("scope", &"col"), ("rowspan", &2)], |html| {
                    html.text("recall, %")
                });
            });
            html.element("tr", &[], |html| {
                for &class in shown {
                    let name = &self.classes[class];
                    html.element("th", &[("scope", &"col"), ("title", name)], |html| {
                        html.name(name)
                    });
                }
            });
        });
    }

    fn rows(&self, html: &mut Markup, shown: &[usize]) {
        let most = self.mistaken().first().map_or(1, |&(times, ..)| times);
        html.element("tbody", &[], |html| {
            for &truth in shown {
                html.element("tr", &[], |html| {
                    let name = &self.classes[truth];
                    html.element("th", &[("scope", &"row"), ("title", name)], |html| {
                        html.name(name)
                    });
                    shown.iter().for_each(|&guess| self.cell(html, truth, guess, most));
                    rate(html, self.recall(truth));
                });
                html.line();
            }
        });
        html.element("tfoot", &[], |html| {
            html.element("tr", &[], |html| {
                html.element("th", &[("scope", &"row")], |html| html.text("precision, %"));
                shown.iter().for_each(|&class| rate(html, self.precision(class)));
                html.element("td", &[], |_| ());
            });
        });
    }

    /// A count; the more of the `most` mistakes of any pair, the hotter.
    fn cell(&self, html: &mut Markup, truth: usize, guess: usize, most: u64) {
        let times = self.counts[truth][guess];
        let count = grouped(times);
        if truth == guess {
            html.element("td", &[("class", &"right")], |html| html.text(count));
        } else if times == 0 {
            html.element("td", &[("class", &"none")], |html| html.text(count));
        } else {
            // The root keeps a single mistake visible beside many.
            let heat = format!("--heat:{:.2}", (times as f64 / most as f64).sqrt());
            let (truth, guess) = (&self.classes[truth], &self.classes[guess]);
            let title = format!("{truth} taken for {guess}: {count}");
            html.element("td", &[("style", &heat), ("title", &title)], |html| html.text(count));
        }
    }
}

/// A cell with a share, if there is one.
fn rate(html: &mut Markup, share: Option<f64>) {
    let text = share.map_or("–".to_string(), |share| percent(share, 1));
    html.element("td", &[("class", &"rate")], |html| html.text(text));
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
