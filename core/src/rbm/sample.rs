//! Bernoulli draws for a layer: a byte a unit, and another one when that does not decide.

use super::Rbm;
use crate::num::saturating_i16;
use crate::num::sigmoid;
use crate::num::tables::PROBABILITY_BYTES;
use rand_core::Rng;

/// Largest shift of a scale whose multiplier is left precise enough to look probabilities up.
const MAX_SHIFT: u32 = 44;

impl Rbm<'_> {
    /// Draws a bit for each sum and hands `put` the words, 32 units each, in order.
    pub(super) fn sample<R: Rng + ?Sized>(
        &self,
        sums: &[i32],
        rng: &mut R,
        mut put: impl FnMut(usize, u32),
    ) {
        let multiplier = self.steps_multiplier();
        for (index, block) in sums.chunks(32).enumerate() {
            let words = words(rng, block.len());
            let (mut bits, mut undecided) = match multiplier {
                Some(multiplier) => draw(block, &words, multiplier),
                None => (
                    0,
                    u32::MAX >> (32u32.saturating_sub(block.len() as u32) & 31),
                ),
            };
            while undecided != 0 {
                let at = undecided.trailing_zeros() & 31;
                let sum = block.get(at as usize).copied().unwrap_or(0);
                let probability = u32::from(self.exact_probability(sum));
                let word = words.get(at as usize / 4).copied().unwrap_or(0);
                let byte = word >> (8 * (at % 4)) & 0xff;
                let upper = probability >> 8;
                let one =
                    byte < upper || byte == upper && rng.next_u32() >> 24 < probability & 0xff;
                bits |= u32::from(one) << at;
                undecided &= undecided - 1;
            }
            put(index, bits);
        }
    }

    /// Out of line: the loop around the draws keeps its registers.
    #[inline(never)]
    fn exact_probability(&self, sum: i32) -> u16 {
        sigmoid(saturating_i16(self.scale.apply(sum)))
    }

    /// What turns a sum into 96ths of a logit, 32 fractional bits, rounded down; `None` when too few digits
    /// would be left of it.
    fn steps_multiplier(&self) -> Option<i32> {
        let (multiplier, shift) = (self.scale.multiplier().unsigned_abs(), self.scale.shift());
        if shift > MAX_SHIFT {
            return None;
        }
        // A logit is the sum times multiplier / 2^shift, with 12 fractional bits: 96 / 2^12 times 2^32 is
        // 3/2 · 2^26. At least 6144 because the shift is at most 44; below 2^25 because it is 33 or more.
        let product = multiplier + (multiplier >> 1);
        Some((product >> (shift.saturating_sub(26) & 31)).cast_signed())
    }
}

/// A word for every four units.
#[inline]
fn words<R: Rng + ?Sized>(rng: &mut R, units: usize) -> [u32; 8] {
    if units == 32 {
        // Without a loop the generator's state stays in registers.
        return [(); 8].map(|()| rng.next_u32());
    }
    let mut words = [0; 8];
    for word in words.iter_mut().take(units.div_ceil(4)) {
        *word = rng.next_u32();
    }
    words
}

/// A bit for each of up to 32 sums, and the units whose byte may not decide; theirs are 0.
#[inline]
fn draw(block: &[i32], words: &[u32; 8], multiplier: i32) -> (u32, u32) {
    #[cfg(autodidact_kernels = "armv7em")]
    if let (sixteens @ [_, ..], []) = block.as_chunks::<16>() {
        return crate::kernels::draw(sixteens, words, &PROBABILITY_BYTES, multiplier);
    }
    draw_each(block, words, multiplier)
}

#[cfg_attr(autodidact_kernels = "armv7em", cold)]
#[inline(never)]
fn draw_each(block: &[i32], words: &[u32; 8], multiplier: i32) -> (u32, u32) {
    let (mut bits, mut undecided) = (0u32, 0u32);
    for (sums, word) in block.chunks(4).zip(words) {
        for (sum, byte) in sums.iter().zip(word.to_le_bytes()) {
            let step = ((i64::from(*sum) * i64::from(multiplier)) >> 32) as i32;
            // 2^31 · 2^25 / 2^32 and 512 more.
            let index = (step + 512).clamp(0, 1023) as usize;
            let lower = PROBABILITY_BYTES.get(index).copied().unwrap_or(0);
            bits = bits >> 1 | u32::from(byte < lower) << 31;
            undecided = undecided >> 1 | u32::from(byte.wrapping_sub(lower) < 2) << 31;
        }
    }
    // 1 to 32 units; none at all leaves zeros.
    let unused = 32u32.saturating_sub(block.len() as u32) & 31;
    (bits >> unused, undecided >> unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_least_byte_of_its_logits_and_the_largest_is_one_more_at_most() {
        let byte = |logit: f64| i32::from(sigmoid(logit.round() as i16) >> 8);
        for (entry, index) in PROBABILITY_BYTES.into_iter().zip(-512i16..) {
            // The multiplier is 6144 or more, rounded down by less than 1: off by a 12th of a step at the ends.
            let at = |steps: f64| 4096.0 / 96.0 * (f64::from(index) + steps);
            let least = if index == -512 {
                0
            } else {
                byte(at(-1.0 / 12.0))
            };
            let largest = if index == 511 {
                255
            } else {
                byte(at(1.0 + 1.0 / 12.0))
            };
            let entry = i32::from(entry);
            assert!(
                entry <= least && largest <= entry + 1,
                "{index}: {least} {entry} {largest}"
            );
        }
    }
}
