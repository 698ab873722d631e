//! k-means by Lloyd's algorithm, seeded by k-means++ or at random, best of several restarts; for three
//! metrics, each with the centroid that minimises it.
//!
//! | [`Metric`] | what a row costs | centroid |
//! |---|---|---|
//! | `L2` | `sum_j (x_j - c_j)^2` | mean |
//! | `L1` | `sum_j abs(x_j - c_j)` | median, column by column (k-medians) |
//! | `Cosine` | `1 - x.c / (abs(x) abs(c))` | mean of the rows scaled to length one, itself scaled to length one (spherical k-means) |
//!
//! Assignment, where the work is, is tensor operations on the training device, and choices too close for f32
//! are made again in f64; centroids, seeding and the inertia that restarts are compared by are computed on
//! the host in f64.
//! [`fit_minibatch`] takes rows in blocks and never holds all of them.
//!
//! **Empty clusters.** A centroid that no row is nearest to moves to the row that costs most under its own
//! centroid; several empty ones take the dearest rows in turn.
//!
//! **Rows of zeros** have no direction: under the cosine they cost 1 wherever the centroids are, and move
//! none of them.
//!
//! D. Arthur and S. Vassilvitskii, *k-means++: the advantages of careful seeding*, SODA 2007 (for costs
//! other than the square see its section 5). I. Dhillon and D. Modha, *Concept decompositions for large
//! sparse text data using clustering*, Machine Learning 42, 2001 (cosine).

mod assign;
mod lloyd;
mod metric;
mod minibatch;
mod rows;
mod seeding;

use anyhow::{Context, Result, ensure};

use self::{
    lloyd::lloyd,
    rows::{Rows, offset, prepare},
};
use super::{
    Progress,
    device::TrainingDevice,
    distinct::DistinctRows,
    model::{KMeansModel, Metric},
    random::generator,
};
use crate::data::Table;

pub use minibatch::fit_minibatch;

/// How the first centroids are chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seeding {
    /// k-means++: each next row with probability proportional to what it costs under those chosen so far
    /// (one draw a centroid, no greedy trials).
    #[default]
    PlusPlus,
    /// Rows drawn uniformly, none twice.
    Random,
    /// These: `k` rows in the units of the data. There is but one restart then.
    Given(Vec<f32>),
}

