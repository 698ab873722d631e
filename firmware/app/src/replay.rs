//! Runs every part of a model on every row that comes in, and hands the results on.
//!
//! For each row, for each part in directory order, the results follow one another without gaps, little-endian:
//!
//! | part | results |
//! |---|---|
//! | k-means | index `u32`, squared distance `u64` (`U40F24`) |
//! | PCA | k scores `i32` (`I20F12`), d reconstructed features `i16` (`I4F12`), residual `u64` (`U40F24`) |
//! | network, graph (but a generator), stack | outputs `i16` (`I4F12`) |
//! | Gaussian mixture, latent classes | log-likelihood `i32` (nats, `I16F16`), k responsibilities `u32` (`U16F16`) |
//! | Boltzmann machine | free energy `i32` (nats, `I16F16`), means of the hidden units `i16` (`I4F12`) |
//! | deep belief net | means of the highest hidden units `i16` (`I4F12`) |
//!
//! At the end the log has a line `part <name> <kind> <rows> <instructions>` for the scaler and for each part:
//! the instructions of the calls into the model alone, without the link.

use autodidact::ShapeError;
use autodidact::kernels::{nearest_l2, squared_distance};
use autodidact::model::reads::{self, has};
use autodidact::model::{Body, Model, Part};
use autodidact::rbm::{Rbm, States, Units};
use zerocopy::{FromBytes as _, IntoBytes as _};

use crate::buffers::{EnergyWords, EnergyWorkspace};
use crate::{Buffers, Link};

/// Parts whose cost is counted; those that follow are run all the same.
const COUNTED_PARTS: usize = 8;

/// Why a replay ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
#[non_exhaustive]
pub enum ReplayError<E> {
    /// Samples could not be read or results not be written.
    Link(E),
    /// The model needs larger buffers than this image has.
    Buffers(ShapeError),
}

impl<E> From<ShapeError> for ReplayError<E> {
    fn from(error: ShapeError) -> Self {
        Self::Buffers(error)
    }
}

/// Runs `model` on all rows of `link` and returns how many there were.
///
/// # Errors
///
/// [`ReplayError::Link`] when the link fails, [`ReplayError::Buffers`] when the model does not fit the buffers.
pub fn replay<L: Link, const READS: u32>(
    model: &Model<'_, READS>,
    link: &mut L,
    buffers: Buffers<'_>,
) -> Result<u32, ReplayError<L::Error>> {
    let mut buffers = buffers.for_model(model)?;
    let mut scaling = 0_u64;
    let mut costs = [0_u64; COUNTED_PARTS];
    let mut rows = 0_u32;
    while link.read_row(buffers.counts).map_err(ReplayError::Link)? {
        let begin = link.instructions();
        model
            .scaler()
            .scale_into(buffers.counts, buffers.features)?;
        scaling = scaling.wrapping_add(link.instructions().wrapping_sub(begin));
        for (index, part) in model.parts().enumerate() {
            let cost = run_part::<L, READS>(&part, link, &mut buffers)?;
            if let Some(total) = costs.get_mut(index) {
                *total = total.wrapping_add(cost);
            }
        }
        rows = rows.wrapping_add(1);
    }
    defmt::println!("part scaler scaler {=u32} {=u64}", rows, scaling);
    for (part, cost) in model.parts().zip(costs) {
        let kind = match part.body {
            Body::KMeans(_) => "kmeans",
            Body::Pca(_) => "pca",
            Body::Network(..) => "network",
            Body::Gmm(_) => "gmm",
            Body::LatentClass(_) => "latent-class",
            Body::Rbm(_) => "rbm",
            Body::Dbn(_) => "dbn",
            Body::Graph(..) => "graph",
            Body::Score(_) => "score",
            Body::Stack(..) => "stack",
            _ => "unknown",
        };
        defmt::println!(
            "part {=str} {=str} {=u32} {=u64}",
            part.name,
            kind,
            rows,
            cost
        );
    }
    Ok(rows)
}

