//! Data and container that a device learns from.

use anyhow::{Context, Result, bail, ensure};
use autodidact::backprop::{Corruption, memory_len};
use autodidact::kmeans::Metric;
use autodidact::model::{Body, Model, ModelSpec, PartBody, PartSpec, Task};

use super::schema::{self, Schema};
use super::{Config, Layers, Learner, Learnt, Settings};
use crate::data::{Scaling, Table};
use crate::evaluate::{Noise, Units};
use crate::oracle;
use crate::quantize::{AlignedBytes, FEATURE_UNIT, QuantisedModel, QuantisedStack};
use crate::train::model::VisibleUnits;

/// Memory of the learning image, in bytes; its firmware has the same figure.
const ARENA_BYTES: usize = 1 << 20;

/// A data set prepared for a device: what it is sent, and what it is judged by.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What the device is told.
    pub settings: Settings,
    /// The container with the scaler, and the part `components` if the learner reads whitened scores.
    pub container: AlignedBytes,
    /// Rows of counts that are learnt from.
    pub counts: Vec<i16>,
    /// Rows of counts that are not; empty if there are none.
    pub held_out_counts: Vec<i16>,
    /// Rows learnt from as the learner would read them with real numbers.
    pub rows: Vec<f64>,
    /// The same of the rows that are not learnt from.
    pub held_out: Vec<f64>,
    /// Values of a row as the learner reads it.
    pub width: usize,
    /// Sum of the logarithms of what the data was divided by on its way to the learner: nats of a density
    /// in data units are that much less. None if the columns have no common unit.
    pub log_scale: Option<f64>,
    pub(super) schema: Option<Schema>,
    /// The layers that learning starts from: their widths alone, unless they were given.
    layers: Option<QuantisedStack>,
    quantised: QuantisedModel,
    components: Option<Components>,
}

/// Principal components in the formats of a container.
#[derive(Clone, Debug)]
struct Components {
    mean: Vec<i16>,
    /// `I1F15`.
    components: Vec<i16>,
    /// `U40F24`: along each component, then of all features together.
    variances: Vec<u64>,
}

impl Problem {
    /// Fits scaler and components to the rows that are learnt from.
    ///
    /// # Errors
    ///
    /// The table has too few rows or columns, cannot be scaled, or does not fit the device's memory.
    pub fn new(config: &Config, table: &Table) -> Result<Self> {
        let (training, held_out) = if config.all_rows {
            (table.clone(), None)
        } else {
            let split = table.split_held_out()?;
            (split.training, Some(split.held_out))
        };
        let classes = matches!(
            config.learner,
            Learner::LatentClass(_) | Learner::StepwiseLatentClass { .. }
        );
        let scaling = match config.learner {
            Learner::Rbm(machine) if machine.units == VisibleUnits::Bernoulli => {
                let at = machine.threshold;
                Scaling::Threshold { at }
            }
            _ if config.uniform => Scaling::Uniform,
            _ => Scaling::Standard {
                ignore_constant: classes,
            },
        };
        let mut standardiser = scaling.fit(&training)?;
        let columns = classes.then(|| schema::columns(table));
        // Levels are not scaled: their counts are their indices.
        for (at, column) in columns.iter().flatten().enumerate() {
            if !column.is_gaussian() {
                (standardiser.mean[at], standardiser.std[at]) = (0.0, 1.0);
            }
        }
        let mut quantised = QuantisedModel::new(&standardiser, table.columns())?;
        quantised.note("data", table.source());
        quantised.note("rows", training.rows());
        let settings = Settings {
            learner: config.learner,
            k: config.k,
            passes: config.passes,
            seed: config.seed,
            resident: config.resident.unwrap_or(usize::MAX).min(training.rows()),
            whitened: config.components.is_some(),
            rows: training.rows(),
        };
        let mut problem = Self {
            settings,
            container: AlignedBytes::zeroed(0),
            counts: Vec::new(),
            held_out_counts: Vec::new(),
            rows: Vec::new(),
            held_out: Vec::new(),
            width: config.components.unwrap_or(table.width()),
            log_scale: None,
            schema: columns.map(|columns| Schema::new(columns, &quantised.scaler)),
            layers: None,
            quantised,
            components: None,
        };
        if let Learner::Layers(layers) = config.learner {
            problem.layers = Some(blank(&layers, table.width())?);
            if let Corruption::Gaussian { deviation } = layers.corruption {
                let noise = Noise::Features(f64::from(deviation) / FEATURE_UNIT);
                let (key, value) = noise.provenance();
                problem.quantised.note(key, value);
            }
        }
        problem.check(table)?;
        if let Some(k) = config.components {
            let features = standardiser.transform(&training)?;
            problem.components = Some(Components::fit(&features, k)?);
        }
        problem.container = problem.encode(None)?;
        let container = problem.container.clone();
        let model = Model::load(&container)?;
        let units = Units::of(&model)?;
        problem.counts = units.counts(&training)?;
        problem.rows = problem.real_rows(&units, &training);
        if let Some(held_out) = &held_out {
            problem.held_out_counts = units.counts(held_out)?;
            problem.held_out = problem.real_rows(&units, held_out);
        }
        problem.log_scale = units.common_std().filter(|_| !classes).map(|std| {
            let whitening: f64 = problem
                .deviations()
                .iter()
                .map(|deviation| deviation.ln())
                .sum();
            whitening + problem.width as f64 * std.ln()
        });
        Ok(problem)
    }

