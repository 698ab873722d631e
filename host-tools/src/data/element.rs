//! How one number is laid out in a binary file.

use half::f16;

/// The types of numbers that NPY and IDX know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// False or true; every byte but 0 is true.
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
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
    pub(super) const fn bytes(self) -> usize {
        match self.kind {
            Kind::Bool | Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 | Kind::F16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 => 8,
        }
    }

    /// Appends the numbers in `bytes`; a crumb at the end is left out. Whole numbers beyond 2^53 are rounded.
    pub(super) fn decode(self, bytes: &[u8], numbers: &mut Vec<f64>) {
        match self.kind {
            Kind::Bool => numbers.extend(bytes.iter().map(|&byte| f64::from(u8::from(byte != 0)))),
            Kind::U8 => numbers.extend(bytes.iter().map(|&byte| f64::from(byte))),
            Kind::I8 => numbers.extend(bytes.iter().map(|&byte| f64::from(byte.cast_signed()))),
            Kind::U16 => self.each(bytes, numbers, |b| u16::from_le_bytes(b).into()),
            Kind::I16 => self.each(bytes, numbers, |b| i16::from_le_bytes(b).into()),
            Kind::U32 => self.each(bytes, numbers, |b| u32::from_le_bytes(b).into()),
            Kind::I32 => self.each(bytes, numbers, |b| i32::from_le_bytes(b).into()),
            Kind::U64 => self.each(bytes, numbers, |b| u64::from_le_bytes(b) as f64),
            Kind::I64 => self.each(bytes, numbers, |b| i64::from_le_bytes(b) as f64),
            Kind::F16 => self.each(bytes, numbers, |b| f16::from_le_bytes(b).into()),
            Kind::F32 => self.each(bytes, numbers, |b| f32::from_le_bytes(b).into()),
            Kind::F64 => self.each(bytes, numbers, f64::from_le_bytes),
        }
    }

    fn each<const N: usize>(
        self,
        bytes: &[u8],
        numbers: &mut Vec<f64>,
        value: impl Fn([u8; N]) -> f64,
    ) {
        numbers.extend(bytes.as_chunks().0.iter().map(|&(mut number)| {
            if !self.little_endian {
                number.reverse();
            }
            value(number)
        }));
    }
}
