//! k-means: the nearest of k centroids, and learners that place them.
//!
//! A sample belongs to the centroid of least distance, `argmin_j d(x, c_j)` (Lloyd 1982), where the
//! [`Metric`] says what a distance is: squared Euclidean (k-means), Manhattan (k-medians) or cosine
//! (spherical k-means, Dhillon and Modha 2001). The choice is decided in exact integers for each of
//! them, so that a tie is a tie on every core and the lowest index wins it.
//!
//! | to do this | use |
//! |---|---|
//! | assign samples to the centroids of a model | [`KMeans`] |
//! | keep a uniform sample of a stream in RAM | [`Reservoir`] |
//! | seed centroids from rows in RAM | [`Lloyd::seed_plus_plus`], [`Lloyd::seed_random`] |
//! | fit centroids to rows in RAM | [`Lloyd`] |
//! | let centroids follow a stream | [`Online`] |
//! | have the memory of all of that in one place | [`Storage`] |

mod direction;
mod lloyd;
mod memory;
mod online;
mod reservoir;
mod seeding;
#[cfg(test)]
mod tests;

pub use lloyd::{Fit, Lloyd, Round};
pub use memory::{Memory, Storage, Usage};
pub use online::Online;
pub use reservoir::Reservoir;
pub use seeding::PlusPlus;

use crate::kernels::{self, Nearest, dot, squared_distance};
use crate::{Defect, Operand, ShapeError};
use direction::Length;

/// What the distance between a sample and a centroid is.
///
/// | metric | `d(x, c)` | centroids | distance | offset of a centroid |
/// |---|---|---|---|---|
/// | `SquaredEuclidean` | `sum (x_i - c_i)^2` | `I4F12` | `U40F24`, exact | `sum c_i^2`, `I40F24` |
/// | `Manhattan` | `sum \|x_i - c_i\|` | `I4F12` | `U52F12`, exact | `sum c_i`, `I52F12` |
/// | `Cosine` | `1 - x·c / \|x\|` | unit vectors, `I1F15` | `U34F30` in \[0, 2\], rounded up | 0 |
///
/// The cosine distance takes a stored centroid for the unit vector that it is rounded from. Its
/// comparison is that of the exact products `x·c_j`; only the distance that is reported is rounded,
/// and it is off by at most 2^-29. A sample of zeros has no direction: it is at distance 1 from every
/// centroid, and belongs to centroid 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Metric {
    /// Squared Euclidean distance; centroids are means.
    #[default]
    SquaredEuclidean,
    /// Manhattan or L1 distance; centroids are medians.
    Manhattan,
    /// Cosine distance; centroids are mean directions.
    Cosine,
}

impl Metric {
    /// Fractional bits of a centroid.
    #[must_use]
    pub const fn centroid_bits(self) -> u32 {
        match self {
            Self::SquaredEuclidean | Self::Manhattan => 12,
            Self::Cosine => direction::BITS,
        }
    }

    /// Fractional bits of a distance.
    #[must_use]
    pub const fn distance_bits(self) -> u32 {
        match self {
            Self::SquaredEuclidean => 24,
            Self::Manhattan => 12,
            Self::Cosine => direction::COSINE_BITS,
        }
    }

    /// Fractional bits of an [offset](Self::offset).
    pub(crate) const fn offset_bits(self) -> u32 {
        match self {
            Self::SquaredEuclidean => 24,
            Self::Manhattan => 12,
            Self::Cosine => 0,
        }
    }

    /// What the search starts from at a centroid: see the table above.
    #[must_use]
    pub fn offset(self, centroid: &[i16]) -> i64 {
        match self {
            Self::SquaredEuclidean => squared_norm(centroid),
            Self::Manhattan => centroid.iter().map(|c| i64::from(*c)).sum(),
            Self::Cosine => 0,
        }
    }
}

/// k centroids of d dimensions, borrowed from a container or from a learner.
#[derive(Debug, Clone, Copy)]
pub struct KMeans<'a> {
    metric: Metric,
    centroids: &'a [i16],
    offsets: &'a [i64],
    dimensions: usize,
}

impl<'a> KMeans<'a> {
    /// Centroids (`I4F12`, row-major, `k · d`) with their squared norms (`I40F24`), compared by
    /// squared Euclidean distance.
    ///
    /// ```
    /// use autodidact::kmeans::KMeans;
    /// let centroids = [0, 0, 4096, 0]; // (0, 0) and (1, 0)
    /// let norms = [0, 4096 * 4096];
    /// let kmeans = KMeans::new(&centroids, &norms, 2)?;
    /// let nearest = kmeans.nearest(&[3000, 0])?;
    /// assert_eq!((nearest.index, nearest.distance), (1, 1096 * 1096));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Defect::Shape`] when the lengths do not fit, [`Defect::Derived`] when a norm is wrong.
    pub fn new(centroids: &'a [i16], norms: &'a [i64], dimensions: usize) -> Result<Self, Defect> {
        Self::with_metric(Metric::SquaredEuclidean, centroids, norms, dimensions)
    }

