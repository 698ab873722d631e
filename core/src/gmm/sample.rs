//! Ancestral sampling: a component by its weight, then `x = mu + P^-1 z` with `z` standard normal.

use super::{Covariance, Gmm, MAX_DIMENSIONS, factor_index};
use crate::num::{rounding_shift_right, saturating_i16, saturating_i32};
use crate::rng::normal;
use crate::{Operand, ShapeError};
use rand_core::Rng;

/// Fractional bits that `P^-1 z` has beyond those of a feature.
const GUARD: u32 = 8;

impl Gmm<'_> {
    /// Draws a sample (`I4F12`, saturating) and returns the component that it came from.
    ///
    /// Takes `1 + d` words from the generator. `P^-1 z` by forward substitution: `d (d + 1) / 2`
    /// multiply-accumulates and `d` 64-bit divisions. Stack: 256 bytes.
    ///
    /// ```
    /// use autodidact::gmm::{Covariance, parameters::Parameters};
    /// use autodidact::rng::Generator;
    /// let mut memory = [0; Parameters::words(Covariance::Full, 1, 2)];
    /// let standard_normal = Parameters::new(&mut memory, Covariance::Full, 1, 2)?;
    /// let mut rng = Generator::from_seed(1);
    /// let mut features = [0; 2];
    /// assert_eq!(standard_normal.model()?.sample_into(&mut rng, &mut features)?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long.
    pub fn sample_into<R: Rng + ?Sized>(
        &self,
        rng: &mut R,
        features: &mut [i16],
    ) -> Result<u32, ShapeError> {
        ShapeError::exact(Operand::Output, self.dimensions(), features.len())?;
        let index = self.draw_component(rng);
        let Some(component) = self.component(index as usize) else {
            return Ok(index);
        };
        let mut solution = [0i32; MAX_DIMENSIONS];
        let rows = features
            .iter_mut()
            .zip(component.mean)
            .zip(component.shifts);
        for (row, ((x, mean), shift)) in rows.enumerate() {
            let at = |column| match self.covariance() {
                Covariance::Diagonal => row,
                Covariance::Tied | Covariance::Full => factor_index(row, column),
            };
            let element =
                |column| i64::from(component.factor.get(at(column)).copied().unwrap_or(0));
            // |z| < 2^15, so that this is below 2^54; 64 products of 2^15 and 2^31 are below 2^52.
            let mut rest = i64::from(normal(rng)) << (GUARD + u32::from(*shift & 31));
            if self.covariance() != Covariance::Diagonal {
                for (column, known) in solution.iter().enumerate().take(row) {
                    rest -= element(column) * i64::from(*known);
                }
            }
            let deviation = saturating_i32(rest.checked_div(element(row)).unwrap_or(0));
            if let Some(slot) = solution.get_mut(row) {
                *slot = deviation;
            }
            let deviation = rounding_shift_right(i64::from(deviation), GUARD);
            *x = saturating_i16(saturating_i32(i64::from(*mean) + deviation));
        }
        Ok(index)
    }

    fn draw_component<R: Rng + ?Sized>(&self, rng: &mut R) -> u32 {
        // Weights have 30 fractional bits and sum to one.
        let mut rest = (rng.next_u32() >> 2).cast_signed();
        let mut last = 0;
        for (index, weight) in (0u32..).zip(self.tensors().weights) {
            rest = rest.saturating_sub(*weight);
            last = index;
            if rest < 0 {
                break;
            }
        }
        last
    }
}
