//! The page as a whole.

use super::*;
use crate::findings::{Answer, Input, LabelFindings, LanguageFindings, NumberFindings};
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::{HashMap, HashSet};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&amp;\u{0}\u{202E}]]>--><!-- 数字";

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_string(), value.to_string())
}

fn name(name: &str) -> Answer {
    Answer::Name(name.to_string())
}

fn mistake(index: usize, confidence: f64) -> Prediction {
    let input = Input::Picture(vec![1, 2, 3, 4]);
    let (truth, confidence) = (Some(name("4")), Some(confidence));
    Prediction { index, input, of: String::new(), truth, guess: name("9"), confidence }
}

fn predictions(samples: Vec<Prediction>) -> Option<Predictions> {
    Some(Predictions { total: samples.len() as u64, samples })
}

fn full() -> Report {
    let series = |name: &str, values: &[f64]| Series {
        name: name.to_string(),
        points: (1..).map(f64::from).zip(values.iter().copied()).collect(),
        best: Some(Best::Lowest),
    };
    let curves = vec![
        Chart {
            title: "Loss".to_string(),
            unit: Unit::Number,
            series: vec![series("train", &[0.5, 0.2, 0.1]), series("validation", &[0.4, 0.2, 0.3])],
        },
        Chart {
            title: "Accuracy".to_string(),
            unit: Unit::Percent,
            series: vec![series("train", &[0.9, f64::NAN, 0.98])],
        },
    ];
    let classes = ["4", "7", "9"].map(String::from).to_vec();
    let counts = vec![vec![8, 0, 2], vec![0, 0, 0], vec![1, 3, 6]];
    Report {
        title: "digits".to_string(),
        subtitle: "A small network".to_string(),
        facts: vec![pair("Test accuracy", "98.25 %")],
        settings: vec![pair("seed", "42"), pair("batch", "64")],
        curves,
        confusion: Some(Confusion { classes, counts }),
        findings: None,
        predictions: predictions(vec![mistake(7, 0.5), mistake(3, 0.99), mistake(5, f64::NAN)]),
        model: "module  op\n0       linear <10>".to_string(),
    }
}

/// A report all of whose names are hostile.
fn hostile() -> Report {
    let name = || HOSTILE.to_string();
    let mut report = full();
    report.title = name();
    report.subtitle = name();
    report.model = name();
    report.facts = vec![pair(HOSTILE, HOSTILE)];
    report.settings = vec![pair(HOSTILE, HOSTILE)];
    for chart in &mut report.curves {
        chart.title = name();
        chart.series.iter_mut().for_each(|series| series.name = name());
    }
    let confusion = report.confusion.as_mut().unwrap();
    confusion.classes.iter_mut().for_each(|class| *class = name());
    let samples = &mut report.predictions.as_mut().unwrap().samples;
    for sample in samples.iter_mut() {
        (sample.truth, sample.guess) = (Some(Answer::Name(name())), Answer::Name("9".into()));
    }
    let of = |input| Prediction { input, ..samples[0].clone() };
    let row = Input::Row(vec![pair(HOSTILE, HOSTILE)]);
    let written = Prediction { truth: None, guess: Answer::Name(name()), ..samples[0].clone() };
    let (truth, guess) = (Some(Answer::Number(1.0)), Answer::Number(2.0));
    let number = Prediction { of: name(), truth, guess, ..of(Input::Text(name())) };
    let more = [of(Input::Text(name())), of(row), written, number];
    samples.extend(more);
    report.findings = Some(Findings::Numbers(vec![NumberFindings::of(HOSTILE, HOSTILE, &[])]));
    report
}

fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..Default::default() };
    Document::parse_with_options(page, options).unwrap()
}

fn text(node: Node) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

/// The elements of a name within the section of an id.
fn within<'a>(page: &'a Document, section: &str, name: &str) -> Vec<Node<'a, 'a>> {
    let section = page.descendants().find(|node| node.attribute("id") == Some(section)).unwrap();
    section.descendants().filter(|node| node.has_tag_name(name)).collect()
}

