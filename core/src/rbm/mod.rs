//! Restricted Boltzmann machines: `E(v, h) = -h^T W v - b^T v - c^T h`, conditionals, free energy, sampling.
//!
//! Visible and hidden units are independent given the other side (Smolensky 1986; Hinton 2002):
//!
//! - `p(h_i = 1 | v) = sigmoid(c_i + W_i v)`,
//! - Bernoulli visible units: `p(v_j = 1 | h) = sigmoid(b_j + W_.j^T h)`,
//! - Gaussian visible units: `E(v, h) = |v - b|^2 / 2 - h^T W v - c^T h`, `p(v | h) = N(b + W^T h, 1)`, for
//!   features of unit variance,
//! - free energy `F(v) = -log sum_h e^-E(v, h) = -b^T v - sum_i softplus(c_i + W_i v)`, with `|v - b|^2 / 2` in
//!   place of `-b^T v` for Gaussian units: the negative log-likelihood but for a constant, in nats.
//!
//! | quantity | format |
//! |---|---|
//! | weight | `i8`, times one scale `s` for the whole matrix |
//! | sum, bias (of both sides) | `i32`, times `s / 2^12` |
//! | binary state | one bit, set for 1 |
//! | real state: probability, mean, feature | `I4F12`; a probability is in `0..=4096` |
//! | logit | the sum requantised once, `I4F12`, saturating |
//! | free energy, energy | nats, `I16F16`, saturating |
//!
//! A binary layer's sums are rows added up where a unit is active, nothing is multiplied; the other direction
//! adds rows too where the transposed weights are stored as well, which costs as much memory again.
//!
//! # Accuracy
//!
//! Sums are exact. A logit is rounded once, a probability is off by 2.5e-5 and 2^-13 beside that
//! ([`num::sigmoid`](crate::num::sigmoid)), and a unit takes the value 1 with exactly the probability
//! computed ([sampling](self#sampling)). The free energy is off by at most 1.5e-4 nats a hidden unit and 7e-5; with
//! Gaussian units, whose biases are rounded to features' 2^-12 in it, by `2^-13 (|v - b| + 2^-13)` a visible one besides
//! (`rbm::tests::energy`).
//!
//! # Sampling
//!
//! Units are drawn in blocks of 32. A block takes one word of the generator for every four units, lowest byte
//! first; a unit is 1 when its byte is below the upper byte of its probability (`U0F16`), 0 when it is above,
//! and when they are equal the upper byte of one more word is compared with the lower byte. These words come
//! after the block's others, in the order of the units; one unit in 256 needs one.
//!
//! # As a score
//!
//! The free energy is larger the stranger the sample: [`anomaly::Detector`](crate::anomaly::Detector) takes it
//! as it is.
//!
//! # Cost
//!
//! See [`Gibbs`].

use crate::kernels::{STATE_BITS, add_columns, add_rows, bit_words, is_set, row_stride};
use crate::num::{
    Multiplier, rounding_shift_right, saturating_i16, saturating_i32, sigmoid, softplus_nats,
};
use crate::{Defect, Operand, ShapeError};
use rand_core::Rng;

mod gibbs;
pub mod learn;
mod mean_field;
mod sample;

pub use gibbs::Gibbs;
pub use mean_field::MeanField;

#[cfg(test)]
mod tests;

/// Most units of a layer.
pub const MAX_UNITS: usize = 4096;
/// One, as a real state (`I4F12`).
pub const ONE: i16 = 1 << STATE_BITS;
/// Smallest shift of the scale: `s` is below 1/4.
const MIN_SHIFT: u32 = 33;

/// What the visible units are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Units {
    /// 0 or 1. A feature above 0 stands for 1.
    Bernoulli,
    /// Features (`I4F12`) of unit variance.
    Gaussian,
}

