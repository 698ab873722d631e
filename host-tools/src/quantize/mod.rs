//! From f32 parameters to the integers of a container.
//!
//! Scaler, k-means and principal components are rounded to their fixed formats. Networks are
//! calibrated: training rows run through the f32 network, and each layer's output scale is chosen
//! by what its activations really reach ([`network`]). Whatever comes out is written by
//! [`ModelSpec::encode_into`], which loads it once: a model whose range proofs fail is never
//! written.

mod bytes;
mod device_network;
mod gmm;
mod graph;
mod grid;
pub mod latent_class;
mod network;
mod rbm;
mod refined;
mod stack;

pub use bytes::AlignedBytes;
pub use device_network::DeviceNetwork;
pub use gmm::{QuantisedGmm, check_gmm, gmm};
pub use graph::{OpError, QuantisedGraph, QuantisedOp, graph, score};
#[cfg(feature = "train")]
pub(crate) use grid::ValueGrid;
pub use grid::{Grid, Precision};
pub use latent_class::QuantisedLatentClass;
pub use network::{Calibration, Format, QuantisedLayer, QuantisedNetwork, network};
pub use rbm::{QuantisedRbm, dbn, dequantised_rbm, rbm};
pub use refined::refined;
pub use stack::{QuantisedStack, stack};

use anyhow::{Context, Result, ensure};
use autodidact::kernels::Order;
use autodidact::kmeans::Metric;
use autodidact::model::{
    LayerSpec, ModelSpec, NetworkSpec, OpSpec, PartBody, PartSpec, RbmSpec, Task,
};
use autodidact::scaler::{Affine, ScalerFeature};
use autodidact::score::Level;

use crate::data::{LEAST_SPREAD, Standardiser, names_line};
use crate::number::round_near;
use crate::train::model::{self, KMeansModel, PcaModel};

/// One unit of a feature: `I4F12`.
pub const FEATURE_UNIT: f64 = 4096.0;

/// A deviation below this share of the mean is rounding of 32-bit floats: half a unit in the last place.
const LAST_BITS: f64 = 1.0 / 16_777_216.0;

/// One unit of a variance: `U40F24`.
const VARIANCE_UNIT: f64 = 16_777_216.0;

/// One unit of a component: `I1F15`.
const COMPONENT_UNIT: f64 = 32_768.0;

/// A model in integers, before it is written.
#[derive(Clone, Debug)]
pub struct QuantisedModel {
    /// Lines from counts to features and back.
    pub scaler: Vec<ScalerFeature>,
    /// Smallest and largest count seen in training.
    pub counts_range: (i16, i16),
    /// Name and parameters of each part.
    pub parts: Vec<(String, QuantisedPart)>,
    /// Provenance, `key: value`.
    pub text: Vec<(String, String)>,
}

/// A part in integers.
#[derive(Clone, Debug)]
pub enum QuantisedPart {
    /// Centroids in the format of the metric.
    KMeans {
        /// How distances are measured.
        metric: Metric,
        /// k rows of d values.
        centroids: Vec<i16>,
    },
    /// Mean (`I4F12`) and components (`I1F15`).
    Pca {
        /// d values.
        mean: Vec<i16>,
        /// k rows of d values.
        components: Vec<i16>,
        /// `U40F24`: k variances and the total; empty where they are not known.
        variances: Vec<u64>,
    },
    /// A dense network.
    Network(QuantisedNetwork),
    /// A Gaussian mixture.
    Gmm {
        /// The earlier PCA whose whitened scores it reads, if it does not read features.
        input: Option<String>,
        /// Its integers.
        mixture: QuantisedGmm,
    },
    /// Latent classes.
    LatentClass(QuantisedLatentClass),
    /// A restricted Boltzmann machine.
    Rbm(QuantisedRbm),
    /// A deep belief net: its machines, bottom first.
    Dbn(Vec<QuantisedRbm>),
    /// A graph and what it was trained for.
    Graph {
        /// Its operations.
        graph: QuantisedGraph,
        /// What it was trained for.
        task: Task,
    },
    /// A score network.
    Score {
        /// Its operations.
        graph: QuantisedGraph,
        /// Its noise levels, from the largest standard deviation to the smallest.
        levels: Vec<Level>,
    },
    /// Dense layers that a device can go on learning from.
    Stack {
        /// Their integers.
        stack: QuantisedStack,
        /// What they were trained for.
        task: Task,
    },
}

