//! The JSON schema of recipes, by which editors complete and check them.

use super::check::part_fields;
use super::entry::{List, Outline};
use super::field::{Field, Kind, Limits};
use super::sections::fields;
use serde_json::{Map, Value as Json, json};

/// The schema of recipes, JSON Schema of 2020-12.
pub fn schema() -> Json {
    let mut definitions = Map::new();
    for list in super::lists::lists() {
        definitions.insert(list.name.to_string(), list_schema(&list));
    }
    let mut schema = object(&fields());
    let head = schema.as_object_mut().expect("an object");
    head.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    head.insert("title".into(), "A recipe of Gradus".into());
    head.insert("$defs".into(), definitions.into());
    schema
}

/// One of a list: a text that is short for a kind, or a table.
fn list_schema(list: &List) -> Json {
    let tables = list.outlines.iter().map(|outline| part_schema(list, outline));
    let kinds: Vec<Json> = list.outlines.iter().map(|outline| outline.kind.into()).collect();
    let short = json!({ "enum": kinds });
    let forms: Vec<Json> = [short].into_iter().chain(tables).collect();
    json!({ "anyOf": forms })
}

fn part_schema(list: &List, outline: &Outline) -> Json {
    let mut schema = object(&part_fields(list, outline));
    schema["description"] = outline.doc.into();
    schema["properties"]["kind"] = json!({ "const": outline.kind });
    if list.default == Some(outline.kind)
        && let Some(required) = schema["required"].as_array_mut()
    {
        required.retain(|name| name != "kind");
    }
    schema
}

/// A table of settings.
fn object(fields: &[Field]) -> Json {
    let properties: Map<String, Json> =
        fields.iter().map(|field| (field.name.to_string(), property(field))).collect();
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(field: &Field) -> Json {
    let mut schema = value(&field.kind, field.limits);
    schema["description"] = field.doc.into();
    if let Some(default) = &field.default {
        schema["default"] = super::tree::Node::unwritten(default.clone()).to_json();
    }
    schema
}

fn value(kind: &Kind, limits: Option<Limits>) -> Json {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer => number("integer", limits),
        Kind::Float => number("number", limits),
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Sign => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::List(kind) => json!({ "type": "array", "items": value(kind, limits) }),
        Kind::Exactly(count, kind) => json!({
            "type": "array",
            "items": value(kind, limits),
            "minItems": count,
            "maxItems": count,
        }),
        Kind::OneOrList(kind) => {
            let one = value(kind, limits);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Kind::Part(list) => json!({ "$ref": format!("#/$defs/{}", list().name) }),
        Kind::Table(fields) => object(&fields()),
        Kind::Free => json!({ "type": "object" }),
    }
}

fn number(kind: &str, limits: Option<Limits>) -> Json {
    let mut schema = json!({ "type": kind });
    if let Some((low, itself)) = limits.and_then(Limits::low) {
        schema[if itself { "minimum" } else { "exclusiveMinimum" }] = low.into();
    }
    if let Some((high, itself)) = limits.and_then(Limits::high) {
        schema[if itself { "maximum" } else { "exclusiveMaximum" }] = high.into();
    }
    schema
}
