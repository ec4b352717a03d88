//! Settings: their names, types, defaults and limits.

use super::entry::List;
use super::tree::{Node, Value};
use gradus_nn::Sizes;
use std::fmt;
use std::ops::{Range, RangeFrom, RangeInclusive};
use std::path::PathBuf;

/// A setting that a recipe can give: from these derive the checks, the reference and the schema.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// What its values look like.
    pub kind: Kind,
    /// Which of them it takes.
    pub limits: Option<Limits>,
    /// Its value if none is given.
    pub default: Option<Value>,
    /// True if it must be given.
    pub required: bool,
    /// True for values that its type can hold.
    pub(super) fits: fn(&Node) -> bool,
}

impl Field {
    /// A setting without a default: it must be given unless its type has a value for "nothing".
    pub fn new<T: Setting>(name: &'static str, doc: &'static str) -> Self {
        let required = T::absent().is_none();
        let fits = |node: &Node| T::read(node).is_some();
        Self { name, doc, kind: T::kind(), limits: T::limits(), default: None, required, fits }
    }

    /// A setting with a default. One that is nothing is none: then it must be given, unless its type
    /// has a value for "nothing".
    pub fn with_default<T: Setting>(name: &'static str, doc: &'static str, default: &T) -> Self {
        let default = default.write();
        let required = default.is_none() && T::absent().is_none();
        Self { default, required, ..Self::new::<T>(name, doc) }
    }

    /// The same, with a value if none is given.
    pub fn or(self, default: Value) -> Self {
        Self { default: Some(default), required: false, ..self }
    }

    /// The same, for numbers within limits only.
    pub fn within(self, limits: impl Into<Limits>) -> Self {
        Self { limits: Some(limits.into()), ..self }
    }
}

/// What values look like.
#[derive(Clone, Debug)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// Any number.
    Float,
    /// Any text.
    Text,
    /// A text of one sign.
    Sign,
    /// The path of a file or a folder; in a recipe, from the recipe's own folder.
    Path,
    /// One of some texts.
    Choice(&'static [&'static str]),
    /// Values of one kind in order.
    List(Box<Kind>),
    /// So many values of one kind in order.
    Exactly(usize, Box<Kind>),
    /// One value or several.
    OneOrList(Box<Kind>),
    /// One entry of a list: a table with a `kind`, or a text that is short for it.
    Part(fn() -> List),
    /// A table with settings of its own.
    Table(fn() -> Vec<Field>),
    /// A table of any names.
    Free,
}

/// The numbers that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    low: f64,
    high: f64,
    /// The lower limit itself is not taken.
    above: bool,
    /// The upper limit itself is not taken.
    below: bool,
}

/// Numbers above 0.
pub const POSITIVE: Limits = Limits { low: 0.0, high: f64::INFINITY, above: true, below: false };
/// Numbers from 0 to 1.
pub const SHARE: Limits = Limits { low: 0.0, high: 1.0, above: false, below: false };

impl Limits {
    /// True if the number is within.
    pub fn take(self, number: f64) -> bool {
        let low = if self.above { number > self.low } else { number >= self.low };
        let high = if self.below { number < self.high } else { number <= self.high };
        low && high && number.is_finite()
    }

    /// The lower limit and whether it is taken itself, if there is one.
    pub fn low(self) -> Option<(f64, bool)> {
        self.low.is_finite().then_some((self.low, !self.above))
    }

    /// The upper limit and whether it is taken itself, if there is one.
    pub fn high(self) -> Option<(f64, bool)> {
        self.high.is_finite().then_some((self.high, !self.below))
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, high, above, below } = *self;
        let from = if above { "above" } else { "from" };
        let to = if below { "below" } else { "to" };
        match (low.is_finite(), high.is_finite()) {
            (true, true) if !above && below => write!(f, "from {low} to below {high}"),
            (true, true) if above => {
                write!(f, "above {low} and {} {high}", if below { "below" } else { "up to" })
            }
            (true, true) => write!(f, "{from} {low} {to} {high}"),
            (true, false) if above => write!(f, "above {low}"),
            (true, false) => write!(f, "of {low} or more"),
            (false, true) if below => write!(f, "below {high}"),
            (false, true) => write!(f, "of at most {high}"),
            (false, false) => Ok(()),
        }
    }
}