impl QuantisedModel {
    /// A model without parts: the scaler and the data's provenance.
    ///
    /// # Errors
    ///
    /// A column whose spread is so small beside its magnitude that 16-bit counts cannot tell its values
    /// apart.
    pub fn new(standardiser: &Standardiser, columns: &[String]) -> Result<Self> {
        let lines = standardiser
            .mean
            .iter()
            .zip(&standardiser.std)
            .zip(standardiser.lsb.iter().zip(&standardiser.own_counts));
        let scaler = lines
            .zip(columns)
            .map(|(((&mean, &std), (&lsb, &own_counts)), column)| {
                let to_feature =
                    Affine::from_f64(lsb / std * FEATURE_UNIT, -mean / std * FEATURE_UNIT);
                let to_counts = Affine::from_f64(std / FEATURE_UNIT / lsb, mean / lsb);
                // Readings are exact whatever their spread; anything else needs a few counts of it.
                let coarse = !own_counts && std < LEAST_SPREAD * lsb;
                let (Some(to_feature), Some(to_counts), false) = (to_feature, to_counts, coarse)
                else {
                    ensure!(
                        std > LAST_BITS * mean.abs(),
                        "column `{column}` does not move but in the last bits of a 32-bit float, by {std:.1e} around {mean}: it is a sensor that is stuck; leave the column out with --label-column '{column}'"
                    );
                    anyhow::bail!(
                        "column `{column}` varies by {std:.3e} around {mean:.6e}: too little for 16-bit counts of {lsb:.3e}; subtract a constant, here with --offset '{column}={}' and in the firmware alike, or leave the column out with --label-column '{column}'",
                        round_near(mean, std)
                    );
                };
                Ok(ScalerFeature { to_feature, to_counts })
            })
            .collect::<Result<Vec<_>>>()?;
        // Columns of one unit go back to the range seen in training, others have none in common.
        let one_count = standardiser
            .lsb
            .iter()
            .all(|lsb| *lsb == standardiser.lsb[0]);
        let counts_range = if one_count {
            // Float casts saturate.
            let count =
                |value: f32| (f64::from(value) / standardiser.lsb[0]).round_ties_even() as i16;
            (count(standardiser.minimum), count(standardiser.maximum))
        } else {
            (i16::MIN, i16::MAX)
        };
        let mut model = Self {
            scaler,
            counts_range,
            parts: Vec::new(),
            text: Vec::new(),
        };
        let list: Vec<String> = standardiser
            .lsb
            .iter()
            .map(|lsb| format!("{lsb:e}"))
            .collect();
        model.note(
            "lsb",
            if one_count {
                list[0].clone()
            } else {
                list.join(",")
            },
        );
        if let Some(names) = names_line(columns) {
            model.note("columns", names);
        }
        Ok(model)
    }

    /// Adds a line of provenance; a line break in it becomes a space.
    pub fn note(&mut self, key: &str, value: impl ToString) {
        self.text
            .push((key.into(), value.to_string().replace(['\n', '\r'], " ")));
    }

    /// The container's bytes, weights of networks in `order`.
    ///
    /// # Errors
    ///
    /// A range proof fails or a dimension does not fit the format.
    pub fn encode(&self, order: Order) -> Result<AlignedBytes> {
        let stacks: Vec<Stack<'_>> = self
            .parts
            .iter()
            .map(|(_, part)| Stack {
                layers: match part {
                    QuantisedPart::Network(net) => {
                        net.layers.iter().map(|layer| layer.spec(order)).collect()
                    }
                    _ => Vec::new(),
                },
                machines: match part {
                    QuantisedPart::Dbn(machines) => {
                        machines.iter().map(QuantisedRbm::spec).collect()
                    }
                    _ => Vec::new(),
                },
                ops: match part {
                    QuantisedPart::Graph { graph, .. } | QuantisedPart::Score { graph, .. } => {
                        graph.specs(order)
                    }
                    _ => Vec::new(),
                },
            })
            .collect();
        let parts = self
            .parts
            .iter()
            .zip(&stacks)
            .map(|((name, part), stack)| {
                let input = match part {
                    QuantisedPart::Gmm { input, .. } => input.as_deref(),
                    _ => None,
                };
                let body = part.body(stack)?;
                Ok(PartSpec { name, input, body })
            })
            .collect::<Result<Vec<_>>>()?;
        let text: String = self
            .text
            .iter()
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect();
        let spec = ModelSpec {
            scaler: &self.scaler,
            counts_range: self.counts_range,
            parts: &parts,
            text: &text,
        };
        let mut bytes = AlignedBytes::zeroed(spec.encoded_len()?);
        spec.encode_into(&mut bytes)
            .context("the quantised model cannot be written")?;
        Ok(bytes)
    }
}

