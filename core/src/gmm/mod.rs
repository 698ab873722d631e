//! Gaussian mixtures: `p(x) = sum_j w_j N(x; mu_j, Sigma_j)`, log-likelihood and responsibilities.
//!
//! A component is evaluated through the factor of its precision, `Sigma^-1 = P^T P` with `P` lower
//! triangular: `y = P (x - mu)`, `log2 w N(x) = c - |y|^2 log2(e) / 2`, where
//! `c = log2(w |P| / (2 pi)^(d/2))` is stored. Rows of `P` are 16-bit mantissas with a shift each, so
//! that variances from 2^-18 to 2^8 keep their relative precision; the determinant in `c` is that of the
//! mantissas as stored, so that the density integrates to one whatever the rounding did. `y` is `I20F12`,
//! rounded once (down, with diagonal covariances); `|y|^2` is exact in `U40F24`.
//!
//! | tensor | elements | format |
//! |---|---|---|
//! | `weights` | k | `I2F30`, each at least one unit, sum exactly one |
//! | `means` | k · d | `I4F12` |
//! | `factors` | k · d, `factor_len(d)` or k · `factor_len(d)` | mantissas; see [`factor_index`] |
//! | `shifts` | k · d, `factor_rows(d)` or k · `factor_rows(d)` | right shift, at most 31 |
//! | `offsets` | none, k · `factor_rows(d)`, the same | `-P mu` and the rounding term, as mantissas times `I4F12` |
//! | `constants` | k | `c` in `I16F16` |
//!
//! (diagonal, tied and full covariances in this order; [`factor_len`], [`factor_rows`]).
//!
//! # Accuracy
//!
//! Against f64 with the unrounded parameters the log-likelihood of rows drawn from random mixtures (up to 32
//! features, 8 components) is off by less than 0.001 nats on average for standard deviations from 0.3 to
//! 1.2, and by less than 0.013 for standard deviations from 0.01 to 4 within one component, where rounding the
//! means to `I4F12` and correlated features of very different scale tell. A single row is off by 0.02 in
//! that case, 0.06 with correlations of 0.95 (`gmm::tests`). It saturates at -32768 nats; responsibilities do
//! not: they come from differences.
//!
//! # Cost
//!
//! <!-- figures: m4.gmm_{full,diagonal}_8x16 m4.stepwise_em_step_diagonal_8x16 -->
//! 8 components of 16 features on a Cortex-M4, instructions counted in QEMU: 3,346 for the log-likelihood with
//! full covariances, 2,930 with diagonal ones; 37,055 for a step of [`stepwise::StepwiseEm`] with diagonal ones.
//!
//! # Learning
//!
//! [`batch::BatchEm`] fits a mixture to rows in memory, [`stepwise::StepwiseEm`] to a stream;
//! [`parameters::Parameters`] builds one from means and covariances.

use crate::kernels::{Shifts, mahalanobis};
pub use crate::kernels::{factor_index, factor_len, factor_rows};
use crate::linalg::triangle_len;
use crate::num::{exp2, log2, saturating_i32};
use crate::work::{DIVISION, WIDE};
use crate::{Defect, Operand, ShapeError};

pub mod batch;
mod condition;
mod covariance;
pub mod parameters;
mod sample;
mod statistics;
pub mod stepwise;
mod turn;

pub use condition::Conditional;
pub use covariance::CovarianceError;
pub use statistics::MAX_ROWS;

#[cfg(test)]
mod tests;

/// Most features of a mixture: keeps `|y|^2` within 64 bits.
pub const MAX_DIMENSIONS: usize = 64;
/// Most components of a mixture.
pub const MAX_COMPONENTS: usize = 64;
/// So many components are evaluated with a quarter of the stack.
const FEW: usize = 16;
/// One, as a weight (`I2F30`).
pub const WEIGHT_ONE: i32 = 1 << 30;
/// One, as a responsibility (`U16F16`).
pub const ONE: u32 = 1 << 16;