#[test]
fn the_page_is_well_formed_and_stands_alone() {
    for report in [Report::default(), full(), hostile()] {
        let page = report.to_html();
        let document = parse(&page);
        assert_eq!(document.root_element().attribute("lang"), Some("en"));
        let mut ids = HashSet::new();
        for node in document.descendants().filter(Node::is_element) {
            assert!(!["script", "iframe", "object"].contains(&node.tag_name().name()));
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!name.starts_with("on"), "{name}={value}");
                match name {
                    "id" => assert!(ids.insert(value), "{value} twice"),
                    "src" => assert!(value.starts_with("data:"), "{value}"),
                    "href" => assert!(value.starts_with('#') || value == "data:,", "{value}"),
                    _ => {}
                }
            }
        }
        let links = document.descendants().filter(|node| node.has_tag_name("a"));
        for target in links.filter_map(|link| link.attribute("href")) {
            assert!(ids.contains(&target[1..]), "{target}");
        }
    }
    for style in [include_str!("style.css"), COLOURS] {
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
}

#[test]
fn only_elements_without_content_close_themselves() {
    // HTML, other than XML, ignores the slash: `<td/>` opens a cell that nothing closes.
    let empty = ["meta", "link", "img", "line", "rect", "circle", "path", "polyline"];
    let page = full().to_html();
    let mut found = HashSet::new();
    for tag in page.split('<').filter_map(|piece| piece.split('>').next()) {
        if let Some(tag) = tag.strip_suffix('/') {
            let name = tag.split(' ').next().unwrap();
            assert!(empty.contains(&name), "{name}");
            found.insert(name);
        }
    }
    assert_eq!(found.len(), empty.len());
}

#[test]
fn the_same_report_gives_the_same_page() {
    assert_eq!(full().to_html(), full().to_html());
}

#[test]
fn names_stay_text() {
    let page = hostile().to_html();
    let document = parse(&page);
    assert_eq!(within(&document, "mistakes", "img").len(), 3);
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("img")).count(), 4);
    let shown = HOSTILE.replace('\0', "\u{FFFD}");
    let heading = document.descendants().find(|node| node.has_tag_name("h1")).unwrap();
    assert_eq!(text(heading), shown);
    assert_eq!(text(within(&document, "model", "pre")[0]), shown);
    let title = within(&document, "confusion", "th").iter().find_map(|th| th.attribute("title"));
    assert_eq!(title, Some(shown.as_str()));
}

#[test]
fn sections_are_those_with_something_to_say() {
    let headings = |report: &Report| {
        let page = report.to_html();
        let document = parse(&page);
        document.descendants().filter(|node| node.has_tag_name("h2")).map(text).collect::<Vec<_>>()
    };
    let all = ["Curves", "Confusion matrix", "Mistakes", "Model", "Settings"];
    assert_eq!(headings(&full()), all);
    assert!(headings(&Report::default()).is_empty());
    let report = Report { confusion: None, curves: Vec::new(), ..full() };
    assert_eq!(headings(&report), ["Mistakes", "Model", "Settings"]);
}

#[test]
fn facts_and_settings_are_shown() {
    let page = full().to_html();
    assert!(page.contains("<dt>Test accuracy</dt><dd>98.25 %</dd>"));
    assert!(page.contains("<dt>seed</dt><dd>42</dd>"));
}

#[test]
fn the_matrix_has_headings_counts_recall_and_precision() {
    let page = full().to_html();
    let document = parse(&page);
    for heading in within(&document, "confusion", "th") {
        let scope = heading.attribute("scope").unwrap();
        assert!(["col", "row", "colgroup"].contains(&scope));
    }
    let rows: Vec<Vec<String>> = within(&document, "confusion", "tr")
        .iter()
        .map(|row| row.children().filter(Node::is_element).map(text).collect())
        .collect();
    let expected: [&[&str]; 6] = [
        &["truth", "guess", "recall, %"],
        &["4", "7", "9"],
        &["4", "8", "0", "2", "80.0"],
        &["7", "0", "0", "0", "–"],
        &["9", "1", "3", "6", "60.0"],
        &["precision, %", "88.9", "0.0", "75.0", ""],
    ];
    assert_eq!(rows, expected);
    let said: Vec<String> = within(&document, "confusion", "p").into_iter().map(text).collect();
    assert_eq!(said[0], "14 of 20 were guessed right (70.00\u{A0}%).");
    assert_eq!(
        said[1],
        "Most frequent: 9 taken for 7 (3 times), 4 taken for 9 (2 times) and 9 taken for 4 (once)."
    );
}

#[test]
fn mistakes_are_the_hotter_the_more_frequent() {
    let page = full().to_html();
    let document = parse(&page);
    let cells = within(&document, "confusion", "td");
    let heat = cells.iter().filter_map(|cell| {
        let heat = cell.attribute("style")?.strip_prefix("--heat:")?;
        Some((text(*cell), heat.to_string()))
    });
    let expected = [("2", "0.82"), ("1", "0.58"), ("3", "1.00")];
    assert_eq!(heat.collect::<Vec<_>>(), expected.map(|(count, heat)| pair(count, heat)));
}

