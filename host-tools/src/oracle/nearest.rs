//! Nearest centroid by squared Euclidean distance.

/// A centroid and how far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Which centroid; of equally near ones the first.
    pub index: usize,
    /// `sum_j (x_j - c_j)^2`.
    pub squared_distance: f64,
}

/// The centroid nearest to `row`; `centroids` are rows of the same width, one behind the other.
///
/// With no centroid the index is 0 and the distance infinite.
///
/// # Examples
///
/// ```
/// let found = autodidact_tools::oracle::nearest(&[0.0, 0.0, 3.0, 4.0], &[3.0, 3.0]);
/// assert_eq!((found.index, found.squared_distance), (1, 1.0));
/// ```
#[must_use]
pub fn nearest(centroids: &[f64], row: &[f64]) -> Nearest {
    let mut best = Nearest {
        index: 0,
        squared_distance: f64::INFINITY,
    };
    for (index, centroid) in centroids.chunks_exact(row.len()).enumerate() {
        let squared_distance = row
            .iter()
            .zip(centroid)
            .map(|(x, c)| (x - c) * (x - c))
            .sum();
        if squared_distance < best.squared_distance {
            best = Nearest {
                index,
                squared_distance,
            };
        }
    }
    best
}

/// The sum over all rows of the squared distance to the nearest centroid.
#[must_use]
pub fn inertia<'a>(centroids: &[f64], rows: impl Iterator<Item = &'a [f64]>) -> f64 {
    rows.map(|row| nearest(centroids, row).squared_distance)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equally_near_centroids_wins() {
        let found = nearest(&[1.0, -1.0, 1.0], &[0.0]);
        assert_eq!((found.index, found.squared_distance), (0, 1.0));
    }

    #[test]
    fn inertia_sums_over_rows() {
        let rows: [&[f64]; 3] = [&[1.0], &[4.0], &[-2.0]];
        assert_eq!(inertia(&[0.0, 5.0], rows.into_iter()), 1.0 + 1.0 + 4.0);
    }
}
