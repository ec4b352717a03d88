//! A recipe as a tree of values that know where they were written.

use gradus_tensor::{Error, Result};
use serde_json::Value as Json;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: it is the default.
    #[default]
    Default,
    /// In a file.
    File {
        /// Its name.
        file: Arc<str>,
        /// The line, from 1 on.
        line: usize,
        /// The column, in characters from 1 on.
        column: usize,
    },
    /// As an option of the command line.
    Option(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the recipe"),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Option(option) => f.write_str(option),
        }
    }
}

impl Place {
    /// A complaint about what is written here.
    pub fn complain(&self, message: impl fmt::Display) -> Error {
        Error::format(self, message)
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub place: Place,
}

/// What a recipe is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by name.
    Table(Table),
}

/// Values by name, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<Item>);

/// A name and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The name.
    pub name: String,
    /// Where the name was written.
    pub place: Place,
    /// The value.
    pub node: Node,
}

impl Table {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.items().find(|item| item.name == name).map(|item| &item.node)
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|item| item.name == name).map(|item| &mut item.node)
    }

    /// Names and values in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.0.iter()
    }

    /// Gives a name a value, in the place of the one it had.
    pub fn set(&mut self, name: &str, node: Node) {
        match self.get_mut(name) {
            Some(old) => *old = node,
            None => {
                let place = node.place.clone();
                self.0.push(Item { name: name.to_string(), place, node });
            }
        }
    }
}

impl Node {
    /// A value that nobody wrote.
    pub fn unwritten(value: Value) -> Self {
        Self { value, place: Place::Default }
    }

    /// The tree of a file in TOML.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let source = Source { file: file.into(), text };
        match DeTable::parse(text) {
            Ok(table) => source.table(table.span(), table.get_ref()),
            Err(error) => {
                let place = source.place(error.span().unwrap_or_default());
                let message = error.message().replace('\n', ", ");
                Err(place.complain(format_args!("this is not TOML: {message}")))
            }
        }
    }

    /// The value of an option of the command line: TOML, or a text as it is.
    fn of_option(text: &str, place: &Place) -> Self {
        let source = Source { file: "".into(), text };
        let parsed = DeValue::parse(text).ok();
        let node = parsed.and_then(|value| source.node(value.span(), value.get_ref()).ok());
        let value = node.map_or(Value::Text(text.to_string()), |node| node.value);
        let mut node = Self { value, place: place.clone() };
        node.move_to(place);
        node
    }

    /// Says that a tree was written elsewhere.
    fn move_to(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.value {
            Value::List(nodes) => nodes.iter_mut().for_each(|node| node.move_to(place)),
            Value::Table(table) => table.0.iter_mut().for_each(|item| {
                item.place = place.clone();
                item.node.move_to(place);
            }),
            _ => {}
        }
    }

    /// Changes one value: `optimizer.learning_rate=0.01`, or `model.layers.0.out=64`, where lists
    /// count from 0.
    ///
    /// # Errors
    /// If there is no `=`, or the path does not lead anywhere.
    pub fn assign(&mut self, assignment: &str) -> Result<()> {
        let place = Place::Option(format!("--set {assignment}").into());
        let Some((path, text)) = assignment.split_once('=').filter(|(path, _)| !path.is_empty())
        else {
            return Err(
                place.complain("give a path and a value, as in optimizer.learning_rate=0.01")
            );
        };
        let mut node = self;
        let mut walked = String::new();
        for step in path.split('.') {
            node = node.step(&walked, step, &place)?;
            walked = if walked.is_empty() { step.to_string() } else { format!("{walked}.{step}") };
        }
        *node = Self::of_option(text, &place);
        Ok(())
    }

    /// The part of a tree that a step of a path leads to; made if there is none.
    fn step(&mut self, walked: &str, step: &str, place: &Place) -> Result<&mut Self> {
        if let Value::Text(kind) = &self.value {
            // A text is short for a table with nothing but a kind.
            let kind = Self { value: Value::Text(kind.clone()), place: self.place.clone() };
            let mut table = Table::default();
            table.set("kind", kind);
            self.value = Value::Table(table);
        }
        match &mut self.value {
            Value::Table(table) => {
                if table.get(step).is_none() {
                    let value = Value::Table(Table::default());
                    table.set(step, Self { value, place: place.clone() });
                }
                Ok(table.get_mut(step).expect("it was set"))
            }
            Value::List(nodes) => {
                let count = nodes.len();
                let index = step.parse::<usize>().ok().filter(|&index| index < count);
                index.map(|index| &mut nodes[index]).ok_or_else(|| {
                    place.complain(format_args!(
                        "`{walked}` is a list of {count}, counted from 0: it has no `{step}`"
                    ))
                })
            }
            value => {
                let found = value.describe();
                Err(place.complain(format_args!("`{walked}` is {found}: it has no `{step}`")))
            }
        }
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(value) => value.as_str().into(),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Table(table) => {
                let items = table.items().map(|item| (item.name.clone(), item.node.to_json()));
                Json::Object(items.collect())
            }
        }
    }
}

