//! Score networks of the bundled digits: what they take away of noise, what they draw, what they fill in.

use anyhow::{Context, Result};
use autodidact::kernels::Order;
use autodidact::model::Model;
use autodidact::rng::Generator;
use autodidact::score::{Inpainting, Schedule};
use rayon::prelude::*;
use serde::Serialize;

use crate::data::{self, Scaling, Split, Standardiser, Table};
use crate::evaluate::{NOISE_SEED, Units};
use crate::generated::{Moments, frechet_distance};
use crate::oracle::{self, Projection};
use crate::quantize::{self, AlignedBytes, FEATURE_UNIT, OpError, Precision, QuantisedModel};
use crate::sampler::{Sampler, in_data_units, note_schedule, schedule, score_network};
use crate::train::Progress;
use crate::train::device::TrainingDevice;
use crate::train::model::{NoiseLevels, ScoreModel, sample_generator};
use crate::train::pca::{self, PcaOptions};
use crate::train::random::{generator, normal};
use crate::train::score::{self, ScoreOptions};

/// Pixels a row of a digit.
pub const SIDE: usize = 8;

/// Smallest noise level of the digits, pixels being 0..=1.
pub const SMALLEST: f64 = 0.05;

/// Steps of the walk at each level.
pub const WALK_STEPS: u16 = 5;

/// Mean squared error of the best linear guess of a digit's right half.
pub const LINEAR_INPAINTING: f64 = 0.0566;

/// Principal components that samples are compared in.
const COMPONENTS: usize = 16;

/// Rows that noise is taken away from, if there are more.
const DENOISED: usize = 500;

/// The stream of held-out noise; one more for every level.
const NOISE_STREAM: u64 = 4000;

/// Images in data units of 0..=1, split, with a score network trained on them and its container.
#[derive(Debug)]
pub struct ScoreImages {
    /// Rows that training saw.
    pub training: Table,
    /// Rows that it did not.
    pub held_out: Table,
    /// Data units to features.
    pub standardiser: Standardiser,
    /// In f32.
    pub model: ScoreModel,
    /// In integers.
    pub container: AlignedBytes,
    /// What rounding does, operation by operation.
    pub errors: Vec<OpError>,
}

impl ScoreImages {
    /// The bundled digits, with the tool's default options as `change` changes them.
    ///
    /// # Errors
    ///
    /// Options that are no good; none that the bundled data leads to.
    pub fn digits(
        change: &dyn Fn(ScoreOptions) -> ScoreOptions,
        device: &TrainingDevice,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        let split = data::digits()?
            .scaled(1.0 / data::DIGIT_MAX)?
            .split_held_out()?;
        let options = |levels: NoiseLevels| Ok(change(ScoreOptions::new(levels.consistent())));
        Self::train(
            split,
            SIDE,
            (SMALLEST, WALK_STEPS),
            &options,
            device,
            progress,
        )
    }

    /// Trains and quantises for images `side` pixels wide. The levels of NCSNv2's rules go down to a standard
    /// deviation in data units, with so many steps each; `options` makes of them what is to be trained.
    ///
    /// # Errors
    ///
    /// Options that are no good; training or quantisation fails.
    pub fn train(
        split: Split,
        side: usize,
        (smallest, steps): (f64, u16),
        options: &dyn Fn(NoiseLevels) -> Result<ScoreOptions>,
        device: &TrainingDevice,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        let standardiser = Scaling::Uniform.fit(&split.training)?;
        let features = standardiser.transform(&split.training)?;
        let smallest = smallest / standardiser.std[0];
        let options = options(NoiseLevels::by_rule(&features, smallest, steps)?)?;
        let image = [features.width() / side, side];
        let model = score::fit(&options.check()?, &features, Some(image), device, progress)?;
        let (part, errors) = quantize::score(&model, &features, Precision::default())?;
        let mut container = QuantisedModel::new(&standardiser, split.training.columns())?;
        note_schedule(&mut container, &model.levels);
        container.parts.push(("score".into(), part));
        Ok(Self {
            container: container.encode(Order::RowMajor)?,
            training: split.training,
            held_out: split.held_out,
            standardiser,
            model,
            errors,
        })
    }
}