/// States of a layer's units.
#[derive(Debug, Clone, Copy)]
pub enum States<'s> {
    /// Bits, unit `i` bit `i % 32` of word `i / 32`.
    Binary(&'s [u32]),
    /// Probabilities, clamped to `0..=4096`, or features of Gaussian units (`I4F12`).
    Real(&'s [i16]),
}

/// The parameters of a machine as they are stored; see the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct Tensors<'a> {
    /// `W`, one row a hidden unit, each `row_stride(visible)` long; what pads a row is not looked at.
    pub weights: &'a [i8],
    /// `W^T`, one row a visible unit, each `row_stride(hidden)` long; or empty.
    pub transposed: &'a [i8],
    /// `b`.
    pub visible_biases: &'a [i32],
    /// `c`.
    pub hidden_biases: &'a [i32],
}

/// A restricted Boltzmann machine.
///
/// ```
/// use autodidact::num::Multiplier;
/// use autodidact::rbm::{Rbm, States, Tensors, Units};
/// // Two visible units that the one hidden unit ties together: weights of 4, s = 1/16.
/// let mut weights = [0i8; 16];
/// weights[..2].fill(64);
/// let tensors = Tensors {
///     weights: &weights,
///     transposed: &[],
///     visible_biases: &[-2 * 16 * 4096; 2], // -2
///     hidden_biases: &[-4 * 16 * 4096],     // -4
/// };
/// let scale = Multiplier::from_f64(1.0 / 16.0).unwrap();
/// let rbm = Rbm::new(Units::Bernoulli, scale, tensors)?;
/// let mut workspace = [0; 16];
/// let both = rbm.free_energy(States::Binary(&[0b11]), &mut workspace)?;
/// let one = rbm.free_energy(States::Binary(&[0b01]), &mut workspace)?;
/// assert!(both < one);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rbm<'a> {
    units: Units,
    scale: Multiplier,
    tensors: Tensors<'a>,
}

impl<'a> Rbm<'a> {
    /// A machine from its tensors; `scale` is `s`. Proves that no state can overflow a sum.
    ///
    /// # Errors
    /// [`Defect::Shape`] when a layer is empty, larger than [`MAX_UNITS`], or a length does not fit;
    /// [`Defect::Scale`] unless `scale` is below 1/4; [`Defect::Derived`] (with the visible unit) when the
    /// transposed weights are not the weights'; [`Defect::AccumulatorOverflow`] when some state overflows a
    /// unit's sum: layer 0 for a hidden unit, 1 for a visible one.
    pub fn new(units: Units, scale: Multiplier, tensors: Tensors<'a>) -> Result<Self, Defect> {
        let view = Self::from_trusted(units, scale, tensors)?;
        view.prove()?;
        Ok(view)
    }

    /// As [`new`](Self::new), with lengths and scale checked only.
    pub(crate) fn from_trusted(
        units: Units,
        scale: Multiplier,
        tensors: Tensors<'a>,
    ) -> Result<Self, Defect> {
        let (visible, hidden) = (tensors.visible_biases.len(), tensors.hidden_biases.len());
        let transposed = visible.saturating_mul(row_stride(hidden));
        if !(1..=MAX_UNITS).contains(&visible)
            || !(1..=MAX_UNITS).contains(&hidden)
            || tensors.weights.len() != hidden * row_stride(visible)
            || !(tensors.transposed.is_empty() || tensors.transposed.len() == transposed)
        {
            return Err(Defect::Shape);
        }
        if scale.shift() < MIN_SHIFT {
            return Err(Defect::Scale { index: 0 });
        }
        Ok(Self {
            units,
            scale,
            tensors,
        })
    }

    fn prove(&self) -> Result<(), Defect> {
        let most = match self.units {
            Units::Bernoulli => i64::from(ONE),
            Units::Gaussian => 1 << 15,
        };
        // 4096 weights of 128 times 2^15 are 2^34.
        let fits = |bias: i32, sum: i64| i64::from(bias).abs() + sum < 1 << 31;
        for (row, (weights, bias)) in (0u32..).zip(self.rows().zip(self.tensors.hidden_biases)) {
            let magnitudes: i64 = weights.iter().map(|w| i64::from(w.unsigned_abs())).sum();
            if !fits(*bias, most * magnitudes) {
                return Err(Defect::AccumulatorOverflow { layer: 0, row });
            }
        }
        let transposed = self.tensors.transposed;
        let stride = row_stride(self.hidden());
        for (row, bias) in (0u32..).zip(self.tensors.visible_biases) {
            let column = || {
                self.rows()
                    .map(|weights| weights.get(row as usize).copied().unwrap_or(0))
            };
            let magnitudes: i64 = column().map(|w| i64::from(w.unsigned_abs())).sum();
            if !fits(*bias, i64::from(ONE) * magnitudes) {
                return Err(Defect::AccumulatorOverflow { layer: 1, row });
            }
            let mirrored = transposed.chunks_exact(stride.max(1)).nth(row as usize);
            if mirrored
                .is_some_and(|mirrored| !column().eq(mirrored.iter().copied().take(self.hidden())))
            {
                return Err(Defect::Derived { index: row });
            }
        }
        Ok(())
    }