    fn check(&self, table: &Table) -> Result<()> {
        let Settings { k, resident, .. } = self.settings;
        let (source, width) = (table.source(), self.width);
        ensure!(
            width <= table.width(),
            "{source} has {} columns, too few for {width} components; ask for at most as many",
            table.width()
        );
        if let Learner::Pca { .. } = self.settings.learner {
            ensure!(
                k <= width,
                "{source} has {width} columns, too few for {k} components; ask for at most {width}"
            );
            return Ok(());
        }
        if let Learner::Rbm(machine) = self.settings.learner {
            let units = match machine.units {
                VisibleUnits::Bernoulli => autodidact::rbm::Units::Bernoulli,
                VisibleUnits::Gaussian => autodidact::rbm::Units::Gaussian,
            };
            let bytes = autodidact::rbm::learn::storage_bytes(width, k, units, machine.chains);
            ensure!(
                bytes <= ARENA_BYTES - ARENA_BYTES / 4,
                "{width} visible and {k} hidden units take {bytes} bytes, more than the device's memory of {ARENA_BYTES} has room for; ask for fewer"
            );
            return Ok(());
        }
        if let Some(layers) = &self.layers {
            let lengths = memory_len(&layers.widths).context("there are no layers")?;
            let [weights, biases, values, errors] = lengths;
            let bytes = 2 * (weights + values) + 4 * (biases + errors);
            ensure!(
                bytes <= ARENA_BYTES - ARENA_BYTES / 4,
                "layers of widths {:?} take {bytes} bytes, more than the device's memory of {ARENA_BYTES} has room for; ask for narrower ones",
                layers.widths
            );
            return Ok(());
        }
        if let Learner::Mixture(_) | Learner::StepwiseMixture { .. } = self.settings.learner {
            ensure!(
                width <= autodidact::gmm::MAX_DIMENSIONS,
                "{source} has {width} columns, too many for a mixture; set `components` to at most {}",
                autodidact::gmm::MAX_DIMENSIONS
            );
        }
        ensure!(
            k <= resident,
            "{resident} rows in memory are too few for k = {k}; allow more, or ask for fewer"
        );
        // A row, and the cluster it belongs to.
        let most = (ARENA_BYTES - ARENA_BYTES / 4) / (2 * width + 2);
        ensure!(
            resident <= most,
            "{resident} rows of {width} values do not fit the device's memory of {ARENA_BYTES} bytes; set `resident` to at most {most}"
        );
        Ok(())
    }

