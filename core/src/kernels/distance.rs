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
    /// Distance to it, as the search measures it: of [`nearest_l2`] in units of the squared element
    /// (`U40F24` for `I4F12` features), of [`nearest_l1`] in units of the element (`U52F12`).
    pub distance: u64,
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

/// Manhattan distance `sum |a_i - b_i|`, exact for fewer than 2^32 elements.
///
/// # Errors
/// [`ShapeError`] when the lengths differ.
#[inline]
pub fn manhattan_distance(a: &[i16], b: &[i16]) -> Result<u64, ShapeError> {
    ShapeError::exact(Operand::Input, a.len(), b.len())?;
    Ok(portable::manhattan_distance(a, b))
}

/// The nearest of `norms.len()` centroids under the Euclidean distance.
///
/// `centroids` is row-major, `norms.len() · x.len()` long; `norms[j]` must be `|c_j|^2`, that is
/// [`dot`]`(c_j, c_j)`. The search minimises `|c_j|^2 - 2 x·c_j`, the squared distance less `|x|^2`:
/// exact integers throughout, the same result on every core. With zeros for `norms` it finds the
/// greatest product `x·c_j`; the distance is then `|x|^2 - 2 x·c_j`, modulo 2^64.
///
/// # Errors
/// [`ShapeError`] when `centroids` is not `norms.len() · x.len()` long, or there is no centroid.
pub fn nearest_l2(centroids: &[i16], norms: &[i64], x: &[i16]) -> Result<Nearest, ShapeError> {
    check(centroids, norms, x)?;
    #[cfg(autodidact_kernels = "armv7em")]
    return Ok(backend::nearest_l2(centroids, norms, x));
    #[cfg(not(autodidact_kernels = "armv7em"))]
    Ok(portable::nearest_l2(centroids, norms, x, backend::dot))
}

/// The nearest of `sums.len()` centroids under the Manhattan distance.
///
/// `centroids` is row-major, `sums.len() · x.len()` long; `sums[j]` must be the sum of `c_j`'s elements.
/// As `|x - c| = 2 max(x, c) - x - c`, the search minimises `2 sum_i max(x_i, c_ji) - sum_i c_ji`: exact
/// integers, no difference that leaves 16 bits, the same result on every core.
///
/// # Errors
/// [`ShapeError`] when `centroids` is not `sums.len() · x.len()` long, or there is no centroid.
pub fn nearest_l1(centroids: &[i16], sums: &[i64], x: &[i16]) -> Result<Nearest, ShapeError> {
    check(centroids, sums, x)?;
    #[cfg(autodidact_kernels = "armv7em")]
    return Ok(backend::nearest_l1(centroids, sums, x));
    #[cfg(not(autodidact_kernels = "armv7em"))]
    Ok(portable::nearest_l1(
        centroids,
        sums,
        x,
        portable::sum_of_maxima,
    ))
}

fn check(centroids: &[i16], offsets: &[i64], x: &[i16]) -> Result<(), ShapeError> {
    ShapeError::at_least(Operand::Channels, 1, offsets.len())?;
    ShapeError::at_least(Operand::Input, 1, x.len())?;
    let needed = offsets.len().saturating_mul(x.len());
    ShapeError::exact(Operand::Weights, needed, centroids.len())
}
