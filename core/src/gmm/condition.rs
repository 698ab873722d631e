//! Marginal and conditional distributions: `p(x_b)` and `p(x_a | x_b)` for any observed part `b`.
//!
//! With the observed features first, eliminating them from a component's covariance, `L D L^T`, gives all
//! that is asked for: `e = L_bb^-1 (x_b - mu_b)` has independent entries with variances `D_b`, which is
//! the marginal density; `mu_a + L_ab e` is the conditional mean and the Schur complement that is left over
//! the conditional covariance.

use super::parameters::Carver;
use super::{
    Covariance, Gmm, MAX_COMPONENTS, MAX_DIMENSIONS, log_term, log_weight, nats, posterior,
};
use crate::linalg::{
    FACTOR_BITS, factorise, inverse_sqrt, row as row_of, saturating_i64, triangle_len,
};
use crate::num::{log2, rounding_shift_right, saturating_i16, saturating_i32};
use crate::{Operand, ShapeError};

/// From a feature (`I4F12`) to the format of means in here (`F40`).
const WIDEN: u32 = FACTOR_BITS - 12;

/// Where [`Gmm::condition_into`] writes.
#[derive(Debug)]
pub struct Conditional<'o> {
    /// Probability of each component given the observed features (`U16F16`, sum exactly one), k.
    pub responsibilities: &'o mut [u32],
    /// Conditional mean (`I4F12`), d; an observed feature is itself.
    pub mean: &'o mut [i16],
    /// Conditional variance (`I8F56`), d; an observed feature has none.
    pub variances: &'o mut [i64],
}

/// The order in which features are eliminated: observed ones first.
struct Split {
    order: [u8; MAX_DIMENSIONS],
    observed: usize,
    dimensions: usize,
}

impl Split {
    fn new(observed: &[bool]) -> Self {
        let mut order = [0; MAX_DIMENSIONS];
        let first = (0u8..).zip(observed).filter(|(_, o)| **o);
        let then = (0u8..).zip(observed).filter(|(_, o)| !**o);
        for (slot, (feature, _)) in order.iter_mut().zip(first.chain(then)) {
            *slot = feature;
        }
        Self {
            order,
            observed: observed.iter().filter(|o| **o).count(),
            dimensions: observed.len(),
        }
    }

    fn feature(&self, position: usize) -> usize {
        self.order.get(position).copied().map_or(0, usize::from)
    }
}

