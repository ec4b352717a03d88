//! The records that files of events are made of.
//!
//! # Source
//! TensorFlow's format of records: the length as 8 bytes, its checksum as 4, the bytes, their
//! checksum as 4, all of them little-endian.

use std::io::{Result, Write};

/// The polynomial of CRC-32C (Castagnoli 1993), its bits in reverse.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The checksum of each byte.
const TABLE: [u32; 256] = table();

/// What is added to a checksum after it was turned by 15 bits, so that the checksum of bytes that
/// hold checksums is still a good one.
const MASK: u32 = 0xa282_ead8;

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

/// The CRC-32C of bytes.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)])
}

fn masked(bytes: &[u8]) -> [u8; 4] {
    checksum(bytes).rotate_right(15).wrapping_add(MASK).to_le_bytes()
}

/// Writes bytes as one record.
pub(super) fn write(file: &mut impl Write, bytes: &[u8]) -> Result<()> {
    let len = (bytes.len() as u64).to_le_bytes();
    // In one piece: whoever reads meanwhile then sees all of it or, rarely, a part at the end.
    file.write_all(&[&len[..], &masked(&len), bytes, &masked(bytes)].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// # Source
    /// RFC 3720 (iSCSI), appendix B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(checksum(&std::array::from_fn::<u8, 32, _>(|i| i as u8)), 0x46dd_794e);
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }
}
