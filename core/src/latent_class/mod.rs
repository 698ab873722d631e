//! Latent classes: a mixture of products over columns of mixed kinds, with missing values.
//!
//! `p(x) = sum_j phi_j prod_c p_c(x_c | j)` (Lazarsfeld and Henry 1968): within a class the columns are
//! independent, and whatever they have in common goes through the class. A column is categorical,
//! Bernoulli or Gaussian ([`Column`]). A missing value contributes a factor of 1, which is its exact
//! marginal; every marginal and conditional question is therefore one pass over the columns.
//!
//! # A sample
//!
//! One `i16` a column: the index of a level, 0 or 1, or a Gaussian column's value in counts. [`MISSING`]
//! stands for a missing value, and **a level that the model does not know counts as missing**, so that
//! nothing but a wrong length can fail.
//!
//! # Formats and errors
//!
//! | quantity | format |
//! |---|---|
//! | `-log2 phi_j`, `-log2 p(level \| j)` (surprisal) | `U4F12` in `u16`: probabilities from 2^-16 to 1 |
//! | Gaussian column | counts to `I4F12` by [`Affine`](crate::scaler::Affine); [`Gaussian`] a class |
//! | score of a class, inside | `I16F16` in `i32`, base 2, saturating |
//! | log-likelihood | nats, `I16F16` in `i32`, saturating; density of a Gaussian column per unit of its feature |
//! | responsibility, probability | `U16F16` in `u32`, summing to exactly 2^16, the largest before rounding takes the rest |
//!
//! Against exact arithmetic with the same integers, a log-likelihood is off by at most 6e-5 nats, and for
//! each Gaussian column by 4.5e-5 nats and 2^-16 of `(x - mu)^2 / (2 sigma^2)` more. Where all columns are
//! discrete, scores are exact, and a responsibility is off by at most 8e-6 and 5e-5 of itself, that of the class of
//! largest score (the lowest of equals) by k times that: it takes what rounding the others leaves, and may so end
//! a few units below an equal one. Storing a probability as a surprisal changes its logarithm by at most
//! 8.5e-5 nats.
//!
//! ```
//! use autodidact::latent_class::{Column, LatentClass, MISSING};
//! // Two classes, as likely as each other; the first prefers level 0 and sets the flag.
//! let columns = [Column::categorical(2), Column::BERNOULLI];
//! let bits = 4096; // one bit of surprisal
//! let [often, seldom] = [1_700, 2 * bits]; // 3/4 and 1/4
//! let surprisals = [
//!     often, seldom, seldom, often, // level 0 and level 1, by class
//!     seldom, often, often, seldom, // flag 0 and flag 1, by class
//! ];
//! let weights = [bits, bits]; // 1/2 each
//! let model = LatentClass::new(&columns, &weights, &surprisals, &[], &[])?;
//! let mut posterior = [0; 2];
//! let mut probabilities = [0; 2];
//! // p(column 0 | flag = 1): 3/4 · 3/4 + 1/4 · 1/4 = 5/8.
//! model.level_probabilities_into(&[MISSING, 1], 0, &mut posterior, &mut probabilities)?;
//! assert!(probabilities[0].abs_diff(40_960) < 4);
//! assert_eq!(probabilities[0] + probabilities[1], 1 << 16);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod column;
mod gaussian;
mod learn;
mod query;
#[cfg(test)]
mod tests;

pub use column::{Column, ColumnKind, cells, gaussian_columns};
pub use gaussian::Gaussian;
pub use learn::{Learner, MAX_ROWS, Options, Storage, storage_words};
pub use query::Moments;

use crate::num::{exp2, log2};
use crate::scaler::ScalerFeature;
use crate::{Defect, Operand, ShapeError};

/// The value of a sample that is not there.
pub const MISSING: i16 = i16::MIN;

/// Most levels of a categorical column.
pub const MAX_LEVELS: u16 = 256;

/// Most columns of a model.
pub const MAX_COLUMNS: usize = 1024;

/// Most classes of a model.
pub const MAX_CLASSES: usize = 256;

/// Additional fractional bits in which shares are taken before they are brought to 2^-16.
const GUARD_BITS: i32 = 7;

