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
        let multiplier = i64::from(self.scale.multiplier);
        // At least 33 by construction; shifts of 31 and more all leave the sign.
        let shift = self.scale.shift.wrapping_sub(33) & 31;
        for (index, block) in sums.chunks(32).enumerate() {
            let mut words = [0u32; 8];
            for (word, _) in words.iter_mut().zip(block.chunks(4)) {
                *word = rng.next_u32();
            }
            let (mut bits, mut undecided) = (0u32, 0u32);
            for (at, (sum, byte)) in (0u32..).zip(block.iter().zip(bytes(&words))) {
                // Twice the logit, not yet rounded: num::requantize before its last two steps.
                let doubled = ((i64::from(*sum) * multiplier) >> 32) as i32 >> shift;
                let doubled = doubled.clamp(-65_536, 65_535);
                let bracket = LOGIT_BRACKETS.get(usize::from(byte)).copied().unwrap_or(0);
                let above = doubled - (bracket.cast_signed() >> 15);
                bits |= u32::from(above >= 0) << (at & 31);
                let within = above.cast_unsigned() < (bracket & 0x7fff);
                undecided |= u32::from(within) << (at & 31);
            }
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

/// The bytes of the words, lowest first.
fn bytes(words: &[u32; 8]) -> impl Iterator<Item = u8> + '_ {
    words.iter().flat_map(|word| word.to_le_bytes())
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