    /// Goes on from the layers of another container, which the same scaling has to lead to.
    ///
    /// # Errors
    ///
    /// The learner has no layers, or `model` none of these widths, this function and this scaling.
    pub fn start_from(&mut self, model: &Model<'_>) -> Result<()> {
        let (Some(own), Learner::Layers(layers)) = (&mut self.layers, &mut self.settings.learner)
        else {
            bail!("only autoencoders and denoisers go on from a given model");
        };
        let start = model.parts().find_map(|part| match part.body {
            Body::Stack(stack, _) => Some(stack),
            _ => None,
        });
        let start = start.context(
            "the model has no layers that a device can go on learning from; write it with `fit dae --trainable` or `learn -o`",
        )?;
        ensure!(
            start.widths() == own.widths && start.hidden() == own.hidden,
            "the model has layers of widths {:?} with {:?}, the learner of {:?} with {:?}; make them the same",
            start.widths(),
            start.hidden(),
            own.widths,
            own.hidden
        );
        let other = model.scaler();
        let width = self.quantised.scaler.len();
        let probes = [i16::MIN, -1000, 0, 1000, i16::MAX].map(|count| vec![count; width]);
        let mut features = [vec![0; width], vec![0; width]];
        let container = self.container.clone();
        let scaler = *Model::load(&container)?.scaler();
        for counts in &probes {
            scaler.scale_into(counts, &mut features[0])?;
            other.scale_into(counts, &mut features[1])?;
            ensure!(
                features[0] == features[1],
                "the model scales its features in another way; train it on the same rows with the same --scale"
            );
        }
        own.weights = start.weights().to_vec();
        own.biases = start.biases().to_vec();
        layers.given = true;
        self.container = self.encode(None)?;
        Ok(())
    }

    /// The container, with what was learnt as a part of its own if there is any.
    ///
    /// # Errors
    ///
    /// The parameters do not make a valid part.
    pub fn encode(&self, learnt: Option<&Learnt>) -> Result<AlignedBytes> {
        let blank = self.schema.as_ref().map(Schema::blank).transpose()?;
        let machine = match learnt {
            Some(Learnt::Machine(machine)) => Some(machine.quantised()?),
            _ => None,
        };
        let mut parts = Vec::new();
        if let (Some(blank), None) = (&blank, learnt) {
            parts.push(PartSpec {
                name: "classes",
                input: None,
                body: PartBody::LatentClass(blank.view()?),
            });
        }
        if let Some(components) = &self.components {
            parts.push(PartSpec {
                name: "components",
                input: None,
                body: PartBody::Pca {
                    mean: &components.mean,
                    components: &components.components,
                    variances: &components.variances,
                },
            });
        }
        if let (Some(layers), None) = (&self.layers, learnt) {
            parts.push(PartSpec {
                name: "stack",
                input: None,
                body: PartBody::Stack(layers.view()?, Task::Autoencoder),
            });
        }
        let input = self.components.as_ref().map(|_| "components");
        match learnt {
            None => {}
            Some(Learnt::KMeans { centroids, .. }) => parts.push(PartSpec {
                name: "clusters",
                input,
                body: PartBody::KMeans {
                    metric: Metric::SquaredEuclidean,
                    centroids,
                },
            }),
            Some(Learnt::Pca {
                mean,
                components,
                variances,
            }) => parts.push(PartSpec {
                name: "components",
                input,
                body: PartBody::Pca {
                    mean,
                    components,
                    variances,
                },
            }),
            Some(Learnt::Mixture(mixture)) => parts.push(PartSpec {
                name: "mixture",
                input,
                body: PartBody::Gmm(mixture.view()?),
            }),
            Some(Learnt::Classes(classes)) => parts.push(PartSpec {
                name: "classes",
                input,
                body: PartBody::LatentClass(classes.view()?),
            }),
            Some(Learnt::Layers(layers)) => {
                let (name, task) = match self.settings.learner {
                    Learner::Layers(Layers {
                        corruption: Corruption::None,
                        ..
                    }) => ("autoencoder", Task::Autoencoder),
                    _ => ("denoiser", Task::Denoiser),
                };
                parts.push(PartSpec {
                    name,
                    input: None,
                    body: PartBody::Stack(layers.view()?, task),
                });
            }
            Some(Learnt::Machine(_)) => parts.extend(machine.iter().map(|machine| PartSpec {
                name: "machine",
                input: None,
                body: PartBody::Rbm(machine.spec()),
            })),
        }
        let text: String = self
            .quantised
            .text
            .iter()
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect();
        let spec = ModelSpec {
            scaler: &self.quantised.scaler,
            counts_range: self.quantised.counts_range,
            parts: &parts,
            text: &text,
        };
        let mut bytes = AlignedBytes::zeroed(spec.encoded_len()?);
        spec.encode_into(&mut bytes)
            .context("what was learnt cannot be written")?;
        Ok(bytes)
    }

