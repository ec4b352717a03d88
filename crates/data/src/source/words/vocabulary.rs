//! Words, characters or bytes as numbers.

use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How text becomes numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextOptions {
    /// What is numbered.
    pub unit: Unit,
    /// True to drop the difference between large and small letters; by default only of words.
    pub lower_case: Option<bool>,
    /// A word or character that occurs less often in the training texts counts as unknown.
    pub min_count: usize,
    /// The most numbers there may be, those of padding and of the unknown included: the most
    /// frequent words or characters get one.
    pub max_size: usize,
    /// How many numbers a text becomes. By default so many that 95 of 100 training texts fit, but
    /// no more than 512. For a language model: how many are in a window, by default 64.
    pub length: Option<usize>,
    /// Which end of a text that is too long is kept.
    pub keep: Keep,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            unit: Unit::Word,
            lower_case: None,
            min_count: 1,
            max_size: 20_000,
            length: None,
            keep: Keep::Start,
        }
    }
}

/// What of a text is numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Words; each sign of punctuation and each Chinese character is one of its own.
    #[default]
    Word,
    /// Characters, spaces too.
    Character,
    /// Bytes of UTF-8, which need no learning.
    Byte,
}

/// Which end of a text is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The start.
    #[default]
    Start,
    /// The end.
    End,
}

impl TextOptions {
    /// Refuses what cannot be.
    ///
    /// # Errors
    /// If a size is too small.
    pub fn check(&self) -> Result<()> {
        if self.max_size <= Vocabulary::FIRST {
            let message = format!(
                "text: max_size = {} leaves no word, as padding and the unknown take {}",
                self.max_size,
                Vocabulary::FIRST
            );
            return Err(Error::Setting(message));
        }
        self.length.map_or(Ok(()), check_length)
    }

    fn lowers(&self) -> bool {
        self.lower_case.unwrap_or(self.unit == Unit::Word)
    }
}

/// The longest that a text may become.
const MOST_LENGTH: usize = 1 << 24;

/// Refuses a length that no text can have.
pub(in crate::source) fn check_length(length: usize) -> Result<()> {
    let message = match length {
        0 => "text: length = 0 leaves nothing: give 1 or more".into(),
        1..=MOST_LENGTH => return Ok(()),
        _ => format!("text: length = {length} is more than {MOST_LENGTH}: give less"),
    };
    Err(Error::Setting(message))
}

/// What is known of words, characters or bytes, each with its number: 0 is padding, 1 whatever is
/// unknown, and then they come, the most frequent first. A byte's number is two more than itself.
///
/// ```
/// use gradus_data::source::words::{TextOptions, Vocabulary};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let known = Vocabulary::learn(["The cat, the dog."], &TextOptions::default())?;
/// assert_eq!(known.encode("the bird."), [2, 1, 4]);
/// assert_eq!(known.decode(&[2, 5]), "the cat");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Vocabulary {
    unit: Unit,
    lower_case: bool,
    entries: Vec<String>,
    numbers: HashMap<String, u32>,
}

/// A vocabulary as it is saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    unit: Unit,
    lower_case: bool,
    entries: Vec<String>,
}

impl From<Saved> for Vocabulary {
    fn from(saved: Saved) -> Self {
        Self::new(saved.unit, saved.lower_case, saved.entries)
    }
}

impl From<Vocabulary> for Saved {
    fn from(own: Vocabulary) -> Self {
        Self { unit: own.unit, lower_case: own.lower_case, entries: own.entries }
    }
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Self) -> bool {
        (self.unit, self.lower_case) == (other.unit, other.lower_case)
            && self.entries == other.entries
    }
}

impl Vocabulary {
    /// The number of padding.
    pub const PADDING: u32 = 0;
    /// The number of what is unknown.
    pub const UNKNOWN: u32 = 1;
    /// The first number of what is known.
    const FIRST: usize = 2;

    fn new(unit: Unit, lower_case: bool, entries: Vec<String>) -> Self {
        let numbers =
            (Self::FIRST as u32..).zip(&entries).map(|(number, name)| (name.clone(), number));
        Self { numbers: numbers.collect(), unit, lower_case, entries }
    }