/// Largest mantissa of a diagonal covariance: with a 17-bit difference the product has 32 bits.
pub(crate) const DIAGONAL_MANTISSA: i16 = 1 << 14;

/// `log2(2 pi) / 2` in `F32`.
const HALF_LOG2_TAU: i64 = 5_694_044_581;

/// What the components' covariances look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Covariance {
    /// Every component has its own variances, no correlations.
    Diagonal,
    /// All components share one covariance matrix.
    Tied,
    /// Every component has its own covariance matrix.
    Full,
}

/// A mixture of k Gaussians of d dimensions.
#[derive(Debug, Clone, Copy)]
pub struct Gmm<'a> {
    covariance: Covariance,
    dimensions: usize,
    tensors: Tensors<'a>,
}

/// The parameters of a mixture as they are stored; see the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct Tensors<'a> {
    /// Weights (`I2F30`), k.
    pub weights: &'a [i32],
    /// Means (`I4F12`), row-major, k · d.
    pub means: &'a [i16],
    /// Mantissas of the precision factors.
    pub factors: &'a [i16],
    /// Right shifts of the rows of the factors.
    pub shifts: &'a [u8],
    /// What centring adds to the rows; empty for diagonal covariances.
    pub offsets: &'a [i64],
    /// Logarithms of the densities at the means (`I16F16`, base 2), weights included, k.
    pub constants: &'a [i32],
}

/// A component's share of the tensors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component<'a> {
    pub(crate) mean: &'a [i16],
    pub(crate) factor: &'a [i16],
    pub(crate) shifts: &'a [u8],
    pub(crate) offsets: &'a [i64],
}

/// Elements of a component's factor.
pub(crate) const fn component_factor_len(covariance: Covariance, dimensions: usize) -> usize {
    match covariance {
        Covariance::Diagonal => dimensions,
        Covariance::Tied | Covariance::Full => factor_len(dimensions),
    }
}

/// Shifts of a component's factor.
pub(crate) const fn component_rows(covariance: Covariance, dimensions: usize) -> usize {
    match covariance {
        Covariance::Diagonal => dimensions,
        Covariance::Tied | Covariance::Full => factor_rows(dimensions),
    }
}

/// Number of factors that `k` components have.
pub(crate) const fn factors_of(covariance: Covariance, k: usize) -> usize {
    match covariance {
        Covariance::Tied => 1,
        Covariance::Diagonal | Covariance::Full => k,
    }
}

/// Number of factors, elements of each, and rows of each.
pub(crate) const fn factor_shape(
    covariance: Covariance,
    k: usize,
    dimensions: usize,
) -> [usize; 3] {
    [
        factors_of(covariance, k),
        component_factor_len(covariance, dimensions),
        component_rows(covariance, dimensions),
    ]
}

impl<'a> Gmm<'a> {
    /// A mixture from its tensors; proves that no sample can overflow anything.
    ///
    /// # Errors
    /// [`Defect::Shape`] when lengths do not fit or there are more than [`MAX_COMPONENTS`] or
    /// [`MAX_DIMENSIONS`]; [`Defect::Weights`] when a weight is not positive or they do not sum to one;
    /// [`Defect::Scale`] (with the index of the row over all factors) when a factor's diagonal is not
    /// positive or a row is too large; [`Defect::Derived`] when an offset or constant of a component does
    /// not follow from the rest.
    pub fn new(
        covariance: Covariance,
        dimensions: usize,
        tensors: Tensors<'a>,
    ) -> Result<Self, Defect> {
        let view = Self::from_trusted(covariance, dimensions, tensors)?;
        let mut total = 0i64;
        for weight in tensors.weights {
            if *weight < 1 {
                return Err(Defect::Weights);
            }
            total += i64::from(*weight);
        }
        if total != i64::from(WEIGHT_ONE) {
            return Err(Defect::Weights);
        }
        let rows = component_rows(covariance, dimensions);
        for factor in 0..factors_of(covariance, view.k()) {
            let component = view.component(factor).ok_or(Defect::Shape)?;
            for row in 0..rows {
                if !row_is_valid(covariance, dimensions, &component, row) {
                    return Err(Defect::Scale {
                        index: u32::try_from(factor * rows + row).unwrap_or(u32::MAX),
                    });
                }
            }
        }
        for ((index, weight), constant) in (0u32..).zip(tensors.weights).zip(tensors.constants) {
            let component = view.component(index as usize).ok_or(Defect::Shape)?;
            let offsets_follow = component.offsets.iter().enumerate().all(|(row, offset)| {
                *offset == row_offset(component.factor, component.shifts, component.mean, row)
            });
            if !offsets_follow
                || log_constant(
                    covariance,
                    component.factor,
                    component.shifts,
                    dimensions,
                    *weight,
                ) != *constant
            {
                return Err(Defect::Derived { index });
            }
        }
        Ok(view)
    }