impl Value {
    /// What this is, for a complaint.
    pub fn describe(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(value) => format!("the text \"{value}\""),
            Self::List(_) => "a list".into(),
            Self::Table(_) => "a table".into(),
        }
    }
}

/// As TOML has it, in one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_nan() => f.write_str("nan"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(&quoted(value)),
            Self::List(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(|node| node.value.to_string()).collect();
                write!(f, "[{}]", nodes.join(", "))
            }
            Self::Table(table) => {
                let items: Vec<String> = table
                    .items()
                    .map(|item| format!("{} = {}", key(&item.name), item.node.value))
                    .collect();
                write!(f, "{{ {} }}", items.join(", "))
            }
        }
    }
}

/// A text as TOML has it: as JSON does, but for the sign of deletion.
fn quoted(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A name as TOML has it: a text, if it is of more than letters, digits, `_` and `-`.
fn key(name: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-');
    if !name.is_empty() && name.chars().all(plain) { name.to_string() } else { quoted(name) }
}

/// A tree as a file of TOML: what has no name of a table first, then the tables.
pub fn to_toml(table: &Table) -> String {
    let mut text = String::new();
    write_table(&mut text, "", table);
    text
}

fn write_table(text: &mut String, path: &str, table: &Table) {
    let (tables, plain): (Vec<&Item>, Vec<&Item>) =
        table.items().partition(|item| is_section(item));
    for Item { name, node, .. } in plain {
        let name = key(name);
        match &node.value {
            Value::List(nodes)
                if nodes.iter().any(|node| matches!(node.value, Value::Table(_))) =>
            {
                let lines: String =
                    nodes.iter().map(|node| format!("    {},\n", node.value)).collect();
                *text += &format!("{name} = [\n{lines}]\n");
            }
            value => *text += &format!("{name} = {value}\n"),
        }
    }
    for Item { name, node, .. } in tables {
        let name = key(name);
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        let (open, close, parts) = match &node.value {
            Value::List(nodes) => ("[[", "]]", &nodes[..]),
            _ => ("[", "]", std::slice::from_ref(node)),
        };
        for part in parts {
            if let Value::Table(table) = &part.value {
                let gap = if text.is_empty() { "" } else { "\n" };
                *text += &format!("{gap}{open}{path}{close}\n");
                write_table(text, &path, table);
            }
        }
    }
}

/// True for a table, and for a list of tables that is best written as several.
fn is_section(item: &Item) -> bool {
    match &item.node.value {
        Value::Table(_) => true,
        Value::List(nodes) => {
            let tables = nodes.iter().all(|node| matches!(node.value, Value::Table(_)));
            tables && !nodes.is_empty() && item.name != "layers" && item.name != "metrics"
        }
        _ => false,
    }
}

/// A file of TOML, whose spans become places.
struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let before = &self.text[..self.text.floor_char_boundary(span.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&sign| sign != '\n').count() + 1;
        Place::File { file: self.file.clone(), line, column }
    }

    fn table(&self, span: Range<usize>, table: &DeTable<'_>) -> Result<Node> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let item = |(name, node): &(&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &Spanned<std::borrow::Cow<'_, str>> = name;
            Ok(Item {
                name: name.get_ref().to_string(),
                place: self.place(name.span()),
                node: self.node(node.span(), node.get_ref())?,
            })
        };
        let items: Result<Vec<Item>> = entries.iter().map(item).collect();
        Ok(Node { value: Value::Table(Table(items?)), place: self.place(span) })
    }

    fn node(&self, span: Range<usize>, value: &DeValue<'_>) -> Result<Node> {
        let place = self.place(span.clone());
        let value = match value {
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Integer(number),
                    Err(_) => {
                        let message = format_args!("{} has more than 64 bits", number.as_str());
                        return Err(place.complain(message));
                    }
                }
            }
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => {
                    return Err(place.complain(format_args!("{} is no number", number.as_str())));
                }
            },
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Array(array) => {
                let nodes = array.iter().map(|node| self.node(node.span(), node.get_ref()));
                Value::List(nodes.collect::<Result<_>>()?)
            }
            DeValue::Table(table) => return self.table(span, table),
        };
        Ok(Node { value, place })
    }
}