    /// Rows of `W`, without what pads them.
    fn rows(&self) -> impl Iterator<Item = &'a [i8]> {
        let visible = self.visible();
        self.tensors
            .weights
            .chunks_exact(row_stride(visible).max(1))
            .map(move |row| row.get(..visible).unwrap_or(row))
    }

    /// Number of visible units.
    #[must_use]
    pub const fn visible(&self) -> usize {
        self.tensors.visible_biases.len()
    }

    /// Number of hidden units.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.tensors.hidden_biases.len()
    }

    /// What the visible units are.
    #[must_use]
    pub const fn units(&self) -> Units {
        self.units
    }

    /// `s`.
    #[must_use]
    pub const fn scale(&self) -> Multiplier {
        self.scale
    }

    /// The parameters as they are stored.
    #[must_use]
    pub const fn tensors(&self) -> Tensors<'a> {
        self.tensors
    }

    /// Length of the workspace that every call here takes: the larger layer, made a multiple of 16.
    #[must_use]
    pub const fn workspace_len(&self) -> usize {
        workspace_len(self.visible(), self.hidden())
    }

    /// Sets the bits of the features above 0: what a machine of Bernoulli units reads in a sample.
    ///
    /// # Errors
    /// [`ShapeError`] when there is not a feature for each visible unit, or a word for every 32.
    pub fn binarise_into(&self, features: &[i16], bits: &mut [u32]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.visible(), features.len())?;
        ShapeError::exact(Operand::Output, bit_words(self.visible()), bits.len())?;
        for (word, features) in bits.iter_mut().zip(features.chunks(32)) {
            *word = features
                .iter()
                .rev()
                .fold(0, |word, x| word << 1 | u32::from(*x > 0));
        }
        Ok(())
    }

    /// `c + W v` at the front of the workspace, one sum a hidden unit.
    pub(crate) fn hidden_sums<'w>(
        &self,
        visible: States<'_>,
        workspace: &'w mut [i32],
    ) -> Result<&'w mut [i32], ShapeError> {
        let biases = self.tensors.hidden_biases;
        let sums = front(workspace, self.workspace_len(), row_stride(self.hidden()))?;
        match visible {
            States::Binary(bits) if self.tensors.transposed.is_empty() => {
                let sums = sums.get_mut(..biases.len()).unwrap_or_default();
                crate::slices::copy(biases, sums);
                add_columns(self.tensors.weights, self.visible(), bits, sums)?;
            }
            States::Binary(bits) => add_rows(self.tensors.transposed, bits, biases, sums)?,
            States::Real(values) => {
                crate::slices::copy(biases, sums);
                ShapeError::exact(Operand::Input, self.visible(), values.len())?;
                let least = match self.units {
                    Units::Bernoulli => (0, ONE),
                    Units::Gaussian => (i16::MIN, i16::MAX),
                };
                for (sum, row) in sums.iter_mut().zip(self.rows()) {
                    // Within 32 bits by the constructor's proof.
                    *sum = row.iter().zip(values).fold(*sum, |sum, (w, x)| {
                        let x = (*x).clamp(least.0, least.1);
                        sum.wrapping_add(i32::from(*w) * i32::from(x))
                    });
                }
            }
        }
        Ok(sums.get_mut(..biases.len()).unwrap_or_default())
    }

    /// `b + W^T h` at the front of the workspace, one sum a visible unit.
    pub(crate) fn visible_sums<'w>(
        &self,
        hidden: States<'_>,
        workspace: &'w mut [i32],
    ) -> Result<&'w mut [i32], ShapeError> {
        let biases = self.tensors.visible_biases;
        let sums = front(workspace, self.workspace_len(), row_stride(self.visible()))?;
        match hidden {
            States::Binary(bits) => add_rows(self.tensors.weights, bits, biases, sums)?,
            States::Real(values) => {
                crate::slices::copy(biases, sums);
                ShapeError::exact(Operand::Input, self.hidden(), values.len())?;
                for (row, x) in self.rows().zip(values) {
                    let x = i32::from((*x).clamp(0, ONE));
                    if x != 0 {
                        for (sum, w) in sums.iter_mut().zip(row) {
                            *sum = sum.wrapping_add(i32::from(*w) * x);
                        }
                    }
                }
            }
        }
        Ok(sums.get_mut(..biases.len()).unwrap_or_default())
    }

    /// A sum as a logit or as the mean of a Gaussian unit (`I4F12`).
    #[inline]
    pub(crate) fn requantise(&self, sum: i32) -> i16 {
        // 2^12 in the sum, 2^12 in the result: the scale alone. At most 2^30 because the shift is 33 or more.
        saturating_i16(self.scale.apply(sum))
    }

    /// The probability of 1 as a real state.
    #[inline]
    fn probability(&self, sum: i32) -> i16 {
        // At most 65515 / 16, rounded: below ONE.
        ((u32::from(sigmoid(self.requantise(sum))) + 8) >> 4) as i16
    }

    /// `p(h_i = 1 | v)` of every hidden unit, `0..=4096`. `v` may be real, which is what mean-field inference
    /// and the upward pass of a stack take.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice does not fit; the workspace must be at least
    /// [`workspace_len`](Self::workspace_len) long.
    pub fn hidden_means_into(
        &self,
        visible: States<'_>,
        workspace: &mut [i32],
        out: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.hidden(), out.len())?;
        let sums = self.hidden_sums(visible, workspace)?;
        for (mean, sum) in out.iter_mut().zip(sums) {
            *mean = self.probability(*sum);
        }
        Ok(())
    }

    /// Draws every hidden unit given the visible ones, see [sampling](self#sampling). `out` has at least a
    /// word for every 32 units; words behind are left alone.
    ///
    /// # Errors
    /// As [`hidden_means_into`](Self::hidden_means_into).
    pub fn sample_hidden_into<R: Rng + ?Sized>(
        &self,
        visible: States<'_>,
        rng: &mut R,
        workspace: &mut [i32],
        out: &mut [u32],
    ) -> Result<(), ShapeError> {
        ShapeError::at_least(Operand::Output, bit_words(self.hidden()), out.len())?;
        let sums = self.hidden_sums(visible, workspace)?;
        self.sample(sums, rng, |index, bits| {
            if let Some(word) = out.get_mut(index) {
                *word = bits;
            }
        });
        Ok(())
    }

    /// As [`sample_hidden_into`](Self::sample_hidden_into), the other way; draws Gaussian units as if they
    /// were not.
    pub(crate) fn sample_visible_bits_into<R: Rng + ?Sized>(
        &self,
        hidden: &[u32],
        rng: &mut R,
        workspace: &mut [i32],
        out: &mut [u32],
    ) -> Result<(), ShapeError> {
        let sums = self.visible_sums(States::Binary(hidden), workspace)?;
        self.sample(sums, rng, |index, bits| {
            if let Some(word) = out.get_mut(index) {
                *word = bits;
            }
        });
        Ok(())
    }

    /// `p(v_j = 1 | h)` of every visible unit, or its mean if it is Gaussian.
    ///
    /// # Errors
    /// As [`hidden_means_into`](Self::hidden_means_into).
    pub fn visible_means_into(
        &self,
        hidden: States<'_>,
        workspace: &mut [i32],
        out: &mut [i16],
    ) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Output, self.visible(), out.len())?;
        let sums = self.visible_sums(hidden, workspace)?;
        for (mean, sum) in out.iter_mut().zip(sums) {
            *mean = match self.units {
                Units::Bernoulli => self.probability(*sum),
                Units::Gaussian => self.requantise(*sum),
            };
        }
        Ok(())
    }

    /// Free energy `F(v)` in nats (`I16F16`), saturating: a score that is larger the stranger the sample.
    ///
    /// Work: the sums of the hidden units, a softplus for each, and one multiplication for each visible unit.
    ///
    /// # Errors
    /// As [`hidden_means_into`](Self::hidden_means_into).
    pub fn free_energy(
        &self,
        visible: States<'_>,
        workspace: &mut [i32],
    ) -> Result<i32, ShapeError> {
        let sums = self.hidden_sums(visible, workspace)?;
        // 4096 terms below 2^33.
        let freed: i64 = sums
            .iter()
            .map(|sum| {
                let logit = self.nats(i64::from(*sum));
                // A logit of more than 2^15 is its own softplus, one below -2^15 has none.
                i32::try_from(logit).map_or(logit.max(0), |logit| softplus_nats(logit).into())
            })
            .sum();
        Ok(saturating_i32(
            self.visible_energy(visible).saturating_sub(freed),
        ))
    }

    /// Energy `E(v, h)` of a joint state in nats (`I16F16`), saturating.
    ///
    /// # Errors
    /// As [`hidden_means_into`](Self::hidden_means_into).
    pub fn energy(
        &self,
        visible: States<'_>,
        hidden: &[u32],
        workspace: &mut [i32],
    ) -> Result<i32, ShapeError> {
        ShapeError::exact(Operand::Input, bit_words(self.hidden()), hidden.len())?;
        let sums = self.hidden_sums(visible, workspace)?;
        let active = sums
            .iter()
            .enumerate()
            .filter(|(index, _)| is_set(hidden, *index));
        let sum: i64 = active.map(|(_, sum)| i64::from(*sum)).sum();
        Ok(saturating_i32(
            self.visible_energy(visible).saturating_sub(self.nats(sum)),
        ))
    }

    /// `-b^T v`, or `|v - b|^2 / 2`, in nats (`I48F16`), saturating. The lengths fit.
    fn visible_energy(&self, visible: States<'_>) -> i64 {
        let biases = self.tensors.visible_biases;
        let state = |index: usize| match visible {
            States::Binary(bits) => i16::from(is_set(bits, index)) << STATE_BITS,
            States::Real(values) => values.get(index).copied().unwrap_or(0),
        };
        match self.units {
            Units::Bernoulli => {
                // 4096 terms below 2^43 in all below 2^55.
                let sum: i64 = (0..)
                    .zip(biases)
                    .map(|(index, bias)| i64::from(*bias) * i64::from(state(index).clamp(0, ONE)))
                    .sum();
                // Not -sum after the rounding: the rounding is that of the energy.
                self.nats((-sum) >> STATE_BITS)
            }
            Units::Gaussian => {
                // A bias may lie beyond any feature: at most 2^30, so that squares are below 2^61.
                let sum = (0..).zip(biases).fold(0i64, |sum, (index, bias)| {
                    let difference = i64::from(state(index)) - i64::from(self.scale.apply(*bias));
                    sum.saturating_add(difference * difference)
                });
                // 24 fractional bits and the half.
                rounding_shift_right(sum, 9)
            }
        }
    }

    /// A sum in nats (`I48F16`); of at most 2^55, so that it fits.
    fn nats(&self, sum: i64) -> i64 {
        let product = i128::from(sum) * i128::from(self.scale.multiplier());
        // Of the shift, 4 bits are those that I16F16 has more than a sum's unit.
        let shift = self.scale.shift().saturating_sub(4).clamp(1, 62);
        ((product + (1 << (shift - 1))) >> shift) as i64
    }
}

/// Length of the workspace of a machine of these layers.
#[must_use]
pub const fn workspace_len(visible: usize, hidden: usize) -> usize {
    if visible > hidden {
        row_stride(visible)
    } else {
        row_stride(hidden)
    }
}

/// The first `len` of a workspace of at least `needed`.
fn front(workspace: &mut [i32], needed: usize, len: usize) -> Result<&mut [i32], ShapeError> {
    ShapeError::at_least(Operand::Workspace, needed, workspace.len())?;
    Ok(workspace.get_mut(..len).unwrap_or_default())
}
