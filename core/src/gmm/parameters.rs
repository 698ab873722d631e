//! The parameters of a mixture in memory of the caller, built from weights, means and covariances.

use super::{
    Component, Covariance, DIAGONAL_MANTISSA, Gmm, MAX_COMPONENTS, MAX_DIMENSIONS, Tensors,
    WEIGHT_ONE, component_factor_len, component_rows, factor_index, factors_of, log_constant,
    log_weight, row_is_valid, row_offset,
};
use crate::linalg::{
    FACTOR_BITS, factorise, inverse_sqrt, invert_unit, row as row_of, triangle_len,
};
use crate::num::saturating_i32;
use crate::slices::copy;
use crate::{Defect, Difference, Operand, ShapeError};
use zerocopy::{FromBytes, IntoBytes};

/// One, as an element of a covariance matrix (`I8F56`).
pub const COVARIANCE_ONE: i64 = 1 << 56;
/// The least variance floor, `2^-18`: a standard deviation of eight units of a feature.
pub const LEAST_FLOOR: i64 = COVARIANCE_ONE >> 18;
/// The greatest variance floor, 32: with the variance of any feature, 64 at most, it stays within `I8F56`.
pub const GREATEST_FLOOR: i64 = COVARIANCE_ONE << 5;

/// A mixture that can be written; [`model`](Self::model) reads it.
///
/// All arithmetic is in integers: host and device build the same bits from the same covariances. New
/// parameters are k equal components: mean zero, identity covariance.
///
/// ```
/// use autodidact::gmm::{Covariance, parameters::{COVARIANCE_ONE, LEAST_FLOOR, Parameters}};
/// const WORDS: usize = Parameters::words(Covariance::Full, 1, 2);
/// let mut memory = [0; WORDS];
/// let mut parameters = Parameters::new(&mut memory, Covariance::Full, 1, 2)?;
/// parameters.set_mean(0, &[4096, 0])?; // (1, 0)
/// // [[1, 1/2], [1/2, 1]]
/// parameters.set_covariance(0, LEAST_FLOOR, |row, column| {
///     if row == column { COVARIANCE_ONE } else { COVARIANCE_ONE / 2 }
/// })?;
/// let nats = parameters.model()?.log_likelihood(&[4096, 0])?;
/// // -ln(2 pi) - ln(3/4) / 2
/// assert!((f64::from(nats) / 65536.0 + 1.694036).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Parameters<'m> {
    covariance: Covariance,
    dimensions: usize,
    weights: &'m mut [i32],
    means: &'m mut [i16],
    factors: &'m mut [i16],
    shifts: &'m mut [u8],
    offsets: &'m mut [i64],
    constants: &'m mut [i32],
    /// A triangle and its pivots, for factorising; empty for diagonal covariances.
    scratch: &'m mut [i64],
    /// Elements of the shared covariance; empty unless there is one.
    shared: &'m mut [i64],
}

/// Cuts typed slices off a buffer of words.
pub(crate) struct Carver<'m>(pub(crate) &'m mut [i64]);

impl<'m> Carver<'m> {
    pub(crate) fn words(&mut self, len: usize) -> Option<&'m mut [i64]> {
        let (taken, rest) = core::mem::take(&mut self.0).split_at_mut_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn cast<T: FromBytes + IntoBytes + zerocopy::KnownLayout>(
        &mut self,
        len: usize,
    ) -> Option<&'m mut [T]> {
        let words = self.words((len * size_of::<T>()).div_ceil(size_of::<i64>()))?;
        <[T]>::mut_from_bytes(words.as_mut_bytes().get_mut(..len * size_of::<T>())?).ok()
    }
}

