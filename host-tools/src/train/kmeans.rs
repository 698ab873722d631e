//! k-means by Lloyd's algorithm, seeded by k-means++ or at random, best of several restarts.
//!
//! Assignment and sums are tensor operations on the training device; seeding, which is sequential, and
//! the inertia that restarts are compared by are computed on the host in f64.
//!
//! **Empty clusters.** A centroid that no row is nearest to moves to the row that lies furthest from its
//! own centroid; several empty ones take the furthest rows in turn.
//!
//! D. Arthur and S. Vassilvitskii, *k-means++: the advantages of careful seeding*, SODA 2007.

mod lloyd;
mod rows;
mod seeding;

use anyhow::{Context, Result, ensure};

use self::{lloyd::lloyd, rows::Rows};
use super::{Progress, device::TrainingDevice, model::KMeansModel, random::generator};
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
            Seeding::PlusPlus => seeding::plus_plus(&rows, options.k, &mut generator)?,
            Seeding::Random => seeding::random(&rows, options.k, &mut generator),
        };
        let candidate = lloyd(&rows, seeds, options)?;
        if best
            .as_ref()
            .is_none_or(|best| candidate.inertia < best.inertia)
        {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::digits, oracle, train::random::normal};

    fn fit_quietly(options: KMeansOptions, data: &Table) -> Result<KMeansModel> {
        fit(&options.check()?, data, &TrainingDevice::cpu(), &mut |_| {})
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
            for (x, y) in (0..6).map(|n| (5000.0 + 100.0 * (n % 3) as f32, 100.0 * (n / 3) as f32))
            {
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
        assert_eq!(
            message(0, 1),
            "the number of clusters is 0; give at least 1"
        );
        assert_eq!(
            message(2, 0),
            "the number of restarts is 0; give at least 1"
        );
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
