//! Bernoulli draws for a layer: a byte a unit, and another one when that does not decide.

use super::Rbm;
use crate::num::saturating_i16;
use crate::num::sigmoid;
use crate::num::tables::LOGIT_BRACKETS;
use rand_core::Rng;

impl Rbm<'_> {
    /// Draws a bit for each sum and hands `put` the words, 32 units each, in order.
    pub(super) fn sample<R: Rng + ?Sized>(
        &self,
        sums: &[i32],
        rng: &mut R,
        mut put: impl FnMut(usize, u32),
    ) {
        let multiplier = self.scale.multiplier;
        // At least 33 by construction; shifts of 31 and more all leave the sign.
        let shift = self.scale.shift.wrapping_sub(33) & 31;
        for (index, block) in sums.chunks(32).enumerate() {
            let words = words(rng, block.len());
            let (mut bits, mut undecided) = draw(block, &words, multiplier, shift);
            while undecided != 0 {
                let at = undecided.trailing_zeros();
                let sum = block.get(at as usize).copied().unwrap_or(0);
                let lower = sigmoid(saturating_i16(self.scale.apply(sum))) & 0xff;
                if rng.next_u32() >> 24 >= u32::from(lower) {
                    bits &= !(1 << (at & 31));
                }
                undecided &= undecided - 1;
            }
            put(index, bits);
        }
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

/// A bit for each of up to 32 sums, and the units whose byte does not decide; theirs are set.
#[inline]
fn draw(block: &[i32], words: &[u32; 8], multiplier: i32, shift: u32) -> (u32, u32) {
    #[cfg(autodidact_kernels = "armv7em")]
    if block.len().is_multiple_of(4) && !block.is_empty() {
        return crate::kernels::draw(block, words, &LOGIT_BRACKETS, multiplier, shift);
    }
    let (mut bits, mut undecided) = (0u32, 0u32);
    for (sums, word) in block.chunks(4).zip(words) {
        for (sum, byte) in sums.iter().zip(word.to_le_bytes()) {
            // Twice the logit, not yet rounded: num::requantize before its last two steps.
            let doubled = ((i64::from(*sum) * i64::from(multiplier)) >> 32) as i32 >> shift;
            let doubled = doubled.clamp(-65_536, 65_535);
            let bracket = LOGIT_BRACKETS.get(usize::from(byte)).copied().unwrap_or(0);
            let above = doubled - (bracket.cast_signed() >> 15);
            bits = bits >> 1 | u32::from(above >= 0) << 31;
            let within = above.cast_unsigned() < (bracket & 0x7fff);
            undecided = undecided >> 1 | u32::from(within) << 31;
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
    fn a_bracket_holds_the_doubled_logits_that_share_the_upper_byte() {
        for doubled in -65_536i32..=65_535 {
            // As num::requantize goes on.
            let logit = saturating_i16((doubled + 1) >> 1);
            let byte = i32::from(sigmoid(logit) >> 8);
            for (index, bracket) in (0..).zip(LOGIT_BRACKETS) {
                let above = doubled - (bracket.cast_signed() >> 15);
                assert_eq!(above >= 0, byte >= index, "{doubled} {index}");
                let within = above.cast_unsigned() < (bracket & 0x7fff);
                assert_eq!(within, byte == index, "{doubled} {index}");
            }
        }
    }
}