/// How well noise of one level is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Denoising {
    /// Standard deviation of the noise in features.
    pub sigma: f64,
    /// In data units, where all columns have one.
    pub sigma_data: f64,
    /// Peak signal-to-noise ratio of the f32 network's clean estimates, in decibels.
    pub f32_db: f64,
    /// That of the device's.
    pub device_db: f64,
}

/// Denoises rows of `table` (data units; 500 or so of more) at every level, noise from the fixed seed, by the f32 network and by the
/// container's.
///
/// # Errors
///
/// The table or the network do not fit the container.
pub fn denoising(
    float: &ScoreModel,
    container: &Model<'_>,
    table: &Table,
) -> Result<Vec<Denoising>> {
    let units = Units::of(container)?;
    let mut device = Sampler::new(score_network(container)?, schedule(container)?);
    let table = &every(table, DENOISED)?;
    let peak = units.peak();
    let reference: Vec<f64> = table.values().iter().map(|&x| f64::from(x)).collect();
    let width = table.width();
    let all = |features: &[f64]| -> Vec<f64> {
        features
            .chunks_exact(width)
            .flat_map(|row| units.data(row))
            .collect()
    };
    (0u16..)
        .zip(&float.levels.sigmas)
        .map(|(level, &sigma)| {
            let mut noise = generator(NOISE_SEED, NOISE_STREAM + u64::from(level));
            let noisy: Vec<f64> = table
                .iter_rows()
                .flat_map(|row| units.features(row))
                .map(|y| y + sigma * f64::from(normal(&mut noise)))
                .collect();
            let clean = float.denoise(usize::from(level), &noisy);
            let mut integers = Vec::with_capacity(noisy.len());
            for row in noisy.chunks_exact(width) {
                let row = device.denoise_wide(level, row)?;
                integers.extend(row.iter().map(|&y| f64::from(y) / FEATURE_UNIT));
            }
            Ok(Denoising {
                sigma,
                sigma_data: sigma * units.std[0],
                f32_db: oracle::psnr_db(&reference, &all(&clean), peak),
                device_db: oracle::psnr_db(&reference, &all(&integers), peak),
            })
        })
        .collect()
}

/// Some `most` rows of a table, evenly spaced.
fn every(table: &Table, most: usize) -> Result<Table> {
    let step = (table.rows() / most).max(1);
    let rows = table.iter_rows().step_by(step).flatten();
    Table::new(
        table.source(),
        table.columns().to_vec(),
        rows.copied().collect(),
    )
}

/// Rows in data units drawn by the f32 network.
#[must_use]
pub fn f32_samples(float: &ScoreModel, units: &Units, rows: usize, seed: u64) -> Vec<Vec<f64>> {
    let samples = float.sample(rows, seed);
    let rows = samples.chunks_exact(float.net.inputs());
    rows.map(|row| units.data(row)).collect()
}

/// Rows in data units drawn by the container's network, with the noise of [`f32_samples`] of the same seed.
///
/// # Errors
///
/// The container has no score network.
pub fn device_samples(container: &Model<'_>, rows: usize, seed: u64) -> Result<Vec<Vec<f64>>> {
    samples_by(container, schedule(container)?, rows, seed)
}

/// The same by another schedule than the container's.
///
/// # Errors
///
/// The container has no score network.
pub fn samples_by(
    container: &Model<'_>,
    schedule: Schedule,
    rows: usize,
    seed: u64,
) -> Result<Vec<Vec<f64>>> {
    let units = Units::of(container)?;
    let network = score_network(container)?;
    (0..rows)
        .into_par_iter()
        .map_init(
            || Sampler::new(network, schedule),
            |sampler, row| {
                let mut rng = sample_generator(seed, row);
                let sample = sampler.sample(&mut rng, None, &mut |_, _| {})?;
                Ok(in_data_units(&units, &sample))
            },
        )
        .collect()
}

/// What samples are compared with: training rows in data units and their principal components.
pub struct Reference {
    training: Vec<Vec<f64>>,
    components: Projection,
    moments: Moments,
    /// Median distance of a held-out row to the nearest training row.
    median: f64,
}