/// A mixture of products, borrowed from a container or from a learner.
#[derive(Debug, Clone, Copy)]
pub struct LatentClass<'a> {
    columns: &'a [Column],
    weights: &'a [u16],
    surprisals: &'a [u16],
    lines: &'a [ScalerFeature],
    gaussians: &'a [Gaussian],
}

/// The class that explains a sample best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MostProbable {
    /// Index of the class; the lowest of equals.
    pub class: usize,
    /// Its responsibility, `U16F16`.
    pub probability: u32,
    /// Log-likelihood of the sample, nats in `I16F16`.
    pub log_likelihood: i32,
}

/// A logarithm of a sum.
#[derive(Clone, Copy)]
struct LogSum {
    /// `I16F16`, base 2.
    bits: i32,
    /// Index of the first largest term.
    largest: usize,
}

/// What a model has for one column.
#[derive(Clone, Copy)]
enum Distribution<'a> {
    /// Surprisals, one row of k a level.
    Levels(&'a [u16]),
    /// One Gaussian a class.
    Gaussian(&'a ScalerFeature, &'a [Gaussian]),
}

impl<'a> LatentClass<'a> {
    /// A model of k classes.
    ///
    /// - `columns`: one a column of the data;
    /// - `weights`: `-log2 phi_j` (`U4F12`), k;
    /// - `surprisals`: `-log2 p(level | j)` (`U4F12`), a row of k for each level of each categorical or
    ///   Bernoulli column ([`cells`] rows in all), columns and levels in order;
    /// - `lines`: counts to feature and back for each Gaussian column ([`gaussian_columns`] in all);
    /// - `gaussians`: k for each Gaussian column.
    ///
    /// # Errors
    /// [`Defect::Shape`] when lengths do not fit or there are more than [`MAX_CLASSES`] classes or
    /// [`MAX_COLUMNS`] columns; [`Defect::Column`] when a column's kind or levels are invalid, or its
    /// probabilities within a class do not sum to 1 within 2^-6; [`Defect::Scale`] when a line is out of
    /// range; [`Defect::Derived`] when a Gaussian is not what [`Gaussian::new`] gives; [`Defect::Weights`] when the
    /// classes' weights do not sum to 1 within 2^-6.
    pub fn new(
        columns: &'a [Column],
        weights: &'a [u16],
        surprisals: &'a [u16],
        lines: &'a [ScalerFeature],
        gaussians: &'a [Gaussian],
    ) -> Result<Self, Defect> {
        let view = Self::from_trusted(columns, weights, surprisals, lines, gaussians)?;
        for (index, line) in (0..).zip(lines) {
            if !(line.to_feature.is_valid() && line.to_counts.is_valid()) {
                return Err(Defect::Scale { index });
            }
        }
        for (index, gaussian) in (0..).zip(gaussians) {
            if !gaussian.is_consistent() {
                return Err(Defect::Derived { index });
            }
        }
        if !sums_to_one(weights.iter()) {
            return Err(Defect::Weights);
        }
        let k = weights.len();
        for (index, distribution) in (0..).zip(view.distributions()) {
            if let Distribution::Levels(table) = distribution {
                for class in 0..k {
                    if !sums_to_one(table.iter().skip(class).step_by(k.max(1))) {
                        return Err(Defect::Column { index });
                    }
                }
            }
        }
        Ok(view)
    }

    /// As [`new`](Self::new), without looking at the parameters themselves.
    pub(crate) fn from_trusted(
        columns: &'a [Column],
        weights: &'a [u16],
        surprisals: &'a [u16],
        lines: &'a [ScalerFeature],
        gaussians: &'a [Gaussian],
    ) -> Result<Self, Defect> {
        let k = weights.len();
        if !(1..=MAX_CLASSES).contains(&k) || !(1..=MAX_COLUMNS).contains(&columns.len()) {
            return Err(Defect::Shape);
        }
        for (index, column) in (0..).zip(columns) {
            if column.kind().is_none() {
                return Err(Defect::Column { index });
            }
        }
        // At most 2^10 columns of 2^8 levels and 2^8 classes.
        if surprisals.len() != cells(columns) * k
            || lines.len() != gaussian_columns(columns)
            || gaussians.len() != lines.len() * k
        {
            return Err(Defect::Shape);
        }
        Ok(Self {
            columns,
            weights,
            surprisals,
            lines,
            gaussians,
        })
    }

