//! Questions to a model: conditionals, missing values, samples.

use super::{Distribution, LatentClass, MISSING, first_largest, shares, to_score};
use crate::num::{exp2, rounding_shift_right, saturating_i16, sqrt};
use crate::rng::{below, normal};
use crate::{Operand, ShapeError};
use rand_core::Rng;

/// Additional fractional bits of a probability before it is rounded to 2^-16.
const GUARD_BITS: i32 = 8;

/// Mean and variance of a Gaussian column, given other columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Moments {
    /// Mean of the standardised column, `I4F12`.
    pub mean: i16,
    /// Variance of the standardised column, `U8F24`; includes what the classes' means differ by.
    pub variance: u32,
    /// The mean in counts.
    pub mean_counts: i16,
}

impl LatentClass<'_> {
    /// `p(x_column = level | all other observed columns)` for every level, `U16F16`, summing to 2^16.
    ///
    /// What the sample holds in `column` itself is ignored. `posterior` (k) receives the classes'
    /// responsibilities given the other columns. Against exact arithmetic with the same integers and
    /// discrete columns a probability is off by at most `1e-4 + k · 2^-16`. Work: that of [`posterior_into`](Self::posterior_into) and `k · m` powers of
    /// two.
    ///
    /// # Errors
    /// [`ShapeError`] when the sample is not one value a column, `posterior` not k long, or
    /// `probabilities` not as long as the column has levels, 0 for a Gaussian column; or there is no such column.
    pub fn level_probabilities_into(
        &self,
        sample: &[i16],
        column: usize,
        posterior: &mut [u32],
        probabilities: &mut [u32],
    ) -> Result<(), ShapeError> {
        self.check_column(column)?;
        let distribution = self.distributions().nth(column);
        let table = match distribution {
            Some(Distribution::Levels(table)) => table,
            _ => &[],
        };
        let k = self.classes().max(1);
        ShapeError::exact(Operand::Output, table.len() / k, probabilities.len())?;
        self.posterior_without(Some(column), sample, posterior)?;
        for (probability, level) in probabilities.iter_mut().zip(table.chunks_exact(k)) {
            *probability = level_probability(level, posterior);
        }
        shares(probabilities);
        Ok(())
    }

    fn check_column(&self, column: usize) -> Result<(), ShapeError> {
        let columns = self.columns().len();
        ShapeError::at_least(Operand::Columns, column.saturating_add(1), columns)
    }

    /// Mean and variance of a Gaussian column given all other observed columns; `None` when the column is
    /// of another kind.
    ///
    /// `E[x] = sum_j r_j mu_j`, `Var[x] = sum_j r_j (sigma_j^2 + (mu_j - E[x])^2)`. What the sample holds
    /// in `column` itself is ignored.
    ///
    /// # Errors
    /// [`ShapeError`] when the sample is not one value a column or `posterior` not k long, or there is no such column.
    pub fn moments(
        &self,
        sample: &[i16],
        column: usize,
        posterior: &mut [u32],
    ) -> Result<Option<Moments>, ShapeError> {
        self.check_column(column)?;
        self.posterior_without(Some(column), sample, posterior)?;
        let Some(Distribution::Gaussian(line, classes)) = self.distributions().nth(column) else {
            return Ok(None);
        };
        // Responsibilities sum to 2^16: |sum| <= 2^31.
        let sum: i64 = posterior
            .iter()
            .zip(classes)
            .map(|(r, class)| i64::from(*r) * i64::from(class.mean))
            .sum();
        let mean = rounding_shift_right(sum, 16) as i16;
        // Each bracket is below 2^33, their mean as well.
        let squares: u64 = posterior
            .iter()
            .zip(classes)
            .map(|(r, class)| {
                let distance = u32::from(class.mean.abs_diff(mean));
                u64::from(*r) * (u64::from(class.variance) + u64::from(distance * distance))
            })
            .sum();
        Ok(Some(Moments {
            mean,
            variance: u32::try_from((squares + (1 << 15)) >> 16).unwrap_or(u32::MAX),
            mean_counts: line.to_counts.apply(mean).max(-i16::MAX),
        }))
    }

    /// Fills in missing values: the most probable level, or the mean of a Gaussian column, given all
    /// observed ones.
    ///
    /// Of equally probable levels the lowest. A level that the model does not know is filled in, too.
    ///
    /// # Errors
    /// [`ShapeError`] when `sample` or `completed` is not one value a column or `posterior` not k long.
    pub fn impute_into(
        &self,
        sample: &[i16],
        posterior: &mut [u32],
        completed: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.columns().len(), completed.len())?;
        self.posterior_into(sample, posterior)?;
        let k = self.classes().max(1);
        for ((target, &value), distribution) in
            completed.iter_mut().zip(sample).zip(self.distributions())
        {
            *target = match distribution {
                _ if distribution.knows(value, k) => value,
                Distribution::Levels(table) => {
                    let levels = table.chunks_exact(k);
                    // Below 256.
                    first_largest(levels.map(|level| level_probability(level, posterior))).0 as i16
                }
                Distribution::Gaussian(line, classes) => {
                    let sum: i64 = posterior
                        .iter()
                        .zip(classes)
                        .map(|(r, class)| i64::from(*r) * i64::from(class.mean))
                        .sum();
                    let mean = rounding_shift_right(sum, 16) as i16;
                    line.to_counts.apply(mean).max(-i16::MAX)
                }
            };
        }
        Ok(())
    }

    /// Draws the missing values from their joint distribution given the observed ones; with nothing
    /// observed, a sample of the model.
    ///
    /// First a class from its posterior, then every missing column within it: one random word for the
    /// class and one for each missing column, in order.
    ///
    /// # Errors
    /// [`ShapeError`] when `given` or `drawn` is not one value a column or `posterior` not k long.
    pub fn sample_into<R: Rng + ?Sized>(
        &self,
        given: &[i16],
        rng: &mut R,
        posterior: &mut [u32],
        drawn: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.columns().len(), drawn.len())?;
        self.posterior_into(given, posterior)?;
        let k = self.classes().max(1);
        let class = draw(posterior.iter().copied(), rng);
        for ((target, &value), distribution) in
            drawn.iter_mut().zip(given).zip(self.distributions())
        {
            *target = match distribution {
                _ if distribution.knows(value, k) => value,
                Distribution::Levels(table) => {
                    let levels = table.iter().skip(class).step_by(k);
                    let shares = levels.map(|s| exp2(to_score(*s) + (GUARD_BITS << 16)));
                    draw(shares, rng) as i16
                }
                Distribution::Gaussian(line, classes) => {
                    let (mean, variance) =
                        classes.get(class).map_or((0, 0), |c| (c.mean, c.variance));
                    // U4F12, at most 65535, times I4F12: below 2^31.
                    let deviation = i64::from(sqrt(u64::from(variance))) * i64::from(normal(rng));
                    let feature = i64::from(mean) + rounding_shift_right(deviation, 12);
                    let feature = saturating_i16(feature as i32);
                    line.to_counts.apply(feature).max(-i16::MAX)
                }
            };
        }
        Ok(())
    }
}