impl<'m> Parameters<'m> {
    /// Words of memory for `k` components of `dimensions` features.
    #[must_use]
    pub const fn words(covariance: Covariance, k: usize, dimensions: usize) -> usize {
        let rows = component_rows(covariance, dimensions);
        let factors = factors_of(covariance, k);
        let (offsets, scratch, shared) = Self::wide_words(covariance, k, dimensions);
        offsets
            + scratch
            + shared
            + 2 * k.div_ceil(2)
            + (k * dimensions).div_ceil(4)
            + (factors * component_factor_len(covariance, dimensions)).div_ceil(4)
            + (factors * rows).div_ceil(8)
    }

    /// Words of offsets, of scratch and of the shared covariance.
    const fn wide_words(
        covariance: Covariance,
        k: usize,
        dimensions: usize,
    ) -> (usize, usize, usize) {
        let triangle = triangle_len(dimensions);
        let offsets = k * component_rows(covariance, dimensions);
        match covariance {
            Covariance::Diagonal => (0, 0, 0),
            Covariance::Tied => (offsets, triangle + dimensions, triangle),
            Covariance::Full => (offsets, triangle + dimensions, 0),
        }
    }

    /// Parameters in `memory`, which must be [`words`](Self::words) long.
    ///
    /// # Errors
    /// [`Defect::Shape`] when a dimension is out of range, [`Defect::Memory`] when the memory has another length.
    pub fn new(
        memory: &'m mut [i64],
        covariance: Covariance,
        k: usize,
        dimensions: usize,
    ) -> Result<Self, Defect> {
        if !(1..=MAX_COMPONENTS).contains(&k) || !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(Defect::Shape);
        }
        Defect::memory(Self::words(covariance, k, dimensions), memory.len())?;
        let mut parameters = Self::carve(memory, covariance, k, dimensions).ok_or(Defect::Shape)?;
        parameters.reset();
        Ok(parameters)
    }

    fn carve(
        memory: &'m mut [i64],
        covariance: Covariance,
        k: usize,
        dimensions: usize,
    ) -> Option<Self> {
        let rows = component_rows(covariance, dimensions);
        let factors = factors_of(covariance, k);
        let (offsets, scratch, shared) = Self::wide_words(covariance, k, dimensions);
        let mut carver = Carver(memory);
        Some(Self {
            covariance,
            dimensions,
            offsets: carver.words(offsets)?,
            scratch: carver.words(scratch)?,
            shared: carver.words(shared)?,
            weights: carver.cast(k)?,
            constants: carver.cast(k)?,
            means: carver.cast(k * dimensions)?,
            factors: carver.cast(factors * component_factor_len(covariance, dimensions))?,
            shifts: carver.cast(factors * rows)?,
        })
    }

    fn reset(&mut self) {
        self.means.fill(0);
        self.factors.fill(0);
        self.shifts.fill(0);
        self.weights.fill(1);
        self.set_variances(COVARIANCE_ONE);
        self.set_weights_from(|_| 1);
    }

    /// Gives every feature of every component this variance, and no correlations.
    pub(crate) fn set_variances(&mut self, variance: i64) {
        for index in 0..factors_of(self.covariance, self.k()) {
            self.write_covariance(
                index,
                LEAST_FLOOR,
                |row, column| {
                    if row == column { variance } else { 0 }
                },
            );
        }
    }

    /// Copies a model of the same shape.
    ///
    /// # Errors
    /// [`Defect::Differs`] when `model` has another kind of covariance, [`Defect::Shape`] when it has another shape.
    pub fn copy_from(&mut self, model: &Gmm<'_>) -> Result<(), Defect> {
        let tensors = model.tensors();
        if model.covariance() != self.covariance {
            return Err(Defect::Differs(Difference::Covariance));
        }
        if model.dimensions() != self.dimensions || model.k() != self.k() {
            return Err(Defect::Shape);
        }
        // Of the same lengths, because both have the same shape.
        copy(tensors.weights, self.weights);
        copy(tensors.means, self.means);
        copy(tensors.factors, self.factors);
        copy(tensors.shifts, self.shifts);
        copy(tensors.offsets, self.offsets);
        copy(tensors.constants, self.constants);
        Ok(())
    }

    /// The mixture as it is now.
    ///
    /// # Errors
    /// None can occur: the parameters were checked when they were made.
    pub fn model(&self) -> Result<Gmm<'_>, Defect> {
        Gmm::from_trusted(
            self.covariance,
            self.dimensions,
            Tensors {
                weights: self.weights,
                means: self.means,
                factors: self.factors,
                shifts: self.shifts,
                offsets: self.offsets,
                constants: self.constants,
            },
        )
    }

    /// Number of components.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.weights.len()
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

    /// Weights in proportion to `masses`.
    ///
    /// Each is rounded down, but is at least 2^-30; the largest (the first of them) takes what is left, so
    /// that they sum to exactly one. Masses that are all zero give equal weights.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not one mass a component.
    pub fn set_weights(&mut self, masses: &[u32]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.k(), masses.len())?;
        self.set_weights_from(|index| masses.get(index).copied().map_or(0, u64::from));
        Ok(())
    }

    /// As [`set_weights`](Self::set_weights); masses are below 2^33.
    pub(crate) fn set_weights_from(&mut self, mass: impl Fn(usize) -> u64) {
        let k = self.k();
        // At most 64 times 2^33.
        let total: u64 = (0..k).map(&mass).sum();
        let (mut rest, mut largest, mut at) = (i64::from(WEIGHT_ONE), 0, 0);
        for index in 0..k {
            let mass = if total == 0 { 1 } else { mass(index) };
            let share = (mass << 30).checked_div(total.max(1)).unwrap_or(0);
            let share = if total == 0 {
                (1 << 30) / k.max(1) as u64
            } else {
                share.max(1)
            };
            if mass > largest {
                (largest, at) = (mass, index);
            }
            // At most 2^30.
            rest -= share as i64;
            self.set_weight(index, share as i32);
        }
        // The largest is at least 2^30 / 64, and the rest at least -64.
        let share = self.weights.get(at).copied().unwrap_or(0);
        self.set_weight(at, saturating_i32(i64::from(share) + rest));
    }

    fn set_weight(&mut self, index: usize, weight: i32) {
        if let (Some(old), Some(constant)) =
            (self.weights.get_mut(index), self.constants.get_mut(index))
        {
            let change = log_weight(weight) - log_weight(*old);
            *constant = saturating_i32(i64::from(*constant) + change);
            *old = weight;
        }
    }

    /// Mean of component `index` (`I4F12`).
    ///
    /// # Errors
    /// [`ShapeError`] when `mean` is not `d` long or there is no such component.
    pub fn set_mean(&mut self, index: usize, mean: &[i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, mean.len())?;
        ShapeError::at_least(Operand::Components, index.saturating_add(1), self.k())?;
        if let Some(old) = self
            .means
            .chunks_exact_mut(self.dimensions.max(1))
            .nth(index)
        {
            copy(mean, old);
        }
        self.derive(index);
        Ok(())
    }

    pub(crate) fn mean_mut(&mut self, index: usize) -> Option<&mut [i16]> {
        self.means
            .chunks_exact_mut(self.dimensions.max(1))
            .nth(index)
    }

    pub(crate) fn mean(&self, index: usize) -> &[i16] {
        self.means
            .chunks_exact(self.dimensions.max(1))
            .nth(index)
            .unwrap_or(&[])
    }

    /// Scratch for factorising: a triangle and its pivots.
    pub(crate) fn scratch(&mut self) -> (&mut [i64], &mut [i64]) {
        let at = triangle_len(self.dimensions).min(self.scratch.len());
        self.scratch.split_at_mut(at)
    }

    /// Covariance of component `index`, or of all of them (`Tied`, whatever the index), from its elements
    /// in `I8F56`: `element(row, column)` for `column <= row`; only `row == column` for diagonal ones.
    ///
    /// Diagonal: a variance below `floor` counts as `floor`. Otherwise: what a feature has left, given those
    /// before it, counts as `floor` where it is less (a modified Cholesky factorisation). A `floor` below
    /// [`LEAST_FLOOR`] counts as that, one above [`GREATEST_FLOOR`] as that. Should a row of the factor leave its
    /// format (a condition number above about 10^6), the floor is raised fourfold until it fits, or
    /// [`GREATEST_FLOOR`] at most; if nothing helps, correlations are dropped.
    ///
    /// Elements are variances and covariances, so that a variance is below 128. With what the floor adds to it may reach
    /// that: densities and samples hold all the same, and [`Gmm::covariance_into`] says so.
    ///
    /// Work: `d^3 / 3` multiplications of 64 bits, `4 d` divisions; nine times that at most.
    ///
    /// # Errors
    /// [`ShapeError`] when there is no such component; nothing is asked of `element` then.
    pub fn set_covariance(
        &mut self,
        index: usize,
        floor: i64,
        element: impl Fn(usize, usize) -> i64,
    ) -> Result<(), ShapeError> {
        if self.covariance != Covariance::Tied {
            ShapeError::at_least(Operand::Components, index.saturating_add(1), self.k())?;
        }
        self.write_covariance(index, floor, element);
        Ok(())
    }

    /// As [`set_covariance`](Self::set_covariance) of a component that there is.
    pub(crate) fn write_covariance(
        &mut self,
        index: usize,
        floor: i64,
        element: impl Fn(usize, usize) -> i64,
    ) {
        let floor = floor.clamp(LEAST_FLOOR, GREATEST_FLOOR);
        let factor = match self.covariance {
            Covariance::Tied => 0,
            Covariance::Diagonal | Covariance::Full => index,
        };
        if self.covariance == Covariance::Diagonal {
            self.write_diagonal(factor, floor, &element);
        } else {
            let mut raised = floor;
            let fits = (0..8).any(|_| {
                let fits = self.write_factor(factor, raised, &element);
                raised = raised.saturating_mul(4).min(GREATEST_FLOOR);
                fits
            });
            if !fits {
                self.write_factor(factor, floor, |row, column| {
                    if row == column {
                        element(row, column)
                    } else {
                        0
                    }
                });
            }
        }
        if self.covariance == Covariance::Tied {
            for index in 0..self.k() {
                self.derive(index);
            }
        } else {
            self.derive(index);
        }
    }

    /// As [`set_covariance`](Self::set_covariance) with the elements that [`shared`](Self::shared) holds.
    pub(crate) fn set_shared_covariance(&mut self, floor: i64) {
        let shared = core::mem::take(&mut self.shared);
        self.write_covariance(0, floor, |row, column| {
            shared.get(triangle_len(row) + column).copied().unwrap_or(0)
        });
        self.shared = shared;
    }

    /// Room for the elements of a shared covariance; empty for the other kinds.
    pub(crate) fn shared(&mut self) -> &mut [i64] {
        self.shared
    }

    fn write_diagonal(&mut self, index: usize, floor: i64, element: impl Fn(usize, usize) -> i64) {
        let d = self.dimensions.max(1);
        let (Some(mantissas), Some(shifts)) = (
            self.factors.chunks_exact_mut(d).nth(index),
            self.shifts.chunks_exact_mut(d).nth(index),
        ) else {
            return;
        };
        for (feature, (mantissa, shift)) in mantissas.iter_mut().zip(shifts).enumerate() {
            let (significand, exponent) = inverse_sqrt(element(feature, feature).max(floor));
            // In [2^31, 2^32]; a mantissa in [2^13, 2^14]. The exponent is 4 to 35 + 0 for variances
            // from 2^-18, so that the shift is in 5..=17.
            *mantissa = i16::try_from((significand + (1 << 17)) >> 18)
                .unwrap_or(DIAGONAL_MANTISSA)
                .min(DIAGONAL_MANTISSA);
            *shift = exponent.saturating_sub(18).min(31) as u8;
        }
    }

    /// Whether the factor fits its format; it is written in any case.
    fn write_factor(
        &mut self,
        index: usize,
        floor: i64,
        element: impl Fn(usize, usize) -> i64,
    ) -> bool {
        let n = self.dimensions;
        let len = component_factor_len(self.covariance, n).max(1);
        let rows = component_rows(self.covariance, n).max(1);
        let (Some(factor), Some(shifts)) = (
            self.factors.chunks_exact_mut(len).nth(index),
            self.shifts.chunks_exact_mut(rows).nth(index),
        ) else {
            return false;
        };
        let at = triangle_len(n).min(self.scratch.len());
        let (triangle, pivots) = self.scratch.split_at_mut(at);
        let mut elements = triangle.iter_mut();
        for row in 0..n {
            for column in 0..=row {
                if let Some(slot) = elements.next() {
                    *slot = element(row, column);
                }
            }
        }
        factorise(triangle, n, pivots, floor);
        invert_unit(triangle, n);
        for (row, (pivot, shift)) in pivots.iter().zip(shifts.iter_mut()).enumerate() {
            let (significand, exponent) = inverse_sqrt(*pivot);
            let row_shift = write_row(
                factor,
                row,
                row_of(triangle, row),
                significand,
                exponent + FACTOR_BITS,
            );
            let Some(row_shift) = row_shift else {
                return false;
            };
            *shift = row_shift;
        }
        let component = Component {
            mean: &[],
            factor,
            shifts,
            offsets: &[],
        };
        (0..rows).all(|row| row_is_valid(self.covariance, n, &component, row))
    }

    /// Offsets and constant of a component from its mean, factor and weight.
    pub(crate) fn derive(&mut self, index: usize) {
        let (d, len) = (
            self.dimensions.max(1),
            component_factor_len(self.covariance, self.dimensions).max(1),
        );
        let rows = component_rows(self.covariance, self.dimensions).max(1);
        let at = match self.covariance {
            Covariance::Tied => 0,
            Covariance::Diagonal | Covariance::Full => index,
        };
        let (Some(factor), Some(shifts), Some(mean), Some(weight), Some(constant)) = (
            self.factors.chunks_exact(len).nth(at),
            self.shifts.chunks_exact(rows).nth(at),
            self.means.chunks_exact(d).nth(index),
            self.weights.get(index),
            self.constants.get_mut(index),
        ) else {
            return;
        };
        *constant = log_constant(self.covariance, factor, shifts, self.dimensions, *weight);
        let offsets = self.offsets.chunks_exact_mut(rows).nth(index);
        for (row, offset) in offsets.into_iter().flatten().enumerate() {
            *offset = row_offset(factor, shifts, mean, row);
        }
    }
}

/// Writes `values · significand / 2^exponent` as mantissas of 15 bits with one shift, which it returns when
/// it is in range.
fn write_row(
    factor: &mut [i16],
    row: usize,
    values: &[i64],
    significand: u64,
    exponent: u32,
) -> Option<u8> {
    let largest = values.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0);
    // At most 2^63 · 2^32. The diagonal is one, so that it is at least 2^71.
    let product = u128::from(largest) * u128::from(significand);
    let bits = u128::BITS - product.leading_zeros();
    let mut cut = bits.saturating_sub(15);
    if (product + (1u128 << cut >> 1)) >> cut > 32_767 {
        cut += 1;
    }
    // A shift of at most 31; a smaller mantissa then.
    let cut = cut.max(exponent.saturating_sub(31));
    let shift = exponent.checked_sub(cut)?;
    for (column, value) in values.iter().enumerate() {
        let product = i128::from(*value) * i128::from(significand);
        let mantissa = (product + (1i128 << cut >> 1)) >> cut;
        *factor.get_mut(factor_index(row, column))? = i16::try_from(mantissa).ok()?;
    }
    u8::try_from(shift).ok()
}