/// How near samples come to the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Closeness {
    /// Squared Fréchet distance to the training rows in 16 principal scores, data units.
    pub frechet: f64,
    /// Share nearer to a training row than the median held-out row: a half where samples are as new as those.
    pub copies: f64,
    /// Median distance to the nearest training row over that of held-out rows.
    pub distance: f64,
}

impl Reference {
    /// Compares with the rows of `training`, held against those of `held_out`, both in data units.
    ///
    /// # Errors
    ///
    /// Fewer columns than principal components.
    pub fn new(training: &Table, held_out: &Table) -> Result<Self> {
        let options = PcaOptions {
            components: COMPONENTS.min(training.width()),
        };
        let fitted = pca::fit(&options.check()?, training, &TrainingDevice::cpu())?;
        let components = Projection::from(&fitted);
        let training = rows_of(training);
        let mut reference = Self {
            moments: moments(&components, &training)?,
            training,
            components,
            median: 1.0,
        };
        reference.median = median(reference.distances(&rows_of(held_out)));
        Ok(reference)
    }

    /// Judges rows in data units.
    ///
    /// # Errors
    ///
    /// Fewer than two rows.
    pub fn judge(&self, rows: &[Vec<f64>]) -> Result<Closeness> {
        let distances = self.distances(rows);
        let near = distances.iter().filter(|&&d| d < self.median).count();
        Ok(Closeness {
            frechet: frechet_distance(&self.moments, &moments(&self.components, rows)?)?,
            copies: near as f64 / rows.len() as f64,
            distance: median(distances) / self.median,
        })
    }

    /// Distance of each row to the nearest training row.
    fn distances(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let squared =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        rows.iter()
            .map(|row| {
                let all = self.training.iter().map(|other| squared(row, other));
                all.fold(f64::INFINITY, f64::min).sqrt()
            })
            .collect()
    }
}

/// Rows in f64.
#[must_use]
pub fn rows_of(table: &Table) -> Vec<Vec<f64>> {
    let wide = |row: &[f32]| row.iter().map(|&x| f64::from(x)).collect();
    table.iter_rows().map(wide).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Mean and covariance of the principal scores of rows.
fn moments(components: &Projection, rows: &[Vec<f64>]) -> Result<Moments> {
    let scores: Vec<Vec<f64>> = rows.iter().map(|row| components.project(row)).collect();
    Moments::of(&scores)
}

/// How rows are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Filling {
    /// Mean squared error of the mean of `draws` samples a row, over the unknown pixels.
    pub of_mean: f64,
    /// That of single samples.
    pub of_one: f64,
    /// Samples a row.
    pub draws: usize,
    /// Rows.
    pub rows: usize,
}

/// The right half of a digit is unknown.
#[must_use]
pub fn left_half() -> Vec<bool> {
    (0..SIDE * SIDE)
        .map(|pixel| pixel % SIDE < SIDE / 2)
        .collect()
}