macro_rules! limits {
    ($($number:ty)*) => {$(
        impl From<RangeFrom<$number>> for Limits {
            fn from(range: RangeFrom<$number>) -> Self {
                let low = range.start as f64;
                Self { low, high: f64::INFINITY, above: false, below: false }
            }
        }
        impl From<Range<$number>> for Limits {
            fn from(range: Range<$number>) -> Self {
                Self { low: range.start as f64, high: range.end as f64, above: false, below: true }
            }
        }
        impl From<RangeInclusive<$number>> for Limits {
            fn from(range: RangeInclusive<$number>) -> Self {
                let (low, high) = (*range.start() as f64, *range.end() as f64);
                Self { low, high, above: false, below: false }
            }
        }
    )*};
}
limits! { f64 i32 }

/// A type whose values can be written in a recipe.
pub trait Setting: Sized {
    /// What they look like.
    fn kind() -> Kind;

    /// The numbers that the type can hold, if not all.
    fn limits() -> Option<Limits> {
        None
    }

    /// The value of a node; none if it is of another kind.
    fn read(node: &Node) -> Option<Self>;

    /// As it is written; none if it is nothing.
    fn write(&self) -> Option<Value>;

    /// The value if nothing is written, for a type that has one.
    fn absent() -> Option<Self> {
        None
    }
}

impl Setting for bool {
    fn kind() -> Kind {
        Kind::Bool
    }
    fn read(node: &Node) -> Option<Self> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }
    fn write(&self) -> Option<Value> {
        Some(Value::Bool(*self))
    }
}

impl Setting for f64 {
    fn kind() -> Kind {
        Kind::Float
    }
    fn read(node: &Node) -> Option<Self> {
        match node.value {
            Value::Float(value) => Some(value),
            Value::Integer(value) => Some(value as f64),
            _ => None,
        }
    }
    fn write(&self) -> Option<Value> {
        Some(Value::Float(*self))
    }
}

macro_rules! integers {
    ($($number:ty, $limits:expr;)*) => {$(
        impl Setting for $number {
            fn kind() -> Kind {
                Kind::Integer
            }
            fn limits() -> Option<Limits> {
                $limits
            }
            fn read(node: &Node) -> Option<Self> {
                match node.value {
                    Value::Integer(value) => value.try_into().ok(),
                    _ => None,
                }
            }
            fn write(&self) -> Option<Value> {
                (*self).try_into().ok().map(Value::Integer)
            }
        }
    )*};
}
integers! {
    usize, Some((0..).into());
    u64, Some((0..).into());
    u32, Some((0.0..4294967296.0).into());
    u8, Some((0.0..256.0).into());
    isize, None;
    i64, None;
}

impl Setting for String {
    fn kind() -> Kind {
        Kind::Text
    }
    fn read(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Text(value) => Some(value.clone()),
            _ => None,
        }
    }
    fn write(&self) -> Option<Value> {
        Some(Value::Text(self.clone()))
    }
}

impl Setting for PathBuf {
    fn kind() -> Kind {
        Kind::Path
    }
    fn read(node: &Node) -> Option<Self> {
        String::read(node).map(Self::from)
    }
    fn write(&self) -> Option<Value> {
        self.to_str().filter(|path| !path.is_empty()).map(|path| Value::Text(path.to_string()))
    }
}