/// What to fit; [`KMeansOptions::check`] makes it a [`KMeansConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansOptions {
    /// Number of centroids.
    pub k: usize,
    /// What is minimised.
    pub metric: Metric,
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
            metric: Metric::L2,
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
    /// `k`, `restarts` or `rounds` is 0; a given centroid that is not finite.
    pub fn check(self) -> Result<KMeansConfig> {
        for (name, value) in [
            ("number of clusters", self.k),
            ("number of restarts", self.restarts),
            ("number of rounds", self.rounds),
        ] {
            ensure!(value > 0, "the {name} is 0; give at least 1");
        }
        if let Seeding::Given(given) = &self.seeding {
            ensure!(
                given.iter().all(|value| value.is_finite()),
                "a given centroid holds a value that is not a finite number"
            );
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
/// Fewer (distinct) rows than centroids; given centroids of another shape; the training device fails.
pub fn fit(
    config: &KMeansConfig,
    data: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<KMeansModel> {
    let fitted = fit_prepared(config, data, device, progress)?;
    Ok(finish(fitted.model, &fitted.offset))
}

/// Checks that a table has `wanted` rows that differ, for as many `parts`, before any are fitted.
///
/// # Errors
///
/// There are fewer, with their number.
pub(super) fn check_distinct(data: &Table, wanted: usize, parts: &str) -> Result<()> {
    let mut distinct = Distinct::new(Metric::L2, wanted);
    distinct.add(data);
    distinct.check(data.source(), parts)
}

/// Rows that a metric tells apart.
struct Distinct {
    metric: Metric,
    rows: DistinctRows,
}

impl Distinct {
    fn new(metric: Metric, wanted: usize) -> Self {
        Self {
            metric,
            rows: DistinctRows::up_to(wanted),
        }
    }

    fn add(&mut self, data: &Table) {
        for row in data.iter_rows() {
            match self.metric {
                Metric::Cosine => self.rows.add_direction(row),
                Metric::L1 | Metric::L2 => self.rows.add(row.iter().map(|&x| f64::from(x))),
            }
        }
    }

    fn check(&self, source: &str, parts: &str) -> Result<()> {
        let differing = match self.metric {
            Metric::Cosine => "distinct directions",
            Metric::L1 | Metric::L2 => "distinct ones",
        };
        self.rows.check(source, differing, parts)
    }
}

/// A model whose centroids are still relative to an offset.
struct Fitted {
    model: KMeansModel,
    offset: Vec<f64>,
}

fn fit_prepared(
    config: &KMeansConfig,
    data: &Table,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fitted> {
    let options = config.options();
    let metric = options.metric;
    let mut distinct = Distinct::new(metric, options.k);
    distinct.add(data);
    distinct.check(data.source(), "clusters")?;
    let rows = Rows::new(metric, data, offset(metric, data), &device.device);
    let restarts = match &options.seeding {
        Seeding::Given(_) => 1,
        _ => options.restarts,
    };
    let mut best: Option<KMeansModel> = None;
    for restart in 0..restarts {
        let mut generator = generator(options.seed, restart as u64);
        let start = match &options.seeding {
            Seeding::PlusPlus => seeding::plus_plus(&rows, options.k, &mut generator)?,
            Seeding::Random => seeding::random(&rows, options.k, &mut generator),
            Seeding::Given(given) => {
                check_given(given, options.k, data)?;
                prepare(metric, given, &rows.offset)
            }
        };
        let candidate = lloyd(&rows, start, options.rounds)?;
        if best
            .as_ref()
            .is_none_or(|best| candidate.inertia < best.inertia)
        {
            best = Some(candidate);
        }
        progress(Progress {
            step: restart + 1,
            steps: restarts,
            loss: best.as_ref().map_or(f64::NAN, |best| best.inertia) / rows.count as f64,
        });
    }
    Ok(Fitted {
        model: best.context("k-means ran no restart; give at least 1")?,
        offset: rows.offset,
    })
}

fn check_given(given: &[f32], k: usize, data: &Table) -> Result<()> {
    ensure!(
        given.len() == k * data.width(),
        "{} values were given as first centroids, but {k} rows of {} columns are {}; give {k} rows as wide as {}",
        given.len(),
        data.width(),
        k * data.width(),
        data.source()
    );
    Ok(())
}

/// Puts the offset back.
fn finish(mut model: KMeansModel, offset: &[f64]) -> KMeansModel {
    for centroid in model.centroids.chunks_exact_mut(offset.len()) {
        for (value, offset) in centroid.iter_mut().zip(offset) {
            *value = (f64::from(*value) + offset) as f32;
        }
    }
    model
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

    fn oracle_metric(metric: Metric) -> oracle::Metric {
        match metric {
            Metric::L2 => oracle::Metric::SquaredEuclidean,
            Metric::L1 => oracle::Metric::Manhattan,
            Metric::Cosine => oracle::Metric::Cosine,
        }
    }

    /// Columns of very different spread with long tails, most values 0: word frequencies and run lengths.
    fn skewed(rows: usize) -> Table {
        let mut generator = generator(3, 0);
        let values = (0..rows)
            .flat_map(|_| {
                let draw: [f32; 6] = std::array::from_fn(|_| normal(&mut generator));
                [
                    draw[0].max(0.0),
                    (draw[1] - 1.0).max(0.0) * 3.0,
                    (2.0 * draw[2]).exp(),
                    (1.5 * draw[3] + 3.0).exp(),
                    (1.5 * draw[3] + 0.5 * draw[4] + 4.5).exp().round(),
                    draw[5].abs(),
                ]
            })
            .collect();
        Table::new("skewed", Table::numbered_columns(6), values).unwrap()
    }

    #[test]
    fn lloyd_ends_where_the_oracle_ends_from_the_same_start() {
        for (data, k) in [(digits().unwrap(), 10), (skewed(2000), 12)] {
            let rows: Vec<f64> = data.values().iter().map(|&x| f64::from(x)).collect();
            for metric in [Metric::L2, Metric::L1, Metric::Cosine] {
                let step = data.rows() / k;
                let start: Vec<f32> = (0..k)
                    .flat_map(|at| data.row(at * step).unwrap().to_vec())
                    .collect();
                let wide: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
                let expected =
                    oracle::lloyd(oracle_metric(metric), &rows, data.width(), &wide, 1000);
                let options = KMeansOptions {
                    k,
                    metric,
                    seeding: Seeding::Given(start),
                    rounds: 1000,
                    ..KMeansOptions::default()
                };
                let model = fit_quietly(options, &data).unwrap();
                let ratio = model.inertia / expected.inertia;
                assert!(
                    (ratio - 1.0).abs() < 1e-4,
                    "{} {metric}: {ratio} after {} and {} rounds",
                    data.source(),
                    model.rounds,
                    expected.rounds
                );
            }
        }
    }

    #[test]
    fn each_metric_finds_the_clusters_that_only_it_sees() {
        // Rows of three directions and any length: the cosine alone tells them apart.
        let mut generator = generator(9, 0);
        let values = (0..300)
            .flat_map(|row| {
                let length = 1.0 + 50.0 * normal(&mut generator).abs();
                let mut direction = [0.05; 3].map(|s: f32| s * normal(&mut generator));
                direction[row % 3] += 1.0;
                direction.map(|x| x * length)
            })
            .collect();
        let data = Table::new("made", Table::numbered_columns(3), values).unwrap();
        let options = KMeansOptions {
            k: 3,
            metric: Metric::Cosine,
            ..KMeansOptions::default()
        };
        let model = fit_quietly(options, &data).unwrap();
        for axis in 0..3 {
            let near = |c: &[f32]| c[axis] > 0.99;
            assert_eq!(model.centroids.chunks(3).filter(|c| near(c)).count(), 1);
        }
        // A fifth of the rows lie far off: medians stay in the middle of the rest.
        let values = (0..500)
            .map(|row| {
                if row % 5 == 0 {
                    1e4
                } else {
                    normal(&mut generator)
                }
            })
            .collect();
        let data = Table::new("made", Table::numbered_columns(1), values).unwrap();
        let options = KMeansOptions {
            k: 1,
            metric: Metric::L1,
            ..KMeansOptions::default()
        };
        let model = fit_quietly(options, &data).unwrap();
        assert!(model.centroids[0].abs() < 1.0, "{}", model.centroids[0]);
    }

    #[test]
    fn rows_without_direction_cost_one_and_move_nothing() {
        let values = vec![0.0, 0.0, 2.0, 0.0, 5.0, 0.0, 0.0, 1.0];
        let data = Table::new("made", Table::numbered_columns(2), values).unwrap();
        let options = KMeansOptions {
            k: 2,
            metric: Metric::Cosine,
            seeding: Seeding::Given(vec![1.0, 0.1, 0.1, 1.0]),
            ..KMeansOptions::default()
        };
        let model = fit_quietly(options, &data).unwrap();
        assert_eq!(model.centroids, [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(model.inertia, 1.0);
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
    fn too_few_distinct_rows_are_refused_alike_however_they_are_clustered() {
        let values: Vec<f32> = (0..40).flat_map(|at| [1.0, (at % 5) as f32]).collect();
        let data = Table::new("made.csv", Table::numbered_columns(2), values).unwrap();
        for metric in [Metric::L2, Metric::L1, Metric::Cosine] {
            let what = match metric {
                Metric::Cosine => "distinct directions",
                _ => "distinct ones",
            };
            let expected = |k| {
                format!(
                    "made.csv: the 40 rows to train on are 5 {what}, too few for {k} clusters; ask for at most 5"
                )
            };
            for seeding in [Seeding::PlusPlus, Seeding::Random] {
                let options = |k| KMeansOptions {
                    k,
                    metric,
                    seeding: seeding.clone(),
                    ..KMeansOptions::default()
                };
                let device = TrainingDevice::cpu();
                for k in [6, 41] {
                    let whole = fit_quietly(options(k), &data).unwrap_err();
                    assert_eq!(whole.to_string(), expected(k));
                    let config = options(k).check().unwrap();
                    let blocks =
                        fit_minibatch(&config, &mut data.chunks(7), 2, &device, &mut |_| {});
                    assert_eq!(blocks.unwrap_err().to_string(), expected(k));
                }
                // As many as there are: each is a centroid.
                let model = fit_quietly(options(5), &data).unwrap();
                assert!(model.inertia < 1e-6, "{metric}: {}", model.inertia);
            }
        }
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
        let given = KMeansOptions {
            k: 2,
            seeding: Seeding::Given(vec![1.0; 3]),
            ..KMeansOptions::default()
        };
        assert_eq!(
            fit_quietly(given, &data).unwrap_err().to_string(),
            "3 values were given as first centroids, but 2 rows of 1 columns are 2; give 2 rows as wide as made.csv"
        );
        assert_eq!(
            message(5, 1),
            "made.csv: the 4 rows to train on are 2 distinct ones, too few for 5 clusters; ask for at most 2"
        );
        assert_eq!(
            message(3, 1),
            "made.csv: the 4 rows to train on are 2 distinct ones, too few for 3 clusters; ask for at most 2"
        );
    }
}
