//! Lloyd's algorithm: assign every row to the nearest centroid, move every centroid to the mean, median
//! or direction of its rows, until no row changes sides.

use anyhow::Result;

use super::{
    assign::{assign, sums},
    metric::{median, normalise},
    rows::{Rows, furthest},
};
use crate::train::model::{KMeansModel, Metric};

/// Assigns and updates until no row changes sides, from prepared centroids. The centroids returned are
/// prepared still.
pub(super) fn lloyd(
    rows: &Rows,
    mut centroids: Vec<f32>,
    most_rounds: usize,
) -> Result<KMeansModel> {
    let mut assigned = Vec::new();
    let mut rounds = 0;
    let mut moved = false;
    loop {
        if rounds == most_rounds {
            // The centroids moved after the last assignment.
            assigned = assign(rows, &centroids)?;
            break;
        }
        rounds += 1;
        let now = assign(rows, &centroids)?;
        let settled = now == assigned && !moved;
        assigned = now;
        if settled {
            break;
        }
        match rows.metric {
            Metric::L1 => to_medians(rows, &mut centroids, &assigned),
            Metric::L2 | Metric::Cosine => to_means(rows, &mut centroids, &assigned),
        }
        moved = fill_empty(rows, &mut centroids, &mut assigned);
    }
    Ok(KMeansModel {
        metric: rows.metric,
        k: centroids.len() / rows.width,
        d: rows.width,
        inertia: rows.costs(&assigned, &centroids).sum(),
        centroids,
        rounds,
    })
}

pub(super) fn count(assigned: &[usize], k: usize) -> Vec<usize> {
    let mut counts = vec![0; k];
    for &cluster in assigned {
        counts[cluster] += 1;
    }
    counts
}

/// Moves every centroid with rows to their mean, for the cosine to its direction. Rows that cancel each
/// other have none: then the centroid stays.
fn to_means(rows: &Rows, centroids: &mut [f32], assigned: &[usize]) {
    let k = centroids.len() / rows.width;
    let (counts, sums) = (count(assigned, k), sums(rows, assigned, k));
    let places = centroids
        .chunks_exact_mut(rows.width)
        .zip(sums.chunks_exact(rows.width));
    for ((centroid, sum), count) in places.zip(counts).filter(|(_, count)| *count > 0) {
        if rows.metric == Metric::Cosine && sum.iter().all(|&sum| sum == 0.0) {
            continue;
        }
        for (value, sum) in centroid.iter_mut().zip(sum) {
            *value = (sum / count as f64) as f32;
        }
        if rows.metric == Metric::Cosine {
            normalise(centroid);
        }
    }
}

/// Moves every centroid with rows to their median, column by column.
fn to_medians(rows: &Rows, centroids: &mut [f32], assigned: &[usize]) {
    for (centroid, medians) in centroids
        .chunks_exact_mut(rows.width)
        .zip(medians(rows, assigned))
    {
        if let Some(medians) = medians {
            centroid.copy_from_slice(&medians);
        }
    }
}

/// The medians of each cluster's rows, in the order of the clusters; none where there is no row.
pub(super) fn medians(rows: &Rows, assigned: &[usize]) -> impl Iterator<Item = Option<Vec<f32>>> {
    let clusters = assigned.iter().max().map_or(0, |last| last + 1);
    let mut members = vec![Vec::new(); clusters];
    for (index, &cluster) in assigned.iter().enumerate() {
        members[cluster].push(index);
    }
    let empty = std::iter::repeat_with(Vec::new);
    members.into_iter().chain(empty).map(|members: Vec<usize>| {
        (!members.is_empty()).then(|| {
            let column = |at: usize| -> Vec<f32> {
                members.iter().map(|&index| rows.row(index)[at]).collect()
            };
            (0..rows.width).map(|at| median(&mut column(at))).collect()
        })
    })
}

/// Puts every centroid without rows on the row that costs most; true if there were such.
fn fill_empty(rows: &Rows, centroids: &mut [f32], assigned: &mut [usize]) -> bool {
    let width = rows.width;
    let counts = count(assigned, centroids.len() / width);
    if counts.iter().all(|&count| count > 0) {
        return false;
    }
    let mut costs: Vec<f64> = rows.costs(assigned, centroids).collect();
    let mut moved = false;
    for (cluster, _) in counts.iter().enumerate().filter(|(_, count)| **count == 0) {
        let row = furthest(&costs);
        if costs[row] == 0.0 {
            // Every row lies on a centroid: there is nothing to gain.
            break;
        }
        costs[row] = 0.0;
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
        for metric in [Metric::L2, Metric::L1] {
            let rows = Rows::new(metric, &data, vec![0.0], &Device::flex());
            // Two centroids on equal rows: one of them is left without a row.
            let model = lloyd(&rows, vec![0.0, 0.0, 1.0], 300).unwrap();
            assert_eq!(model.inertia, 0.0);
        }
    }

    #[test]
    fn the_limit_on_rounds_leaves_the_inertia_of_the_centroids_returned() {
        let data = crate::data::digits().unwrap();
        for metric in [Metric::L2, Metric::L1, Metric::Cosine] {
            let rows = Rows::new(metric, &data, vec![0.0; 64], &Device::flex());
            let seeds = rows.values[..5 * 64].to_vec();
            let mut last = f64::INFINITY;
            for rounds in [0, 1, 2, 3, 5, 10, 300] {
                let model = lloyd(&rows, seeds.clone(), rounds).unwrap();
                let assigned = assign(&rows, &model.centroids).unwrap();
                let inertia: f64 = rows.costs(&assigned, &model.centroids).sum();
                assert_eq!(model.inertia, inertia);
                // Neither step can raise it, but for the f32 of the centroids.
                assert!(
                    inertia <= last * (1.0 + 1e-6),
                    "{metric}: {last} then {inertia}"
                );
                last = inertia;
            }
        }
    }
}