/// What the writer borrows of a part with layers.
struct Stack<'a> {
    layers: Vec<LayerSpec<'a>>,
    machines: Vec<RbmSpec<'a>>,
    ops: Vec<OpSpec<'a>>,
}

impl QuantisedPart {
    /// What the container's writer takes.
    fn body<'a>(&'a self, stack: &'a Stack<'a>) -> Result<PartBody<'a>> {
        Ok(match self {
            Self::KMeans { metric, centroids } => PartBody::KMeans {
                metric: *metric,
                centroids,
            },
            Self::Pca {
                mean,
                components,
                variances,
            } => PartBody::Pca {
                mean,
                components,
                variances,
            },
            Self::Network(net) => PartBody::Network(NetworkSpec {
                task: net.task,
                code_layer: net.code_layer,
                layers: &stack.layers,
            }),
            Self::Gmm { mixture, .. } => PartBody::Gmm(mixture.view()?),
            Self::LatentClass(classes) => PartBody::LatentClass(classes.view()?),
            Self::Rbm(machine) => PartBody::Rbm(machine.spec()),
            Self::Dbn(_) => PartBody::Dbn(&stack.machines),
            Self::Graph { graph, task } => PartBody::Graph(graph.spec(&stack.ops), *task),
            Self::Score { graph, levels } => PartBody::Score(graph.spec(&stack.ops), levels),
            Self::Stack { stack, task } => PartBody::Stack(stack.view()?, *task),
        })
    }
}

/// A real number in units of `1 / unit`, rounded to nearest; `None` when `i16` cannot hold it.
fn fixed(value: f32, unit: f64) -> Option<i16> {
    let scaled = (f64::from(value) * unit).round_ties_even();
    (scaled.abs() <= 32_768.0).then_some(scaled as i16)
}

/// Centroids of standardised features in the format of their metric.
///
/// # Errors
///
/// A centroid lies eight standard deviations from the mean or further.
pub fn kmeans(model: &KMeansModel) -> Result<QuantisedPart> {
    let metric = match model.metric {
        model::Metric::L2 => Metric::SquaredEuclidean,
        model::Metric::L1 => Metric::Manhattan,
        model::Metric::Cosine => Metric::Cosine,
    };
    let centroids = if metric == Metric::Cosine {
        // A coordinate of exactly 1 saturates.
        let unit = |c: &f32| (f64::from(*c) * COMPONENT_UNIT).round_ties_even() as i16;
        model.centroids.iter().map(unit).collect()
    } else {
        features(&model.centroids, model.d, "centroid")?
    };
    Ok(QuantisedPart::KMeans { metric, centroids })
}

/// Mean as `I4F12`, components as `I1F15`.
///
/// # Errors
///
/// The mean lies eight standard deviations from the scaler's or further.
pub fn pca(model: &PcaModel) -> Result<QuantisedPart> {
    let components = model
        .components
        .iter()
        .map(|&u| {
            let scaled = (f64::from(u) * COMPONENT_UNIT).round_ties_even();
            ensure!(
                scaled.abs() <= COMPONENT_UNIT,
                "a component is longer than a unit vector"
            );
            // An entry of exactly 1 saturates to 1 - 2^-15.
            Ok(scaled as i16)
        })
        .collect::<Result<_>>()?;
    // U40F24; a float cast saturates. Rounding down keeps the parts below the total.
    let variance = |v: f64| (v.max(0.0) * VARIANCE_UNIT) as u64;
    let mut variances: Vec<u64> = model
        .explained_variance
        .iter()
        .map(|&v| variance(v))
        .collect();
    let explained: u64 = variances.iter().sum();
    variances.push(variance(model.total_variance).max(explained));
    Ok(QuantisedPart::Pca {
        mean: features(&model.mean, model.d, "mean")?,
        components,
        variances,
    })
}

fn features(values: &[f32], width: usize, what: &str) -> Result<Vec<i16>> {
    values
        .iter()
        .enumerate()
        .map(|(at, &value)| {
            fixed(value, FEATURE_UNIT).with_context(|| {
                format!(
                    "{what} {} lies {value:.2} deviations from the middle of column {}, and features end at 8 of them; give the data that it was fitted to",
                    at / width,
                    at % width + 1
                )
            })
        })
        .collect()
}
