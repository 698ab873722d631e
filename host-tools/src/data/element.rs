//! How one number is laid out in a binary file, and rows of such numbers read block by block.

use std::io::{ErrorKind, Read};

use anyhow::{Result, bail};

/// The types of numbers that NPY and IDX know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

/// A type and its byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: Kind,
    pub(super) little_endian: bool,
}

impl Element {
    /// Bytes of one number.
    pub(super) fn bytes(self) -> usize {
        match self.kind {
            Kind::U8 | Kind::I8 => 1,
            Kind::I16 => 2,
            Kind::I32 | Kind::F32 => 4,
            Kind::I64 | Kind::F64 => 8,
        }
    }

    /// The numbers in `bytes`, rounded to f32; a crumb at the end is left out.
    pub(super) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self.kind {
            Kind::U8 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
            Kind::I8 => bytes.iter().map(|&byte| f32::from(byte as i8)).collect(),
            Kind::I16 => self.each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Kind::I32 => self.each(bytes, |b| i32::from_le_bytes(b) as f32),
            Kind::I64 => self.each(bytes, |b| i64::from_le_bytes(b) as f32),
            Kind::F32 => self.each(bytes, f32::from_le_bytes),
            Kind::F64 => self.each(bytes, |b| f64::from_le_bytes(b) as f32),
        }
    }

    fn each<const N: usize>(self, bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|&(mut number)| {
                if !self.little_endian {
                    number.reverse();
                }
                value(number)
            })
            .collect()
    }
}

/// Rows of a binary file behind its header, in blocks.
pub(super) struct BinaryRows {
    reader: Box<dyn Read>,
    element: Element,
    width: usize,
    left: usize,
}

impl BinaryRows {
    pub(super) fn new(reader: Box<dyn Read>, element: Element, width: usize, rows: usize) -> Self {
        Self {
            reader,
            element,
            width,
            left: rows,
        }
    }

    /// At most `limit` further rows; empty behind the last.
    pub(super) fn next_rows(&mut self, source: &str, limit: usize) -> Result<Vec<f32>> {
        let rows = limit.min(self.left);
        let mut bytes = vec![0; rows * self.width * self.element.bytes()];
        match self.reader.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                bail!("{source} ends before the values that it announces; save or fetch it again")
            }
            Err(error) => bail!("{source} cannot be read: {error}"),
        }
        self.left -= rows;
        Ok(self.element.decode(&bytes))
    }
}
