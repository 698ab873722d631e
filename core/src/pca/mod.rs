//! Principal component analysis: project, reconstruct, residual, whiten, and learn on the device.
//!
//! `y = U (x - mu)`, `x^ = mu + U^T y`, `Q = |x - x^|^2` (Jackson and Mudholkar 1979 for Q). `U` has
//! orthonormal rows in `I1F15`, features are `I4F12`, scores `I20F12`. Sums are 64 bits wide, each
//! result is rounded once.
//!
//! A model that knows the variance along each component has a [`Spectrum`] as well: whitened scores,
//! Hotelling's T2 and the explained variance. [`IncrementalPca`] learns all of it, one sample at a time.
//!
//! Errors against exact arithmetic with the same parameters: a score is off by at most half a unit
//! of 2^-12; a reconstructed feature by half a unit and what the rounded scores carry along, in all
//! at most `(1 + sqrt(k)) / 2` units. Components are stored to 2^-16, an entry of exactly 1 as
//! `1 - 2^-15`.

mod learn;
mod spectrum;
mod whitening;

pub use learn::{Buffers, Forgetting, IncrementalPca, Storage, storage_bytes};
pub use spectrum::{Spectrum, inverse_deviation};
pub use whitening::Whitening;

use crate::kernels::dot;
use crate::num::{rounding_shift_right, saturating_i16, saturating_i32};
use crate::{Defect, Operand, ShapeError};

/// Fractional bits of a component (`I1F15`).
const COMPONENT_BITS: u32 = 15;
/// Most dimensions of principal components: sums over more could leave their numbers.
pub const MAX_DIMENSIONS: usize = 1 << 16;
/// Columns that a reconstruction sums at a time.
const BLOCK: usize = 4;

/// A mean and k orthonormal components of d dimensions.
#[derive(Debug, Clone, Copy)]
pub struct Pca<'a> {
    mean: &'a [i16],
    components: &'a [i16],
    offsets: &'a [i64],
    spectrum: Option<Spectrum<'a>>,
}

impl<'a> Pca<'a> {
    /// Mean (`I4F12`, `d`), components (`I1F15`, row-major, `k · d`) and offsets (`-u_i · mu` in
    /// `I37F27`, `k`).
    ///
    /// # Errors
    /// [`Defect::Shape`] when lengths do not fit, [`Defect::Scale`] when a row has more than twice
    /// the length of a unit vector, [`Defect::Derived`] when an offset is wrong.
    pub fn new(mean: &'a [i16], components: &'a [i16], offsets: &'a [i64]) -> Result<Self, Defect> {
        let view = Self::from_trusted(mean, components, offsets)?;
        for (index, (component, offset)) in
            (0u32..).zip(components.chunks_exact(mean.len().max(1)).zip(offsets))
        {
            if center_offset(component, mean) != *offset {
                return Err(Defect::Derived { index });
            }
            // |x - mu| < 16 in every feature: keeps a score below 2 · sqrt(d) · 16, well within I20F12.
            if crate::kmeans::squared_norm(component) > 4 << (2 * COMPONENT_BITS) {
                return Err(Defect::Scale { index });
            }
        }
        Ok(view)
    }

    /// As [`new`](Self::new), without recomputing offsets and norms.
    pub(crate) fn from_trusted(
        mean: &'a [i16],
        components: &'a [i16],
        offsets: &'a [i64],
    ) -> Result<Self, Defect> {
        let len = mean.len().checked_mul(offsets.len()).ok_or(Defect::Shape)?;
        if len == 0
            || len != components.len()
            || offsets.len() > mean.len()
            || mean.len() > MAX_DIMENSIONS
        {
            return Err(Defect::Shape);
        }
        Ok(Self {
            mean,
            components,
            offsets,
            spectrum: None,
        })
    }

