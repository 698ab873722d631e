//! Principal component analysis: project, reconstruct, residual.
//!
//! `y = U (x - mu)`, `x^ = mu + U^T y`, `Q = |x - x^|^2` (Jackson and Mudholkar 1979 for Q). `U` has
//! orthonormal rows in `I1F15`, features are `I4F12`, scores `I20F12`. Sums are 64 bits wide, each
//! result is rounded once.
//!
//! Errors against exact arithmetic with the same parameters: a score is off by at most half a unit
//! of 2^-12; a reconstructed feature by half a unit and what the rounded scores carry along, in all
//! at most `(1 + sqrt(k)) / 2` units. Components are stored to 2^-16, an entry of exactly 1 as
//! `1 - 2^-15`.

use crate::kernels::dot;
use crate::num::{rounding_shift_right, saturating_i16, saturating_i32};
use crate::{Defect, Operand, ShapeError};

/// Fractional bits of a component (`I1F15`).
const COMPONENT_BITS: u32 = 15;

/// A mean and k orthonormal components of d dimensions.
#[derive(Debug, Clone, Copy)]
pub struct Pca<'a> {
    mean: &'a [i16],
    components: &'a [i16],
    offsets: &'a [i64],
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
        if len == 0 || len != components.len() || offsets.len() > mean.len() || mean.len() > 1 << 16
        {
            return Err(Defect::Shape);
        }
        Ok(Self {
            mean,
            components,
            offsets,
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
        self.components.chunks_exact(self.mean.len()).nth(index)
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
            .chunks_exact(self.mean.len())
            .zip(self.offsets);
        for (score, (component, offset)) in scores.iter_mut().zip(rows) {
            let sum = dot(component, features)?.wrapping_add(*offset);
            *score = saturating_i32(rounding_shift_right(sum, COMPONENT_BITS));
        }
        Ok(())
    }

    /// One coordinate of the reconstruction.
    #[inline]
    fn coordinate(&self, column: usize, mean: i16, scores: &[i32]) -> i16 {
        let column = self.components.get(column..).unwrap_or(&[]);
        let mut sum = 0i64;
        for (u, y) in column.iter().step_by(self.mean.len().max(1)).zip(scores) {
            // |u · y| <= 2^46 and k <= 2^16.
            sum = sum.wrapping_add(i64::from(*u) * i64::from(*y));
        }
        let offset = saturating_i32(rounding_shift_right(sum, COMPONENT_BITS));
        saturating_i16(offset.saturating_add(i32::from(mean)))
    }

    /// Reconstruction `x^ = mu + U^T y` in `I4F12`, saturating.
    ///
    /// # Errors
    /// [`ShapeError`] when `scores` is not `k` long or `features` not `d`.
    pub fn reconstruct_into(&self, scores: &[i32], features: &mut [i16]) -> Result<(), ShapeError> {
        ShapeError::exact(Operand::Input, self.k(), scores.len())?;
        ShapeError::exact(Operand::Output, self.dimensions(), features.len())?;
        for (column, (x, mean)) in features.iter_mut().zip(self.mean).enumerate() {
            *x = self.coordinate(column, *mean, scores);
        }
        Ok(())
    }

    /// Residual `Q = |x - x^|^2` in `U40F24`: what the components do not explain.
    ///
    /// `scores` are those of `features`, from [`project_into`](Self::project_into).
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has the wrong length.
    pub fn residual(&self, features: &[i16], scores: &[i32]) -> Result<u64, ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions(), features.len())?;
        ShapeError::exact(Operand::Input, self.k(), scores.len())?;
        let mut sum = 0u64;
        for (column, (x, mean)) in features.iter().zip(self.mean).enumerate() {
            let restored = self.coordinate(column, *mean, scores);
            let difference = i32::from(*x).abs_diff(i32::from(restored));
            sum = sum.wrapping_add(u64::from(difference.wrapping_mul(difference)));
        }
        Ok(sum)
    }
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
