//! The bundled digits, start to end: what the demonstration and the quality tests train.
//!
//! Every model is trained on the rows whose index mod 4 is not 3 and judged on the others. Published
//! figures for PCA and k-means were taken on all 1797 rows at once; [`published`] is fitted so.

use anyhow::Result;
use autodidact::model::{Model, Task};

use crate::data::{self, Scaling, Standardiser, Table};
use crate::evaluate::{Outcome, Units};
use crate::quantize::{self, Calibration, FEATURE_UNIT, Precision, QuantisedModel, QuantisedPart};
use crate::replay::{self, PartResult};
use crate::sampler::note_schedule;
use crate::study::scores::{SMALLEST, WALK_STEPS};
use crate::train::corruption::Corruption;
use crate::train::device::TrainingDevice;
use crate::train::kmeans::{self, KMeansOptions};
use crate::train::model::{DenseStack, KMeansModel, NoiseLevels, PcaModel};
use crate::train::pca::{self, PcaOptions};
use crate::train::score::{self, NetShape, ScoreOptions};
use crate::train::{Progress, dae, random};

/// Standard deviation of the noise, pixels being 0..=1.
pub const SIGMA: f64 = 0.25;

/// Number of clusters.
pub const CLUSTERS: usize = 10;

/// Number of principal components.
pub const COMPONENTS: usize = 16;

/// The seed of everything random.
pub const SEED: u64 = 1797;

/// Digits in data units of 0..=1, split, with the models trained on them.
#[derive(Clone, Debug)]
pub struct Showcase {
    /// Rows that training saw.
    pub training: Table,
    /// Rows that it did not.
    pub held_out: Table,
    /// Data units to features.
    pub standardiser: Standardiser,
    /// Clusters in features.
    pub kmeans: KMeansModel,
    /// Components in features.
    pub pca: PcaModel,
    /// The denoiser over features.
    pub denoiser: DenseStack,
    /// All of them in integers: parts `clusters`, `components`, `denoiser`.
    pub quantised: QuantisedModel,
}

/// The digits as shades 0..=1.
///
/// # Errors
///
/// The bundled file is damaged.
pub fn digits() -> Result<Table> {
    data::digits()?.scaled(1.0 / data::DIGIT_MAX)
}

/// Trains and quantises everything; `progress` follows the denoiser, which takes longest.
///
/// # Errors
///
/// Training fails, or a quantised model does not fit its formats.
pub fn train(device: &TrainingDevice, progress: &mut dyn FnMut(Progress)) -> Result<Showcase> {
    let digits = digits()?;
    let split = digits.split_held_out()?;
    let standardiser = Scaling::Uniform.fit(&split.training)?;
    let features = standardiser.transform(&split.training)?;
    let mut quantised = model_of_training_rows(&standardiser, digits.columns())?;
    quantised.note("noise_data", SIGMA);

    let (kmeans, pca) = classical(&features, device, &mut quantised)?;

    let sigma = standardiser.noise_in_features(SIGMA);
    let options = dae::DaeOptions {
        corruption: Corruption::Gaussian {
            sigma: sigma.clone(),
        },
        seed: SEED,
        ..dae::DaeOptions::default()
    };
    let denoiser = dae::fit(&options.check()?, &features, device, progress)?;
    let noisy = random::add_noise(&features, &sigma, SEED)?;
    let network = quantize::network(
        &denoiser,
        Task::Denoiser,
        None,
        Calibration { features: &noisy },
    )?;
    quantised
        .parts
        .push(("denoiser".into(), QuantisedPart::Network(network)));
    Ok(Showcase {
        training: split.training,
        held_out: split.held_out,
        standardiser,
        kmeans,
        pca,
        denoiser,
        quantised,
    })
}

/// A model without parts, with its provenance.
fn model_of_training_rows(
    standardiser: &Standardiser,
    columns: &[String],
) -> Result<QuantisedModel> {
    let mut quantised = QuantisedModel::new(standardiser, columns)?;
    quantised.note("data", "UCI optical digits, 8x8, shades 0..=1 (CC BY 4.0)");
    quantised.note("held_out", crate::data::HeldOut::EVERY_FOURTH);
    quantised.note("scale", "uniform");
    quantised.note("seed", SEED);
    quantised.note("tool", concat!("autodidact ", env!("CARGO_PKG_VERSION")));
    Ok(quantised)
}

/// Hidden layers of the score network that digits are drawn with: they fit 256 KiB of flash with an image around them.
const SCORE_HIDDEN: [usize; 2] = [256, 256];

/// Steps of its training, some 20 seconds: more denoise held-out digits no better.
const SCORE_STEPS: usize = 3000;