#[test]
fn a_large_matrix_shows_the_classes_in_the_most_mistakes() {
    let mut counts = vec![vec![0; 100]; 100];
    (0..100).for_each(|class| counts[class][class] = 5);
    counts[97][3] = 2;
    let classes = (0..100).map(|class| format!("class {class}")).collect();
    let report = Report { confusion: Some(Confusion { classes, counts }), ..Default::default() };
    let page = report.to_html();
    let document = parse(&page);
    assert!(page.contains("Shown are the 40 of 100 classes in the most mistakes"));
    let rows: Vec<String> = within(&document, "confusion", "tbody")[0]
        .children()
        .filter_map(|row| row.first_element_child().map(text))
        .collect();
    assert_eq!(rows.len(), 40);
    assert!(rows.contains(&"class 3".to_string()) && rows.contains(&"class 97".to_string()));
}

#[test]
#[should_panic(expected = "the confusion matrix of 2 classes has rows of lengths [2, 1]")]
fn a_matrix_that_is_not_square_is_refused() {
    let classes = vec!["a".to_string(), "b".to_string()];
    let counts = vec![vec![1, 2], vec![3]];
    Report { confusion: Some(Confusion { classes, counts }), ..Default::default() }.to_html();
}

/// What the page says of its mistakes, and the descriptions of the pictures it shows.
fn mistakes_of(confusion: Option<Confusion>, samples: Vec<Prediction>) -> (String, Vec<String>) {
    let predictions = predictions(samples);
    let page = Report { confusion, predictions, ..Default::default() }.to_html();
    let document = parse(&page);
    let pictures = within(&document, "mistakes", "img");
    let described = pictures.iter().map(|picture| picture.attribute("alt").unwrap().to_string());
    (text(within(&document, "mistakes", "p")[0]), described.collect())
}

/// A matrix with so many mistakes.
fn with_wrong(wrong: u64) -> Option<Confusion> {
    let classes = vec!["4".to_string(), "9".to_string()];
    Some(Confusion { classes, counts: vec![vec![50, wrong], vec![0, 50]] })
}

#[test]
fn the_most_confident_mistakes_come_first() {
    let (_, pictures) = mistakes_of(None, full().predictions.unwrap().samples);
    let expected = [3, 7, 5].map(|index| format!("Picture {index}: 4, taken for 9"));
    assert_eq!(pictures, expected);
}

#[test]
fn pictures_are_in_the_page() {
    let page = full().to_html();
    let document = parse(&page);
    let source = within(&document, "mistakes", "img")[0].attribute("src");
    assert_eq!(source, Some("data:image/png;base64,AQIDBA=="));
}

#[test]
fn the_page_says_how_many_of_the_mistakes_it_shows() {
    let many = |count: usize| (0..count).map(|index| mistake(index, 0.9)).collect::<Vec<_>>();
    let said = |wrong, count| {
        let (said, pictures) = mistakes_of(with_wrong(wrong), many(count));
        (said.split(['.', ',', ';']).next().unwrap().to_string(), pictures.len())
    };
    let expect = |said: &str, count| (said.to_string(), count);
    assert_eq!(said(0, 0), expect("There are none", 0));
    assert_eq!(said(1, 0), expect("There is one", 0));
    assert_eq!(said(1, 1), expect("There is one", 1));
    assert_eq!(said(30, 0), expect("There are 30", 0));
    assert_eq!(said(30, 30), expect("All 30", 30));
    assert_eq!(said(30, 20), expect("20 of 30", 20));
    assert_eq!(said(900, 900), expect("The 120 most confident of 900", 120));
    assert_eq!(mistakes_of(None, many(1000)).1.len(), 120);
    let (said, _) = mistakes_of(None, many(1000));
    assert!(said.starts_with("The 120 most confident of 1,000, "), "{said}");
}

