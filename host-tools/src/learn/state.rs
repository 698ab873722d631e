//! States of a learner, read back from its bytes.

use anyhow::{Context, Result};
use autodidact::backprop::memory_len;
use autodidact::gmm::{Covariance, Gmm, Tensors, factor_len, factor_rows};

use autodidact::latent_class::{Gaussian, cells};
use autodidact::num::Multiplier;
use autodidact::rbm::Units;
use zerocopy::FromBytes as _;

use super::Problem;
use super::schema::OwnedClasses;
use super::settings::Learner;
use crate::quantize::{QuantisedRbm, QuantisedStack};
use crate::train::model::VisibleUnits;

/// A learner at its start or after a pass.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What the learner says of the pass: sum of squared distances or errors (`U40F24`) or of log-likelihoods (`I47F16`
    /// nats) before the rows were learnt from; 0 at the start and for PCA.
    pub objective: i64,
    /// Its parameters.
    pub learnt: Learnt,
}

/// Learnt parameters, in the device's formats.
#[derive(Clone, Debug, PartialEq)]
pub enum Learnt {
    /// Clusters.
    KMeans {
        /// `I4F12`, k · d.
        centroids: Vec<i16>,
        /// Rows of each.
        counts: Vec<u32>,
    },
    /// Principal components.
    Pca {
        /// `I4F12`, d.
        mean: Vec<i16>,
        /// `I1F15`, k · d.
        components: Vec<i16>,
        /// `U40F24`: along each component, then of all features together.
        variances: Vec<u64>,
    },
    /// A mixture.
    Mixture(OwnedMixture),
    /// Latent classes.
    Classes(OwnedClasses),
    /// A Boltzmann machine.
    Machine(OwnedMachine),
    /// Dense layers.
    Layers(QuantisedStack),
}

/// The tensors of a Boltzmann machine.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedMachine {
    units: Units,
    weight_bits: u8,
    weights: Vec<i8>,
    visible_biases: Vec<i32>,
    hidden_biases: Vec<i32>,
}

impl OwnedMachine {
    /// The machine as an exporter has it.
    ///
    /// # Errors
    ///
    /// A scale that no learner takes.
    pub fn quantised(&self) -> Result<QuantisedRbm> {
        let scale = Multiplier::from_f64(2f64.powi(-i32::from(self.weight_bits)));
        Ok(QuantisedRbm {
            units: self.units,
            weights: self.weights.clone(),
            visible_biases: self.visible_biases.clone(),
            hidden_biases: self.hidden_biases.clone(),
            scale: scale.context("weights of so many fractional bits have no scale")?,
        })
    }
}

/// The tensors of a mixture, as [`Tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedMixture {
    covariance: Covariance,
    d: usize,
    weights: Vec<i32>,
    means: Vec<i16>,
    factors: Vec<i16>,
    shifts: Vec<u8>,
    offsets: Vec<i64>,
    constants: Vec<i32>,
}

impl OwnedMixture {
    /// The mixture, checked as a container's is.
    ///
    /// # Errors
    ///
    /// A tensor does not follow from the others.
    pub fn view(&self) -> Result<Gmm<'_>> {
        let tensors = Tensors {
            weights: &self.weights,
            means: &self.means,
            factors: &self.factors,
            shifts: &self.shifts,
            offsets: &self.offsets,
            constants: &self.constants,
        };
        Gmm::new(self.covariance, self.d, tensors).context("the learnt mixture is not valid")
    }
}

/// Reads all states that came of a problem.
///
/// # Errors
///
/// The bytes are cut in the middle of a state.
pub fn decode(problem: &Problem, bytes: &[u8]) -> Result<Vec<State>> {
    let mut reader = Reader(bytes);
    let mut states = Vec::new();
    while !reader.0.is_empty() {
        let state = reader.state(problem);
        states.push(state.context("the results are cut in the middle of a state")?);
    }
    Ok(states)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn list<const N: usize, T>(&mut self, len: usize, read: fn([u8; N]) -> T) -> Option<Vec<T>> {
        (0..len).map(|_| self.take().map(read)).collect()
    }

    fn state(&mut self, problem: &Problem) -> Option<State> {
        let (k, d) = (problem.settings.k, problem.width);
        let objective = i64::from_le_bytes(self.take()?);
        let learnt = match problem.settings.learner {
            Learner::KMeans { .. } | Learner::OnlineKMeans { .. } => Learnt::KMeans {
                centroids: self.list(k * d, i16::from_le_bytes)?,
                counts: self.list(k, u32::from_le_bytes)?,
            },
            Learner::Pca { .. } => Learnt::Pca {
                mean: self.list(d, i16::from_le_bytes)?,
                components: self.list(k * d, i16::from_le_bytes)?,
                variances: self.list(k + 1, u64::from_le_bytes)?,
            },
            Learner::Mixture(mixture) | Learner::StepwiseMixture { mixture, .. } => {
                Learnt::Mixture(self.mixture(mixture.covariance, k, d)?)
            }
            Learner::Rbm(machine) => Learnt::Machine(OwnedMachine {
                units: match machine.units {
                    VisibleUnits::Bernoulli => Units::Bernoulli,
                    VisibleUnits::Gaussian => Units::Gaussian,
                },
                weight_bits: machine.weight_bits,
                weights: self.list(k * d, i8::from_le_bytes)?,
                visible_biases: self.list(d, i32::from_le_bytes)?,
                hidden_biases: self.list(k, i32::from_le_bytes)?,
            }),
            Learner::Layers(layers) => {
                let widths = layers.widths(d);
                let [weights, biases, ..] = memory_len(&widths)?;
                Learnt::Layers(QuantisedStack {
                    widths,
                    hidden: layers.function,
                    weights: self.list(weights, i16::from_le_bytes)?,
                    biases: self.list(biases, i32::from_le_bytes)?,
                })
            }
            Learner::LatentClass(_) | Learner::StepwiseLatentClass { .. } => {
                let schema = problem.schema.as_ref()?;
                Learnt::Classes(OwnedClasses {
                    columns: schema.columns.clone(),
                    lines: schema.lines.clone(),
                    weights: self.list(k, u16::from_le_bytes)?,
                    surprisals: self.list(k * cells(&schema.columns), u16::from_le_bytes)?,
                    gaussians: (0..k * schema.lines.len())
                        .map(|_| {
                            let bytes: [u8; size_of::<Gaussian>()] = self.take()?;
                            Gaussian::read_from_bytes(&bytes).ok()
                        })
                        .collect::<Option<_>>()?,
                })
            }
        };
        Some(State { objective, learnt })
    }

    fn mixture(&mut self, covariance: Covariance, k: usize, d: usize) -> Option<OwnedMixture> {
        let (factors, rows, offsets) = match covariance {
            Covariance::Diagonal => (k * d, k * d, 0),
            Covariance::Tied => (factor_len(d), factor_rows(d), k * factor_rows(d)),
            Covariance::Full => (k * factor_len(d), k * factor_rows(d), k * factor_rows(d)),
        };
        Some(OwnedMixture {
            covariance,
            d,
            weights: self.list(k, i32::from_le_bytes)?,
            means: self.list(k * d, i16::from_le_bytes)?,
            factors: self.list(factors, i16::from_le_bytes)?,
            shifts: self.list(rows, u8::from_le_bytes)?,
            offsets: self.list(offsets, i64::from_le_bytes)?,
            constants: self.list(k, i32::from_le_bytes)?,
        })
    }
}