    /// Standard deviations that the components' scores are divided by.
    fn deviations(&self) -> Vec<f64> {
        self.components
            .iter()
            .flat_map(Components::deviations)
            .collect()
    }

    /// Rows as the learner would read them without any rounding; what its format cannot hold saturates.
    fn real_rows(&self, units: &Units, table: &Table) -> Vec<f64> {
        let saturate = |x: f64| x.clamp(-8.0, 8.0 - 1.0 / FEATURE_UNIT);
        let row = |row: &[f32]| -> Vec<f64> {
            let features = units.features(row).into_iter().map(saturate);
            match (&self.schema, &self.components) {
                (Some(schema), _) => {
                    let values = features.zip(row).zip(&schema.columns);
                    values
                        .map(|((feature, value), column)| {
                            if column.is_gaussian() {
                                feature
                            } else {
                                f64::from(*value)
                            }
                        })
                        .collect()
                }
                (None, Some(components)) => {
                    let features: Vec<f64> = features.collect();
                    components
                        .whiten(&features)
                        .into_iter()
                        .map(saturate)
                        .collect()
                }
                (None, None) => features.collect(),
            }
        };
        table.iter_rows().flat_map(row).collect()
    }
}

/// Layers that know nothing yet.
fn blank(layers: &Layers, width: usize) -> Result<QuantisedStack> {
    let widths = layers.widths(width);
    let [weights, biases, ..] = memory_len(&widths).context("there are no layers")?;
    Ok(QuantisedStack {
        widths,
        hidden: layers.function,
        weights: vec![0; weights],
        biases: vec![0; biases],
    })
}

impl Components {
    fn fit(features: &Table, k: usize) -> Result<Self> {
        let columns: Vec<Vec<f64>> = (0..features.width())
            .map(|at| features.iter_rows().map(|row| row[at].into()).collect())
            .collect();
        let eigen = oracle::jacobi_eigen(&oracle::covariance(&columns), features.width());
        ensure!(
            eigen.values.get(k - 1).is_some_and(|value| *value > 1e-6),
            "{} varies in fewer than {k} directions; set `components` to fewer",
            features.source()
        );
        let n = features.rows() as f64;
        let fixed = |value: f64, unit: f64| (value * unit).round_ties_even() as i16;
        let variance = |value: f64| (value * 2f64.powi(24)).round_ties_even() as u64;
        let mut variances: Vec<u64> = eigen.values[..k].iter().map(|v| variance(*v)).collect();
        let total = variance(eigen.values.iter().sum());
        // Rounding may leave the parts a unit above the whole.
        variances.push(total.max(variances.iter().sum()));
        Ok(Self {
            mean: columns
                .iter()
                .map(|column| fixed(column.iter().sum::<f64>() / n, FEATURE_UNIT))
                .collect(),
            components: eigen.vectors[..k]
                .iter()
                .flatten()
                .map(|u| fixed(*u, 32_768.0))
                .collect(),
            variances,
        })
    }

    fn deviations(&self) -> impl Iterator<Item = f64> {
        let along = &self.variances[..self.variances.len() - 1];
        along
            .iter()
            .map(|variance| (*variance as f64 / 2f64.powi(24)).sqrt())
    }

    fn whiten(&self, row: &[f64]) -> Vec<f64> {
        self.components
            .chunks_exact(row.len())
            .zip(self.deviations())
            .map(|(component, deviation)| {
                let score: f64 = component
                    .iter()
                    .zip(row.iter().zip(&self.mean))
                    .map(|(u, (x, m))| {
                        f64::from(*u) / 32_768.0 * (x - f64::from(*m) / FEATURE_UNIT)
                    })
                    .sum();
                score / deviation
            })
            .collect()
    }
}
