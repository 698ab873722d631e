//! What a model is worth on rows it has never seen: the measures proper to each kind of part.
//!
//! The same code judges the f32 model and the device's integers, in standardised features where
//! distances live and in data units where a person reads them.

mod figures;
mod likelihood;
mod units;

pub use figures::{Figure, PartReport, figures, latent_class_figures};
pub use likelihood::Likelihood;
pub use units::{NOISE_SEED, Noise, Units};

use anyhow::Result;
use autodidact::kmeans::Metric;
use autodidact::model::{Body, Model, Task};

use crate::data::Table;
use crate::oracle;
use crate::quantize::{FEATURE_UNIT, dequantised_rbm};
use crate::replay::{self, PartResult};
use crate::train::model::{
    self, DbnParameters, DenseStack, GmmDensity, GraphNet, KMeansModel, PcaModel,
};

/// One nat: `I16F16`.
const LIKELIHOOD_UNIT: f64 = 65_536.0;

fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(
        0,
        |best, at| {
            if values[at] > values[best] { at } else { best }
        },
    )
}

/// What a part gave for one row, in standardised features.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nearest centroid.
    KMeans {
        /// Its index.
        index: usize,
        /// Distance in the metric, in units of the features.
        distance: f64,
    },
    /// What the components leave over.
    Pca {
        /// Squared length of the residual.
        residual: f64,
    },
    /// Outputs of a network.
    Network(Vec<f64>),
    /// A part that is not run over rows.
    Nothing,
    /// Log-likelihood of a mixture, and the component or class that explains the row best.
    Mixture {
        /// Nats, a density in the values that the part reads.
        log_likelihood: f64,
        /// Its index.
        most_probable: usize,
    },
    /// What a Boltzmann machine or a belief net thinks of the row.
    Energy {
        /// Nats: of a machine the log-likelihood, of a net of several a lower bound.
        log_likelihood: f64,
        /// Of the estimated partition function; 0 where it was summed.
        standard_error: f64,
    },
}

