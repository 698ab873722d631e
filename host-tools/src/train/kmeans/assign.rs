//! The nearest centroid of every row, by tensors on the training device.

use anyhow::Result;
use burn::tensor::{Int, Tensor};

use super::rows::Rows;
use crate::train::{model::Metric, tensors};

/// The nearest centroid of every row; of equally near ones whichever the device finds.
pub(super) fn assign(rows: &Rows, centroids: &[f32]) -> Result<Vec<usize>> {
    let search = Search::new(rows, centroids);
    let mut assigned = Vec::with_capacity(rows.count);
    for block in &rows.blocks {
        assigned.extend(tensors::download_indices(search.nearest(block))?);
    }
    Ok(assigned)
}

/// The nearest centroid of every row, and for every centroid the sum of its rows.
pub(super) fn assign_and_sum(rows: &Rows, centroids: &[f32]) -> Result<(Vec<usize>, Vec<f64>)> {
    let search = Search::new(rows, centroids);
    let k = centroids.len() / rows.width;
    let clusters = Tensor::<1, Int>::arange(0..k as i64, &rows.device).reshape([1, k]);
    let mut assigned = Vec::with_capacity(rows.count);
    let mut sums = vec![0.0; centroids.len()];
    for block in &rows.blocks {
        let nearest = search.nearest(block);
        let one_hot = nearest.clone().equal(clusters.clone()).float();
        let block_sums = tensors::download(one_hot.transpose().matmul(block.clone()))?;
        for (sum, value) in sums.iter_mut().zip(block_sums) {
            *sum += f64::from(value);
        }
        assigned.extend(tensors::download_indices(nearest)?);
    }
    Ok((assigned, sums))
}

/// Centroids in the form that a block of rows is compared with.
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

    fn nearest(&self, block: &Tensor<2>) -> Tensor<2, Int> {
        let scores = match self {
            Self::L2(weights, norms) => block.clone().matmul(weights.clone()) + norms.clone(),
            Self::L1(centroids) => Tensor::cat(
                centroids
                    .iter()
                    .map(|centroid| (block.clone() - centroid.clone()).abs().sum_dim(1))
                    .collect(),
                1,
            ),
            Self::Cosine(weights) => block.clone().matmul(weights.clone()),
        };
        scores.argmin(1)
    }
}
