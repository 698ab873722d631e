//! Mini-batch k-means: one block of rows at a time, for data larger than memory.
//!
//! D. Sculley, *Web-scale k-means clustering*, WWW 2010: each centroid counts the rows that it was ever
//! given, and each new row moves it by one part in that count. Within a block the centroids that rows are
//! assigned by stay fixed, so that moving row by row comes to one step for the block:
//! `c += (mean of its rows in the block - c) n / (N + n)`.
//!
//! For L1 the mean is the median of the block's rows, for the cosine the step is taken on unit rows and
//! the centroid scaled back to length one. The paper has neither. A mean of medians is no median: for L1
//! blocks should hold many rows of every cluster.

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    Distinct, KMeansConfig, Seeding,
    assign::{assign, sums},
    check_given, finish,
    lloyd::{count, medians},
    metric::normalise,
    rows::{Rows, offset, prepare},
};
use crate::{
    data::{Chunks, Table, for_each_chunk},
    train::{
        Progress,
        device::TrainingDevice,
        model::{KMeansModel, Metric},
        random::generator,
    },
};

/// Rows that the first centroids are found on: drawn from the whole data, each row as likely as another.
const SAMPLE_ROWS: usize = 16_384;

/// The stream of the sample; no restart reaches it.
const SAMPLE_STREAM: u64 = u64::MAX;