    /// Number of classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.weights.len()
    }

    /// The columns.
    #[must_use]
    pub const fn columns(&self) -> &'a [Column] {
        self.columns
    }

    /// `-log2 phi_j` (`U4F12`) of every class.
    #[must_use]
    pub const fn weights(&self) -> &'a [u16] {
        self.weights
    }

    /// `-log2 p(level | j)` (`U4F12`), a row of k for each level of each discrete column.
    #[must_use]
    pub const fn surprisals(&self) -> &'a [u16] {
        self.surprisals
    }

    /// Counts to feature and back for each Gaussian column.
    #[must_use]
    pub const fn lines(&self) -> &'a [ScalerFeature] {
        self.lines
    }

    /// k Gaussians for each Gaussian column.
    #[must_use]
    pub const fn gaussians(&self) -> &'a [Gaussian] {
        self.gaussians
    }

    /// Responsibilities `p(j | x)` of all classes (`U16F16`, summing to 2^16); returns the
    /// log-likelihood of the sample's observed values, nats in `I16F16`.
    ///
    /// A sample with values missing has the marginal likelihood of the others, so that
    /// `ln p(a | b) = ln p(a, b) - ln p(b)` is the difference of two calls. Work: k additions a discrete
    /// column, k multiplications a Gaussian one, k powers of two and one 64-bit division.
    ///
    /// # Errors
    /// [`ShapeError`] when the sample is not one value a column or `posterior` not k long.
    pub fn posterior_into(&self, sample: &[i16], posterior: &mut [u32]) -> Result<i32, ShapeError> {
        self.posterior_without(None, sample, posterior)
    }

    /// Log-likelihood of the sample's observed values, nats in `I16F16`.
    ///
    /// # Errors
    /// [`ShapeError`] when the sample is not one value a column or `scratch` not k long.
    pub fn log_likelihood(&self, sample: &[i16], scratch: &mut [u32]) -> Result<i32, ShapeError> {
        self.posterior_into(sample, scratch)
    }

    /// The class of largest score, which is that of largest responsibility before it is rounded.
    ///
    /// # Errors
    /// [`ShapeError`] when the sample is not one value a column or `scratch` not k long.
    pub fn most_probable(
        &self,
        sample: &[i16],
        scratch: &mut [u32],
    ) -> Result<MostProbable, ShapeError> {
        ShapeError::exact(Operand::Input, self.columns.len(), sample.len())?;
        ShapeError::exact(Operand::Workspace, self.classes(), scratch.len())?;
        let LogSum { bits, largest } = self.responsibilities(None, sample, scratch);
        Ok(MostProbable {
            class: largest,
            probability: scratch.get(largest).copied().unwrap_or(0),
            log_likelihood: nats(bits),
        })
    }

    /// As [`posterior_into`](Self::posterior_into), one column left out.
    fn posterior_without(
        &self,
        left_out: Option<usize>,
        sample: &[i16],
        posterior: &mut [u32],
    ) -> Result<i32, ShapeError> {
        ShapeError::exact(Operand::Input, self.columns.len(), sample.len())?;
        ShapeError::exact(Operand::Workspace, self.classes(), posterior.len())?;
        Ok(nats(
            self.responsibilities(left_out, sample, posterior).bits,
        ))
    }

    /// Responsibilities in `posterior`; returns the log-likelihood.
    fn responsibilities(
        &self,
        left_out: Option<usize>,
        sample: &[i16],
        posterior: &mut [u32],
    ) -> LogSum {
        // Scores and then responsibilities live in the same memory.
        for (score, weight) in posterior.iter_mut().zip(self.weights) {
            *score = to_score(*weight).cast_unsigned();
        }
        let add = |score: &mut u32, term: i32| {
            *score = score.cast_signed().saturating_add(term).cast_unsigned();
        };
        let observed = self.distributions().zip(sample).enumerate();
        for (index, (distribution, &value)) in observed {
            if value == MISSING || Some(index) == left_out {
                continue;
            }
            match distribution {
                Distribution::Levels(table) => {
                    let level = usize::try_from(value).ok();
                    let row = level
                        .and_then(|level| table.chunks_exact(self.classes().max(1)).nth(level));
                    for (score, surprisal) in posterior.iter_mut().zip(row.unwrap_or_default()) {
                        add(score, to_score(*surprisal));
                    }
                }
                Distribution::Gaussian(line, classes) => {
                    let feature = line.to_feature.apply(value);
                    for (score, gaussian) in posterior.iter_mut().zip(classes) {
                        add(score, gaussian.log2_density(feature));
                    }
                }
            }
        }
        log_sum(posterior)
    }

    /// What the model has for each column, in order.
    fn distributions(&self) -> impl Iterator<Item = Distribution<'a>> + use<'a> {
        // At least 1 as it is; said so that no division by it can panic.
        let k = self.classes().max(1);
        let mut surprisals = self.surprisals;
        let mut gaussians = self.lines.iter().zip(self.gaussians.chunks_exact(k));
        self.columns.iter().map_while(move |column| {
            if column.is_gaussian() {
                let (line, classes) = gaussians.next()?;
                Some(Distribution::Gaussian(line, classes))
            } else {
                let (table, rest) = surprisals.split_at_checked(column.levels() * k)?;
                surprisals = rest;
                Some(Distribution::Levels(table))
            }
        })
    }
}

