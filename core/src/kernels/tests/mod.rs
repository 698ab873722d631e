//! The portable kernels and the reference against definitions written out here in wide integers.
//! What the cores' own kernels compute is compared with the reference on the emulated cores.

mod conv;
mod dense;
mod distance;
mod implementation;
mod matrix;

use super::*;
use std::vec;
use std::vec::Vec;
use zerocopy::{FromBytes, IntoBytes};

const ORDERS: [Order; 3] = [Order::RowMajor, Order::Quads, Order::Octets];

struct Random(u32);

impl Random {
    fn word(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        self.word() as usize % end
    }

    /// `len` values: random, or all the same extreme.
    fn values(&mut self, len: usize, pattern: usize, least: i32, most: i32) -> Vec<i32> {
        let span = (most - least + 1) as u32;
        let one = |random: &mut Self| match pattern {
            1 => least,
            2 => most,
            _ => least + (random.word() % span) as i32,
        };
        (0..len).map(|_| one(self)).collect()
    }

    fn channels(&mut self, rows: usize) -> Vec<Channel> {
        let one = |random: &mut Self| Channel {
            bias: random.word().cast_signed() >> (6 + random.below(16)),
            multiplier: (random.word() >> 2).cast_signed() | 1 << 30,
            shift: 33 + random.word() % 14,
        };
        (0..rows).map(|_| one(self)).collect()
    }
}

fn narrow(values: &[i32]) -> Vec<i8> {
    values.iter().map(|v| i8::try_from(*v).unwrap()).collect()
}

fn wide(values: &[i32]) -> Vec<i16> {
    values.iter().map(|v| i16::try_from(*v).unwrap()).collect()
}

/// Packed weights with the alignment that a matrix needs.
fn packed(weights: &[i8], rows: usize, cols: usize, order: Order) -> Vec<u32> {
    let bytes = order.stored_bytes(rows, cols).unwrap();
    let mut words = vec![0xaaaa_aaaa_u32; bytes.div_ceil(4)];
    let target = <[i8]>::mut_from_bytes(words.as_mut_bytes()).unwrap();
    pack(weights, rows, cols, order, &mut target[..bytes]).unwrap();
    words
}

fn matrix(words: &[u32], rows: usize, cols: usize, order: Order) -> Matrix<'_> {
    let bytes = <[i8]>::ref_from_bytes(words.as_bytes()).unwrap();
    let stored = order.stored_bytes(rows, cols).unwrap();
    Matrix::new(&bytes[..stored], rows, cols, order).unwrap()
}

/// `clamp(floor(sum · multiplier / 2^shift + 1/2) + zero point)`.
fn output(sum: i64, channel: &Channel, zero_point: i32, min: i32, max: i32) -> i32 {
    let product = i128::from(sum) * i128::from(channel.multiplier);
    let rounded = (product + (1 << (channel.shift - 1))).div_euclid(1 << channel.shift);
    i32::try_from((rounded + i128::from(zero_point)).clamp(min.into(), max.into())).unwrap()
}