/// An f32 model, one part of a container before quantisation.
#[derive(Clone, Copy, Debug)]
pub enum FloatPart<'a> {
    /// k-means in features.
    KMeans(&'a KMeansModel),
    /// Components in features.
    Pca(&'a PcaModel),
    /// A network over features.
    Network(&'a DenseStack, Task),
    /// A graph over features.
    Graph(&'a GraphNet, Task),
    /// Components in features, judged by what they give back as an autoencoder is.
    Reconstruction(&'a PcaModel),
    /// A Gaussian mixture over features, or over whitened scores.
    Gmm {
        /// Its density.
        density: &'a GmmDensity<'a>,
        /// The components whose whitened scores it reads.
        whitening: Option<&'a PcaModel>,
    },
    /// A Boltzmann machine or a belief net over features.
    Energy(&'a Likelihood),
}

/// The oracle's name for the metric of a k-means model.
fn metric(model: &KMeansModel) -> oracle::Metric {
    match model.metric {
        model::Metric::L2 => oracle::Metric::SquaredEuclidean,
        model::Metric::L1 => oracle::Metric::Manhattan,
        model::Metric::Cosine => oracle::Metric::Cosine,
    }
}

/// Scores of a row of features, each divided by its standard deviation.
#[must_use]
pub fn whitened(pca: &PcaModel, features: &[f64]) -> Vec<f64> {
    let scores = oracle::Projection::from(pca).project(features);
    let variances = scores.iter().zip(&pca.explained_variance);
    // A component without variance has nothing to divide by.
    let divided = |(y, v): (&f64, &f64)| if *v > 0.0 { y / v.sqrt() } else { 0.0 };
    variances.map(divided).collect()
}

impl FloatPart<'_> {
    /// Runs one row of features in f64.
    ///
    /// # Errors
    ///
    /// None with finite features.
    pub fn run(&self, features: &[f64]) -> Result<Outcome> {
        Ok(match self {
            Self::KMeans(model) => {
                let centroids: Vec<f64> = model.centroids.iter().map(|&c| f64::from(c)).collect();
                let (index, distance) = oracle::nearest_by(metric(model), &centroids, features);
                Outcome::KMeans { index, distance }
            }
            Self::Pca(model) => Outcome::Pca {
                residual: oracle::Projection::from(*model).residual(features),
            },
            Self::Network(stack, _) => Outcome::Network(oracle::forward(stack, features)),
            Self::Graph(net, _) => Outcome::Network(oracle::graph_forward(net, 0, features)),
            Self::Reconstruction(model) => {
                let components = oracle::Projection::from(*model);
                Outcome::Network(components.reconstruct(&components.project(features)))
            }
            Self::Gmm { density, whitening } => {
                let row =
                    whitening.map_or_else(|| features.to_vec(), |pca| whitened(pca, features));
                let responsibilities = density.responsibilities(&row);
                Outcome::Mixture {
                    log_likelihood: density.log_density(&row),
                    most_probable: first_largest(&responsibilities),
                }
            }
            Self::Energy(likelihood) => likelihood.of_row(features)?,
        })
    }
}

/// Marks the centroids or components that rows of features fall to, as a part says; there are `used.len()`.
///
/// # Errors
///
/// None with finite features.
pub fn mark_used(part: FloatPart<'_>, features: &Table, used: &mut [bool]) -> Result<()> {
    for row in features.iter_rows() {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        if let Outcome::KMeans { index, .. }
        | Outcome::Mixture {
            most_probable: index,
            ..
        } = part.run(&row)?
            && let Some(used) = used.get_mut(index)
        {
            *used = true;
        }
    }
    Ok(())
}

impl Outcome {
    /// What a device's result for a part means.
    #[must_use]
    pub fn of(body: &Body<'_>, result: &PartResult) -> Self {
        let fixed = |value: u64, bits: u32| value as f64 / 2f64.powi(bits as i32);
        match result {
            PartResult::KMeans { index, distance } => {
                let metric = match body {
                    Body::KMeans(kmeans) => kmeans.metric(),
                    _ => Metric::SquaredEuclidean,
                };
                Self::KMeans {
                    index: *index as usize,
                    distance: fixed(*distance, metric.distance_bits()),
                }
            }
            PartResult::Pca { residual, .. } => Self::Pca {
                residual: fixed(*residual, Metric::SquaredEuclidean.distance_bits()),
            },
            PartResult::Mixture {
                log_likelihood,
                responsibilities,
            } => Self::Mixture {
                log_likelihood: f64::from(*log_likelihood) / LIKELIHOOD_UNIT,
                most_probable: first_largest(responsibilities),
            },
            PartResult::Nothing => Self::Nothing,
            PartResult::Network(output) => Self::Network(
                output
                    .iter()
                    .map(|&x| f64::from(x) / FEATURE_UNIT)
                    .collect(),
            ),
            // Until a partition function is known: the logarithm of what is proportional to a likelihood.
            PartResult::Rbm { free_energy, .. } => Self::Energy {
                log_likelihood: -f64::from(*free_energy) / LIKELIHOOD_UNIT,
                standard_error: 0.0,
            },
            PartResult::Dbn(hidden) => Self::Network(
                hidden
                    .iter()
                    .map(|&h| f64::from(h) / FEATURE_UNIT)
                    .collect(),
            ),
        }
    }
}

/// Judges every part of a container on the rows of `table`, with results from `run`: the device's
/// kernels on the host, or an emulated core. A denoiser is given noisy rows, everything else the
/// rows as they are.
///
/// # Errors
///
/// The table does not fit the model, or `run` fails.
pub fn evaluate(
    model: &Model<'_>,
    table: &Table,
    run: &dyn Fn(&[i16]) -> Result<Vec<u8>>,
) -> Result<Vec<PartReport>> {
    let outcomes = outcomes(model, table, run)?;
    let units = Units::of(model)?;
    model
        .parts()
        .zip(&outcomes)
        .map(|(part, outcomes)| figures(&part, &units, table, outcomes))
        .collect()
}

/// What every part gives for every row: one list a part.
///
/// # Errors
///
/// As [`evaluate`].
pub fn outcomes(
    model: &Model<'_>,
    table: &Table,
    run: &dyn Fn(&[i16]) -> Result<Vec<u8>>,
) -> Result<Vec<Vec<Outcome>>> {
    let units = Units::of(model)?;
    let denoises = |body: &Body<'_>| {
        matches!(
            body,
            Body::Network(_, Task::Denoiser)
                | Body::Graph(_, Task::Denoiser)
                | Body::Stack(_, Task::Denoiser)
        )
    };
    let parts: Vec<_> = model.parts().collect();
    let results = |wanted: bool, table: &Table| {
        if parts.iter().any(|part| denoises(&part.body) == wanted) {
            replay::decode(model, &run(&units.counts(table)?)?)
        } else {
            Ok(Vec::new())
        }
    };
    let clean = results(false, table)?;
    let noisy = results(true, &units.noisy(table)?)?;
    let features = |row: &[f32]| units.features(row);
    parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let rows = if denoises(&part.body) { &noisy } else { &clean };
            let of = |row: &Vec<PartResult>| Outcome::of(&part.body, &row[at]);
            Ok(match likelihood(&part.body, &units, table)? {
                None => rows.iter().map(of).collect(),
                // Of a stack the device computes codes, not likelihoods: those of its integers are bounded.
                Some(likelihood) => rows
                    .iter()
                    .zip(table.iter_rows())
                    .map(|(results, row)| match of(results) {
                        Outcome::Energy { log_likelihood, .. } => {
                            Ok(likelihood.of_free_energy(-log_likelihood))
                        }
                        _ => likelihood.of_row(&features(row)),
                    })
                    .collect::<Result<_>>()?,
            })
        })
        .collect()
}

/// What turns the free energies of a machine's integers into likelihoods.
fn likelihood(body: &Body<'_>, units: &Units, table: &Table) -> Result<Option<Likelihood>> {
    let features = || {
        let rows = table.iter_rows().flat_map(|row| units.features(row));
        table.with_values(rows.map(|x| x as f32).collect())
    };
    Ok(match body {
        Body::Rbm(rbm) => Some(Likelihood::of_rbm(&dequantised_rbm(rbm), &features()?)?),
        Body::Dbn(dbn) => {
            let layers = dbn.layers().iter().map(dequantised_rbm).collect();
            let parameters = DbnParameters { layers };
            Some(Likelihood::of_dbn(&parameters, &features()?)?)
        }
        _ => None,
    })
}

/// What an f32 part gives for every row, under the same noise as the device's part.
///
/// # Errors
///
/// The table does not fit the model.
pub fn float_outcomes(part: FloatPart<'_>, units: &Units, table: &Table) -> Result<Vec<Outcome>> {
    let noisy = matches!(
        part,
        FloatPart::Network(_, Task::Denoiser) | FloatPart::Graph(_, Task::Denoiser)
    );
    let input = if noisy {
        units.noisy(table)?
    } else {
        table.with_values(table.values().to_vec())?
    };
    if let FloatPart::Graph(net, _) = part {
        return Ok(graph_outcomes(net, units, &input));
    }
    input
        .iter_rows()
        .map(|row| part.run(&units.features(row)))
        .collect()
}

/// Rows that a graph takes at once: its f64 reference is faster on many.
const GRAPH_ROWS: usize = 64;

fn graph_outcomes(net: &GraphNet, units: &Units, input: &Table) -> Vec<Outcome> {
    let blocks = input.values().chunks(GRAPH_ROWS * input.width());
    blocks
        .flat_map(|block| {
            let rows = block.chunks(input.width());
            let features: Vec<f64> = rows.flat_map(|row| units.features(row)).collect();
            let outputs = oracle::graph_forward(net, 0, &features);
            let rows = outputs.chunks(net.outputs());
            rows.map(|row| Outcome::Network(row.to_vec()))
                .collect::<Vec<_>>()
        })
        .collect()
}
