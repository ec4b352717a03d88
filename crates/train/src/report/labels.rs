//! How often each label is told rightly, as a table.

use super::markup::Markup;
use super::scale::percent;
use super::scroll_box;
use crate::findings::LabelFindings;
use gradus_nn::grouped;

/// The most labels that are shown.
const MOST_LABELS: usize = 200;

/// What the columns are.
const COLUMNS: [&str; 7] =
    ["label", "holds", "told", "precision, %", "recall, %", "F1, %", "ROC AUC, %"];

/// Draws what was found of each label.
pub(super) fn draw(html: &mut Markup, labels: &[LabelFindings], mistaken: u64) {
    html.element("p", &[], |html| html.text(summary(labels, mistaken)));
    // Those that hold most often, if there are too many for all, in their own order.
    let mut shown: Vec<usize> = (0..labels.len()).collect();
    if labels.len() > MOST_LABELS {
        shown.sort_by_key(|&label| std::cmp::Reverse(labels[label].truths));
        shown.truncate(MOST_LABELS);
        shown.sort_unstable();
        let (count, all) = (MOST_LABELS, grouped(labels.len() as u64));
        html.element("p", &[], |html| {
            html.text(format_args!("Shown are the {count} of {all} that hold most often."));
        });
    }
    scroll_box(html, "Figures of each label", |html| {
        html.element("table", &[("class", &"numbers labels")], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for column in COLUMNS {
                        html.element("th", &[("scope", &"col")], |html| html.text(column));
                    }
                });
            });
            html.element("tbody", &[], |html| {
                shown.iter().for_each(|&label| row(html, &labels[label]));
            });
        });
    });
}

/// All labels together.
fn summary(labels: &[LabelFindings], mistaken: u64) -> String {
    let sum = |of: fn(&LabelFindings) -> u64| labels.iter().map(of).sum::<u64>();
    let all = LabelFindings {
        truths: sum(|label| label.truths),
        guesses: sum(|label| label.guesses),
        right: sum(|label| label.right),
        ..Default::default()
    };
    let own: Vec<f64> = labels.iter().filter_map(LabelFindings::f1).collect();
    let mean = (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64);
    let [f1, mean] = [all.f1(), mean].map(written);
    let [right, truths, guesses] = [all.right, all.truths, all.guesses].map(grouped);
    format!(
        "Of {truths} labels that hold {right} were told, and {guesses} were told in all. F1 over all \
         is {f1}\u{A0}%, the mean of the labels' own {mean}\u{A0}%. In {} samples a label was told \
         wrongly, or several.",
        grouped(mistaken)
    )
}

fn row(html: &mut Markup, label: &LabelFindings) {
    html.element("tr", &[], |html| {
        html.element("th", &[("scope", &"row")], |html| html.name(&label.name));
        let counts = [label.truths, label.guesses].map(grouped);
        let auc = Some(label.roc_auc).filter(|share| !share.is_nan());
        let shares = [label.precision(), label.recall(), label.f1(), auc].map(written);
        for cell in counts.into_iter().chain(shares) {
            html.element("td", &[], |html| html.text(cell));
        }
    });
    html.line();
}

/// A share in percent, if there is one.
fn written(share: Option<f64>) -> String {
    share.map_or("–".to_string(), |share| percent(share, 1))
}
