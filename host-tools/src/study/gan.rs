//! Ring and grid: how many modes a GAN finds, and how near to them its samples are.
//!
//! The toys of Z. Lin et al., *PacGAN: the power of two samples in generative adversarial networks*, 2018: 8 Gaussians
//! of standard deviation 0.01 on a ring of radius 1, or 25 of 0.05 on a grid from -4 to 4. A sample is of high quality
//! within three standard deviations of a mode, and a mode is found when a sample of high quality is nearest to it. A
//! smaller budget than theirs, and noise that lets the densities overlap; see [`train::gan`](crate::train::gan).
//!
//! A mode of the ring is 1/100 as wide as the ring: weights of 8 bits are too coarse for it. The same latent rows go
//! through the generator in f32 and through three kinds of integers: weights rounded after training, rounded after
//! [fine-tuning](crate::train::straight_through) for it, and weights of 15 bits ([`refined`](quantize::refined())).

use std::f64::consts::TAU;
use std::fmt;

use anyhow::Result;
use autodidact::kernels::Order;
use autodidact::model::{Model, Task};
use serde::Serialize;

use crate::data::{Standardiser, Table};
use crate::oracle;
use crate::picture::Picture;
use crate::quantize::{self, AlignedBytes, FEATURE_UNIT, Precision, QuantisedModel, QuantisedPart};
use crate::train::device::TrainingDevice;
use crate::train::gan::{self, Gan, GanOptions, latents};
use crate::train::model::GraphNet;
use crate::train::random::{generator, normal};
use crate::train::straight_through::FineTuning;

/// Steps of training.
pub const STEPS: usize = 24_000;

/// Rows that are trained on.
const ROWS: usize = 20_000;

/// Samples that are judged: the share of high quality has a standard error of at most 0.2 points at 95 %.
const SAMPLES: usize = 10_000;

/// How a generator is fine-tuned.
const TUNING: FineTuning = FineTuning {
    steps: 3000,
    learning_rate: 1e-3,
    precision: Precision::I16,
};

/// A toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Toy {
    /// Eight modes on a ring.
    Ring,
    /// Twenty-five modes on a grid.
    Grid,
}

impl Toy {
    /// The modes.
    #[must_use]
    pub fn modes(self) -> Vec<[f64; 2]> {
        match self {
            Self::Ring => (0..8)
                .map(|at| TAU * f64::from(at) / 8.0)
                .map(|angle| [angle.cos(), angle.sin()])
                .collect(),
            Self::Grid => (0..25)
                .map(|at| [2.0 * f64::from(at % 5) - 4.0, 2.0 * f64::from(at / 5) - 4.0])
                .collect(),
        }
    }

    /// Standard deviation of each mode.
    #[must_use]
    pub const fn sd(self) -> f64 {
        match self {
            Self::Ring => 0.01,
            Self::Grid => 0.05,
        }
    }

    /// What a column is divided by for features of unit variance.
    #[must_use]
    pub fn spread(self) -> f64 {
        match self {
            Self::Ring => 0.5f64.sqrt(),
            Self::Grid => 8f64.sqrt(),
        }
    }

    /// Modes and share of high quality that the plain GAN of the paper reaches.
    #[must_use]
    pub const fn reference(self) -> [f64; 2] {
        match self {
            Self::Ring => [6.3, 0.982],
            Self::Grid => [17.3, 0.948],
        }
    }

    /// Rows in features.
    ///
    /// # Errors
    ///
    /// None.
    pub fn rows(self, seed: u64) -> Result<Table> {
        let modes = self.modes();
        let mut draws = generator(seed, 7);
        let values = (0..ROWS)
            .flat_map(|at| modes[at % modes.len()])
            .map(|x| ((x + self.sd() * f64::from(normal(&mut draws))) / self.spread()) as f32)
            .collect();
        Table::new("a toy", Table::numbered_columns(2), values)
    }

    /// The options that the study trains with; `quick` takes a sixth of the steps.
    #[must_use]
    pub fn options(self, quick: bool, seed: u64) -> GanOptions {
        let options = GanOptions {
            steps: if quick { 4000 } else { STEPS },
            seed,
            ..GanOptions::default()
        };
        match self {
            Self::Ring => options,
            // Many modes in a batch need more rows of each.
            Self::Grid => GanOptions {
                batch: 256,
                last_noise: 0.02,
                ..options
            },
        }
    }