    /// The same model with the variances along its components.
    ///
    /// ```
    /// use autodidact::pca::{Pca, Spectrum, center_offset, inverse_deviation};
    /// let (mean, component) = ([4096, 0], [19_661, 26_214]); // (1, 0) and (0.6, 0.8)
    /// let offsets = [center_offset(&component, &mean)];
    /// let variances = [4 << 24]; // 4 of 5 in all
    /// let inverses = [inverse_deviation(variances[0])]; // 1/2
    /// let spectrum = Spectrum::new(&variances, &inverses, 5 << 24)?;
    /// let pca = Pca::new(&mean, &component, &offsets)?.with_spectrum(spectrum)?;
    /// assert_eq!(pca.spectrum().map(|spectrum| spectrum.explained_ratio(1)), Some(4 * (1 << 16) / 5));
    /// # Ok::<(), autodidact::Defect>(())
    /// ```
    ///
    /// # Errors
    /// [`Defect::Shape`] when there are not as many variances as components.
    pub const fn with_spectrum(self, spectrum: Spectrum<'a>) -> Result<Self, Defect> {
        if spectrum.k() != self.k() {
            return Err(Defect::Shape);
        }
        Ok(Self {
            spectrum: Some(spectrum),
            ..self
        })
    }

    /// Variances along the components, where the model knows them.
    #[must_use]
    pub const fn spectrum(&self) -> Option<Spectrum<'a>> {
        self.spectrum
    }

    /// What whitens features by these components, where the model knows the variances along them.
    #[must_use]
    pub fn whitening(&self) -> Option<Whitening<'a>> {
        Some(Whitening {
            pca: *self,
            spectrum: self.spectrum?,
        })
    }

    /// Number of components.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.offsets.len()
    }

    /// Number of features.
    #[must_use]
    pub const fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// Component `index` (`I1F15`), if there is one.
    #[must_use]
    pub fn component(&self, index: usize) -> Option<&'a [i16]> {
        self.components
            .chunks_exact(self.mean.len().max(1))
            .nth(index)
    }

    /// The mean (`I4F12`).
    #[must_use]
    pub const fn mean(&self) -> &'a [i16] {
        self.mean
    }

    /// Scores `y = U (x - mu)`: features in `I4F12`, scores in `I20F12`.
    ///
    /// Work: `k · d` multiply-accumulates.
    ///
    /// ```
    /// use autodidact::pca::{Pca, center_offset};
    /// let mean = [4096, 0]; // (1, 0)
    /// let component = [19_661, 26_214]; // (0.6, 0.8)
    /// let offsets = [center_offset(&component, &mean)];
    /// let pca = Pca::new(&mean, &component, &offsets)?;
    /// let mut score = [0];
    /// pca.project_into(&[2 * 4096, 4096], &mut score)?; // (2, 1): 0.6 + 0.8
    /// assert_eq!(score, [5734]); // 1.4 in I20F12
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not `d` long or `scores` not `k`.
    pub fn project_into(&self, features: &[i16], scores: &mut [i32]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions(), features.len())?;
        ShapeError::exact(Operand::Output, self.k(), scores.len())?;
        let rows = self
            .components
            .chunks_exact(self.mean.len().max(1))
            .zip(self.offsets);
        for (score, (component, offset)) in scores.iter_mut().zip(rows) {
            let sum = dot(component, features)?.wrapping_add(*offset);
            *score = saturating_i32(rounding_shift_right(sum, COMPONENT_BITS));
        }
        Ok(())
    }

    /// `N` coordinates of the reconstruction, from `start` on.
    ///
    /// Rows are walked side by side, so that each reads its memory in order and `N` sums stay in registers.
    #[inline]
    fn restored<const N: usize>(&self, start: usize, mean: &[i16; N], scores: &[i32]) -> [i16; N] {
        let mut from = self.components.get(start..).unwrap_or(&[]);
        let mut sums = [0i64; N];
        for y in scores {
            // Not `chunks`: LLVM unrolls that loop until the sums no longer fit the registers.
            let Some(row) = from.first_chunk::<N>() else {
                break;
            };
            for (sum, u) in sums.iter_mut().zip(row) {
                // |u · y| <= 2^46 and k <= 2^16.
                *sum = sum.wrapping_add(wide_product(*y, *u));
            }
            from = from.get(self.mean.len()..).unwrap_or(&[]);
        }
        let mut restored = *mean;
        for (x, sum) in restored.iter_mut().zip(sums) {
            let offset = saturating_i32(rounding_shift_right(sum, COMPONENT_BITS));
            *x = saturating_i16(offset.saturating_add(i32::from(*x)));
        }
        restored
    }

    /// Reconstruction `x^ = mu + U^T y` in `I4F12`, saturating.
    ///
    /// Work: `k · d` multiply-accumulates.
    ///
    /// # Errors
    /// [`ShapeError`] when `scores` is not `k` long or `features` not `d`.
    pub fn reconstruct_into(&self, scores: &[i32], features: &mut [i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.k(), scores.len())?;
        ShapeError::exact(Operand::Output, self.dimensions(), features.len())?;
        let (means, last_means) = self.mean.as_chunks::<BLOCK>();
        let (blocks, last) = features.as_chunks_mut::<BLOCK>();
        let mut start = 0;
        for (block, mean) in blocks.iter_mut().zip(means) {
            *block = self.restored(start, mean, scores);
            start += BLOCK;
        }
        for (index, (x, mean)) in (start..).zip(last.iter_mut().zip(last_means)) {
            [*x] = self.restored(index, &[*mean], scores);
        }
        Ok(())
    }

    /// Residual `Q = |x - x^|^2` in `U40F24`: what the components do not explain.
    ///
    /// `scores` are those of `features`, from [`project_into`](Self::project_into).
    ///
    /// Work: `k · d` multiply-accumulates.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has the wrong length.
    pub fn residual(&self, features: &[i16], scores: &[i32]) -> Result<u64, ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions(), features.len())?;
        ShapeError::exact(Operand::Input, self.k(), scores.len())?;
        let (means, last_means) = self.mean.as_chunks::<BLOCK>();
        let (blocks, last) = features.as_chunks::<BLOCK>();
        let mut sum = 0u64;
        let mut start = 0;
        for (block, mean) in blocks.iter().zip(means) {
            sum = sum.wrapping_add(distance(block, &self.restored(start, mean, scores)));
            start += BLOCK;
        }
        for (index, (x, mean)) in (start..).zip(last.iter().zip(last_means)) {
            sum = sum.wrapping_add(distance(&[*x], &self.restored(index, &[*mean], scores)));
        }
        Ok(sum)
    }
}