    /// What occurs in texts often enough, the most frequent first; of those as frequent, in the
    /// order of Unicode.
    ///
    /// # Errors
    /// If the options cannot be.
    pub fn learn<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        options: &TextOptions,
    ) -> Result<Self> {
        options.check()?;
        let mut own = Self::new(options.unit, options.lowers(), vec![]);
        if options.unit == Unit::Byte {
            return Ok(own);
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        for text in texts {
            own.each(text, |token| match counts.get_mut(token) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(token.to_string(), 1);
                }
            });
        }
        let mut known: Vec<(String, usize)> =
            counts.into_iter().filter(|(_, count)| *count >= options.min_count).collect();
        known.sort_by(|(a, often), (b, other)| other.cmp(often).then_with(|| a.cmp(b)));
        known.truncate(options.max_size - Self::FIRST);
        own =
            Self::new(own.unit, own.lower_case, known.into_iter().map(|(name, _)| name).collect());
        Ok(own)
    }

    /// How many numbers there are, those of padding and of the unknown included.
    pub fn len(&self) -> usize {
        Self::FIRST + if self.unit == Unit::Byte { 256 } else { self.entries.len() }
    }

    /// True if nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == Self::FIRST
    }

    /// What is numbered.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The numbers of a text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        if self.unit == Unit::Byte {
            return self.lowered(text).bytes().map(|byte| byte as u32 + 2).collect();
        }
        let mut numbers = vec![];
        self.each(text, |token| {
            numbers.push(self.numbers.get(token).copied().unwrap_or(Self::UNKNOWN));
        });
        numbers
    }

    /// The text of numbers: words with spaces in between, `�` for what is unknown, and nothing for
    /// padding.
    pub fn decode(&self, numbers: &[u32]) -> String {
        let there = numbers.iter().filter(|&&number| number != Self::PADDING);
        let entry = |number: u32| (number as usize).checked_sub(Self::FIRST);
        if self.unit == Unit::Byte {
            let bytes = there.map(|&number| entry(number).and_then(|x| u8::try_from(x).ok()));
            let bytes: Vec<u8> = bytes.map(|byte| byte.unwrap_or(b'?')).collect();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let name = |&number: &u32| {
            let name = entry(number).and_then(|place| self.entries.get(place));
            name.map_or("\u{fffd}", String::as_str)
        };
        let between = if self.unit == Unit::Word { " " } else { "" };
        there.map(name).collect::<Vec<_>>().join(between)
    }

    fn lowered<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.lower_case { text.to_lowercase().into() } else { text.into() }
    }

    /// Calls a function with each word or character of a text.
    fn each(&self, text: &str, mut take: impl FnMut(&str)) {
        let text = self.lowered(text);
        if self.unit != Unit::Word {
            let ends = text.char_indices().map(|(start, sign)| (start, start + sign.len_utf8()));
            return ends.for_each(|(start, end)| take(&text[start..end]));
        }
        let mut start = None;
        let mut signs = text.char_indices().peekable();
        while let Some((place, sign)) = signs.next() {
            let next = signs.peek().map(|&(_, sign)| sign);
            let inside = start.is_some() && matches!(sign, '\'' | '’');
            // An apostrophe between letters belongs to the word: don't.
            if is_letter(sign) || inside && next.is_some_and(is_letter) {
                start.get_or_insert(place);
                continue;
            }
            if let Some(start) = start.take() {
                take(&text[start..place]);
            }
            if !sign.is_whitespace() {
                take(&text[place..place + sign.len_utf8()]);
            }
        }
        if let Some(start) = start {
            take(&text[start..]);
        }
    }
}

/// True for what words are of; a Chinese character is a word by itself.
fn is_letter(sign: char) -> bool {
    let chinese = matches!(sign, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    (sign.is_alphanumeric() || sign == '_') && !chinese
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_the_frequent_come_first() {
        let options = TextOptions::default();
        let known = Vocabulary::learn(["Don't! 'Tis a b_1", "B_1 深度 ’"], &options).unwrap();
        let wanted = ["b_1", "!", "'", "a", "don't", "tis", "’", "度", "深"];
        assert_eq!(known.entries, wanted);
        assert_eq!(known.encode("a DON'T zebra b_1"), [5, 6, 1, 2]);
        assert_eq!(known.decode(&[0, 6, 1, 0]), "don't \u{fffd}");
        assert_eq!(known.len(), 11);
        let text = serde_json::to_string(&known).unwrap();
        let again: Vocabulary = serde_json::from_str(&text).unwrap();
        assert_eq!(again, known);
        assert_eq!(again.encode("a"), [5]);
        let cut = TextOptions { min_count: 2, ..options.clone() };
        assert_eq!(Vocabulary::learn(["a a b"], &cut).unwrap().entries, ["a"]);
        let cut = TextOptions { max_size: 3, ..options };
        assert_eq!(Vocabulary::learn(["b a"], &cut).unwrap().entries, ["a"]);
    }

    #[test]
    fn characters_and_bytes() {
        let options = TextOptions { unit: Unit::Character, ..Default::default() };
        let known = Vocabulary::learn(["aA b"], &options).unwrap();
        assert_eq!(known.entries, [" ", "A", "a", "b"]);
        assert_eq!(known.decode(&known.encode("ba A")), "ba A");
        let bytes = TextOptions { unit: Unit::Byte, ..Default::default() };
        let known = Vocabulary::learn([], &bytes).unwrap();
        assert_eq!((known.len(), known.encode("é")), (258, vec![0xc3 + 2, 0xa9 + 2]));
        assert_eq!(known.decode(&[0xc3 + 2, 0xa9 + 2, 1, 9999]), "é??");
    }

    #[test]
    fn options_that_cannot_be() {
        let said = |options: TextOptions| options.check().unwrap_err().to_string();
        let small = TextOptions { max_size: 2, ..Default::default() };
        let wanted = "text: max_size = 2 leaves no word, as padding and the unknown take 2";
        assert_eq!(said(small), wanted);
        let short = TextOptions { length: Some(0), ..Default::default() };
        assert_eq!(said(short), "text: length = 0 leaves nothing: give 1 or more");
        let long = TextOptions { length: Some(usize::MAX), ..Default::default() };
        let wanted = format!("text: length = {} is more than 16777216: give less", usize::MAX);
        assert_eq!(said(long), wanted);
    }
}
