//! Runs a container's parts on the host, with the very kernels that the device runs.
//!
//! The results are bytes in the layout that a device writes them in, so that host and device can be
//! compared without interpretation: for every row and every part in directory order, little-endian
//! and packed. k-means: index `u32`, squared distance `u64`. PCA: scores `i32`, reconstruction
//! `i16`, residual `u64`. Network: outputs `i16`. Gaussian mixture and latent classes: log-likelihood
//! `i32`, k responsibilities `u32`. Boltzmann machine: free energy `i32`, means of the hidden units `i16`.
//! Deep belief net: means of the highest hidden units `i16`. Graph: outputs `i16` if it reads features. Stack:
//! outputs `i16`. Score network, generator: nothing.

use anyhow::{Context, Result, ensure};
use autodidact::model::{Body, Model, Part};
use autodidact::rbm::{Rbm, States, Units};

/// What one part gives for one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartResult {
    /// Nearest centroid.
    KMeans {
        /// Its index.
        index: u32,
        /// Distance in the metric's format; squared Euclidean distances in `U40F24`.
        distance: u64,
    },
    /// Projection and what it leaves over.
    Pca {
        /// `I20F12`.
        scores: Vec<i32>,
        /// `I4F12`.
        reconstruction: Vec<i16>,
        /// `U40F24`.
        residual: u64,
    },
    /// Outputs of a network, `I4F12`.
    Network(Vec<i16>),
    /// A part that is not run over rows: a score network, or a generator.
    Nothing,
    /// What a Gaussian mixture or latent classes make of the row.
    Mixture {
        /// Nats, `I16F16`.
        log_likelihood: i32,
        /// `U16F16`, one a component or class, summing to 1.
        responsibilities: Vec<u32>,
    },
    /// What a Boltzmann machine makes of the row.
    Rbm {
        /// Nats, `I16F16`.
        free_energy: i32,
        /// Probabilities of the hidden units, `I4F12`.
        hidden: Vec<i16>,
    },
    /// Probabilities of a deep belief net's highest units, `I4F12`.
    Dbn(Vec<i16>),
}

/// Runs whole rows of counts through the scaler and every part.
///
/// # Errors
///
/// `samples` does not hold whole rows.
pub fn replay(model: &Model<'_>, samples: &[i16]) -> Result<Vec<u8>> {
    let width = model.scaler().len();
    ensure!(
        samples.len().is_multiple_of(width),
        "{} counts are no whole rows of {width}",
        samples.len()
    );
    let parts: Vec<Part<'_>> = model.parts().collect();
    let mut features = vec![0; width];
    let mut bytes = Vec::new();
    for counts in samples.chunks_exact(width) {
        model.scaler().scale_into(counts, &mut features)?;
        for part in &parts {
            run_part(part, &features)
                .with_context(|| format!("part `{}`", part.name))?
                .encode(&mut bytes);
        }
    }
    Ok(bytes)
}

/// Runs one part on one row of features.
///
/// # Errors
///
/// The row has another width.
pub fn run_part(part: &Part<'_>, features: &[i16]) -> Result<PartResult> {
    let count = part.input.scores();
    let (mut scores, mut whitened) = (vec![0; count], vec![0; count]);
    let features = part.input.prepare(features, &mut scores, &mut whitened)?;
    Ok(match &part.body {
        Body::KMeans(kmeans) => {
            let nearest = kmeans.nearest(features)?;
            PartResult::KMeans {
                index: nearest.index,
                distance: nearest.distance,
            }
        }
        Body::Pca(pca) => {
            let mut scores = vec![0; pca.k()];
            pca.project_into(features, &mut scores)?;
            let mut reconstruction = vec![0; features.len()];
            pca.reconstruct_into(&scores, &mut reconstruction)?;
            let residual = pca.residual(features, &scores)?;
            PartResult::Pca {
                scores,
                reconstruction,
                residual,
            }
        }
        Body::Network(network, _) => {
            let mut workspace = vec![0; network.workspace_bytes()];
            let mut output = vec![0; network.outputs()];
            network.run(&mut workspace, features, &mut output)?;
            PartResult::Network(output)
        }
        Body::Gmm(gmm) => {
            let mut responsibilities = vec![0; gmm.k()];
            PartResult::Mixture {
                log_likelihood: gmm.responsibilities_into(features, &mut responsibilities)?,
                responsibilities,
            }
        }
        Body::LatentClass(classes) => {
            let mut responsibilities = vec![0; classes.classes()];
            PartResult::Mixture {
                log_likelihood: classes.posterior_into(features, &mut responsibilities)?,
                responsibilities,
            }
        }
        Body::Rbm(rbm) => {
            let bits = visible_bits(rbm, features)?;
            let visible = visible_states(rbm, features, &bits);
            let mut workspace = vec![0; rbm.workspace_len()];
            let mut hidden = vec![0; rbm.hidden()];
            rbm.hidden_means_into(visible, &mut workspace, &mut hidden)?;
            PartResult::Rbm {
                free_energy: rbm.free_energy(visible, &mut workspace)?,
                hidden,
            }
        }
        Body::Dbn(dbn) => {
            let bits = visible_bits(dbn.bottom(), features)?;
            let visible = visible_states(dbn.bottom(), features, &bits);
            let mut hidden = vec![0; dbn.hidden()];
            dbn.up_into(visible, &mut vec![0; dbn.workspace_len()], &mut hidden)?;
            PartResult::Dbn(hidden)
        }
        Body::Graph(graph, _) if graph.inputs() == features.len() => {
            let mut workspace = vec![0; graph.workspace_bytes()];
            let mut output = vec![0; graph.outputs()];
            graph.run(0, &mut workspace, features, &mut output)?;
            PartResult::Network(output)
        }
        Body::Stack(stack, _) => {
            let mut values = vec![0; stack.values_len()];
            PartResult::Network(stack.run(features, &mut values)?.to_vec())
        }
        Body::Graph(..) | Body::Score(_) => PartResult::Nothing,
        _ => anyhow::bail!("this kind of part cannot be replayed yet"),
    })
}

