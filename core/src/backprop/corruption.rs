//! Damage done on purpose: what a denoising autoencoder learns to undo.

use crate::num::{rounding_shift_right, saturating_i16};
use crate::rng::{bernoulli, normal};
use crate::slices::copy;
use crate::{Operand, ShapeError};
use rand_core::Rng;

/// How a sample is damaged (Vincent et al. 2010, section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Corruption {
    /// Not at all.
    None,
    /// Elements are set to a value with a probability.
    Masking {
        /// Probability, `U0F16`.
        probability: u16,
        /// What they are set to, `I4F12`.
        value: i16,
    },
    /// Normal noise is added, saturating.
    Gaussian {
        /// Standard deviation, `U4F12`.
        deviation: u16,
    },
    /// Elements are set to either of two values, one as likely as the other, with a probability.
    SaltAndPepper {
        /// Probability, `U0F16`.
        probability: u16,
        /// Smallest and largest value, `I4F12`.
        values: [i16; 2],
    },
}

impl Corruption {
    /// A damaged copy of `sample`, both `I4F12`. Draws one random word an element, none for [`Self::None`]; the
    /// low bit of a word tells salt from pepper.
    ///
    /// # Errors
    /// [`ShapeError`] when the slices differ in length.
    pub fn apply_into<R: Rng + ?Sized>(
        &self,
        sample: &[i16],
        rng: &mut R,
        damaged: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, sample.len(), damaged.len())?;
        copy(sample, damaged);
        for y in damaged {
            match *self {
                Self::None => break,
                Self::Masking { probability, value } => {
                    if bernoulli(rng, probability) {
                        *y = value;
                    }
                }
                Self::Gaussian { deviation } => {
                    // Below 2^15 · 2^16, with 24 fractional bits.
                    let noise = i64::from(normal(rng)) * i64::from(deviation);
                    let noise = rounding_shift_right(noise, 12) as i32;
                    *y = saturating_i16(i32::from(*y).saturating_add(noise));
                }
                Self::SaltAndPepper {
                    probability,
                    values: [pepper, salt],
                } => {
                    let word = rng.next_u32();
                    if (word >> 16) < u32::from(probability) {
                        *y = if word & 1 == 0 { pepper } else { salt };
                    }
                }
            }
        }
        Ok(())
    }
}