    /// Judges points in features.
    #[must_use]
    pub fn judge(self, points: &[[f64; 2]]) -> Quality {
        let modes = self.modes();
        let mut counts = vec![0usize; modes.len()];
        for point in points {
            let distance = |mode: &[f64; 2]| {
                let [x, y] = point.map(|x| x * self.spread());
                (x - mode[0]).hypot(y - mode[1])
            };
            let nearest = (0..modes.len())
                .min_by(|a, b| distance(&modes[*a]).total_cmp(&distance(&modes[*b])));
            if let Some(at) = nearest.filter(|at| distance(&modes[*at]) < 3.0 * self.sd()) {
                counts[at] += 1;
            }
        }
        Quality {
            modes: counts.iter().filter(|count| **count > 0).count(),
            high: counts.iter().sum::<usize>() as f64 / points.len() as f64,
        }
    }
}

/// What points are worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Modes that have a point of high quality.
    pub modes: usize,
    /// Share of points of high quality.
    pub high: f64,
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>2} modes {:6.2} %", self.modes, 100.0 * self.high)
    }
}

/// Figures of one training run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// What was learnt.
    pub toy: Toy,
    /// From which seed.
    pub seed: u64,
    /// Samples of the f32 generator.
    pub host: Quality,
    /// Samples of the device's integers from the same latent rows: weights rounded to 8 bits.
    pub rounded: Quality,
    /// Weights of 8 bits, fine-tuned for them.
    pub fine_tuned: Quality,
    /// Weights of 15 bits, two layers for each.
    pub refined: Quality,
    /// Value at the end; -1.386 where nothing can be told apart.
    pub value: f64,
    /// Mean probability of being real that the discriminator gives real rows, and generated ones.
    pub discriminator: [f64; 2],
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<5} {:>4} {} {} {} {} {:>7.3} {:>5.2} {:>5.2}",
            format!("{:?}", self.toy),
            self.seed,
            self.host,
            self.rounded,
            self.fine_tuned,
            self.refined,
            self.value,
            self.discriminator[0],
            self.discriminator[1]
        )
    }
}

impl Figures {
    /// The heading of [`Display`](fmt::Display)'s columns.
    #[must_use]
    pub fn header() -> String {
        format!(
            "{:<5} {:>4} {:>17} {:>17} {:>17} {:>17} {:>7} {:>5} {:>5}",
            "toy", "seed", "f32", "8 bits", "fine-tuned", "15 bits", "value", "D(x)", "D(G)"
        )
    }
}

/// Samples of the f32 generator, in features.
#[must_use]
pub fn sample(gan: &Gan, latents: &Table) -> Vec<[f64; 2]> {
    let point = |z: &[f32]| {
        let z: Vec<f64> = z.iter().map(|&z| z.into()).collect();
        let point = oracle::forward(&gan.generator, &z);
        [point[0], point[1]]
    };
    latents.iter_rows().map(point).collect()
}

/// A container with the part `generator`, calibrated on latent rows; what leaves it are features.
///
/// # Errors
///
/// A generator that cannot be quantised.
pub fn container(
    generator: &GraphNet,
    calibration: &Table,
    precision: Precision,
) -> Result<AlignedBytes> {
    let columns = Table::numbered_columns(generator.outputs());
    let standardiser = Standardiser {
        mean: vec![0.0; columns.len()],
        std: vec![1.0; columns.len()],
        lsb: vec![1.0 / FEATURE_UNIT; columns.len()],
        own_counts: vec![false; columns.len()],
        minimum: -4.0,
        maximum: 4.0,
    };
    let mut model = QuantisedModel::new(&standardiser, &columns)?;
    let (graph, _) = quantize::graph(generator, std::slice::from_ref(calibration), precision)?;
    let task = Task::Generator;
    model
        .parts
        .push(("generator".into(), QuantisedPart::Graph { graph, task }));
    model.encode(Order::RowMajor)
}

