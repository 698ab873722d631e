//! Lloyd's algorithm: assign every row to the nearest centroid, move every centroid to the mean of its
//! rows, until no row changes sides.

use anyhow::Result;
use burn::tensor::{Int, Tensor};

use super::{
    KMeansOptions,
    rows::{Rows, furthest, squared_distance},
};
use crate::train::{model::KMeansModel, tensors};

/// Assigns and updates until no row changes sides. The centroids returned are still centred.
pub(super) fn lloyd(
    rows: &Rows,
    seeds: Vec<usize>,
    options: &KMeansOptions,
) -> Result<KMeansModel> {
    let k = seeds.len();
    let mut centroids: Vec<f32> = seeds
        .iter()
        .flat_map(|&seed| rows.row(seed).iter().copied())
        .collect();
    let mut assigned = Vec::new();
    let mut rounds = 0;
    let mut moved = false;
    while rounds < options.rounds {
        rounds += 1;
        let (now, sums) = assign_and_sum(rows, &centroids, k)?;
        let settled = now == assigned && !moved;
        assigned = now;
        if settled {
            break;
        }
        moved = update(rows, &mut centroids, &mut assigned, &sums, k);
    }
    let inertia = assigned
        .iter()
        .enumerate()
        .map(|(index, &cluster)| {
            squared_distance(rows.row(index), centroid(&centroids, cluster, rows.width))
        })
        .sum();
    Ok(KMeansModel {
        centroids,
        k,
        d: rows.width,
        inertia,
        rounds,
    })
}

fn centroid(centroids: &[f32], cluster: usize, width: usize) -> &[f32] {
    &centroids[cluster * width..][..width]
}

/// The nearest centroid of every row, and for every centroid the sum of its rows.
fn assign_and_sum(rows: &Rows, centroids: &[f32], k: usize) -> Result<(Vec<usize>, Vec<f64>)> {
    let device = &rows.device;
    let centroids = tensors::upload(centroids.to_vec(), rows.width, device);
    let norms = centroids.clone().square().sum_dim(1).reshape([1, k]);
    let weights = centroids.transpose().mul_scalar(-2.0);
    let clusters = Tensor::<1, Int>::arange(0..k as i64, device).reshape([1, k]);
    let mut assigned = Vec::with_capacity(rows.count);
    let mut sums = vec![0.0; k * rows.width];
    for block in &rows.blocks {
        // |x - c|^2 without |x|^2, which is the same for all centroids.
        let scores = block.clone().matmul(weights.clone()) + norms.clone();
        let nearest = scores.argmin(1);
        let one_hot = nearest.clone().equal(clusters.clone()).float();
        let block_sums = tensors::download(one_hot.transpose().matmul(block.clone()))?;
        for (sum, value) in sums.iter_mut().zip(block_sums) {
            *sum += f64::from(value);
        }
        assigned.extend(tensors::download_indices(nearest)?);
    }
    Ok((assigned, sums))
}

/// Moves every centroid to the mean of its rows, and those without rows by the rule for empty clusters;
/// true if there were such.
fn update(
    rows: &Rows,
    centroids: &mut [f32],
    assigned: &mut [usize],
    sums: &[f64],
    k: usize,
) -> bool {
    let width = rows.width;
    let mut counts = vec![0_usize; k];
    for &cluster in assigned.iter() {
        counts[cluster] += 1;
    }
    for (cluster, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let sum = &sums[cluster * width..][..width];
        for (value, sum) in centroids[cluster * width..][..width].iter_mut().zip(sum) {
            *value = (sum / count as f64) as f32;
        }
    }
    if counts.iter().all(|&count| count > 0) {
        return false;
    }
    let mut distances: Vec<f64> = assigned
        .iter()
        .enumerate()
        .map(|(index, &cluster)| {
            squared_distance(rows.row(index), centroid(centroids, cluster, width))
        })
        .collect();
    let mut moved = false;
    for (cluster, _) in counts.iter().enumerate().filter(|(_, count)| **count == 0) {
        let row = furthest(&distances);
        if distances[row] == 0.0 {
            // Every row lies on a centroid: there is nothing to gain.
            break;
        }
        distances[row] = 0.0;
        assigned[row] = cluster;
        centroids[cluster * width..][..width].copy_from_slice(rows.row(row));
        moved = true;
    }
    moved
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::data::Table;

    #[test]
    fn a_cluster_without_rows_takes_the_furthest_row() {
        let columns = Table::numbered_columns(1);
        let data = Table::new("made", columns, vec![0.0, 0.0, 0.0, 1.0, 9.0]).unwrap();
        let rows = Rows::new(&data, &Device::flex());
        // Two seeds on equal rows: one of them is left without a row.
        let options = KMeansOptions::default();
        let model = lloyd(&rows, vec![0, 1, 3], &options).unwrap();
        assert_eq!(model.inertia, 0.0);
    }
}