    /// As [`new`](Self::new), with the lengths checked only.
    pub(crate) fn from_trusted(
        covariance: Covariance,
        dimensions: usize,
        tensors: Tensors<'a>,
    ) -> Result<Self, Defect> {
        let k = tensors.weights.len();
        if !(1..=MAX_COMPONENTS).contains(&k) || !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(Defect::Shape);
        }
        let factors = factors_of(covariance, k);
        let rows = component_rows(covariance, dimensions);
        let offsets = match covariance {
            Covariance::Diagonal => 0,
            Covariance::Tied | Covariance::Full => k * rows,
        };
        if tensors.means.len() != k * dimensions
            || tensors.factors.len() != factors * component_factor_len(covariance, dimensions)
            || tensors.shifts.len() != factors * rows
            || tensors.offsets.len() != offsets
            || tensors.constants.len() != k
        {
            return Err(Defect::Shape);
        }
        Ok(Self {
            covariance,
            dimensions,
            tensors,
        })
    }

    /// Number of components.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.tensors.weights.len()
    }

    /// Number of features.
    #[must_use]
    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// What the covariances look like.
    #[must_use]
    pub const fn covariance(&self) -> Covariance {
        self.covariance
    }

    /// The parameters as they are stored.
    #[must_use]
    pub const fn tensors(&self) -> Tensors<'a> {
        self.tensors
    }

    /// Mean of component `index` (`I4F12`), if there is one.
    #[must_use]
    pub fn mean(&self, index: usize) -> Option<&'a [i16]> {
        self.tensors
            .means
            .chunks_exact(self.dimensions.max(1))
            .nth(index)
    }

    /// A component's share of the tensors.
    #[inline]
    pub(crate) fn component(&self, index: usize) -> Option<Component<'a>> {
        // At most 64 · 64 · 66 elements in all: no product overflows.
        let part = |len: usize, index: usize| index * len..index * len + len;
        let len = component_factor_len(self.covariance, self.dimensions);
        let rows = component_rows(self.covariance, self.dimensions);
        let (factor, offsets) = match self.covariance {
            Covariance::Diagonal => (index, 0..0),
            Covariance::Tied => (0, part(rows, index)),
            Covariance::Full => (index, part(rows, index)),
        };
        Some(Component {
            mean: self.tensors.means.get(part(self.dimensions, index))?,
            factor: self.tensors.factors.get(part(len, factor))?,
            shifts: self.tensors.shifts.get(part(rows, factor))?,
            offsets: self.tensors.offsets.get(offsets)?,
        })
    }

    /// Squared Mahalanobis distances to every component; the lengths fit.
    #[inline]
    fn distances(&self, features: &[i16], distances: &mut [u64]) {
        let Tensors {
            means,
            factors,
            shifts,
            offsets,
            ..
        } = self.tensors;
        match self.covariance {
            Covariance::Diagonal => {
                let d = self.dimensions.max(1);
                let parameters = means.chunks_exact(d).zip(factors.chunks_exact(d));
                let components = parameters.zip(shifts.chunks_exact(d));
                for (distance, ((mean, factor), shifts)) in distances.iter_mut().zip(components) {
                    *distance = diagonal_distance(mean, factor, shifts, features);
                }
            }
            Covariance::Tied | Covariance::Full => {
                // The lengths fit, by construction, and so do the shifts.
                let shifts = Shifts::proved(shifts);
                let _ = mahalanobis(factors, offsets, shifts, features, distances);
            }
        }
    }

    /// Squared Mahalanobis distances to every component, `U40F24`.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long or `distances` not `k`.
    pub fn distances_into(
        &self,
        features: &[i16],
        distances: &mut [u64],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, features.len())?;
        ShapeError::exact(Operand::Output, self.k(), distances.len())?;
        self.distances(features, distances);
        Ok(())
    }

    /// Log-likelihood `ln p(x)` in nats, `I16F16`, saturating.
    ///
    /// Work: `k · d (d + 1) / 2` multiply-accumulates (`k · d` with diagonal covariances), `k` powers of
    /// two, one logarithm. Stack: about 300 bytes up to 16 components, 700 beyond.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long.
    pub fn log_likelihood(&self, features: &[i16]) -> Result<i32, ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, features.len())?;
        // Clearing memory for the most components there can be would cost more than a few components do.
        let log = if self.k() <= FEW {
            self.log2_likelihood(features, &mut [0; FEW])
        } else {
            self.log2_likelihood(features, &mut [0; MAX_COMPONENTS])
        };
        Ok(nats(log))
    }

    /// Responsibilities `p(j | x)` in `U16F16`, and the log-likelihood as from
    /// [`log_likelihood`](Self::log_likelihood).
    ///
    /// They sum to exactly [`ONE`]: each is rounded down, and the most probable component (the first of
    /// them) takes what is left over.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long or `responsibilities` not `k`.
    pub fn responsibilities_into(
        &self,
        features: &[i16],
        responsibilities: &mut [u32],
    ) -> Result<i32, ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, features.len())?;
        ShapeError::exact(Operand::Output, self.k(), responsibilities.len())?;
        let mut terms = [0; MAX_COMPONENTS];
        let terms = terms.get_mut(..self.k()).unwrap_or_default();
        let best = self.terms(features, terms);
        let log = posterior(terms, best, responsibilities);
        Ok(nats(log))
    }

    /// The component that a sample most probably comes from; the first wins a tie.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long.
    pub fn most_probable(&self, features: &[i16]) -> Result<u32, ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, features.len())?;
        let mut terms = [0; MAX_COMPONENTS];
        let terms = terms.get_mut(..self.k()).unwrap_or_default();
        let best = self.terms(features, terms);
        let first = (0u32..)
            .zip(terms)
            .find(|(_, term)| term.cast_signed() == best);
        Ok(first.map_or(0, |(index, _)| index))
    }

    /// `log2 p(x)`, F16, with room for k terms.
    #[inline(never)]
    fn log2_likelihood(&self, features: &[i16], terms: &mut [u64]) -> i64 {
        let terms = terms.get_mut(..self.k()).unwrap_or_default();
        let best = self.terms(features, terms);
        // At most 64 times 2^16.
        let sum = terms.iter().map(|term| share(*term, best)).sum();
        best + i64::from(log2(sum))
    }

    /// `log2 w_j N_j(x)` of every component (F16, as the bits of an `i64`), and the largest of them.
    #[inline]
    fn terms(&self, features: &[i16], terms: &mut [u64]) -> i64 {
        self.distances(features, terms);
        let mut best = i64::MIN;
        for (term, constant) in terms.iter_mut().zip(self.tensors.constants) {
            let log = log_term(*constant, *term);
            *term = log.cast_unsigned();
            best = best.max(log);
        }
        best
    }
}