impl Distribution<'_> {
    /// Whether a value is observed: neither missing nor an unknown level.
    fn knows(&self, value: i16, classes: usize) -> bool {
        match self {
            Self::Gaussian(..) => value != MISSING,
            Self::Levels(table) => {
                usize::try_from(value).is_ok_and(|level| level < table.len() / classes)
            }
        }
    }
}

/// `sum_j r_j p(level | j)` in `U8F24`, below 2^24 + 2^17; the smallest is 2^8.
fn level_probability(level: &[u16], posterior: &[u32]) -> u32 {
    let sum: u64 = posterior
        .iter()
        .zip(level)
        .map(|(r, s)| u64::from(*r) * u64::from(exp2(to_score(*s) + (GUARD_BITS << 16))))
        .sum();
    ((sum + (1 << 15)) >> 16) as u32
}

/// An index with probability proportional to its share; shares sum to less than 2^32.
fn draw<R: Rng + ?Sized>(shares: impl Iterator<Item = u32> + Clone, rng: &mut R) -> usize {
    let total = shares.clone().fold(0u32, u32::saturating_add);
    let mut left = below(rng, total);
    let mut last = 0;
    for (index, share) in shares.enumerate() {
        if left < share {
            return index;
        }
        left -= share;
        last = index;
    }
    last
}
