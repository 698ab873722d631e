//! k-means by Lloyd's algorithm, seeded by k-means++ or at random, best of several restarts.
//!
//! Assignment and sums are tensor operations on the training device; seeding, which is sequential, and
//! the inertia that restarts are compared by are computed on the host in f64.
//!
//! **Empty clusters.** A centroid that no row is nearest to moves to the row that lies furthest from its
//! own centroid; several empty ones take the furthest rows in turn.
//!
//! D. Arthur and S. Vassilvitskii, *k-means++: the advantages of careful seeding*, SODA 2007.

use anyhow::{Context, Result, ensure};
use burn::tensor::{Device, Int, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    Progress, device::TrainingDevice, model::KMeansModel, random::generator, tensors,
};
use crate::data::Table;

/// How the first centroids are chosen from the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seeding {
    /// k-means++: each next row with probability proportional to its squared distance from those chosen
    /// so far (one draw a centroid, no greedy trials).
    #[default]
    PlusPlus,
    /// Rows drawn uniformly, none twice.
    Random,
}

/// What to fit; [`KMeansOptions::check`] makes it a [`KMeansConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansOptions {
    /// Number of centroids.
    pub k: usize,
    /// How each restart begins.
    pub seeding: Seeding,
    /// How often to start afresh; the restart of lowest inertia wins.
    pub restarts: usize,
    /// Rounds of assignment and update after which a restart ends though rows still change sides.
    pub rounds: usize,
    /// Fixes every random choice.
    pub seed: u64,
}

impl Default for KMeansOptions {
    fn default() -> Self {
        Self {
            k: 8,
            seeding: Seeding::PlusPlus,
            restarts: 20,
            rounds: 300,
            seed: 0,
        }
    }
}

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansConfig(KMeansOptions);

impl KMeansOptions {
    /// Checks what can be checked without data.
    ///
    /// # Errors
    ///
    /// `k`, `restarts` or `rounds` is 0.
    pub fn check(self) -> Result<KMeansConfig> {
        for (name, value) in [
            ("number of clusters", self.k),
            ("number of restarts", self.restarts),
            ("number of rounds", self.rounds),
        ] {
            ensure!(value > 0, "the {name} is 0; give at least 1");
        }
        Ok(KMeansConfig(self))
    }
}

impl KMeansConfig {
    /// The options that were checked.
    #[must_use]
    pub fn options(&self) -> &KMeansOptions {
        &self.0
    }
}

