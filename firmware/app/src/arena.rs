//! Memory of sizes that are known at run time only.

use zerocopy::{FromBytes, IntoBytes, KnownLayout};

/// There is less memory than is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
pub struct OutOfMemory {
    /// Bytes of the slice that did not fit.
    pub needed: usize,
    /// Bytes that were left.
    pub left: usize,
}

/// Cuts typed slices off a buffer, and counts what it gives away.
#[derive(Debug)]
pub(crate) struct Arena<'m> {
    words: &'m mut [i64],
    taken: usize,
}

impl<'m> Arena<'m> {
    pub(crate) const fn new(words: &'m mut [i64]) -> Self {
        Self { words, taken: 0 }
    }

    /// `len` elements, on a boundary of eight bytes.
    pub(crate) fn take<T: FromBytes + IntoBytes + KnownLayout>(
        &mut self,
        len: usize,
    ) -> Result<&'m mut [T], OutOfMemory> {
        let left = size_of_val(self.words);
        let needed = len.saturating_mul(size_of::<T>());
        let error = OutOfMemory { needed, left };
        let words = needed.div_ceil(size_of::<i64>());
        if words > self.words.len() {
            return Err(error);
        }
        let (taken, rest) = core::mem::take(&mut self.words)
            .split_at_mut_checked(words)
            .ok_or(error)?;
        self.words = rest;
        self.taken += words * size_of::<i64>();
        let bytes = taken.as_mut_bytes().get_mut(..needed).ok_or(error)?;
        <[T]>::mut_from_bytes(bytes).map_err(|_| error)
    }

    /// What is left, for a while.
    pub(crate) const fn rest(&mut self) -> Arena<'_> {
        Arena {
            words: self.words,
            taken: 0,
        }
    }

    /// Bytes given away so far.
    pub(crate) const fn taken(&self) -> usize {
        self.taken
    }
}
