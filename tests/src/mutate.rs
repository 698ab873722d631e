//! Damage to a container's bytes, as a bad flash, a cut download or an attacker would do it.

use autodidact::rng::{Generator, below};
use rand_core::Rng as _;

/// Byte offset of the checksum and of the length in the header.
const LENGTH: usize = 8;
const CHECKSUM: usize = 12;

/// Numbers that break careless arithmetic.
const AWKWARD: [u32; 12] = [
    0,
    1,
    2,
    7,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// The reference checksum: CRC-32 (IEEE 802.3), bit by bit, over everything but its own field.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    let covered = bytes
        .iter()
        .enumerate()
        .filter(|(at, _)| !(CHECKSUM..CHECKSUM + 4).contains(at));
    !covered.fold(!0u32, |crc, (_, byte)| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Puts the right length and checksum into a header, so that damage behind it is reached.
pub fn repair_header(bytes: &mut [u8]) {
    if bytes.len() < CHECKSUM + 4 {
        return;
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[LENGTH..LENGTH + 4].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(bytes);
    bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Damages `bytes` in one to four places; most of the places lie in the directory, where a field's
/// meaning depends on it. Returns the new length, which may be shorter.
pub fn mutate(rng: &mut Generator, bytes: &mut [u8], directory: usize) -> usize {
    let mut length = bytes.len();
    for _ in 0..=below(rng, 4) {
        let reach = if below(rng, 4) == 0 {
            length
        } else {
            directory.min(length)
        };
        let at = below(rng, u32::try_from(reach).unwrap_or(u32::MAX)) as usize;
        match below(rng, 8) {
            0 => bytes[at] ^= 1 << below(rng, 8),
            1 => bytes[at] = rng.next_u32() as u8,
            2 | 3 => write(bytes, at & !1, AWKWARD[below(rng, 12) as usize], 2),
            4 | 5 => write(bytes, at & !3, AWKWARD[below(rng, 12) as usize], 4),
            6 => {
                // A record of the directory over another.
                let from = below(rng, u32::try_from(reach).unwrap_or(u32::MAX)) as usize & !3;
                let count = 20.min(bytes.len() - from.max(at & !3));
                bytes.copy_within(from..from + count, at & !3);
            }
            _ => {
                if below(rng, 16) == 0 {
                    length = at;
                    break;
                }
                let sum = u32::from(bytes[at]).wrapping_add(16);
                bytes[at] = sum as u8;
            }
        }
        if length == 0 {
            break;
        }
    }
    length
}

fn write(bytes: &mut [u8], at: usize, value: u32, width: usize) {
    let end = (at + width).min(bytes.len());
    if at < end {
        bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
    }
}