/// The bits of features that Bernoulli units read.
fn visible_bits(rbm: &Rbm<'_>, features: &[i16]) -> Result<Vec<u32>> {
    let mut bits = vec![0; features.len().div_ceil(32)];
    rbm.binarise_into(features, &mut bits)?;
    Ok(bits)
}

/// What a machine's visible units take of a row.
fn visible_states<'s>(rbm: &Rbm<'_>, features: &'s [i16], bits: &'s [u32]) -> States<'s> {
    match rbm.units() {
        Units::Bernoulli => States::Binary(bits),
        Units::Gaussian => States::Real(features),
    }
}

impl PartResult {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::KMeans { index, distance } => {
                bytes.extend(index.to_le_bytes());
                bytes.extend(distance.to_le_bytes());
            }
            Self::Pca {
                scores,
                reconstruction,
                residual,
            } => {
                bytes.extend(scores.iter().flat_map(|y| y.to_le_bytes()));
                bytes.extend(reconstruction.iter().flat_map(|x| x.to_le_bytes()));
                bytes.extend(residual.to_le_bytes());
            }
            Self::Nothing => {}
            Self::Network(output) => bytes.extend(output.iter().flat_map(|x| x.to_le_bytes())),
            Self::Mixture {
                log_likelihood,
                responsibilities,
            } => {
                bytes.extend(log_likelihood.to_le_bytes());
                bytes.extend(responsibilities.iter().flat_map(|r| r.to_le_bytes()));
            }
            Self::Rbm {
                free_energy,
                hidden,
            } => {
                bytes.extend(free_energy.to_le_bytes());
                bytes.extend(hidden.iter().flat_map(|h| h.to_le_bytes()));
            }
            Self::Dbn(hidden) => bytes.extend(hidden.iter().flat_map(|h| h.to_le_bytes())),
        }
    }
}

/// Reads results back: one list of parts a row.
///
/// # Errors
///
/// `bytes` is not a whole number of rows of this model's results.
pub fn decode(model: &Model<'_>, bytes: &[u8]) -> Result<Vec<Vec<PartResult>>> {
    let parts: Vec<Part<'_>> = model.parts().collect();
    ensure!(
        !parts.is_empty() || bytes.is_empty(),
        "the model has no parts, so there can be no results"
    );
    let width = model.scaler().len();
    let mut reader = Reader(bytes);
    let mut rows = Vec::new();
    while !reader.0.is_empty() {
        let row: Option<Vec<PartResult>> =
            parts.iter().map(|part| reader.part(part, width)).collect();
        rows.push(row.context("the results are cut in the middle of a row")?);
    }
    Ok(rows)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn i16s(&mut self, len: usize) -> Option<Vec<i16>> {
        (0..len)
            .map(|_| self.take().map(i16::from_le_bytes))
            .collect()
    }

    /// `width` counts the features of a row.
    fn part(&mut self, part: &Part<'_>, width: usize) -> Option<PartResult> {
        let width = match part.input.scores() {
            0 => width,
            scores => scores,
        };
        Some(match &part.body {
            Body::KMeans(_) => PartResult::KMeans {
                index: u32::from_le_bytes(self.take()?),
                distance: u64::from_le_bytes(self.take()?),
            },
            Body::Pca(pca) => PartResult::Pca {
                scores: (0..pca.k())
                    .map(|_| self.take().map(i32::from_le_bytes))
                    .collect::<Option<_>>()?,
                reconstruction: self.i16s(pca.dimensions())?,
                residual: u64::from_le_bytes(self.take()?),
            },
            Body::Network(network, _) => PartResult::Network(self.i16s(network.outputs())?),
            Body::Stack(stack, _) => PartResult::Network(self.i16s(stack.outputs())?),
            Body::Gmm(gmm) => self.mixture(gmm.k())?,
            Body::LatentClass(classes) => self.mixture(classes.classes())?,
            Body::Rbm(rbm) => PartResult::Rbm {
                free_energy: i32::from_le_bytes(self.take()?),
                hidden: self.i16s(rbm.hidden())?,
            },
            Body::Dbn(dbn) => PartResult::Dbn(self.i16s(dbn.hidden())?),
            Body::Graph(graph, _) if graph.inputs() == width => {
                PartResult::Network(self.i16s(graph.outputs())?)
            }
            Body::Graph(..) | Body::Score(_) => PartResult::Nothing,
            _ => return None,
        })
    }

    fn mixture(&mut self, k: usize) -> Option<PartResult> {
        Some(PartResult::Mixture {
            log_likelihood: i32::from_le_bytes(self.take()?),
            responsibilities: (0..k)
                .map(|_| self.take().map(u32::from_le_bytes))
                .collect::<Option<_>>()?,
        })
    }
}