/// Fills in what `known` leaves out of every row of `table` (data units), `draws` times each.
///
/// # Errors
///
/// The table does not fit the container, which has no score network.
pub fn inpainting(
    container: &Model<'_>,
    table: &Table,
    known: &[bool],
    draws: usize,
    seed: u64,
) -> Result<Filling> {
    let units = Units::of(container)?;
    let counts = units.counts(table)?;
    let mut sampler = Sampler::new(score_network(container)?, schedule(container)?);
    let mut rng = Generator::from_seed(seed);
    let (mut of_mean, mut of_one, mut pixels) = (0.0, 0.0, 0);
    let mut features = vec![0; table.width()];
    for (row, counts) in table.iter_rows().zip(counts.chunks_exact(table.width())) {
        container.scaler().scale_into(counts, &mut features)?;
        let inpainting = Inpainting {
            known: &features,
            mask: known,
        };
        let mut mean = vec![0.0; row.len()];
        let unknown = |at: &usize| !known[*at];
        for _ in 0..draws {
            let sample = sampler.sample(&mut rng, Some(inpainting), &mut |_, _| {})?;
            let sample = in_data_units(&units, &sample);
            for at in (0..row.len()).filter(unknown) {
                mean[at] += sample[at] / draws as f64;
                of_one += (sample[at] - f64::from(row[at])).powi(2) / draws as f64;
            }
        }
        for at in (0..row.len()).filter(unknown) {
            of_mean += (mean[at] - f64::from(row[at])).powi(2);
            pixels += 1;
        }
    }
    let pixels = Some(pixels)
        .filter(|&n| n > 0)
        .context("nothing is unknown")?;
    Ok(Filling {
        of_mean: of_mean / f64::from(pixels),
        of_one: of_one / f64::from(pixels),
        draws,
        rows: table.rows(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::score::NetShape;

    #[test]
    fn frechet_distance_of_normal_densities_is_the_textbooks() {
        let frechet = |a: &Moments, b: &Moments| frechet_distance(a, b).unwrap();
        // Diagonal covariances: the sum over columns of (difference of means)^2 + (difference of deviations)^2.
        let moments = |mean: [f64; 2], std: [f64; 2]| Moments {
            mean: mean.to_vec(),
            covariance: vec![std[0] * std[0], 0.0, 0.0, std[1] * std[1]],
        };
        let (a, b) = (
            moments([0.0, 1.0], [1.0, 2.0]),
            moments([3.0, 1.0], [2.0, 0.5]),
        );
        assert!((frechet(&a, &b) - (9.0 + 1.0 + 2.25)).abs() < 1e-9);
        assert!(frechet(&a, &a).abs() < 1e-9);
    }

    #[test]
    fn the_device_denoises_draws_and_fills_in_as_the_network_that_was_trained() {
        let small = |options| ScoreOptions {
            shape: NetShape::Dense(vec![64, 64]),
            steps: 400,
            batch: 64,
            learning_rate: 5e-3,
            average: 0.99,
            ..options
        };
        let digits = ScoreImages::digits(&small, &TrainingDevice::cpu(), &mut |_| {}).unwrap();
        let container = Model::load(&digits.container).unwrap();
        let denoised = denoising(&digits.model, &container, &digits.held_out).unwrap();
        assert_eq!(denoised.len(), 16);
        for level in &denoised {
            // 8-bit weights cost next to nothing; the bar of the project is 0.1 dB.
            assert!((level.f32_db - level.device_db).abs() < 0.03, "{level:?}");
        }
        // The best constant guess reaches 11.3 dB, the noisy digits themselves 26 dB.
        assert!(
            denoised[0].device_db > 10.0 && denoised[15].device_db > 26.5,
            "{denoised:?}"
        );
        // Rounding one operation alone: none is worse than 8-bit weights are.
        assert_eq!(digits.errors.len(), 4);
        assert!(
            digits
                .errors
                .iter()
                .all(|e| e.value > 50.0 && e.weights.is_none_or(|w| w > 30.0))
        );

        let drawn = device_samples(&container, 3, 7).unwrap();
        assert_eq!(drawn, device_samples(&container, 3, 7).unwrap());
        let other = device_samples(&container, 3, 8).unwrap();
        // With the same noise the f32 network draws nearly the same.
        let units = Units::of(&container).unwrap();
        let float = f32_samples(&digits.model, &units, 3, 7);
        let apart = |a: &[Vec<f64>], b: &[Vec<f64>]| {
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>()
        };
        assert!(apart(&drawn, &float) < 0.1 * apart(&drawn, &other));
        let few = digits.held_out.values()[..4 * SIDE * SIDE].to_vec();
        let few = Table::new("few", digits.held_out.columns().to_vec(), few).unwrap();
        let filled = inpainting(&container, &few, &left_half(), 2, 1).unwrap();
        assert!(
            filled.of_mean < filled.of_one && filled.of_one < 0.25,
            "{filled:?}"
        );
    }

    #[test]
    fn copies_of_training_rows_are_found_out() {
        let split = data::digits().unwrap().split_held_out().unwrap();
        let reference = Reference::new(&split.training, &split.held_out).unwrap();
        let held_out = reference.judge(&rows_of(&split.held_out)).unwrap();
        assert!((held_out.copies - 0.5).abs() < 0.01 && (held_out.distance - 1.0).abs() < 1e-9);
        let copies = reference.judge(&rows_of(&split.training)).unwrap();
        assert!(copies.copies == 1.0 && copies.frechet.abs() < 1e-6 && copies.distance == 0.0);
    }
}