/// Operations of [`Gmm::responsibilities_into`].
pub(crate) const fn responsibility_operations(
    covariance: Covariance,
    k: usize,
    dimensions: usize,
) -> u64 {
    let pairs = match covariance {
        Covariance::Diagonal => dimensions * WIDE as usize,
        // Rows are padded to pairs of pairs.
        Covariance::Tied | Covariance::Full => component_factor_len(covariance, dimensions + 1),
    };
    (k * pairs) as u64 + 3 * (k + 1) as u64 * DIVISION
}

/// Operations of the M step of one component, or of the covariance that all share.
pub(crate) const fn maximisation_operations(
    covariance: Covariance,
    k: usize,
    dimensions: usize,
) -> u64 {
    let (k, d, triangle) = (k as u64, dimensions as u64, triangle_len(dimensions) as u64);
    // Mean, inverse deviation and logarithm of each feature.
    let features = (6 * d + 4) * DIVISION;
    // One attempt at a factor: elements, elimination, inversion.
    let attempt = triangle * 8 * WIDE + d * d * d * WIDE + features;
    match covariance {
        Covariance::Diagonal => features + d * 6 * WIDE,
        Covariance::Full => 9 * attempt + triangle * WIDE,
        Covariance::Tied => 9 * attempt + k * (triangle * 5 * WIDE + features),
    }
}