/// `|a - b|^2`.
#[inline]
fn distance<const N: usize>(a: &[i16; N], b: &[i16; N]) -> u64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let difference = i32::from(*a).abs_diff(i32::from(*b));
            // At most (2^16 - 1)^2.
            u64::from(difference.wrapping_mul(difference))
        })
        .sum()
}

/// `a · b`, exact.
#[inline]
const fn wide_product(a: i32, b: i16) -> i64 {
    if cfg!(autodidact_kernels = "armv6m") {
        split_product(a, b)
    } else {
        // At most 2^46.
        (a as i64).wrapping_mul(b as i64)
    }
}

/// [`wide_product`] for cores without a long multiplication: two short ones instead of a call.
#[inline]
const fn split_product(a: i32, b: i16) -> i64 {
    // Both fit 32 bits: at most 2^15 · 2^15 and (2^16 - 1) · 2^15.
    let high = (a >> 16).wrapping_mul(b as i32);
    let low = (a & 0xffff).wrapping_mul(b as i32);
    ((high as i64) << 16).wrapping_add(low as i64)
}

/// `-u · mu` in `I37F27`: what centring adds to a score, as [`Pca::new`] expects it.
#[must_use]
pub fn center_offset(component: &[i16], mean: &[i16]) -> i64 {
    component
        .iter()
        .zip(mean)
        .map(|(u, m)| -i64::from(i32::from(*u) * i32::from(*m)))
        .sum()
}

#[cfg(test)]
mod tests;