    /// Centroids (row-major, `k · d`, in the format of the metric) with an [offset](Metric::offset)
    /// each.
    ///
    /// ```
    /// use autodidact::kmeans::{KMeans, Metric};
    /// let centroids = [32_767, 0, 19_661, 26_214]; // (1, 0) and (0.6, 0.8)
    /// let kmeans = KMeans::with_metric(Metric::Cosine, &centroids, &[0, 0], 2)?;
    /// let nearest = kmeans.nearest(&[300, 400])?; // its length plays no part
    /// assert_eq!(nearest.index, 1);
    /// assert!(nearest.distance < 1 << 15); // 2^-15 in U34F30
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Defect::Shape`] when the lengths do not fit, [`Defect::Derived`] when an offset is wrong,
    /// [`Defect::Scale`] when a centroid of the cosine distance is no unit vector: when its squared
    /// length is off by more than 1/16.
    pub fn with_metric(
        metric: Metric,
        centroids: &'a [i16],
        offsets: &'a [i64],
        dimensions: usize,
    ) -> Result<Self, Defect> {
        let view = Self::trusted_with_metric(metric, centroids, offsets, dimensions)?;
        for (index, (centroid, offset)) in
            (0u32..).zip(centroids.chunks_exact(dimensions.max(1)).zip(offsets))
        {
            if metric.offset(centroid) != *offset {
                return Err(Defect::Derived { index });
            }
            if metric == Metric::Cosine && !direction::is_unit(centroid) {
                return Err(Defect::Scale { index });
            }
        }
        Ok(view)
    }

    /// As [`with_metric`](Self::with_metric), checking lengths only.
    pub(crate) fn trusted_with_metric(
        metric: Metric,
        centroids: &'a [i16],
        offsets: &'a [i64],
        dimensions: usize,
    ) -> Result<Self, Defect> {
        let len = offsets.len().checked_mul(dimensions).ok_or(Defect::Shape)?;
        if len == 0 || len != centroids.len() || u32::try_from(len).is_err() {
            return Err(Defect::Shape);
        }
        Ok(Self {
            metric,
            centroids,
            offsets,
            dimensions,
        })
    }

    /// What the distances are.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// Number of clusters.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.offsets.len()
    }

    /// Number of features.
    #[must_use]
    pub const fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Centroid `index` in the format of the metric, if there is one.
    #[must_use]
    pub fn centroid(&self, index: usize) -> Option<&'a [i16]> {
        self.centroids
            .chunks_exact(self.dimensions.max(1))
            .nth(index)
    }

    /// All centroids, row-major, in the format of the metric.
    #[must_use]
    pub const fn centroids(&self) -> &'a [i16] {
        self.centroids
    }

    /// [Offsets](Metric::offset) of the centroids.
    #[must_use]
    pub const fn offsets(&self) -> &'a [i64] {
        self.offsets
    }

    /// The nearest centroid and the distance to it, in the metric's format.
    ///
    /// Work: `k · d` multiply-accumulates, or as many maxima for the Manhattan distance; `d` more, a
    /// square root and a division for the cosine.
    ///
    /// # Errors
    /// [`ShapeError`] when `features` is not [`dimensions`](Self::dimensions) long.
    pub fn nearest(&self, features: &[i16]) -> Result<Nearest, ShapeError> {
        ShapeError::exact(Operand::Input, self.dimensions, features.len())?;
        match self.metric {
            Metric::SquaredEuclidean => kernels::nearest_l2(self.centroids, self.offsets, features),
            Metric::Manhattan => kernels::nearest_l1(self.centroids, self.offsets, features),
            Metric::Cosine => {
                // Offsets of 0 make it the search for the greatest product.
                let found = kernels::nearest_l2(self.centroids, self.offsets, features)?;
                let square = dot(features, features)?;
                // |x|^2 - 2 x·c: the difference is even.
                let product = square.wrapping_sub(found.distance.cast_signed()) / 2;
                Ok(Nearest {
                    index: found.index,
                    distance: direction::distance(Length::new(square.cast_unsigned()), product),
                })
            }
        }
    }

    /// Distances to every centroid, in the metric's format.
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
        let length = match self.metric {
            Metric::Cosine => Length::new(dot(features, features)?.cast_unsigned()),
            Metric::SquaredEuclidean | Metric::Manhattan => None,
        };
        let centroids = self.centroids.chunks_exact(self.dimensions.max(1));
        for (distance, centroid) in distances.iter_mut().zip(centroids) {
            *distance = match self.metric {
                Metric::SquaredEuclidean => squared_distance(centroid, features)?,
                Metric::Manhattan => kernels::manhattan_distance(centroid, features)?,
                Metric::Cosine => direction::distance(length, dot(centroid, features)?),
            };
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
