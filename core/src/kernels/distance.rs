//! Dot products and squared distances of `i16` vectors, exact in 64 bits.

#[cfg(autodidact_kernels = "armv7em")]
use super::armv7em_distance as backend;
use super::portable;
#[cfg(not(autodidact_kernels = "armv7em"))]
use super::portable as backend;
use crate::{Operand, ShapeError};

/// The centroid nearest to a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Nearest {
    /// Index of the centroid; the lowest index wins a tie.
    pub index: u32,
    /// Squared Euclidean distance in units of the squared element (`U40F24` for `I4F12` features).
    pub distance_sq: u64,
}

/// Dot product `sum a_i · b_i`, exact for vectors of fewer than 2^32 elements.
///
/// # Errors
/// [`ShapeError`] when the lengths differ.
#[inline]
pub fn dot(a: &[i16], b: &[i16]) -> Result<i64, ShapeError> {
    ShapeError::exact(Operand::Input, a.len(), b.len())?;
    Ok(backend::dot(a, b))
}

/// Squared Euclidean distance `sum (a_i - b_i)^2`, exact for fewer than 2^32 elements.
///
/// # Errors
/// [`ShapeError`] when the lengths differ.
#[inline]
pub fn squared_distance(a: &[i16], b: &[i16]) -> Result<u64, ShapeError> {
    ShapeError::exact(Operand::Input, a.len(), b.len())?;
    Ok(portable::squared_distance(a, b))
}

/// The nearest of `norms.len()` centroids under the Euclidean distance.
///
/// `centroids` is row-major, `norms.len() · x.len()` long; `norms[j]` must be `|c_j|^2`, that is
/// [`dot`]`(c_j, c_j)`. The search minimises `|c_j|^2 - 2 x·c_j`, the squared distance less `|x|^2`:
/// exact integers throughout, the same result on every core.
///
/// # Errors
/// [`ShapeError`] when `centroids` is not `norms.len() · x.len()` long, or there is no centroid.
pub fn nearest_l2(centroids: &[i16], norms: &[i64], x: &[i16]) -> Result<Nearest, ShapeError> {
    ShapeError::at_least(Operand::Channels, 1, norms.len())?;
    ShapeError::at_least(Operand::Input, 1, x.len())?;
    ShapeError::exact(
        Operand::Weights,
        norms.len().saturating_mul(x.len()),
        centroids.len(),
    )?;
    #[cfg(autodidact_kernels = "armv7em")]
    return Ok(backend::nearest_l2(centroids, norms, x));
    #[cfg(not(autodidact_kernels = "armv7em"))]
    Ok(portable::nearest_l2(centroids, norms, x, backend::dot))
}
