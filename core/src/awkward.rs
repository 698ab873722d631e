//! Rows that no textbook has, for property tests of what learns from rows: equal ones, constant features, rank one,
//! extremes, outliers.

use crate::rng::Generator;
use rand_core::Rng;
use std::vec::Vec;

/// How many styles of values there are.
pub(crate) const STYLES: u32 = 10;

/// A value of a style.
pub(crate) fn value(rng: &mut Generator, style: u32) -> i16 {
    let word = rng.next_u32();
    match style {
        0 => 0,
        1 => 7,
        2 => [i16::MIN, i16::MAX][(word & 1) as usize],
        3 => [i16::MIN, 0, i16::MAX, 1, -1][(word % 5) as usize],
        4 => word as i16,
        5 => (word % 3) as i16 - 1,
        // One in thirty, one in fifty is an outlier.
        6 if word.is_multiple_of(30) => i16::MIN,
        6 => 3 + (word % 100) as i16,
        7 if word.is_multiple_of(50) => i16::MIN,
        7 => 3,
        8 => (word as i16) >> 3,
        _ => (word as i16) >> 8,
    }
}

/// `n` rows of `d` values of one style, and of one relation to each other.
pub(crate) fn rows(rng: &mut Generator, n: usize, d: usize) -> Vec<i16> {
    let style = rng.next_u32() % STYLES;
    let mut rows: Vec<i16> = (0..n * d).map(|_| value(rng, style)).collect();
    let first = rows[..d].to_vec();
    let relation = rng.next_u32() % 8;
    for (index, row) in rows.chunks_mut(d).enumerate() {
        match relation {
            0 => row.copy_from_slice(&first),
            1 => row.fill(row[0]),
            2 if d > 1 => row[1] = row[0].saturating_neg(),
            // All on a line through the origin.
            3 => {
                for (x, f) in row.iter_mut().zip(&first) {
                    *x = if index % 2 == 0 {
                        *f
                    } else {
                        f.saturating_neg()
                    };
                }
            }
            4 => {
                for (x, f) in row.iter_mut().zip(&first) {
                    *x = (i32::from(*f) / (1 + index as i32 % 3)) as i16;
                }
            }
            _ => {}
        }
    }
    rows
}
