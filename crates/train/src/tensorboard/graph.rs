//! A model as the graph that TensorBoard draws.

use super::wire::Message;
use gradus_nn::{Row, Summary};

/// A `GraphDef` of a model's ops, grouped by the modules they belong to. A [`Summary`] knows the
/// order in which ops run, not which takes the output of which: the graph is a chain.
pub(super) fn message(summary: &Summary) -> Message {
    let mut before = "input".to_string();
    let input = node(&before, "Placeholder", None).entry(5, SHAPES, shape(&summary.input));
    let ops = summary.rows.iter().enumerate().map(|(number, row)| {
        let name = name(row, number);
        let attributes = [("parameters", row.params as i64), ("operations", row.flops as i64)];
        let node = node(&name, row.op, Some(&before)).entry(5, SHAPES, shape(&row.output));
        before = name;
        attributes.into_iter().fold(node, |node, (name, value)| {
            node.entry(5, name, Message::default().integer(3, value))
        })
    });
    let producer = Message::default().integer(1, 22);
    Message::default().messages(1, std::iter::once(input).chain(ops)).message(4, producer)
}

/// Under which name a node says what shapes it gives.
const SHAPES: &str = "_output_shapes";

/// A name that no other node has; what stands before a slash is drawn as a box round the op.
fn name(row: &Row, number: usize) -> String {
    let op = format!("{}_{}", row.op, number + 1);
    match &row.module[..] {
        "" => op,
        module => format!("{}/{op}", module.replace('.', "/")),
    }
}

/// A `NodeDef`.
fn node(name: &str, op: &str, input: Option<&str>) -> Message {
    let node = Message::default().text(1, name).text(2, op);
    input.into_iter().fold(node, |node, input| node.text(3, input))
}

/// A list of one shape, an `AttrValue`.
fn shape(dims: &[usize]) -> Message {
    let dims = dims.iter().map(|&len| Message::default().integer(1, len as i64));
    let shape = Message::default().messages(2, dims);
    Message::default().message(1, Message::default().message(7, shape))
}