/// Nothing, if nothing is written.
impl<T: Setting> Setting for Option<T> {
    fn kind() -> Kind {
        T::kind()
    }
    fn limits() -> Option<Limits> {
        T::limits()
    }
    fn read(node: &Node) -> Option<Self> {
        T::read(node).map(Some)
    }
    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(T::write)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Empty, if nothing is written.
impl<T: Setting> Setting for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }
    fn limits() -> Option<Limits> {
        T::limits()
    }
    fn read(node: &Node) -> Option<Self> {
        match &node.value {
            Value::List(nodes) => nodes.iter().map(T::read).collect(),
            _ => None,
        }
    }
    fn write(&self) -> Option<Value> {
        let nodes = self.iter().map(|value| value.write().map(Node::unwritten));
        nodes.collect::<Option<_>>().map(Value::List)
    }
    fn absent() -> Option<Self> {
        Some(vec![])
    }
}

/// Two numbers in a list.
impl Setting for (f64, f64) {
    fn kind() -> Kind {
        Kind::Exactly(2, Box::new(Kind::Float))
    }
    fn read(node: &Node) -> Option<Self> {
        match Vec::read(node)?[..] {
            [first, second] => Some((first, second)),
            _ => None,
        }
    }
    fn write(&self) -> Option<Value> {
        vec![self.0, self.1].write()
    }
}

/// So many values in a list.
impl<T: Setting, const N: usize> Setting for [T; N] {
    fn kind() -> Kind {
        Kind::Exactly(N, Box::new(T::kind()))
    }
    fn limits() -> Option<Limits> {
        T::limits()
    }
    fn read(node: &Node) -> Option<Self> {
        Vec::read(node)?.try_into().ok()
    }
    fn write(&self) -> Option<Value> {
        let nodes = self.iter().map(|value| value.write().map(Node::unwritten));
        nodes.collect::<Option<_>>().map(Value::List)
    }
}

/// One number for all axes, or one for each.
impl Setting for Sizes {
    fn kind() -> Kind {
        Kind::OneOrList(Box::new(Kind::Integer))
    }
    fn limits() -> Option<Limits> {
        usize::limits()
    }
    fn read(node: &Node) -> Option<Self> {
        let sizes = OneOrMore::<usize>::read(node)?;
        Self::try_new(&sizes.0).ok()
    }
    fn write(&self) -> Option<Value> {
        OneOrMore(self.to_vec()).write()
    }
}

/// A value, or several in a list.
#[derive(Clone, Debug, Default)]
pub struct OneOrMore<T>(
    /// The values.
    pub Vec<T>,
);

impl<T: Setting> Setting for OneOrMore<T> {
    fn kind() -> Kind {
        Kind::OneOrList(Box::new(T::kind()))
    }
    fn limits() -> Option<Limits> {
        T::limits()
    }
    fn read(node: &Node) -> Option<Self> {
        match &node.value {
            Value::List(_) => Vec::read(node).map(Self),
            _ => T::read(node).map(|value| Self(vec![value])),
        }
    }
    fn write(&self) -> Option<Value> {
        match &self.0[..] {
            [one] => one.write(),
            _ => self.0.write(),
        }
    }
    fn absent() -> Option<Self> {
        Some(Self(vec![]))
    }
}

/// Makes settings of enums without fields: each variant and how it is written.
macro_rules! choices {
    ($($type:ty { $($variant:ident = $text:literal),* $(,)? })*) => {$(
        impl $crate::recipe::field::Setting for $type {
            fn kind() -> $crate::recipe::field::Kind {
                $crate::recipe::field::Kind::Choice(&[$($text),*])
            }
            fn read(node: &$crate::recipe::tree::Node) -> Option<Self> {
                match &node.value {
                    $crate::recipe::tree::Value::Text(text) => match text.as_str() {
                        $($text => Some(<$type>::$variant),)*
                        _ => None,
                    },
                    _ => None,
                }
            }
            fn write(&self) -> Option<$crate::recipe::tree::Value> {
                let text = match self {
                    $(<$type>::$variant => $text,)*
                };
                Some($crate::recipe::tree::Value::Text(text.to_string()))
            }
        }
    )*};
}
pub(crate) use choices;
