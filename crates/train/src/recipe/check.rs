//! Checking a recipe against the lists.

use super::entry::{List, Outline};
use super::field::{Field, Kind, Limits};
use super::tree::{Item, Node, Place, Table, Value};
use gradus_tensor::Result;
use std::path::Path;

/// A table of settings, checked, with the defaults of those that are not given, in the order of the
/// fields. `path` is what complaints call it.
pub(super) fn settings(fields: &[Field], node: &Node, path: &str) -> Result<Node> {
    let Value::Table(table) = &node.value else {
        let found = node.value.describe();
        return Err(node.place.complain(format_args!("`{path}` should be a table, not {found}")));
    };
    for Item { name, place, .. } in table.items() {
        if !fields.iter().any(|field| field.name == name) {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let hint = hint(name, &names, "its settings are");
            let owner = if path.is_empty() { "a recipe".into() } else { format!("`{path}`") };
            return Err(place.complain(format_args!("{owner} has no `{name}`: {hint}")));
        }
    }
    let mut checked = Table::default();
    for field in fields {
        let name = join(path, field.name);
        let node = match (table.get(field.name), &field.default) {
            (Some(node), _) => value(field, node, &name)?,
            (None, Some(default)) => value(field, &Node::unwritten(default.clone()), &name)?,
            // A section that needs nothing said has its defaults.
            (None, None)
                if let Kind::Table(fields) = &field.kind
                    && field.required
                    && !fields().iter().any(|field| field.required) =>
            {
                value(field, &Node::unwritten(Value::Table(Table::default())), &name)?
            }
            (None, None) if field.required => {
                let doc = lower(field.doc);
                let message = format_args!("`{name}` is missing: {doc}");
                return Err(node.place.complain(message));
            }
            (None, None) => continue,
        };
        checked.set(field.name, node);
    }
    Ok(Node { value: Value::Table(checked), place: node.place.clone() })
}

/// The value of a setting, checked.
fn value(field: &Field, node: &Node, path: &str) -> Result<Node> {
    let checked = of_kind(&field.kind, field.limits, node, path)?;
    match (field.fits)(&checked) {
        true => Ok(checked),
        false => {
            let expected = expected(&field.kind, field.limits);
            Err(node
                .place
                .complain(format_args!("`{path}` cannot be {}: give {expected}", node.value)))
        }
    }
}

/// A value of a kind, checked.
fn of_kind(kind: &Kind, limits: Option<Limits>, node: &Node, path: &str) -> Result<Node> {
    let each = |kind: &Kind, nodes: &[Node]| -> Result<Node> {
        let check = |(index, node): (usize, &Node)| {
            of_kind(kind, limits, node, &join(path, &index.to_string()))
        };
        let nodes: Result<Vec<Node>> = nodes.iter().enumerate().map(check).collect();
        Ok(Node { value: Value::List(nodes?), place: node.place.clone() })
    };
    match (kind, &node.value) {
        (Kind::Path, Value::Text(path)) => {
            let value = Value::Text(absolute(path, &node.place));
            Ok(Node { value, place: node.place.clone() })
        }
        (Kind::Sign, Value::Text(text)) if text.chars().count() == 1 => Ok(node.clone()),
        (Kind::Bool, Value::Bool(_))
        | (Kind::Text, Value::Text(_))
        | (Kind::Free, Value::Table(_)) => Ok(node.clone()),
        (Kind::Integer, Value::Integer(number)) => within(limits, *number as f64, kind, node, path),
        (Kind::Float, Value::Integer(number)) => within(limits, *number as f64, kind, node, path),
        (Kind::Float, Value::Float(number)) => within(limits, *number, kind, node, path),
        (Kind::Choice(choices), Value::Text(text)) if choices.contains(&text.as_str()) => {
            Ok(node.clone())
        }
        (Kind::Choice(choices), Value::Text(text)) => {
            let hint = hint(text, choices, "there are");
            Err(node.place.complain(format_args!("`{path}` cannot be `{text}`: {hint}")))
        }
        (Kind::List(kind) | Kind::OneOrList(kind), Value::List(nodes)) => each(kind, nodes),
        (Kind::Exactly(count, kind), Value::List(nodes)) if nodes.len() == *count => {
            each(kind, nodes)
        }
        (Kind::OneOrList(kind), _) => of_kind(kind, limits, node, path),
        (Kind::Part(list), _) => part(&list(), node, path),
        (Kind::Table(fields), Value::Table(_)) => settings(&fields(), node, path),
        _ => Err(wrong(kind, limits, node, path)),
    }
}

/// A path from the folder of the recipe that has it; from the current one, if an option has it.
fn absolute(path: &str, place: &Place) -> String {
    let folder = match place {
        Place::File { file, .. } => Path::new(&**file).parent(),
        _ => None,
    };
    let path = folder.unwrap_or(Path::new("")).join(path);
    let whole = std::path::absolute(&path).unwrap_or(path);
    whole.to_string_lossy().into_owned()
}