/// Runs one part on what it reads, writes its results and returns the instructions it took, whitening included.
fn run_part<L: Link, const READS: u32>(
    part: &Part<'_>,
    link: &mut L,
    buffers: &mut Buffers<'_>,
) -> Result<u64, ReplayError<L::Error>> {
    let Buffers {
        features,
        output,
        whitened,
        scores,
        workspace,
        ..
    } = buffers;
    let begin = link.instructions();
    let cost = |link: &L| link.instructions().wrapping_sub(begin);
    let count = part.input.scores();
    let input = if has(READS, reads::PCA_SPECTRUM) {
        part.input.prepare(
            features,
            scores.get_mut(..count).unwrap_or_default(),
            whitened.get_mut(..count).unwrap_or_default(),
        )?
    } else {
        &**features
    };
    match &part.body {
        Body::KMeans(kmeans) if has(READS, reads::KMEANS) => {
            let nearest = if has(READS, reads::KMEANS_METRICS) {
                kmeans.nearest(input)?
            } else {
                nearest_l2(kmeans.centroids(), kmeans.offsets(), input)?
            };
            let cost = cost(link);
            link.write(&nearest.index.to_le_bytes())
                .map_err(ReplayError::Link)?;
            link.write(&nearest.distance.to_le_bytes())
                .map_err(ReplayError::Link)?;
            Ok(cost)
        }
        Body::Pca(pca) if has(READS, reads::PCA) => {
            let scores = scores.get_mut(..pca.k()).unwrap_or_default();
            let output = output.get_mut(..pca.dimensions()).unwrap_or_default();
            pca.project_into(input, scores)?;
            pca.reconstruct_into(scores, output)?;
            let residual = squared_distance(input, output)?;
            let cost = cost(link);
            link.write(scores.as_bytes()).map_err(ReplayError::Link)?;
            link.write(output.as_bytes()).map_err(ReplayError::Link)?;
            link.write(&residual.to_le_bytes())
                .map_err(ReplayError::Link)?;
            Ok(cost)
        }
        Body::Network(network, _) if has(READS, reads::NETWORK) => {
            let output = output.get_mut(..network.outputs()).unwrap_or_default();
            network.run(workspace, input, output)?;
            let cost = cost(link);
            link.write(output.as_bytes()).map_err(ReplayError::Link)?;
            Ok(cost)
        }
        // A generator takes noise, not rows: it has no results here, and neither has a score.
        Body::Graph(graph, _) if has(READS, reads::GRAPH) && graph.inputs() == input.len() => {
            let output = output.get_mut(..graph.outputs()).unwrap_or_default();
            graph.run(0, workspace, input, output)?;
            let cost = cost(link);
            link.write(output.as_bytes()).map_err(ReplayError::Link)?;
            Ok(cost)
        }
        Body::Stack(stack, _) if has(READS, reads::STACK) => {
            let bytes = workspace.get_mut(..stack.workspace_bytes());
            let values = <[i16]>::mut_from_bytes(bytes.unwrap_or_default()).unwrap_or_default();
            let output = stack.run(input, values)?;
            let cost = cost(link);
            link.write(output.as_bytes()).map_err(ReplayError::Link)?;
            Ok(cost)
        }
        Body::Gmm(gmm) if has(READS, reads::GMM) => {
            let responsibilities = unsigned(scores, gmm.k());
            let nats = gmm.responsibilities_into(input, responsibilities)?;
            let cost = cost(link);
            write_mixture(link, nats, responsibilities)?;
            Ok(cost)
        }
        Body::LatentClass(classes) if has(READS, reads::LATENT_CLASS) => {
            let posterior = unsigned(scores, classes.classes());
            let nats = classes.posterior_into(input, posterior)?;
            let cost = cost(link);
            write_mixture(link, nats, posterior)?;
            Ok(cost)
        }
        Body::Rbm(rbm) if has(READS, reads::RBM) => {
            let EnergyWorkspace {
                visible,
                workspace,
                hidden,
            } = EnergyWords::of_rbm(rbm).cut(workspace);
            let hidden = hidden.get_mut(..rbm.hidden()).unwrap_or_default();
            let states = visible_states(rbm, input, visible)?;
            rbm.hidden_means_into(states, workspace, hidden)?;
            let free_energy = rbm.free_energy(states, workspace)?;
            let cost = cost(link);
            link.write(&free_energy.to_le_bytes())
                .map_err(ReplayError::Link)?;
            link.write(hidden.as_bytes()).map_err(ReplayError::Link)?;
            Ok(cost)
        }
        Body::Dbn(dbn) if has(READS, reads::DBN) => {
            let EnergyWorkspace {
                visible,
                workspace,
                hidden,
            } = EnergyWords::of_dbn(dbn).cut(workspace);
            let hidden = hidden.get_mut(..dbn.hidden()).unwrap_or_default();
            let states = visible_states(dbn.bottom(), input, visible)?;
            dbn.up_into(states, workspace, hidden)?;
            let cost = cost(link);
            link.write(hidden.as_bytes()).map_err(ReplayError::Link)?;
            Ok(cost)
        }
        // A kind that this image leaves out or is older than: it has no results.
        _ => Ok(0),
    }
}

/// What a machine's visible units take of a row: bits, or the features themselves.
fn visible_states<'s>(
    rbm: &Rbm<'_>,
    input: &'s [i16],
    bits: &'s mut [u32],
) -> Result<States<'s>, ShapeError> {
    Ok(match rbm.units() {
        Units::Bernoulli => {
            rbm.binarise_into(input, bits)?;
            States::Binary(bits)
        }
        Units::Gaussian => States::Real(input),
    })
}

/// The first `len` of the scores' memory, for numbers without a sign.
fn unsigned(scores: &mut [i32], len: usize) -> &mut [u32] {
    // Elements of the same size and alignment: the cast does not fail.
    let words = <[u32]>::mut_from_bytes(scores.as_mut_bytes()).unwrap_or_default();
    words.get_mut(..len).unwrap_or_default()
}

fn write_mixture<L: Link>(
    link: &mut L,
    nats: i32,
    responsibilities: &[u32],
) -> Result<(), ReplayError<L::Error>> {
    link.write(&nats.to_le_bytes()).map_err(ReplayError::Link)?;
    link.write(responsibilities.as_bytes())
        .map_err(ReplayError::Link)
}