impl Gmm<'_> {
    /// Words of workspace for [`condition_into`](Self::condition_into).
    #[must_use]
    pub const fn condition_words(covariance: Covariance, k: usize, dimensions: usize) -> usize {
        let factor = match covariance {
            Covariance::Diagonal => 0,
            Covariance::Tied | Covariance::Full => 2 * triangle_len(dimensions) + 2 * dimensions,
        };
        k + 2 * k * dimensions + factor
    }

    /// `p(x_a | x_b)` of the mixture, `b` the features whose `observed` is set; returns `ln p(x_b)`
    /// (`I16F16`, saturating).
    ///
    /// What `features` holds elsewhere is not read. With nothing observed the result is the mixture's own
    /// mean and variances, and 0. Work: `k` times `2 d^3 / 3` multiplications of 64 bits (`k d` with diagonal
    /// covariances).
    ///
    /// ```
    /// use autodidact::gmm::{Conditional, Covariance, Gmm, parameters::{COVARIANCE_ONE, Parameters}};
    /// let mut memory = [0; Parameters::words(Covariance::Full, 1, 2)];
    /// let mut parameters = Parameters::new(&mut memory, Covariance::Full, 1, 2)?;
    /// parameters.set_covariance(0, 0, |row, column| {
    ///     if row == column { COVARIANCE_ONE } else { COVARIANCE_ONE / 2 }
    /// });
    /// let (mut responsibilities, mut mean, mut variances) = ([0], [0; 2], [0; 2]);
    /// let mut workspace = [0; Gmm::condition_words(Covariance::Full, 1, 2)];
    /// parameters.model()?.condition_into(&[4096, 0], &[true, false], &mut workspace, Conditional {
    ///     responsibilities: &mut responsibilities,
    ///     mean: &mut mean,
    ///     variances: &mut variances,
    /// })?;
    /// assert_eq!(mean, [4096, 2048]); // half of what was seen
    /// assert!((variances[1] as f64 / COVARIANCE_ONE as f64 - 0.75).abs() < 1e-3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has the wrong length.
    pub fn condition_into(
        &self,
        features: &[i16],
        observed: &[bool],
        workspace: &mut [i64],
        out: Conditional<'_>,
    ) -> Result<i32, ShapeError> {
        let (k, d) = (self.k(), self.dimensions());
        ShapeError::exact(Operand::Input, d, features.len())?;
        ShapeError::exact(Operand::Input, d, observed.len())?;
        ShapeError::exact(Operand::Output, k, out.responsibilities.len())?;
        ShapeError::exact(Operand::Output, d, out.mean.len())?;
        ShapeError::exact(Operand::Output, d, out.variances.len())?;
        let needed = Self::condition_words(self.covariance(), k, d);
        ShapeError::exact(Operand::Workspace, needed, workspace.len())?;
        let split = Split::new(observed);
        let mut carver = Carver(workspace);
        let (Some(terms), Some(means), Some(variances)) =
            (carver.words(k), carver.words(k * d), carver.words(k * d))
        else {
            return Ok(i32::MIN);
        };
        let scratch = carver.0;
        let width = d.max(1);
        // Not zipped: a zip divides by the width, which only an inlined one knows not to be 0.
        let (mut all_means, mut all_variances) = (
            means.chunks_exact_mut(width),
            variances.chunks_exact_mut(width),
        );
        for (index, term) in terms.iter_mut().enumerate() {
            let means = all_means.next().unwrap_or_default();
            let variances = all_variances.next().unwrap_or_default();
            *term = if self.covariance() == Covariance::Diagonal {
                self.condition_diagonal(index, features, observed, means, variances)?
            } else {
                self.condition_component(index, features, &split, scratch, means, variances)?
            };
        }
        let best = terms.iter().copied().max().unwrap_or(0);
        let mut bits = [0; MAX_COMPONENTS];
        for (bits, term) in bits.iter_mut().zip(terms.iter()) {
            *bits = term.cast_unsigned();
        }
        let log = posterior(&bits, best, out.responsibilities);
        for feature in 0..d {
            let of = |all: &[i64], index: usize| {
                i128::from(all.get(index * d + feature).copied().unwrap_or(0))
            };
            let shares = || {
                let shares = out.responsibilities.iter().map(|r| i128::from(*r));
                shares.enumerate()
            };
            let mean: i128 = shares()
                .map(|(index, r)| r * of(means, index))
                .sum::<i128>()
                >> 16;
            let variance: i128 = shares()
                .map(|(index, r)| {
                    let apart = of(means, index) - mean;
                    // Deviations are below 2^45 (see `condition_component`), squares below 2^90.
                    r * (of(variances, index) + ((apart * apart) >> (2 * FACTOR_BITS - 56)))
                })
                .sum();
            let seen = observed.get(feature).copied().unwrap_or(false);
            if let (Some(m), Some(v)) = (out.mean.get_mut(feature), out.variances.get_mut(feature))
            {
                let rounded = rounding_shift_right(saturating_i64(mean), WIDEN);
                *m = saturating_i16(saturating_i32(rounded));
                *v = saturating_i64(variance >> 16);
                if seen {
                    *m = features.get(feature).copied().unwrap_or(0);
                    *v = 0;
                }
            }
        }
        Ok(nats(log))
    }

    /// One component's conditional means (F40) and variances, and `log2 w p(x_b)`.
    fn condition_component(
        &self,
        index: usize,
        features: &[i16],
        split: &Split,
        scratch: &mut [i64],
        means: &mut [i64],
        variances: &mut [i64],
    ) -> Result<i64, ShapeError> {
        let (n, observed) = (split.dimensions, split.observed);
        let mut carver = Carver(scratch);
        let (Some(plain), Some(ordered), Some(pivots)) = (
            carver.words(triangle_len(n)),
            carver.words(triangle_len(n)),
            carver.words(n),
        ) else {
            return Ok(i64::MIN / 2);
        };
        let residuals = carver.0;
        self.covariance_into(index, plain)?;
        let mut slots = ordered.iter_mut();
        for row in 0..n {
            for column in 0..=row {
                let (a, b) = (split.feature(row), split.feature(column));
                if let Some(slot) = slots.next() {
                    *slot = row_of(plain, a.max(b)).get(a.min(b)).copied().unwrap_or(0);
                }
            }
        }
        let pivots = pivots.get_mut(..observed).unwrap_or_default();
        factorise(ordered, n, pivots, 1);
        let mean = self.mean(index).unwrap_or(&[]);
        let mut log = self.log_weight_of(index);
        let mut distance = 0u64;
        for position in 0..n {
            let row = row_of(ordered, position);
            let explained: i128 = row
                .iter()
                .zip(residuals.iter())
                .take(observed.min(position))
                .map(|(l, e)| i128::from(*l) * i128::from(*e))
                .sum();
            // Clamped to 2^44, sixteen: further than a feature can be from its mean.
            let limit = 1i128 << (FACTOR_BITS + 4);
            let explained = (explained >> FACTOR_BITS).clamp(-limit, limit) as i64;
            let feature = split.feature(position);
            let centre = i64::from(mean.get(feature).copied().unwrap_or(0)) << WIDEN;
            if let Some(pivot) = pivots.get(position) {
                let x = i64::from(features.get(feature).copied().unwrap_or(0)) << WIDEN;
                let residual = x - centre - explained;
                if let Some(slot) = residuals.get_mut(position) {
                    *slot = residual;
                }
                log += log_density(*pivot, residual, &mut distance);
            }
            if let (Some(m), Some(v)) = (means.get_mut(feature), variances.get_mut(feature)) {
                *m = centre + explained;
                *v = row.last().copied().unwrap_or(0).max(0);
            }
        }
        Ok(log_term(saturating_i32(log), distance))
    }

    /// As [`condition_component`](Self::condition_component) without correlations.
    fn condition_diagonal(
        &self,
        index: usize,
        features: &[i16],
        observed: &[bool],
        means: &mut [i64],
        variances: &mut [i64],
    ) -> Result<i64, ShapeError> {
        self.covariance_into(index, variances)?;
        let mut log = self.log_weight_of(index);
        let mut distance = 0u64;
        let parts = self
            .mean(index)
            .unwrap_or(&[])
            .iter()
            .zip(means)
            .zip(variances);
        for ((x, observed), ((mean, m), variance)) in features.iter().zip(observed).zip(parts) {
            let centre = i64::from(*mean) << WIDEN;
            *m = centre;
            if *observed {
                let residual = (i64::from(*x) << WIDEN) - centre;
                log += log_density(*variance, residual, &mut distance);
            }
        }
        Ok(log_term(saturating_i32(log), distance))
    }

    fn log_weight_of(&self, index: usize) -> i64 {
        log_weight(self.tensors().weights.get(index).copied().unwrap_or(1))
    }
}

/// `log2` (F16) of a normal density's height; adds its exponent, the squared distance, to `distance`.
fn log_density(variance: i64, residual: i64, distance: &mut u64) -> i64 {
    /// `log2(2 pi)` in F16.
    const LOG2_TAU: i64 = 173_768;
    let (significand, exponent) = inverse_sqrt(variance);
    // |residual| < 2^46 and the significand <= 2^32; a distance in F12, kept below 2^28.
    let product = (i128::from(residual) * i128::from(significand)) >> (exponent + FACTOR_BITS - 12);
    let y = product.clamp(-(1 << 28), 1 << 28) as i64;
    *distance = distance.wrapping_add((y * y).cast_unsigned());
    // log2 of the variance from its leading 32 bits as U16F16.
    let variance = variance.max(1).cast_unsigned();
    let zeros = variance.leading_zeros();
    let leading = ((variance << zeros) >> 32) as u32;
    let log = i64::from(log2(leading)) + ((16 + 32 - 56 - i64::from(zeros)) << 16);
    -(log + LOG2_TAU) / 2
}