/// Trains a score network on the digits of [`train`], and quantises it: the part `score`.
///
/// # Errors
///
/// As [`train`].
pub fn train_score(
    showcase: &Showcase,
    device: &TrainingDevice,
    progress: &mut dyn FnMut(Progress),
) -> Result<QuantisedModel> {
    let standardiser = &showcase.standardiser;
    let features = standardiser.transform(&showcase.training)?;
    let smallest = SMALLEST / standardiser.std[0];
    let levels = NoiseLevels::by_rule(&features, smallest, WALK_STEPS)?.consistent();
    let options = ScoreOptions {
        shape: NetShape::Dense(SCORE_HIDDEN.to_vec()),
        steps: SCORE_STEPS,
        seed: SEED,
        ..ScoreOptions::new(levels)
    };
    let model = score::fit(&options.check()?, &features, None, device, progress)?;
    let (part, _) = quantize::score(&model, &features, Precision::default())?;
    let mut quantised = model_of_training_rows(standardiser, showcase.training.columns())?;
    note_schedule(&mut quantised, &model.levels);
    quantised.parts.push(("score".into(), part));
    Ok(quantised)
}

/// PCA and k-means fitted on every row, as the published figures are, and quantised.
#[derive(Clone, Debug)]
pub struct Published {
    /// All rows, shades 0..=1.
    pub rows: Table,
    /// Best of 20 restarts, in features.
    pub kmeans: KMeansModel,
    /// Components in features.
    pub pca: PcaModel,
    /// Both in integers: parts `clusters`, `components`.
    pub quantised: QuantisedModel,
}

/// Fits PCA and k-means on all rows.
///
/// # Errors
///
/// As [`train`].
pub fn published(device: &TrainingDevice) -> Result<Published> {
    let rows = digits()?;
    let standardiser = Scaling::Uniform.fit(&rows)?;
    let features = standardiser.transform(&rows)?;
    let mut quantised = QuantisedModel::new(&standardiser, rows.columns())?;
    let (kmeans, pca) = classical(&features, device, &mut quantised)?;
    Ok(Published {
        rows,
        kmeans,
        pca,
        quantised,
    })
}

/// The figures that are published for all 1797 rows, in raw pixels of 0..=16.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishedFigures {
    /// Percent of the variance that the first 2, 8 and 16 components capture.
    pub captured_percent: [f64; 3],
    /// Mean squared distance of a row to its nearest centroid.
    pub inertia_per_row: f64,
}

/// Numbers of components that [`PublishedFigures`] is about.
pub const PUBLISHED_COMPONENTS: [usize; 3] = [2, 8, 16];

impl Published {
    /// Figures of the f32 models.
    #[must_use]
    pub fn float_figures(&self, units: &Units) -> PublishedFigures {
        let ratio = self.pca.explained_ratio();
        let captured = |k: usize| 100.0 * ratio.iter().take(k).sum::<f64>();
        PublishedFigures {
            captured_percent: PUBLISHED_COMPONENTS.map(captured),
            inertia_per_row: self.per_row_in_pixels(self.kmeans.inertia, units),
        }
    }

    /// Figures of the integers, from the results of [`replay`] or of a device.
    ///
    /// # Errors
    ///
    /// `results` is not a whole number of rows.
    pub fn device_figures(
        &self,
        model: &Model<'_>,
        units: &Units,
        results: &[u8],
    ) -> Result<PublishedFigures> {
        let mut energy = [0.0; COMPONENTS];
        let mut inertia = 0.0;
        let parts: Vec<_> = model.parts().collect();
        for row in replay::decode(model, results)? {
            for (part, result) in parts.iter().zip(&row) {
                if let PartResult::Pca { scores, .. } = result {
                    for (energy, score) in energy.iter_mut().zip(scores) {
                        *energy += (f64::from(*score) / FEATURE_UNIT).powi(2);
                    }
                } else if let Outcome::KMeans { distance, .. } = Outcome::of(&part.body, result) {
                    inertia += distance;
                }
            }
        }
        let features = self.rows.iter_rows().flat_map(|row| units.features(row));
        let total: f64 = features.map(|x| x * x).sum();
        let captured = |k: usize| 100.0 * energy.iter().take(k).sum::<f64>() / total;
        Ok(PublishedFigures {
            captured_percent: PUBLISHED_COMPONENTS.map(captured),
            inertia_per_row: self.per_row_in_pixels(inertia, units),
        })
    }

    /// A sum of squared distances in features, as a mean in raw pixels.
    fn per_row_in_pixels(&self, sum: f64, units: &Units) -> f64 {
        let pixel = units.common_std().unwrap_or(f64::NAN) * f64::from(data::DIGIT_MAX);
        sum / self.rows.rows() as f64 * pixel * pixel
    }
}

/// Fits k-means and PCA and adds them as the parts `clusters` and `components`.
fn classical(
    features: &Table,
    device: &TrainingDevice,
    quantised: &mut QuantisedModel,
) -> Result<(KMeansModel, PcaModel)> {
    let options = KMeansOptions {
        k: CLUSTERS,
        seed: SEED,
        ..KMeansOptions::default()
    };
    let kmeans = kmeans::fit(&options.check()?, features, device, &mut |_| {})?;
    let pca = pca::fit(
        &PcaOptions {
            components: COMPONENTS,
        }
        .check()?,
        features,
        device,
    )?;
    quantised
        .parts
        .push(("clusters".into(), quantize::kmeans(&kmeans)?));
    quantised
        .parts
        .push(("components".into(), quantize::pca(&pca)?));
    Ok((kmeans, pca))
}
