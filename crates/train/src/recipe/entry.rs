//! What a recipe can name: entries by kind, in a list for each part of a recipe.

use super::check;
use super::field::{Field, Kind, Setting};
use super::tree::{Node, Place, Table, Value};
use crate::caught::catching;
use gradus_tensor::{Error, Result};
use std::marker::PhantomData;

/// One kind of a thing, as it is described.
#[derive(Clone, Debug)]
pub struct Outline {
    /// What a recipe calls it.
    pub kind: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// Its settings.
    pub fields: Vec<Field>,
}

/// All kinds of a thing, as they are described.
#[derive(Clone, Debug)]
pub struct List {
    /// The name of the list: `layers`.
    pub name: &'static str,
    /// What one of them is called: `layer`.
    pub noun: &'static str,
    /// Settings that each of them has, besides its own.
    pub common: Vec<Field>,
    /// The kind if none is given.
    pub default: Option<&'static str>,
    /// The kinds.
    pub outlines: Vec<Outline>,
}

/// Something that a recipe can have made.
pub trait Product: Sized + 'static {
    /// What making one takes, besides its settings.
    type Site;
    /// The name of the list: `layers`.
    const NAME: &'static str;
    /// What one of them is called: `layer`.
    const NOUN: &'static str;
    /// The kind if none is given.
    const DEFAULT: Option<&'static str> = None;

    /// Every kind of it.
    fn entries() -> Vec<Entry<Self>>;

    /// Settings that each of them has, besides its own.
    fn common() -> Vec<Field> {
        vec![]
    }

    /// All of them, as they are described.
    fn list() -> List {
        let outlines = Self::entries().into_iter().map(|entry| entry.outline);
        List {
            name: Self::NAME,
            noun: Self::NOUN,
            common: Self::common(),
            default: Self::DEFAULT,
            outlines: outlines.collect(),
        }
    }
}

/// One kind of a thing, and how it is made.
pub struct Entry<P: Product> {
    /// How it is described.
    pub outline: Outline,
    /// Makes one.
    pub make: fn(&Settings<'_>, &mut P::Site) -> Result<P>,
}

/// The settings of one thing, checked, with their defaults.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a>(&'a Table);

impl<'a> Settings<'a> {
    /// Those of a table.
    pub fn of(table: &'a Table) -> Self {
        Self(table)
    }

    /// The value of one.
    ///
    /// # Panics
    /// If the settings were not checked for it.
    #[track_caller]
    pub fn get<T: Setting>(&self, name: &str) -> T {
        let value = match self.0.get(name) {
            Some(node) => T::read(node),
            None => T::absent(),
        };
        value.unwrap_or_else(|| panic!("the setting {name} was not checked"))
    }

    /// Where one is written.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.0.get(name).map(|node| &node.place)
    }
}

/// One thing of a recipe that is yet to be made.
#[derive(Debug)]
pub struct Part<P> {
    node: Node,
    product: PhantomData<fn() -> P>,
}

impl<P> Clone for Part<P> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), product: PhantomData }
    }
}

impl<P: Product> Part<P> {
    /// A kind with its defaults, to be checked.
    pub fn named(kind: &str) -> Self {
        let node = Node::unwritten(Value::Text(kind.to_string()));
        Self { node, product: PhantomData }
    }

    /// The same, checked, with all defaults.
    pub(super) fn checked(&self) -> Result<Self> {
        let node = check::part(&P::list(), &self.node, P::NOUN)?;
        Ok(Self { node, product: PhantomData })
    }

    /// Which kind it is.
    pub fn kind(&self) -> String {
        self.settings().get("kind")
    }

    /// Where it is written.
    pub fn place(&self) -> &Place {
        &self.node.place
    }

    /// As it is written, with the defaults.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Its settings.
    pub fn settings(&self) -> Settings<'_> {
        match &self.node.value {
            Value::Table(table) => Settings(table),
            value => panic!("{value} was not checked"),
        }
    }

    /// Makes it. What the library refuses with a panic is an error here, in the line of the recipe.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(&self, site: &mut P::Site) -> Result<P> {
        let kind = self.kind();
        let entry = P::entries().into_iter().find(|entry| entry.outline.kind == kind);
        let entry = entry.unwrap_or_else(|| panic!("{} {kind} was not checked", P::NOUN));
        self.attempt(|| (entry.make)(&self.settings(), site))
    }
}

impl<P: Product> Part<P> {
    /// Does what is asked for here; what goes wrong becomes a complaint that names the kind.
    pub(super) fn attempt<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        attempt(self.place(), Some(&self.kind()), body)
    }
}