/// A surprisal (`U4F12`) as a term of a score (`I16F16`).
#[inline]
fn to_score(surprisal: u16) -> i32 {
    -(i32::from(surprisal) << 4)
}

/// From scores (`I16F16` as bits of `u32`, base 2) to shares of 2^16; the logarithm of the sum.
///
/// At most [`MAX_CLASSES`] scores.
fn log_sum(scores: &mut [u32]) -> LogSum {
    let signed = scores.iter().map(|s| s.cast_signed()).enumerate();
    let (first, largest) = signed
        .reduce(|best, this| if this.1 > best.1 { this } else { best })
        .unwrap_or_default();
    for score in scores.iter_mut() {
        let below = score.cast_signed().saturating_sub(largest);
        // At most 2^23, reached by the largest.
        *score = exp2(below.saturating_add(GUARD_BITS << 16));
    }
    let sum = shares(scores);
    LogSum {
        bits: largest.saturating_add(log2(sum) - (GUARD_BITS << 16)),
        largest: first,
    }
}

/// From at most 256 values below 2^24 to shares that sum to exactly 2^16; returns the values' sum.
///
/// Every share but the first largest is rounded to nearest; that one takes what is left. It is at least
/// 2^16 / 256 before and the others' rounding errors are at most 255 / 2, so that it stays positive.
fn shares(values: &mut [u32]) -> u32 {
    let (at, _) = first_largest(values.iter().copied());
    // Saturates for no table that sums to 1; a value never exceeds the sum either way.
    let sum = values
        .iter()
        .fold(0u32, |sum, value| sum.saturating_add(*value))
        .max(1);
    let inverse = (1u64 << 54) / u64::from(sum);
    let mut rest = 1u32 << 16;
    for (_, value) in values
        .iter_mut()
        .enumerate()
        .filter(|(index, _)| *index != at)
    {
        // value <= sum, so that the product is at most 2^54.
        *value = ((u64::from(*value) * inverse + (1 << 37)) >> 38) as u32;
        rest = rest.saturating_sub(*value);
    }
    if let Some(value) = values.get_mut(at) {
        *value = rest;
    }
    sum
}

/// Index and value of the first largest.
fn first_largest(values: impl Iterator<Item = u32>) -> (usize, u32) {
    values
        .enumerate()
        .reduce(|best, this| if this.1 > best.1 { this } else { best })
        .unwrap_or_default()
}

/// Bits to nats, both `I16F16`, rounded.
fn nats(bits: i32) -> i32 {
    /// `ln 2 · 2^31`, rounded.
    const LN_2_Q31: i64 = 1_488_522_236;
    // Smaller in magnitude than bits.
    ((i64::from(bits) * LN_2_Q31 + (1 << 30)) >> 31) as i32
}

/// Whether probabilities given as surprisals sum to 1 within 2^-6.
fn sums_to_one<'s>(surprisals: impl Iterator<Item = &'s u16>) -> bool {
    // At most 256 terms of 2^16.
    let sum: u32 = surprisals.map(|surprisal| exp2(to_score(*surprisal))).sum();
    sum.abs_diff(1 << 16) <= 1 << 10
}
