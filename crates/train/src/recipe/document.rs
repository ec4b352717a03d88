//! The reference of recipes, in Markdown.

use super::check::expected;
use super::entry::{List, Outline};
use super::field::{Field, Kind};
use super::sections::fields;
use std::fmt::Write;

/// Everything that a recipe can say: its sections, and what each can name.
pub fn reference() -> String {
    let mut text = String::from("## Sections\n");
    for field in fields() {
        let name = match field.kind {
            Kind::Table(_) | Kind::Part(_) => format!("[{}]", field.name),
            Kind::List(_) if field.name != "metrics" => format!("[[{}]]", field.name),
            _ => field.name.to_string(),
        };
        let _ = write!(text, "\n### `{name}`\n\n{}", field.doc);
        match &field.kind {
            Kind::Table(fields) => {
                text += "\n\n";
                text += &table(&fields());
            }
            kind => text += &link(kind),
        }
    }
    for list in super::lists::lists() {
        text += &chapter(&list);
    }
    text
}

fn chapter(list: &List) -> String {
    let mut title = list.name.to_string();
    title[..1].make_ascii_uppercase();
    let mut text = format!("\n## {title}\n");
    if !list.common.is_empty() {
        let _ = write!(
            text,
            "\nEach {} has these settings, too:\n\n{}",
            list.noun,
            table(&list.common)
        );
    }
    list.outlines.iter().for_each(|outline| text += &section(outline));
    text
}

fn section(outline: &Outline) -> String {
    let Outline { kind, doc, fields } = outline;
    match fields.is_empty() {
        true => format!("\n### `{kind}`\n\n{doc}\n"),
        false => format!("\n### `{kind}`\n\n{doc}\n\n{}", table(fields)),
    }
}

/// Which list a setting chooses from.
fn link(kind: &Kind) -> String {
    match kind {
        Kind::Part(list) => format!(" One of the [{0}](#{0}).\n", list().name),
        Kind::List(kind) => match &**kind {
            Kind::Part(list) => format!(" Any of the [{0}](#{0}).\n", list().name),
            _ => "\n".into(),
        },
        _ => "\n".into(),
    }
}

fn table(fields: &[Field]) -> String {
    let mut text = String::from("| setting | takes | default | |\n|---|---|---|---|\n");
    for field in fields {
        let default = match (&field.default, field.required) {
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "must be given".into(),
            (None, false) => String::new(),
        };
        let takes = expected(&field.kind, field.limits);
        let _ = writeln!(text, "| `{}` | {takes} | {default} | {} |", field.name, field.doc);
    }
    text
}
