//! k-means in f64, one row at a time.

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `sum_j (x_j - c_j)^2`; the mean.
    SquaredEuclidean,
    /// `sum_j |x_j - c_j|`; the median of each column.
    Manhattan,
    /// `1 - x.c / (|x| |c|)`; the direction of the sum of unit rows.
    Cosine,
}

/// Where Lloyd's algorithm ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Clustering {
    /// Rows of the same width as the data.
    pub centroids: Vec<f64>,
    /// Sum of the distances to the nearest centroid.
    pub inertia: f64,
    /// Rounds until no row changed sides.
    pub rounds: usize,
}

/// Lloyd's algorithm from `start`, at most `rounds` rounds. A centroid without rows stays where it is.
#[must_use]
pub fn lloyd(
    metric: Metric,
    rows: &[f64],
    width: usize,
    start: &[f64],
    rounds: usize,
) -> Clustering {
    let mut centroids = start.to_vec();
    let mut assigned: Vec<usize> = Vec::new();
    let mut done = 0;
    loop {
        let (mut now, mut inertia) = (Vec::new(), 0.0);
        for row in rows.chunks_exact(width) {
            let (index, least) = nearest_by(metric, &centroids, row);
            now.push(index);
            inertia += least;
        }
        if now == assigned || done == rounds {
            return Clustering {
                centroids,
                inertia,
                rounds: done,
            };
        }
        assigned = now;
        done += 1;
        for (cluster, centroid) in centroids.chunks_exact_mut(width).enumerate() {
            let members: Vec<&[f64]> = rows
                .chunks_exact(width)
                .zip(&assigned)
                .filter(|(_, at)| **at == cluster)
                .map(|(row, _)| row)
                .collect();
            if !members.is_empty() {
                let centre = centre(metric, &members, width);
                centroid.copy_from_slice(&centre);
            }
        }
    }
}

/// The centroid nearest to `row` in the metric, the first of equals, and its distance.
#[must_use]
pub fn nearest_by(metric: Metric, centroids: &[f64], row: &[f64]) -> (usize, f64) {
    centroids
        .chunks_exact(row.len())
        .map(|centroid| distance(metric, row, centroid))
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((0, f64::INFINITY))
}

fn norm(row: &[f64]) -> f64 {
    row.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn distance(metric: Metric, x: &[f64], c: &[f64]) -> f64 {
    let pairs = x.iter().zip(c);
    match metric {
        Metric::SquaredEuclidean => pairs.map(|(x, c)| (x - c).powi(2)).sum(),
        Metric::Manhattan => pairs.map(|(x, c)| (x - c).abs()).sum(),
        Metric::Cosine => {
            let lengths = norm(x) * norm(c);
            let dot: f64 = pairs.map(|(x, c)| x * c).sum();
            if lengths == 0.0 {
                1.0
            } else {
                1.0 - dot / lengths
            }
        }
    }
}

fn centre(metric: Metric, members: &[&[f64]], width: usize) -> Vec<f64> {
    let count = members.len();
    (0..width)
        .map(|at| match metric {
            Metric::SquaredEuclidean => {
                members.iter().map(|row| row[at]).sum::<f64>() / count as f64
            }
            Metric::Manhattan => {
                let mut column: Vec<f64> = members.iter().map(|row| row[at]).collect();
                column.sort_by(f64::total_cmp);
                (column[(count - 1) / 2] + column[count / 2]) / 2.0
            }
            Metric::Cosine => members
                .iter()
                .map(|row| row[at] / norm(row).max(f64::MIN_POSITIVE))
                .sum(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pairs_are_two_clusters_under_every_metric() {
        let rows = [1.0, 0.1, 1.0, 0.3, 0.1, 1.0, 0.3, 1.0];
        let start = [1.0, 0.0, 0.0, 1.0];
        for (metric, first, inertia) in [
            (Metric::SquaredEuclidean, [1.0, 0.2], 0.04),
            (Metric::Manhattan, [1.0, 0.2], 0.4),
        ] {
            let found = lloyd(metric, &rows, 2, &start, 10);
            assert!((found.inertia - inertia).abs() < 1e-12);
            assert!((found.centroids[0] - first[0]).abs() < 1e-12);
            assert!((found.centroids[1] - first[1]).abs() < 1e-12);
        }
        // The bisector of angles atan(0.1) and atan(0.3).
        let found = lloyd(Metric::Cosine, &rows, 2, &start, 10);
        let angle = (0.1_f64.atan() + 0.3_f64.atan()) / 2.0;
        assert!((found.centroids[1] / found.centroids[0] - angle.tan()).abs() < 1e-12);
    }
}