/// Fits centroids to the rows of a table; `progress` is called after each restart.
///
/// # Errors
///
/// Fewer (distinct) rows than centroids; the training device fails.
pub fn fit(
    config: &KMeansConfig,
    data: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<KMeansModel> {
    let options = config.options();
    ensure!(
        options.k <= data.rows(),
        "{} has {} rows, too few for {} clusters; give more rows or ask for fewer clusters",
        data.source(),
        data.rows(),
        options.k
    );
    let rows = Rows::new(data, &device.device);
    let mut best: Option<KMeansModel> = None;
    for restart in 0..options.restarts {
        let mut generator = generator(options.seed, restart as u64);
        let seeds = match options.seeding {
            Seeding::PlusPlus => seed_plus_plus(&rows, options.k, &mut generator)?,
            Seeding::Random => seed_random(&rows, options.k, &mut generator),
        };
        let candidate = lloyd(&rows, seeds, options)?;
        if best.as_ref().is_none_or(|best| candidate.inertia < best.inertia) {
            best = Some(candidate);
        }
        progress(Progress {
            step: restart + 1,
            steps: options.restarts,
            loss: best.as_ref().map_or(f64::NAN, |best| best.inertia) / rows.count as f64,
        });
    }
    let mut best = best.context("k-means ran no restart; give at least 1")?;
    for centroid in best.centroids.chunks_exact_mut(rows.width) {
        for (value, mean) in centroid.iter_mut().zip(&rows.mean) {
            *value = (f64::from(*value) + mean) as f32;
        }
    }
    Ok(best)
}

/// The rows with their common mean subtracted, on the host and on the device. Centring keeps
/// `|c|^2 - 2 x.c` from losing digits to a common offset.
struct Rows {
    centred: Vec<f32>,
    mean: Vec<f64>,
    blocks: Vec<Tensor<2>>,
    device: Device,
    count: usize,
    width: usize,
    source: String,
}

impl Rows {
    fn new(data: &Table, device: &Device) -> Self {
        let (centred, mean) = super::centre(data);
        Self {
            blocks: tensors::upload_blocks(&centred, data.width(), device),
            centred,
            mean,
            device: device.clone(),
            count: data.rows(),
            width: data.width(),
            source: data.source().to_owned(),
        }
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.centred[index * self.width..][..self.width]
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum()
}

fn seed_plus_plus(rows: &Rows, k: usize, generator: &mut ChaCha8Rng) -> Result<Vec<usize>> {
    let mut seeds = vec![generator.random_range(0..rows.count)];
    let mut nearest = vec![f64::INFINITY; rows.count];
    while seeds.len() < k {
        let newest = rows.row(seeds[seeds.len() - 1]);
        for (index, nearest) in nearest.iter_mut().enumerate() {
            *nearest = nearest.min(squared_distance(rows.row(index), newest));
        }
        let total: f64 = nearest.iter().sum();
        ensure!(
            total > 0.0,
            "{} has only {} distinct rows, too few for {k} clusters; ask for fewer clusters",
            rows.source,
            seeds.len()
        );
        let mut left = generator.random::<f64>() * total;
        let drawn = nearest.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        // Rounding may leave a crumb behind the last row: then the furthest row is as good as any.
        seeds.push(drawn.unwrap_or_else(|| furthest(&nearest)));
    }
    Ok(seeds)
}

fn seed_random(rows: &Rows, k: usize, generator: &mut ChaCha8Rng) -> Vec<usize> {
    rand::seq::index::sample(generator, rows.count, k).into_vec()
}

fn furthest(distances: &[f64]) -> usize {
    distances
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(index, _)| index)
}

/// Assigns and updates until no row changes sides. The centroids returned are still centred.
fn lloyd(rows: &Rows, seeds: Vec<usize>, options: &KMeansOptions) -> Result<KMeansModel> {
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
    use super::*;
    use crate::{data::digits, oracle, train::random::normal};

    fn fit_quietly(options: KMeansOptions, data: &Table) -> Result<KMeansModel> {
        fit(
            &options.check()?,
            data,
            &TrainingDevice::cpu(),
            &mut |_| {},
        )
    }

    /// Blobs of 50 rows around (0, 0), (100, 0), (0, 100), ... on a far-away origin.
    fn blobs(count: usize) -> Table {
        let mut generator = generator(11, 0);
        let values = (0..count * 50)
            .flat_map(|row| {
                let (x, y) = ((row % count % 3) as f32, (row % count / 3) as f32);
                [
                    5000.0 + 100.0 * x + normal(&mut generator),
                    100.0 * y + normal(&mut generator),
                ]
            })
            .collect();
        Table::new("blobs", Table::numbered_columns(2), values).unwrap()
    }

    #[test]
    fn separated_blobs_are_found() {
        let data = blobs(6);
        for seeding in [Seeding::PlusPlus, Seeding::Random] {
            let options = KMeansOptions {
                k: 6,
                seeding,
                ..KMeansOptions::default()
            };
            let model = fit_quietly(options, &data).unwrap();
            // 300 rows of variance 1 in two columns, less the 12 fitted means: expect 588, sd about 34.
            assert!((450.0..730.0).contains(&model.inertia), "{}", model.inertia);
            for (x, y) in (0..6).map(|n| (5000.0 + 100.0 * (n % 3) as f32, 100.0 * (n / 3) as f32)) {
                let near = |c: &[f32]| (c[0] - x).hypot(c[1] - y) < 1.0;
                assert_eq!(model.centroids.chunks(2).filter(|c| near(c)).count(), 1);
            }
        }
    }

    #[test]
    fn inertia_agrees_with_the_oracle_and_centroids_are_means() {
        let data = digits().unwrap();
        let options = KMeansOptions {
            k: 10,
            restarts: 1,
            ..KMeansOptions::default()
        };
        let model = fit_quietly(options, &data).unwrap();
        let centroids: Vec<f64> = model.centroids.iter().map(|&c| f64::from(c)).collect();
        let mut inertia = 0.0;
        let mut sums = vec![0.0; centroids.len()];
        let mut counts = [0.0; 10];
        for row in data.iter_rows() {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let nearest = oracle::nearest(&centroids, &row);
            inertia += nearest.squared_distance;
            counts[nearest.index] += 1.0;
            for (sum, x) in sums[nearest.index * 64..][..64].iter_mut().zip(&row) {
                *sum += x;
            }
        }
        assert!((inertia / model.inertia - 1.0).abs() < 1e-6);
        for (at, (sum, centroid)) in sums.iter().zip(&centroids).enumerate() {
            assert!((sum / counts[at / 64] - centroid).abs() < 1e-4);
        }
    }

    #[test]
    fn digits_reach_the_reference_inertia() {
        let data = digits().unwrap();
        let options = KMeansOptions {
            k: 10,
            ..KMeansOptions::default()
        };
        let model = fit_quietly(options, &data).unwrap();
        let per_row = model.inertia / data.rows() as f64;
        // Best of 20 in reference runs: 648.4.
        assert!(per_row <= 650.0, "{per_row}");
    }

    #[test]
    fn a_seed_fixes_the_result_to_the_last_bit() {
        let data = digits().unwrap();
        let options = KMeansOptions {
            k: 7,
            restarts: 2,
            seed: 3,
            ..KMeansOptions::default()
        };
        let once = fit_quietly(options.clone(), &data).unwrap();
        assert_eq!(once, fit_quietly(options.clone(), &data).unwrap());
        let other = KMeansOptions { seed: 4, ..options };
        assert_ne!(once.centroids, fit_quietly(other, &data).unwrap().centroids);
    }

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

    #[test]
    fn impossible_requests_are_one_clear_sentence() {
        let columns = Table::numbered_columns(1);
        let data = Table::new("made.csv", columns, vec![0.0, 0.0, 1.0, 0.0]).unwrap();
        let message = |k, restarts| {
            let options = KMeansOptions {
                k,
                restarts,
                ..KMeansOptions::default()
            };
            fit_quietly(options, &data).unwrap_err().to_string()
        };
        assert_eq!(message(0, 1), "the number of clusters is 0; give at least 1");
        assert_eq!(message(2, 0), "the number of restarts is 0; give at least 1");
        assert_eq!(
            message(5, 1),
            "made.csv has 4 rows, too few for 5 clusters; give more rows or ask for fewer clusters"
        );
        assert_eq!(
            message(3, 1),
            "made.csv has only 2 distinct rows, too few for 3 clusters; ask for fewer clusters"
        );
    }
}