#[test]
fn numbers_scatter_round_the_true_ones() {
    let number = |index: usize, truth, guess| Prediction {
        index,
        truth: Some(Answer::Number(truth)),
        guess: Answer::Number(guess),
        ..Default::default()
    };
    let samples = vec![
        number(0, 0.0, 1.0),
        number(1, 10.0, 9.0),
        number(2, 5.0, 5.0),
        number(3, 5.0, f64::NAN),
    ];
    let predictions = Some(Predictions { total: 400, samples });
    let page = Report { predictions, ..Default::default() }.to_html();
    let document = parse(&page);
    let places: Vec<(&str, &str)> = within(&document, "values", "circle")
        .iter()
        .map(|point| (point.attribute("cx").unwrap(), point.attribute("cy").unwrap()))
        .collect();
    assert_eq!(places, [("0.00%", "90.00%"), ("100.00%", "10.00%"), ("50.00%", "50.00%")]);
    let bars: Vec<Node> = within(&document, "values", "rect");
    assert_eq!(bars.iter().map(|bar| text(*bar)).collect::<Vec<_>>(), ["1", "1", "1"]);
    assert_eq!(
        text(within(&document, "values", "p")[0]),
        "4 of 400 are shown. One of them is not finite and not drawn. Of these: mean absolute \
         error 0.6667, root of the mean square 0.8165, R² 0.9600."
    );
    let all = |guess: f64| {
        let predictions = Some(Predictions { total: 1, samples: vec![number(0, guess, guess)] });
        Report { predictions, ..Default::default() }.to_html()
    };
    for guess in [0.0, 1e300, f64::INFINITY] {
        parse(&all(guess));
    }
}

#[test]
fn each_number_has_its_name_its_unit_and_its_farthest_answers() {
    let told = |index: usize, of: &str, guess: f64| Prediction {
        index,
        of: of.into(),
        input: Input::Row(vec![pair("rooms", &index.to_string())]),
        truth: Some(Answer::Number(1.0)),
        guess: Answer::Number(guess),
        ..Default::default()
    };
    let samples = vec![told(0, "price", 1.5), told(1, "size", 4.0), told(2, "price", 9.0)];
    let price = NumberFindings::of("price", "€", &[(1.0, 1.5), (1.0, 9.0), (3.0, 3.0)]);
    let size = NumberFindings::of("size", "", &[(1.0, 4.0)]);
    let findings = Some(Findings::Numbers(vec![price, size]));
    let predictions = Some(Predictions { total: 3, samples });
    let page = Report { findings, predictions, ..Default::default() }.to_html();
    let document = parse(&page);
    let said: Vec<String> = within(&document, "values", "p").into_iter().map(text).collect();
    assert_eq!(
        said,
        [
            "Of all 3: mean absolute error 2.833\u{A0}€, root of the mean square 4.628\u{A0}€, R² \
             −23.09. 2 are shown, the farthest among them.",
            "Of all 1: mean absolute error 3.000, root of the mean square 3.000.",
        ]
    );
    let titles: Vec<String> = within(&document, "values", "h3").into_iter().map(text).collect();
    assert_eq!(titles[0], "Predicted by true value: price, €");
    assert_eq!(titles[3], "Predicted less true value: size");
    let far: Vec<String> = within(&document, "farthest", "li").into_iter().map(text).collect();
    let wanted = [
        "rooms2price: 1.000\u{A0}€ → 9.000\u{A0}€no. 2",
        "rooms1size: 1.000 → 4.000no. 1",
        "rooms0price: 1.000\u{A0}€ → 1.500\u{A0}€no. 0",
    ];
    assert_eq!(far, wanted);
}

#[test]
fn each_label_has_a_row() {
    let red = LabelFindings::of("red", &[(true, 0.9), (true, 0.2), (false, 0.8), (false, 0.1)]);
    let never = LabelFindings::of("never", &[(false, 0.2); 4]);
    let samples = vec![Prediction {
        truth: Some(name("red")),
        guess: name("none"),
        confidence: Some(0.8),
        ..Default::default()
    }];
    let report = Report {
        findings: Some(Findings::Labels { labels: vec![red, never], mistaken: 2 }),
        predictions: Some(Predictions { total: 4, samples }),
        ..Default::default()
    };
    let page = report.to_html();
    let document = parse(&page);
    let rows = within(&document, "labels", "tr");
    let cells =
        |row: Node| -> Vec<String> { row.children().filter(Node::is_element).map(text).collect() };
    assert_eq!(cells(rows[1]), ["red", "2", "2", "50.0", "50.0", "50.0", "75.0"]);
    assert_eq!(cells(rows[2]), ["never", "0", "0", "–", "–", "–", "–"]);
    let said = text(within(&document, "labels", "p")[0]);
    assert!(
        said.starts_with("Of 2 labels that hold 1 were told, and 2 were told in all."),
        "{said}"
    );
    assert!(said.contains("F1 over all is 50.0\u{A0}%") && said.contains("In 2 samples"), "{said}");
    let mistakes = text(within(&document, "mistakes", "p")[0]);
    assert!(mistakes.starts_with("1 of 2, the most confident first"), "{mistakes}");
}