/// `sum y_i^2` of a diagonal component, `y_i = (p_i (x_i - mu_i)) >> s_i`.
#[inline]
fn diagonal_distance(mean: &[i16], factor: &[i16], shifts: &[u8], features: &[i16]) -> u64 {
    let mut sum = 0u64;
    let parameters = mean.iter().zip(factor).zip(shifts);
    for (x, ((mean, mantissa), shift)) in features.iter().zip(parameters) {
        // 2^16 times 2^14.
        let product = (i32::from(*x) - i32::from(*mean)).wrapping_mul(i32::from(*mantissa));
        let y = i64::from(product >> (shift & 31));
        sum = sum.wrapping_add((y * y).cast_unsigned());
    }
    sum
}

/// `c - distance · log2(e) / 2`, base 2 in F16. The distance is below 2^62.
#[inline]
pub(crate) fn log_term(constant: i32, distance: u64) -> i64 {
    /// `log2(e) / 2` in `U0F32`.
    const HALF_LOG2_E: u64 = 3_098_164_009;
    // Two 32-bit multiplications instead of one of 64 bits.
    let distance = distance >> 8;
    let low = u64::from(distance as u32) * HALF_LOG2_E;
    let high = (distance >> 32) * HALF_LOG2_E;
    // Below 2^54.
    i64::from(constant) - (high + (low >> 32)).cast_signed()
}

/// A term (base-2 logarithm, F16, as the bits of an `i64`) as a share of the largest, `U16F16`.
#[inline]
fn share(term: u64, best: i64) -> u32 {
    // Terms are at most 2^55 apart; below 2^-17 nothing is left.
    let below = best.wrapping_sub(term.cast_signed());
    exp2(-(below.min(18 << 16) as i32))
}

/// From terms to responsibilities that sum to [`ONE`]; the logarithm of the sum of what the terms stand for.
#[inline]
pub(crate) fn posterior(terms: &[u64], best: i64, responsibilities: &mut [u32]) -> i64 {
    // At most 64 times 2^16, and at least 2^16.
    let mut sum = 0u32;
    for (r, term) in responsibilities.iter_mut().zip(terms) {
        *r = share(*term, best);
        sum = sum.wrapping_add(*r);
    }
    let (mut rest, mut largest, mut at) = (ONE, 0, 0);
    for (index, r) in responsibilities.iter_mut().enumerate() {
        if *r > largest {
            (largest, at) = (*r, index);
        }
        // The share of the largest is 2^16, one bit too many; it takes the rest, whatever comes out here.
        *r = ((*r).min(ONE - 1) << 16).checked_div(sum).unwrap_or(0);
        rest = rest.wrapping_sub(*r);
    }
    if let Some(r) = responsibilities.get_mut(at) {
        *r = r.wrapping_add(rest);
    }
    best + i64::from(log2(sum))
}

