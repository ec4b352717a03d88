//! Messages of protocol buffers, as far as events need them.
//!
//! # Source
//! <https://protobuf.dev/programming-guides/encoding>: a field is its number and kind, then its
//! value; what a field is called and what it means is the reader's knowledge.

/// The kinds of fields.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// A message, field after field.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// Adds a whole number; negative ones go in as their two's complement.
    pub fn integer(mut self, field: u64, value: i64) -> Self {
        self.key(field, VARINT);
        self.varint(value as u64);
        self
    }

    pub fn boolean(self, field: u64, value: bool) -> Self {
        self.integer(field, i64::from(value))
    }

    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.key(field, FOUR_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn double(mut self, field: u64, value: f64) -> Self {
        self.key(field, EIGHT_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds numbers, one after another in one field.
    pub fn doubles(self, field: u64, values: &[f64]) -> Self {
        self.bytes(field, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    pub fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.key(field, BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub fn message(self, field: u64, message: Message) -> Self {
        self.bytes(field, &message.0)
    }

    /// Adds each of some messages under the same number.
    pub fn messages(self, field: u64, messages: impl IntoIterator<Item = Message>) -> Self {
        messages.into_iter().fold(self, |whole, message| whole.message(field, message))
    }

    /// Adds an entry of a map.
    pub fn entry(self, field: u64, name: &str, value: Message) -> Self {
        self.message(field, Message::default().text(1, name).message(2, value))
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_encoded_as_the_format_says() {
        let bytes = Message::default().integer(1, 150).text(2, "testing").finish();
        assert_eq!(bytes, b"\x08\x96\x01\x12\x07testing");
        assert_eq!(Message::default().integer(1, -2).finish(), {
            let mut bytes = vec![8, 0xfe];
            bytes.extend([0xff; 8]);
            bytes.push(1);
            bytes
        });
        assert_eq!(Message::default().float(3, 1.0).finish(), [0x1d, 0, 0, 0x80, 0x3f]);
        let inner = Message::default().boolean(1, true);
        assert_eq!(Message::default().message(16, inner).finish(), [0x82, 1, 2, 8, 1]);
    }
}