/// Fits centroids to rows that come in blocks; only one block, and a sample of at most 16,384 rows, is held
/// in memory. `progress` is called after each pass.
///
/// The first centroids are the best that [`fit`](super::fit) finds on the sample with the same options
/// (unless they are given), so that a file sorted by something starts no worse than a shuffled one. Then
/// follow `passes` through all blocks in their order, and a last one to measure. Rows should not be sorted
/// all the same: the last blocks move the centroids least.
///
/// # Errors
///
/// `passes` is 0; fewer (distinct) rows than centroids; the chunks cannot be read; the training device
/// fails.
pub fn fit_minibatch(
    config: &KMeansConfig,
    chunks: &mut dyn Chunks,
    passes: usize,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<KMeansModel> {
    let options = config.options();
    ensure!(passes > 0, "the number of passes is 0; give at least 1");
    let metric = options.metric;
    let mut distinct = Distinct::new(metric, options.k);
    let mut draw = generator(options.seed, SAMPLE_STREAM);
    let sample = sample(chunks, &mut draw, &mut |chunk| distinct.add(chunk))?;
    distinct.check(chunks.source(), "clusters")?;
    let (offset, start) = match &options.seeding {
        Seeding::Given(given) => {
            check_given(given, options.k, &sample)?;
            let offset = offset(metric, &sample);
            let start = prepare(metric, given, &offset);
            (offset, start)
        }
        _ => {
            let start = super::fit_prepared(config, &sample, device, &mut |_| {})?;
            (start.offset, start.model.centroids)
        }
    };
    let mut centroids = MovingCentroids {
        width: offset.len(),
        counts: vec![0.0; options.k],
        values: start,
    };
    for pass in 0..passes {
        let mut cost = 0.0;
        let rows = for_each_chunk(chunks, |chunk| {
            let rows = Rows::new(metric, chunk, offset.clone(), &device.device);
            cost += centroids.step(&rows)?;
            Ok(())
        })?;
        progress(Progress {
            step: pass + 1,
            steps: passes,
            loss: cost / rows as f64,
        });
    }
    let mut inertia = 0.0;
    for_each_chunk(chunks, |chunk| {
        let rows = Rows::new(metric, chunk, offset.clone(), &device.device);
        let assigned = assign(&rows, &centroids.values)?;
        inertia += rows.costs(&assigned, &centroids.values).sum::<f64>();
        Ok(())
    })?;
    Ok(finish(
        KMeansModel {
            metric,
            k: options.k,
            d: offset.len(),
            centroids: centroids.values,
            inertia,
            rounds: passes,
        },
        &offset,
    ))
}

/// Centroids and how many rows each was given.
struct MovingCentroids {
    width: usize,
    values: Vec<f32>,
    counts: Vec<f64>,
}

impl MovingCentroids {
    /// Moves the centroids by one block; returns what the block cost before.
    fn step(&mut self, rows: &Rows) -> Result<f64> {
        let assigned = assign(rows, &self.values)?;
        let counts = count(&assigned, self.counts.len());
        let centres: Vec<f64> = if rows.metric == Metric::L1 {
            medians(rows, &assigned)
                .take(counts.len())
                .flat_map(|medians| medians.unwrap_or_else(|| vec![0.0; self.width]))
                .map(f64::from)
                .collect()
        } else {
            let mut sums = sums(rows, &assigned, counts.len());
            for (sums, &count) in sums.chunks_exact_mut(self.width).zip(&counts) {
                sums.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
            }
            sums
        };
        let cost = rows.costs(&assigned, &self.values).sum();
        let places = self
            .values
            .chunks_exact_mut(self.width)
            .zip(&mut self.counts)
            .zip(centres.chunks_exact(self.width).zip(counts));
        for ((centroid, total), (centre, count)) in places.filter(|(_, (_, count))| *count > 0) {
            *total += count as f64;
            let rate = count as f64 / *total;
            for (value, centre) in centroid.iter_mut().zip(centre) {
                let old = f64::from(*value);
                *value = (old + rate * (centre - old)) as f32;
            }
            if rows.metric == Metric::Cosine {
                normalise(centroid);
            }
        }
        Ok(cost)
    }
}

/// At most [`SAMPLE_ROWS`] rows, drawn uniformly in one pass (J. Vitter, *Random sampling with a
/// reservoir*, ACM Transactions on Mathematical Software 11, 1985, algorithm R); `each` sees every chunk.
fn sample(
    chunks: &mut dyn Chunks,
    generator: &mut ChaCha8Rng,
    each: &mut dyn FnMut(&Table),
) -> Result<Table> {
    let mut kept: Vec<f32> = Vec::new();
    let mut seen = 0;
    for_each_chunk(chunks, |chunk| {
        let width = chunk.width();
        each(chunk);
        for row in chunk.iter_rows() {
            if seen < SAMPLE_ROWS {
                kept.extend_from_slice(row);
            } else {
                let place = generator.random_range(0..=seen);
                if place < SAMPLE_ROWS {
                    kept[place * width..][..width].copy_from_slice(row);
                }
            }
            seen += 1;
        }
        Ok(())
    })?;
    Table::new(chunks.source(), chunks.columns().to_vec(), kept)
        .context("no sample of the rows could be drawn")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::digits,
        train::kmeans::{KMeansOptions, fit},
    };

    fn options(k: usize, metric: Metric) -> KMeansConfig {
        KMeansOptions {
            k,
            metric,
            restarts: 3,
            ..KMeansOptions::default()
        }
        .check()
        .unwrap()
    }

    #[test]
    fn blocks_come_close_to_the_whole() {
        let data = digits().unwrap();
        for metric in [Metric::L2, Metric::L1, Metric::Cosine] {
            let config = options(10, metric);
            let device = TrainingDevice::cpu();
            let whole = fit(&config, &data, &device, &mut |_| {}).unwrap();
            let mut losses = Vec::new();
            let model = fit_minibatch(&config, &mut data.chunks(100), 4, &device, &mut |p| {
                losses.push(p.loss);
            })
            .unwrap();
            let ratio = model.inertia / whole.inertia;
            // Medians of ten rows or so, averaged, are not the median of all: L1 pays a little more.
            let most = if metric == Metric::L1 { 1.04 } else { 1.02 };
            assert!((0.98..most).contains(&ratio), "{metric}: {ratio}");
            assert_eq!(losses.len(), 4);
        }
    }

    #[test]
    fn one_pass_from_a_poor_start_improves_it() {
        // Given centroids skip the sample, so that what is measured is the mini-batch rule alone.
        let data = digits().unwrap();
        let config = KMeansOptions {
            k: 10,
            seeding: Seeding::Given(data.values()[..640].to_vec()),
            ..KMeansOptions::default()
        }
        .check()
        .unwrap();
        let device = TrainingDevice::cpu();
        let model = fit_minibatch(&config, &mut data.chunks(64), 5, &device, &mut |_| {}).unwrap();
        let per_row = model.inertia / data.rows() as f64;
        // The rows themselves as centroids leave 1000 or so, Lloyd's algorithm 648 to 680.
        assert!((640.0..720.0).contains(&per_row), "{per_row}");
    }

    #[test]
    fn one_block_of_everything_is_one_round_of_lloyd() {
        let data = digits().unwrap();
        let options = KMeansOptions {
            k: 10,
            rounds: 1,
            seeding: Seeding::Given(data.values()[..640].to_vec()),
            ..KMeansOptions::default()
        };
        let device = TrainingDevice::cpu();
        for metric in [Metric::L2, Metric::L1, Metric::Cosine] {
            let config = KMeansOptions {
                metric,
                ..options.clone()
            }
            .check()
            .unwrap();
            let lloyd = fit(&config, &data, &device, &mut |_| {}).unwrap();
            let batch =
                fit_minibatch(&config, &mut data.chunks(5000), 1, &device, &mut |_| {}).unwrap();
            for (a, b) in lloyd.centroids.iter().zip(&batch.centroids) {
                assert!((a - b).abs() < 1e-5, "{metric}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_sample_draws_every_row_equally_often() {
        let rows = 4 * SAMPLE_ROWS;
        let values = (0..rows).map(|n| n as f32).collect();
        let data = Table::new("made", Table::numbered_columns(1), values).unwrap();
        let drawn = sample(&mut data.chunks(1000), &mut generator(1, 0), &mut |_| {}).unwrap();
        assert_eq!(drawn.rows(), SAMPLE_ROWS);
        let mut quarters = [0_usize; 4];
        for row in drawn.iter_rows() {
            quarters[row[0] as usize / SAMPLE_ROWS] += 1;
        }
        // Hypergeometric: expect 4096 with a standard deviation of 48.
        assert!(
            quarters.iter().all(|count| count.abs_diff(4096) < 200),
            "{quarters:?}"
        );
    }

    #[test]
    fn impossible_requests_are_one_clear_sentence() {
        let data = Table::new("made.csv", Table::numbered_columns(1), vec![0.0, 1.0]).unwrap();
        let device = TrainingDevice::cpu();
        let message = |k, passes| {
            fit_minibatch(
                &options(k, Metric::L2),
                &mut data.chunks(1),
                passes,
                &device,
                &mut |_| {},
            )
            .unwrap_err()
            .to_string()
        };
        assert_eq!(message(1, 0), "the number of passes is 0; give at least 1");
        assert_eq!(
            message(3, 1),
            "made.csv: the 2 rows to train on are 2 distinct ones, too few for 3 clusters; ask for at most 2"
        );
    }
}
