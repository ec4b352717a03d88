//! Damaging valid files, the same way each time.

use gradus_tensor::Rng;

/// Gives damaged variants of valid files without end.
pub struct Mutator {
    rng: Rng,
    seeds: Vec<Vec<u8>>,
}

/// Numbers at which sizes and counts go wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    1 << 62,
    i64::MAX as u64,
    u64::MAX,
];

impl Mutator {
    /// Starts from these files, of which none is empty.
    pub fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { rng: Rng::new(seed), seeds }
    }

    /// A file with one to four kinds of damage.
    pub fn variant(&mut self) -> Vec<u8> {
        let mut bytes = self.seed().to_vec();
        for _ in 0..1 + self.below(4) {
            self.damage(&mut bytes);
        }
        bytes
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound.max(1) as u64) as usize
    }

    fn seed(&mut self) -> &[u8] {
        let index = self.below(self.seeds.len());
        &self.seeds[index]
    }

    /// A range within `len` bytes, mostly a short one.
    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.below(len);
        let most = if self.below(4) == 0 { len } else { len.min(16) };
        start..(start + 1 + self.below(most)).min(len)
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let place = self.below(bytes.len());
        match self.below(9) {
            0 => bytes[place] ^= 1 << self.below(8),
            1 => bytes[place] = self.below(256) as u8,
            2 => bytes[place] = bytes[place].wrapping_add(1),
            3 => bytes.truncate(place),
            4 => {
                bytes.drain(self.range(bytes.len()));
            }
            5 => {
                let part = bytes[self.range(bytes.len())].to_vec();
                bytes.splice(place..place, part);
            }
            6 => {
                let width = 1 << self.below(4);
                let edge = EDGES[self.below(EDGES.len())];
                let number =
                    if self.below(2) == 0 { edge.to_le_bytes() } else { edge.to_be_bytes() };
                let number =
                    if self.below(2) == 0 { &number[..width] } else { &number[8 - width..] };
                let end = bytes.len().min(place + width);
                bytes[place..end].copy_from_slice(&number[..end - place]);
            }
            7 => self.damage_digits(bytes, place),
            _ => {
                let other = self.seed().to_vec();
                let part = &other[self.range(other.len())];
                let end = bytes.len().min(place + part.len());
                bytes.splice(place..end, part.iter().copied());
            }
        }
    }

    /// Replaces the next number that is written in digits, as headers of text have them.
    fn damage_digits(&mut self, bytes: &mut Vec<u8>, from: usize) {
        let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit) else {
            return;
        };
        let start = from + start;
        let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let edge = EDGES[self.below(EDGES.len())].to_string();
        bytes.splice(start..start + len, edge.into_bytes());
    }
}
