//! k-means: the nearest of k centroids.
//!
//! `argmin_j |x - c_j|^2` (Lloyd 1982), with features and centroids in `I4F12`. Distances are exact
//! integers in `U40F24`; there is no rounding anywhere, so that a tie is a tie on every core and the
//! lowest index wins it.

use crate::kernels::{self, Nearest, squared_distance};
use crate::{Defect, Operand, ShapeError};

/// k centroids of d dimensions, borrowed from a container or from a learner.
#[derive(Debug, Clone, Copy)]
pub struct KMeans<'a> {
    centroids: &'a [i16],
    norms: &'a [i64],
    dimensions: usize,
}

impl<'a> KMeans<'a> {
    /// Centroids (`I4F12`, row-major, `k · d`) with their squared norms (`I40F24`).
    ///
    /// ```
    /// use autodidact::kmeans::KMeans;
    /// let centroids = [0, 0, 4096, 0]; // (0, 0) and (1, 0)
    /// let norms = [0, 4096 * 4096];
    /// let kmeans = KMeans::new(&centroids, &norms, 2)?;
    /// let nearest = kmeans.nearest(&[3000, 0])?;
    /// assert_eq!((nearest.index, nearest.distance_sq), (1, 1096 * 1096));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Defect::Shape`] when the lengths do not fit, [`Defect::Derived`] when a norm is wrong.
    pub fn new(centroids: &'a [i16], norms: &'a [i64], dimensions: usize) -> Result<Self, Defect> {
        let view = Self::from_trusted(centroids, norms, dimensions)?;
        for (index, (centroid, norm)) in
            (0u32..).zip(centroids.chunks_exact(dimensions.max(1)).zip(norms))
        {
            if squared_norm(centroid) != *norm {
                return Err(Defect::Derived { index });
            }
        }
        Ok(view)
    }

    /// As [`new`](Self::new), without recomputing the norms.
    pub(crate) fn from_trusted(
        centroids: &'a [i16],
        norms: &'a [i64],
        dimensions: usize,
    ) -> Result<Self, Defect> {
        let len = norms.len().checked_mul(dimensions).ok_or(Defect::Shape)?;
        if len == 0 || len != centroids.len() || u32::try_from(len).is_err() {
            return Err(Defect::Shape);
        }
        Ok(Self {
            centroids,
            norms,
            dimensions,
        })
    }

    /// Number of clusters.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.norms.len()
    }

    /// Number of features.
    #[must_use]
    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Centroid `index` (`I4F12`), if there is one.
    #[must_use]
    pub fn centroid(&self, index: usize) -> Option<&'a [i16]> {
        self.centroids.chunks_exact(self.dimensions).nth(index)
    }

    /// The nearest centroid and the squared distance to it.
    ///
    /// Work: `k · d` multiply-accumulates.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not [`dimensions`](Self::dimensions) long.
    pub fn nearest(&self, features: &[i16]) -> Result<Nearest, ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, features.len())?;
        kernels::nearest_l2(self.centroids, self.norms, features)
    }

    /// Squared distances to every centroid, `U40F24`.
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
        for (distance, centroid) in distances
            .iter_mut()
            .zip(self.centroids.chunks_exact(self.dimensions))
        {
            *distance = squared_distance(centroid, features)?;
        }
        Ok(())
    }
}

/// Squared norm of a centroid, `I40F24`, as [`KMeans::new`] expects it.
#[must_use]
pub fn squared_norm(centroid: &[i16]) -> i64 {
    centroid
        .iter()
        .map(|c| i64::from(i32::from(*c) * i32::from(*c)))
        .sum()
}