/// Samples of a container's generator by the device's kernels, in features.
///
/// # Errors
///
/// A container without a generator, or with one of other dimensions.
pub fn device_sample(container: &AlignedBytes, latents: &Table) -> Result<Vec<[f64; 2]>> {
    let model = Model::load(container)?;
    let (graph, _) = model.graph("generator")?;
    let mut workspace = vec![0; graph.workspace_bytes()];
    let mut output = [0i16; 2];
    let mut points = Vec::with_capacity(latents.rows());
    for z in latents.iter_rows() {
        // Latent numbers are whole units already.
        let z: Vec<i16> = z
            .iter()
            .map(|z| (f64::from(*z) * FEATURE_UNIT) as i16)
            .collect();
        graph.run(0, &mut workspace, &z, &mut output)?;
        points.push(output.map(|x| f64::from(x) / FEATURE_UNIT));
    }
    Ok(points)
}

/// A pair that was trained on a toy, with the integers of its generator.
#[derive(Clone, Debug)]
pub struct Trained {
    /// In f32.
    pub gan: Gan,
    /// Weights of 8 bits.
    pub rounded: AlignedBytes,
    /// Weights of 8 bits after fine-tuning.
    pub fine_tuned: AlignedBytes,
    /// Weights of 15 bits.
    pub refined: AlignedBytes,
}

/// Trains from one seed.
///
/// # Errors
///
/// Training fails.
pub fn train(toy: Toy, quick: bool, seed: u64, device: &TrainingDevice) -> Result<Trained> {
    let options = toy.options(quick, seed);
    let gan = gan::fit(&options.check()?, &toy.rows(seed)?, device, &mut |_| {})?;
    let calibration = latents(1000, gan.generator.inputs(), seed + 1000)?;
    let integers = |net: &GraphNet| container(net, &calibration, TUNING.precision);
    let net = gan::graph_of(&gan.generator);
    let (calibrated, precision) = (std::slice::from_ref(&calibration), TUNING.precision);
    let tuned = gan::fine_tuned(
        &gan.generator,
        &calibration,
        TUNING,
        seed,
        device,
        &mut |_| {},
    )?;
    Ok(Trained {
        rounded: integers(&net)?,
        fine_tuned: integers(&tuned)?,
        refined: integers(&quantize::refined(&net, calibrated, precision)?)?,
        gan,
    })
}

/// Samples from the same latent rows, in features.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Of the f32 generator.
    pub host: Vec<[f64; 2]>,
    /// Of weights of 8 bits.
    pub rounded: Vec<[f64; 2]>,
    /// Of weights of 8 bits after fine-tuning.
    pub fine_tuned: Vec<[f64; 2]>,
    /// Of weights of 15 bits.
    pub refined: Vec<[f64; 2]>,
}

impl Trained {
    /// Samples from latent rows of a seed.
    ///
    /// # Errors
    ///
    /// None that [`train`] leaves possible.
    pub fn samples(&self, seed: u64) -> Result<Samples> {
        let latents = latents(SAMPLES, self.gan.generator.inputs(), seed)?;
        Ok(Samples {
            host: sample(&self.gan, &latents),
            rounded: device_sample(&self.rounded, &latents)?,
            fine_tuned: device_sample(&self.fine_tuned, &latents)?,
            refined: device_sample(&self.refined, &latents)?,
        })
    }
}

/// Trains and judges from one seed.
///
/// # Errors
///
/// Training fails.
pub fn run(
    toy: Toy,
    quick: bool,
    seed: u64,
    device: &TrainingDevice,
) -> Result<(Figures, Samples)> {
    let trained = train(toy, quick, seed, device)?;
    let samples = trained.samples(seed)?;
    let probability = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let logits = points.map(|x| oracle::forward(&trained.gan.discriminator, &x)[0]);
        let (sum, count) = logits.fold((0.0, 0.0), |(sum, count), logit| {
            (sum + 1.0 / (1.0 + (-logit).exp()), count + 1.0)
        });
        sum / count
    };
    let rows = toy.rows(seed)?;
    let real = rows.iter_rows().take(SAMPLES);
    let figures = Figures {
        toy,
        seed,
        host: toy.judge(&samples.host),
        rounded: toy.judge(&samples.rounded),
        fine_tuned: toy.judge(&samples.fine_tuned),
        refined: toy.judge(&samples.refined),
        value: trained.gan.value,
        discriminator: [
            probability(&mut real.map(|x| [x[0], x[1]].map(f64::from))),
            probability(&mut samples.host.iter().copied()),
        ],
    };
    Ok((figures, samples))
}

