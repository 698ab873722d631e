//! The nearest centroid of every row: by tensors on the training device, and where their f32 cannot tell,
//! in f64 on the host.

use anyhow::Result;
use burn::tensor::{Int, Tensor};

use super::rows::Rows;
use crate::train::{model::Metric, tensors};

/// The nearest centroid of every row; of equally near ones the first.
///
/// Lloyd's algorithm is a long chain of such choices, and one row on the wrong side can lead it to another
/// minimum. So every choice between two centroids that rounding might have swapped is made again in f64.
pub(super) fn assign(rows: &Rows, centroids: &[f32]) -> Result<Vec<usize>> {
    let k = centroids.len() / rows.width;
    let search = Search::new(rows, centroids);
    let clusters = Tensor::<1, Int>::arange(0..k as i64, &rows.device).reshape([1, k]);
    let mut assigned = Vec::with_capacity(rows.count);
    let mut margins = Vec::with_capacity(rows.count);
    for block in &rows.blocks {
        let scores = search.scores(block);
        let nearest = scores.clone().argmin(1);
        let chosen = nearest.clone().equal(clusters.clone());
        let others = scores.clone().mask_fill(chosen, f32::MAX);
        margins.extend(tensors::download(others.min_dim(1) - scores.min_dim(1))?);
        assigned.extend(tensors::download_indices(nearest)?);
    }
    let norms: Vec<f64> = centroids.chunks_exact(rows.width).map(norm).collect();
    let rows_of_values = rows.values.chunks_exact(rows.width);
    for ((cluster, margin), row) in assigned.iter_mut().zip(margins).zip(rows_of_values) {
        if f64::from(margin) <= doubt(rows, row, centroids, &norms, *cluster) {
            *cluster = nearest_in_f64(rows, row, centroids);
        }
    }
    Ok(assigned)
}

/// For every centroid the sum of its rows, in f64.
pub(super) fn sums(rows: &Rows, assigned: &[usize], k: usize) -> Vec<f64> {
    let mut sums = vec![0.0; k * rows.width];
    for (row, &cluster) in rows.values.chunks_exact(rows.width).zip(assigned) {
        for (sum, &value) in sums[cluster * rows.width..].iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    sums
}

/// By how much the scores of two centroids about as near as `cluster` may be off: four roundings of f32
/// times the root of the number of terms, of the largest term. Another centroid as near as the one at `c`
/// has a norm of at most `2 |x| + |c|`.
fn doubt(rows: &Rows, row: &[f32], centroids: &[f32], norms: &[f64], cluster: usize) -> f64 {
    let largest = match rows.metric {
        Metric::L2 => (2.0 * norm(row) + norms[cluster]).powi(2),
        Metric::L1 => {
            let centroid = &centroids[cluster * rows.width..][..rows.width];
            rows.metric.cost(row, centroid)
        }
        Metric::Cosine => 1.0,
    };
    2.0 * f64::from(f32::EPSILON) * (rows.width as f64).sqrt() * largest
}

fn norm(row: &[f32]) -> f64 {
    let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    squares.sqrt()
}

fn nearest_in_f64(rows: &Rows, row: &[f32], centroids: &[f32]) -> usize {
    centroids
        .chunks_exact(rows.width)
        .map(|centroid| rows.metric.cost(row, centroid))
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(cluster, _)| cluster)
}

/// Centroids in the form that a block of rows is compared with.
#[expect(clippy::large_enum_variant, reason = "there is one of them a round")]
enum Search {
    /// `-2 c` as columns, and `|c|^2`: `|x - c|^2` without `|x|^2`, which is the same for all centroids.
    L2(Tensor<2>, Tensor<2>),
    /// Each centroid as a row.
    L1(Vec<Tensor<2>>),
    /// `-c` as columns, the centroids being of length one.
    Cosine(Tensor<2>),
}

impl Search {
    fn new(rows: &Rows, centroids: &[f32]) -> Self {
        let k = centroids.len() / rows.width;
        let all = tensors::upload(centroids.to_vec(), rows.width, &rows.device);
        match rows.metric {
            Metric::L2 => {
                let norms = all.clone().square().sum_dim(1).reshape([1, k]);
                Self::L2(all.transpose().mul_scalar(-2.0), norms)
            }
            Metric::L1 => Self::L1(all.chunk(k, 0)),
            Metric::Cosine => Self::Cosine(all.transpose().neg()),
        }
    }

    /// A column a centroid, lowest for the nearest.
    fn scores(&self, block: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::L2(weights, norms) => block.clone().matmul(weights.clone()) + norms.clone(),
            Self::L1(centroids) => Tensor::cat(
                centroids
                    .iter()
                    .map(|centroid| (block.clone() - centroid.clone()).abs().sum_dim(1))
                    .collect(),
                1,
            ),
            Self::Cosine(weights) => block.clone().matmul(weights.clone()),
        }
    }
}
