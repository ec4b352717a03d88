//! Text: reading it, its characters as numbers, and windows of it to learn from.

use crate::file::{self, GZIP};
use crate::{Batch, Dataset, Sample};
use flate2::read::MultiGzDecoder;
use gradus_tensor::{Error, OpError, Result, Tensor};
use std::io::Read;
use std::path::Path;

/// The most bytes of text that are read.
const MOST_BYTES: usize = 1 << 30;

/// The text of a file in UTF-8, unpacked if it is gzipped.
///
/// # Errors
/// If it cannot be read, is not UTF-8, or has more than 1 GiB.
pub fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut bytes = file::read(path, MOST_BYTES)?;
    if bytes.starts_with(&GZIP) {
        let mut text = vec![];
        let mut unpacked = MultiGzDecoder::new(&bytes[..]).take(MOST_BYTES as u64 + 1);
        unpacked.read_to_end(&mut text).map_err(|error| {
            Error::format(path.display(), format_args!("cannot be unpacked: {error}"))
        })?;
        if text.len() > MOST_BYTES {
            let message = format_args!("unpacks to more than {MOST_BYTES} bytes");
            return Err(Error::format(path.display(), message));
        }
        bytes = text;
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let message = format_args!("is not UTF-8 at byte {place}: convert it, with iconv say");
        Error::format(path.display(), message)
    })
}

/// Characters and their numbers: those of a text, in the order of Unicode, the first being 0.
///
/// ```
/// use gradus_data::text::Characters;
///
/// let characters = Characters::of("banana");
/// assert_eq!(characters.encode("nab").unwrap().to_vec::<i64>(), [2, 0, 1]);
/// assert_eq!(characters.decode(&[1, 0, 2]), "ban");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Characters(Vec<char>);

impl Characters {
    /// Those that occur in a text.
    pub fn of(text: &str) -> Self {
        let all: std::collections::BTreeSet<char> = text.chars().collect();
        Self(all.into_iter().collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of a text, `[T]`.
    ///
    /// # Errors
    /// If a character is not one of these.
    pub fn encode(&self, text: &str) -> Result<Tensor> {
        let number = |character: char| match self.0.binary_search(&character) {
            Ok(number) => Ok(number as i64),
            Err(_) => {
                let message = format_args!(
                    "{character:?} is none of the {} characters that are known: add it to the text \
                     that they are taken from, or leave it out",
                    self.len()
                );
                Err(OpError::of("encode", message).into())
            }
        };
        Ok(Tensor::from(text.chars().map(number).collect::<Result<Vec<i64>>>()?))
    }

    /// The text of numbers.
    ///
    /// # Panics
    /// If a number is not that of a character.
    #[track_caller]
    pub fn decode(&self, numbers: &[i64]) -> String {
        let character = |&number: &i64| {
            let found = usize::try_from(number).ok().and_then(|number| self.0.get(number));
            *found.unwrap_or_else(|| panic!("there is no character {number} of {}", self.len()))
        };
        numbers.iter().map(character).collect()
    }
}

/// Windows of a long sequence, one after the other, for models that tell what comes next: the input
/// is a window, the target the same window one later.
///
/// # Shapes
/// `numbers: [N] -> input: [T], target: [T]`, of which there are ⌊(N - 1) / T⌋.
#[derive(Clone, Debug)]
pub struct Windows {
    numbers: Tensor,
    len: usize,
}

impl Windows {
    /// Windows of a length of the numbers `[N]`.
    ///
    /// # Panics
    /// If the length is 0 or the numbers are not of one axis.
    #[track_caller]
    pub fn new(numbers: Tensor, len: usize) -> Self {
        assert!(len > 0, "windows of length 0 hold nothing: give a positive length");
        assert!(numbers.rank() == 1, "windows are of one axis, not of shape {}", numbers.shape());
        Self { numbers: numbers.detach(), len }
    }
}

impl Dataset for Windows {
    fn len(&self) -> usize {
        self.numbers.count().saturating_sub(1) / self.len
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let window = |start| self.numbers.narrow(0, start, self.len);
        let start = index * self.len;
        Ok(Sample::new(window(start), window(start + 1)))
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let starts: Vec<i64> = indices.iter().map(|&index| (index * self.len) as i64).collect();
        let offsets = Tensor::arange(0, self.len as i64, 1);
        let places = Tensor::from(starts).unsqueeze(1) + offsets.unsqueeze(0);
        let rows = |places: &Tensor| {
            let flat = self.numbers.index_select(0, &places.flatten(0, -1));
            flat.reshape(*places.shape())
        };
        Ok(Batch::new(rows(&places), rows(&(&places + 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other() {
        let windows = Windows::new(Tensor::arange(0, 10, 1), 3);
        assert_eq!(windows.len(), 3);
        let batch = windows.batch(&[2, 0]).unwrap();
        assert_eq!(batch.input().to_vec::<i64>(), [6, 7, 8, 0, 1, 2]);
        assert_eq!(batch.target().to_vec::<i64>(), [7, 8, 9, 1, 2, 3]);
        let stacked = Batch::stack(&[2, 0].map(|i| windows.sample(i).unwrap())).unwrap();
        assert_eq!(stacked.input().to_vec::<i64>(), batch.input().to_vec::<i64>());
        assert_eq!(stacked.target().to_vec::<i64>(), batch.target().to_vec::<i64>());
    }

    #[test]
    fn a_short_text_has_no_window() {
        assert!(Windows::new(Tensor::arange(0, 3, 1), 3).is_empty());
        assert!(Windows::new(Tensor::arange(0, 0, 1), 3).is_empty());
    }

    #[test]
    fn text_is_its_characters() {
        let characters = Characters::of("to be, 或 not");
        let text = "not 或 to";
        let numbers = characters.encode(text).unwrap().to_vec::<i64>();
        assert_eq!(characters.decode(&numbers), text);
        let error = characters.encode("x").unwrap_err().to_string();
        assert!(error.contains("'x' is none of the 8 characters"), "{error}");
    }

    #[test]
    fn files_are_read_plain_or_gzipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "käse").unwrap();
        assert_eq!(read(&path).unwrap(), "käse");
        let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, "käse".as_bytes()).unwrap();
        let mut packed = packed.finish().unwrap();
        std::fs::write(&path, &packed).unwrap();
        assert_eq!(read(&path).unwrap(), "käse");
        packed.truncate(packed.len() - 3);
        std::fs::write(&path, &packed).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("cannot be unpacked"));
        std::fs::write(&path, b"k\xe4se").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("is not UTF-8 at byte 1"));
    }
}
