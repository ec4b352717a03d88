//! A model as the graph that TensorBoard draws.

use super::wire::Message;
use gradus_nn::{Row, Summary};
use gradus_tensor::Source;

/// A `GraphDef` of a model: its input, its parameters and buffers, and its ops with what they take, by
/// the modules that all belong to.
pub(super) fn message(summary: &Summary) -> Message {
    let names = names(&summary.rows);
    let used = |number: usize| {
        let source = Source::Named(number);
        number == 0 || summary.rows.iter().any(|row| row.sources.contains(&source))
    };
    let named = summary.named.iter().enumerate().filter(|(number, _)| used(*number));
    let named = named.map(|(number, (name, dims))| {
        let op = if number == 0 { "Placeholder" } else { "Variable" };
        node(&label(name), op).entry(5, SHAPES, shape(dims))
    });
    let ops = summary.rows.iter().zip(&names).map(|(row, name)| {
        let sources = row.sources.iter().filter_map(|source| match source {
            Source::Named(number) => Some(label(&summary.named[*number].0)),
            Source::Op(number) => Some(names[*number].clone()),
            Source::Elsewhere => None,
        });
        let node = sources.fold(node(name, row.op), |node, source| node.text(3, &source));
        let node = node.entry(5, SHAPES, shape(&row.output));
        let counts = [("parameters", row.params as i64), ("operations", row.flops as i64)];
        counts.into_iter().fold(node, |node, (name, value)| {
            node.entry(5, name, Message::default().integer(3, value))
        })
    });
    let producer = Message::default().integer(1, 22);
    Message::default().messages(1, named.chain(ops)).message(4, producer)
}

/// Under which name a node says what shapes it gives.
const SHAPES: &str = "_output_shapes";

/// What what was there before the first op is called.
fn label(name: &str) -> String {
    if name.is_empty() { "input".to_string() } else { name.replace('.', "/") }
}

/// A name for each op that no other has; what stands before a slash is drawn as a box round it. An op
/// without parameters is in the smallest module that has both the op with some before it and the one
/// after it.
fn names(rows: &[Row]) -> Vec<String> {
    let module = |row: &Row| row.module.clone();
    let has_module = |row: &&Row| !row.module.is_empty();
    let name = |(number, row): (usize, &Row)| {
        let op = format!("{}_{}", row.op, number + 1);
        let before = rows[..number].iter().rev().find(has_module).map(module);
        let after = rows[number..].iter().find(has_module).map(module);
        let scope = match (&row.module[..], before, after) {
            ("", Some(before), Some(after)) => common(&before, &after),
            (module, ..) => module.to_string(),
        };
        if scope.is_empty() { op } else { format!("{}/{op}", scope.replace('.', "/")) }
    };
    rows.iter().enumerate().map(name).collect()
}

/// The smallest module that has both.
fn common(one: &str, other: &str) -> String {
    let parts = one.split('.').zip(other.split('.'));
    let same: Vec<&str> = parts.take_while(|(a, b)| a == b).map(|(part, _)| part).collect();
    same.join(".")
}

/// A `NodeDef`.
fn node(name: &str, op: &str) -> Message {
    Message::default().text(1, name).text(2, op)
}

/// A list of one shape, an `AttrValue`.
fn shape(dims: &[usize]) -> Message {
    let dims = dims.iter().map(|&len| Message::default().integer(1, len as i64));
    let shape = Message::default().messages(2, dims);
    Message::default().message(1, Message::default().message(7, shape))
}
