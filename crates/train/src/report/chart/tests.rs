//! Charts as what they draw.

use super::plot::READ_OUTS;
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
    let class = |node: &Node, class| node.ancestors().any(|a| a.attribute("class") == Some(class));
    let found = document
        .descendants()
        .filter(|node| node.has_tag_name(name) && class(node, "plot") && !class(node, "read-out"));
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
    of_lines(html, "circle", |node| format!("{} {}", attribute(node, "cx"), attribute(node, "cy")))
}

/// The text of the elements of a class.
fn texts(html: &str, class: &str) -> Vec<String> {
    let document = Document::parse(html).unwrap();
    let found = document.descendants().filter(|node| node.attribute("class") == Some(class));
    let text =
        |node: Node| node.descendants().filter_map(|n| n.text().filter(|_| n.is_text())).collect();
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
        node.has_tag_name("rect") && node.parent().unwrap().attribute("class") == Some("read-out")
    });
    let number =
        |node: Node, name| attribute(node, name).trim_end_matches('%').parse::<f64>().unwrap();
    let end = columns.fold(0.0, |end: f64, column| {
        assert!((number(column, "x") - end).abs() < 0.02);
        number(column, "x") + number(column, "width")
    });
    assert!((end - 100.0).abs() < 0.02);
}