/// A number within limits.
fn within(
    limits: Option<Limits>,
    number: f64,
    kind: &Kind,
    node: &Node,
    path: &str,
) -> Result<Node> {
    let fits = limits.map_or(number.is_finite(), |limits| limits.take(number));
    if fits {
        return Ok(node.clone());
    }
    let expected = expected(kind, limits);
    Err(node.place.complain(format_args!("`{path}` is {}: give {expected}", node.value)))
}

/// An entry of a list, checked: its kind and its settings.
pub(super) fn part(list: &List, node: &Node, path: &str) -> Result<Node> {
    let (kind, place, table) = match &node.value {
        Value::Text(kind) => (kind.clone(), &node.place, Table::default()),
        Value::Table(table) => match (table.get("kind"), list.default) {
            (Some(Node { value: Value::Text(kind), place }), _) => {
                (kind.clone(), place, table.clone())
            }
            (Some(other), _) => return Err(wrong(&Kind::Text, None, other, &join(path, "kind"))),
            (None, Some(kind)) => (kind.to_string(), &node.place, table.clone()),
            (None, None) => {
                let message = format_args!(
                    "`{path}` does not say which {} it is: add kind = \"{}\", or another of {}",
                    list.noun,
                    list.outlines[0].kind,
                    named(&kinds(list))
                );
                return Err(node.place.complain(message));
            }
        },
        value => {
            let message =
                format_args!("`{path}` should be a {}, not {}", list.noun, value.describe());
            return Err(node.place.complain(message));
        }
    };
    let Some(outline) = list.outlines.iter().find(|outline| outline.kind == kind) else {
        let hint = hint(&kind, &kinds(list), "there are");
        return Err(place.complain(format_args!("there is no {} `{kind}`: {hint}", list.noun)));
    };
    let mut table = table;
    table.set("kind", Node { value: Value::Text(kind), place: place.clone() });
    let node = Node { value: Value::Table(table), place: node.place.clone() };
    settings(&part_fields(list, outline), &node, path)
}

/// All settings of an entry: its kind, those of the list, its own.
pub(super) fn part_fields(list: &List, outline: &Outline) -> Vec<Field> {
    let kind = Field::new::<String>("kind", "Which one it is.");
    [vec![kind], list.common.clone(), outline.fields.clone()].concat()
}

fn kinds(list: &List) -> Vec<&'static str> {
    list.outlines.iter().map(|outline| outline.kind).collect()
}

/// A complaint about a value of another kind.
fn wrong(kind: &Kind, limits: Option<Limits>, node: &Node, path: &str) -> gradus_tensor::Error {
    let (expected, found) = (expected(kind, limits), node.value.describe());
    node.place.complain(format_args!("`{path}` should be {expected}, not {found}"))
}

/// What a setting takes, in words.
pub(super) fn expected(kind: &Kind, limits: Option<Limits>) -> String {
    let number = |noun: &str| match limits {
        Some(limits) => format!("{noun} {limits}"),
        None => noun.to_string(),
    };
    match kind {
        Kind::Bool => "true or false".into(),
        Kind::Integer => number("a whole number"),
        Kind::Float => number("a number"),
        Kind::Text => "a text".into(),
        Kind::Sign => "one sign".into(),
        Kind::Path => "a path".into(),
        Kind::Choice(choices) => format!("one of {}", named(choices)),
        Kind::List(kind) => format!("a list, each of which is {}", expected(kind, limits)),
        Kind::Exactly(count, kind) => {
            format!("a list of {count}, each of which is {}", expected(kind, limits))
        }
        Kind::OneOrList(kind) => format!("{}, or a list of such", expected(kind, limits)),
        Kind::Part(list) => article(list().noun),
        Kind::Table(_) | Kind::Free => "a table".into(),
    }
}

/// A noun with its article.
fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// A sentence as a part of another.
fn lower(sentence: &str) -> String {
    let mut signs = sentence.trim_end_matches('.').chars();
    let first = signs.next().into_iter().flat_map(char::to_lowercase);
    first.chain(signs).collect()
}

/// More names than these are not listed in a complaint.
const MOST_NAMES: usize = 30;

/// What may have been meant.
fn hint(word: &str, names: &[&str], otherwise: &str) -> String {
    match nearest(word, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "it takes none".into(),
        None if names.len() > MOST_NAMES => "gradus recipes --reference lists them".into(),
        None => format!("{otherwise} {}", named(names)),
    }
}

/// The name that is most like a word, if one is at all.
pub(super) fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let best = names.iter().min_by_key(|name| distance(word, name))?;
    let near = distance(word, best) <= (word.chars().count() + 1) / 3;
    let begins = |name: &&&str| !word.is_empty() && name.starts_with(word);
    if near { Some(best) } else { names.iter().find(begins).copied() }
}

/// How many characters must be put in, left out, changed, or exchanged with their neighbour to make
/// one word of another.
///
/// # Source
/// Damerau 1964, "A technique for computer detection and correction of spelling errors".
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let changed = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// Names in a row: `a`, `b` and `c`.
fn named(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The path of a part of something with a path.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}