/// Pixels of a panel's side.
const SIDE: usize = 180;

/// What a panel shows beyond the modes, as a share of the distance of the outermost from the middle.
const BORDER: f64 = 1.25;

/// The samples of a toy as panels side by side: f32, 8 bits, fine-tuned, 15 bits.
#[must_use]
pub fn panels(toy: Toy, samples: &Samples) -> Vec<Picture> {
    let modes = toy.modes();
    let reach = modes.iter().flatten().fold(0f64, |m, x| m.max(x.abs()));
    let pixel = |x: f64| {
        let share = x * toy.spread() / (BORDER * reach);
        // Float casts saturate.
        ((0.5 + 0.5 * share) * SIDE as f64) as usize
    };
    let Samples {
        host,
        rounded,
        fine_tuned,
        refined,
    } = samples;
    let panel = |points: &Vec<[f64; 2]>| {
        let mut shades = vec![1.0f64; SIDE * SIDE];
        for &[x, y] in points {
            // Up is more.
            let (column, line) = (pixel(x), pixel(-y));
            if column < SIDE && line < SIDE {
                // Three on one place are black.
                shades[line * SIDE + column] -= 0.34;
            }
        }
        Picture {
            width: SIDE,
            shades,
        }
    };
    [host, rounded, fine_tuned, refined].map(panel).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::model::{Activation, DenseLayer, DenseStack};

    #[test]
    fn rows_of_the_toys_are_of_high_quality() {
        for toy in [Toy::Ring, Toy::Grid] {
            let rows = toy.rows(1).unwrap();
            let points: Vec<_> = rows
                .iter_rows()
                .map(|x| [x[0], x[1]].map(f64::from))
                .collect();
            let quality = toy.judge(&points);
            assert_eq!(quality.modes, toy.modes().len());
            // Within three standard deviations in two dimensions: 1 - exp(-4.5).
            assert!(
                (quality.high - (1.0 - (-4.5f64).exp())).abs() < 0.003,
                "{quality}"
            );
            let squares: f64 = points.iter().flatten().map(|x| x * x).sum();
            assert!((squares / (2.0 * points.len() as f64) - 1.0).abs() < 0.01);
            assert_eq!(
                toy.judge(&[[0.3, 0.3]]),
                Quality {
                    modes: 0,
                    high: 0.0
                }
            );
        }
    }

    #[test]
    fn integers_of_a_generator_agree_with_it() {
        // (|x| - |y|, 2 |y| - 1) by the sums of two ramps each.
        let layer = |weights: &[f32], bias: &[f32], activation| DenseLayer {
            weights: weights.to_vec(),
            bias: bias.to_vec(),
            inputs: weights.len() / bias.len(),
            outputs: bias.len(),
            activation,
        };
        let hidden = [1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0];
        let generator = DenseStack {
            layers: vec![
                layer(&hidden, &[0.0; 4], Activation::Relu),
                layer(
                    &[1.0, 1.0, -1.0, -1.0, 0.0, 0.0, 2.0, 2.0],
                    &[0.0, -1.0],
                    Activation::Identity,
                ),
            ],
        };
        let gan = Gan {
            discriminator: generator.clone(),
            generator,
            value: 0.0,
        };
        let rows = latents(500, 2, 1).unwrap();
        let exact = sample(&gan, &rows);
        for (z, made) in rows.iter_rows().zip(&exact) {
            let [x, y] = [z[0], z[1]].map(|z| f64::from(z).abs());
            assert!((made[0] - (x - y)).abs() < 1e-9 && (made[1] - (2.0 * y - 1.0)).abs() < 1e-9);
        }
        for (precision, most) in [(Precision::I16, 0.002), (Precision::I8, 0.15)] {
            let net = gan::graph_of(&gan.generator);
            let bytes = container(&net, &rows, precision).unwrap();
            let made = device_sample(&bytes, &rows).unwrap();
            let errors = made.iter().flatten().zip(exact.iter().flatten());
            let worst = errors.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < most, "{precision:?}: {worst}");
        }
    }
}