#[test]
fn a_language_has_its_perplexity_and_its_loss_by_place() {
    let language = |by_place: Vec<f64>| {
        let findings = LanguageFindings { tokens: 1200, loss: 2f64.ln(), by_place };
        let findings = Some(Findings::Language(findings));
        let written = Prediction { truth: None, ..mistake(1, 0.5) };
        Report { findings, predictions: predictions(vec![written]), ..Default::default() }.to_html()
    };
    let page = language(vec![3.0, 2.0, f64::INFINITY, 1.0]);
    let document = parse(&page);
    let said = text(within(&document, "writings", "p")[0]);
    assert_eq!(said, "Perplexity 2.000 over 1,200 tokens, by a mean of −ln p of 0.6931.");
    let dots: Vec<String> = within(&document, "writings", "circle").into_iter().map(text).collect();
    assert_eq!(dots, ["1: 3.000", "2: 2.000", "4: 1.000"]);
    let line = within(&document, "writings", "polyline")[0].attribute("points").unwrap();
    assert_eq!(line.split(' ').count(), 3);
    assert_eq!(within(&document, "writings", "li").len(), 1);
    assert!(!language(vec![3.0]).contains("<polyline"));
}

#[test]
fn texts_and_rows_are_shown_as_what_was_given() {
    let of = |input, truth| Prediction { input, truth, ..mistake(1, 0.5) };
    let samples = vec![
        of(Input::Text("a poor film".into()), Some(name("4"))),
        of(Input::Row(vec![pair("age", "7")]), Some(name("4"))),
        of(Input::Text("Once".into()), None),
    ];
    let page = Report { predictions: predictions(samples), ..Default::default() }.to_html();
    let document = parse(&page);
    let items: Vec<String> = within(&document, "mistakes", "li").into_iter().map(text).collect();
    assert_eq!(items, ["a poor film4 → 950.00\u{A0}%no. 1", "age74 → 950.00\u{A0}%no. 1"]);
    let written: Vec<String> = within(&document, "writings", "li").into_iter().map(text).collect();
    assert_eq!(written, ["Once950.00\u{A0}%no. 1"]);
}

/// The colours of a theme: 0 is light, 1 is dark.
fn colours(theme: usize) -> HashMap<&'static str, [f64; 3]> {
    let declarations = COLOURS.split("--").skip(1).filter_map(|rest| rest.split_once(": "));
    let colours = declarations.map(|(name, value)| {
        let pair = value.strip_prefix("light-dark(").unwrap().split(')').next().unwrap();
        let digits = pair.split(", ").nth(theme).unwrap().strip_prefix('#').unwrap();
        let channel = |index: usize| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16);
        (name, [0, 1, 2].map(|index| f64::from(channel(index).unwrap())))
    });
    colours.collect()
}

/// The contrast of two colours, from 1 to 21.
///
/// # Source
/// WCAG 2.2, definitions of "relative luminance" and "contrast ratio".
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = colour.map(|channel| match channel / 255.0 {
            low if low <= 0.04045 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn colours_can_be_told_apart_in_both_themes() {
    for theme in [0, 1] {
        let colours = colours(theme);
        assert_eq!(colours.len(), 16);
        let of = |a: &str, b: &str| contrast(colours[a], colours[b]);
        for text in ["ink", "muted", "faint", "link"] {
            assert!(of(text, "page") >= 4.5, "{text} on the page: {}", of(text, "page"));
        }
        for text in ["ink", "muted"] {
            assert!(of(text, "surface") >= 4.5, "{text} on a surface: {}", of(text, "surface"));
        }
        for line in ["line-0", "line-1", "line-2", "line-3", "line-4", "line-5"] {
            assert!(of(line, "page") >= 3.0, "{line} on the page: {}", of(line, "page"));
        }
        for ground in ["page", "surface"] {
            assert!(of("edge", ground) >= 3.0, "edges on a {ground}: {}", of("edge", ground));
        }
        // The hottest cell of the matrix, as the style sheet mixes it.
        let (heat, page) = (colours["heat-colour"], colours["page"]);
        let hottest = [0, 1, 2].map(|index| 0.7 * heat[index] + 0.3 * page[index]);
        assert!(contrast(colours["ink"], hottest) >= 4.5, "{}", contrast(colours["ink"], hottest));
    }
}