impl<P: Product> Setting for Part<P> {
    fn kind() -> Kind {
        Kind::Part(P::list)
    }
    fn read(node: &Node) -> Option<Self> {
        Some(Self { node: node.clone(), product: PhantomData })
    }
    fn write(&self) -> Option<Value> {
        Some(self.node.value.clone())
    }
}

/// Does what a recipe asks for at a place; what goes wrong becomes a complaint about the place, in the
/// name of a kind if there is one.
///
/// # Errors
/// Those of `body`, and its panics.
pub(super) fn attempt<T>(
    place: &Place,
    kind: Option<&str>,
    body: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let message = match catching(|_| true, body) {
        Ok(Err(Error::Setting(message))) => message,
        Ok(Err(Error::Op(error))) => error.to_string(),
        Ok(result) => return result,
        Err(message) => message,
    };
    match kind {
        Some(kind) => Err(place.complain(format_args!("{kind}: {}", without_name(&message)))),
        None => Err(place.complain(message)),
    }
}

/// A message without the name of an op or a type that it begins with.
fn without_name(message: &str) -> &str {
    match message.split_once(": ") {
        Some((name, rest)) if name.chars().all(|sign| sign.is_alphanumeric() || sign == '_') => {
            rest
        }
        _ => message,
    }
}

/// An entry of a list: its kind, what it is, its settings (name, type, perhaps a default and limits,
/// what it does), and how it is made of them and the site.
macro_rules! entry {
    (
        $kind:ident($site:tt): $doc:literal;
        $($field:ident: $type:ty $(= $default:expr)? $(, $limits:expr)? => $field_doc:literal;)*
        => $make:expr
    ) => {
        $crate::recipe::entry::Entry {
            outline: $crate::recipe::entry::Outline {
                kind: stringify!($kind),
                doc: $doc,
                fields: vec![$($crate::recipe::entry::field!(
                    $field: $type $(= $default)? $(, $limits)? => $field_doc
                )),*],
            },
            make: |_settings, $site| {
                $(let $field: $type = _settings.get(stringify!($field));)*
                $make
            },
        }
    };
}

/// A setting: its name, its type, perhaps a default and limits, and what it does.
macro_rules! field {
    ($name:ident: $type:ty = $default:expr $(, $limits:expr)? => $doc:literal) => {{
        let default: $type = $default;
        $crate::recipe::field::Field::with_default(stringify!($name), $doc, &default)
            $(.within($limits))?
    }};
    ($name:ident: $type:ty $(, $limits:expr)? => $doc:literal) => {
        $crate::recipe::field::Field::new::<$type>(stringify!($name), $doc)$(.within($limits))?
    };
}

/// The settings that are the fields of a struct with a `Default`, which has their defaults: the name
/// of each, perhaps limits, and what it does.
macro_rules! option_fields {
    ($options:ty { $($name:ident $(, $limits:expr)? => $doc:literal;)* }) => {{
        let default = <$options>::default();
        vec![$(
            $crate::recipe::field::Field::with_default(stringify!($name), $doc, &default.$name)
                $(.within($limits))?
        ),*]
    }};
}

/// The struct of [`option_fields`], read from settings.
macro_rules! option_read {
    ($settings:expr, $options:ty { $($name:ident $(, $limits:expr)? => $doc:literal;)* }) => {{
        let settings = $settings;
        let mut options = <$options>::default();
        $(options.$name = settings.get(stringify!($name));)*
        options
    }};
}

/// Makes a section of a struct with a `Default`: see [`option_fields`].
macro_rules! section {
    ($options:ty { $($fields:tt)* }) => {
        impl $crate::recipe::field::Setting for $options {
            fn kind() -> $crate::recipe::field::Kind {
                $crate::recipe::field::Kind::Table(|| {
                    $crate::recipe::entry::option_fields!($options { $($fields)* })
                })
            }
            fn read(node: &$crate::recipe::tree::Node) -> Option<Self> {
                match &node.value {
                    $crate::recipe::tree::Value::Table(table) => {
                        let settings = $crate::recipe::entry::Settings::of(table);
                        Some($crate::recipe::entry::option_read!(settings, $options { $($fields)* }))
                    }
                    _ => None,
                }
            }
            fn write(&self) -> Option<$crate::recipe::tree::Value> {
                None
            }
        }
    };
}

pub(crate) use {entry, field, option_fields, option_read, section};
