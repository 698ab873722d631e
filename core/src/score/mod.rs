//! Score-based generation: from a network that knows the noise to samples, by Langevin dynamics.
//!
//! The score of a density smoothed with noise of standard deviation sigma is what a denoiser D knows (Alain and
//! Bengio 2014, Vincent 2011):
//!
//! ```text
//! s(x, sigma) = grad log (p * N(0, sigma^2 I))(x) = (D(x, sigma) - x) / sigma^2
//! ```
//!
//! Here everything speaks of the *residual* `r = D(x, sigma) - x = sigma^2 s(x, sigma)`: it has the unit of the
//! data at every level, so that one format serves sigma = 13 and sigma = 0.1, and annealed Langevin dynamics
//! (Song and Ermon 2019) becomes the same step at every level, see [`AnnealedLangevin`].
//!
//! **State.** What walks is wider than a feature: `I12F20` in `i32`, the unit that of features. Noise of many
//! standard deviations fits (range ±2048), and a step of a thousandth of a feature's standard deviation is a
//! thousand units. [`features_into`] and [`from_features_into`] lead there and back.
//!
//! - [`Score`] is what a sampler asks: the residual at a level. A [`ScoreNetwork`] of a container gives it, a dense
//!   denoiser that of one level ([`DenoiserScore`]), and so can anything exact.
//! - [`AnnealedLangevin`] samples and fills in, one bounded step a call.

mod denoiser;
mod langevin;
mod network;
#[cfg(test)]
mod tests;

pub use denoiser::DenoiserScore;
pub use langevin::{AnnealedLangevin, Inpainting, Progress, Schedule};
pub use network::{Level, NetworkScore, ScoreNetwork};

use crate::num::{rounding_shift_right, saturating_i16, saturating_i32};
use crate::{Operand, ShapeError};

/// Fractional bits of a state, a residual and a standard deviation.
pub const FRAC_BITS: u32 = 20;

/// One in a state's format.
pub const ONE: i32 = 1 << FRAC_BITS;

/// Bits between a state and a feature, which has 12.
const FEATURE_SHIFT: u32 = FRAC_BITS - 12;

/// Something whose smoothed score is known at noise levels.
pub trait Score {
    /// Elements of a state.
    fn dimensions(&self) -> usize;

    /// Number of noise levels, from the largest standard deviation to the smallest.
    fn levels(&self) -> u16;

    /// Standard deviation of a level's noise, `U12F20`; below 2^31.
    fn sigma(&self, level: u16) -> u32;

    /// Residual `D(x, sigma) - x = sigma^2 s(x, sigma)` at a level; state and residual `I12F20`.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice is not [`dimensions`](Self::dimensions) long.
    fn residual_into(
        &mut self,
        level: u16,
        state: &[i32],
        residual: &mut [i32],
    ) -> Result<(), ShapeError>;
}

impl<S: Score + ?Sized> Score for &mut S {
    fn dimensions(&self) -> usize {
        (**self).dimensions()
    }

    fn levels(&self) -> u16 {
        (**self).levels()
    }

    fn sigma(&self, level: u16) -> u32 {
        (**self).sigma(level)
    }

    fn residual_into(
        &mut self,
        level: u16,
        state: &[i32],
        residual: &mut [i32],
    ) -> Result<(), ShapeError> {
        (**self).residual_into(level, state, residual)
    }
}

/// A state as features: `I12F20` to `I4F12`, halves rounded up, saturating.
///
/// # Errors
/// [`ShapeError`] when the slices differ in length.
pub fn features_into(state: &[i32], features: &mut [i16]) -> Result<(), ShapeError> {
    ShapeError::exact(Operand::Output, state.len(), features.len())?;
    for (y, x) in features.iter_mut().zip(state) {
        *y = feature(*x);
    }
    Ok(())
}

/// Features as a state: `I4F12` to `I12F20`, exact.
///
/// # Errors
/// [`ShapeError`] when the slices differ in length.
pub fn from_features_into(features: &[i16], state: &mut [i32]) -> Result<(), ShapeError> {
    ShapeError::exact(Operand::Output, features.len(), state.len())?;
    for (y, x) in state.iter_mut().zip(features) {
        *y = from_feature(*x);
    }
    Ok(())
}

#[inline]
pub(crate) const fn feature(x: i32) -> i16 {
    saturating_i16(rounding_shift_right(x as i64, FEATURE_SHIFT) as i32)
}

#[inline]
pub(crate) const fn from_feature(x: i16) -> i32 {
    (x as i32) << FEATURE_SHIFT
}

/// A normal number with standard deviation `amplitude` (`U12F20`), in `I12F20`.
#[inline]
fn noise<R: rand_core::Rng + ?Sized>(rng: &mut R, amplitude: u32) -> i32 {
    // Below 2^32 · 2^15.
    let product = i64::from(crate::rng::normal(rng)) * i64::from(amplitude);
    saturating_i32(rounding_shift_right(product, 12))
}