/// Base-2 logarithm (F16) to nats in `I16F16`, saturating.
#[inline]
pub(crate) fn nats(log: i64) -> i32 {
    /// `ln(2)` in `U2F30`.
    const LN_2: i64 = 744_261_118;
    let log = log.clamp(-(1 << 32), 1 << 32);
    saturating_i32((log * LN_2 + (1 << 29)) >> 30)
}

/// Whether a row's diagonal is positive, its padding zero, and `|y| < 2^28` for any sample.
pub(crate) fn row_is_valid(
    covariance: Covariance,
    dimensions: usize,
    component: &Component<'_>,
    row: usize,
) -> bool {
    let Some(shift @ 0..=Shifts::MOST) = component.shifts.get(row).copied() else {
        return false;
    };
    let at = |index: usize| component.factor.get(index).copied().unwrap_or(0);
    // |x - mu| < 2^16: the sum of magnitudes must not exceed 2^28 / 2^16, before the shift.
    let limit = 1i64 << (12 + shift);
    match covariance {
        Covariance::Diagonal => {
            let mantissa = at(row);
            (1..=DIAGONAL_MANTISSA).contains(&mantissa) && i64::from(mantissa) <= limit
        }
        Covariance::Tied | Covariance::Full => {
            let mut sum = 0i64;
            for column in 0..=(row | 1) {
                let mantissa = at(factor_index(row, column));
                let padding = column > row || row >= dimensions;
                if padding && mantissa != 0 {
                    return false;
                }
                sum += i64::from(mantissa).abs();
            }
            let diagonal = at(factor_index(row, row));
            (diagonal > 0 || row >= dimensions) && sum <= limit
        }
    }
}

/// `-p · mu + 2^(s-1)`: what centring and rounding add to a row of a packed factor.
#[must_use]
pub(crate) fn row_offset(factor: &[i16], shifts: &[u8], mean: &[i16], row: usize) -> i64 {
    let half = (1u64 << (shifts.get(row).copied().unwrap_or(0) & 31) >> 1).cast_signed();
    let products = mean
        .iter()
        .take(row.saturating_add(1))
        .enumerate()
        .map(|(column, m)| {
            let p = factor.get(factor_index(row, column)).copied().unwrap_or(0);
            i64::from(i32::from(p) * i32::from(*m))
        });
    half - products.sum::<i64>()
}

/// `log2(w |P| / (2 pi)^(d/2))` in `I16F16` of a factor as stored.
///
/// Off by at most `1.9 (d + 1) + 1` units of 2^-16.
#[must_use]
pub(crate) fn log_constant(
    covariance: Covariance,
    factor: &[i16],
    shifts: &[u8],
    dimensions: usize,
    weight: i32,
) -> i32 {
    let mut sum = log_weight(weight);
    for (row, shift) in shifts.iter().take(dimensions).enumerate() {
        let at = match covariance {
            Covariance::Diagonal => row,
            Covariance::Tied | Covariance::Full => factor_index(row, row),
        };
        let diagonal = factor.get(at).copied().unwrap_or(0).max(1);
        // A mantissa as U16F16 is its 2^16th part.
        sum +=
            i64::from(log2(u32::from(diagonal.cast_unsigned()))) + ((16 - i64::from(*shift)) << 16);
    }
    // At most 64 dimensions.
    let normaliser = (HALF_LOG2_TAU * dimensions as i64 + (1 << 15)) >> 16;
    saturating_i32(sum - normaliser)
}

/// `log2` of a weight (`I2F30`), F16.
#[inline]
pub(crate) fn log_weight(weight: i32) -> i64 {
    i64::from(log2(weight.max(1).cast_unsigned())) - (14 << 16)
}
