//! The rows that the first centroids are put on.

use anyhow::{Result, ensure};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::rows::{Rows, furthest};

/// Each next row with probability proportional to its cost under those chosen so far.
pub(super) fn plus_plus(rows: &Rows, k: usize, generator: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    let mut seeds = vec![generator.random_range(0..rows.count)];
    let mut nearest = vec![f64::INFINITY; rows.count];
    while seeds.len() < k {
        let newest = rows.row(seeds[seeds.len() - 1]);
        for (index, nearest) in nearest.iter_mut().enumerate() {
            *nearest = nearest.min(rows.metric.cost(rows.row(index), newest));
        }
        let total: f64 = nearest.iter().sum();
        ensure!(
            total > 0.0,
            "{}: the {} rows to train on are {found} that arithmetic tells apart, too few for {k} clusters; ask for at most {found}",
            rows.source,
            rows.count,
            found = seeds.len()
        );
        let mut left = generator.random::<f64>() * total;
        let drawn = nearest.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        // Rounding may leave a crumb behind the last row: then the furthest row is as good as any.
        seeds.push(drawn.unwrap_or_else(|| furthest(&nearest)));
    }
    Ok(take(rows, &seeds))
}

/// Rows drawn uniformly, none twice.
pub(super) fn random(rows: &Rows, k: usize, generator: &mut ChaCha8Rng) -> Vec<f32> {
    take(
        rows,
        &rand::seq::index::sample(generator, rows.count, k).into_vec(),
    )
}

fn take(rows: &Rows, seeds: &[usize]) -> Vec<f32> {
    seeds
        .iter()
        .flat_map(|&seed| rows.row(seed).iter().copied())
        .collect()
}
