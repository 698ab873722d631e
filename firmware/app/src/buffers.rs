//! The memory that running a model takes, all of it.

use autodidact::dbn::Dbn;
use autodidact::model::reads::{self, has};
use autodidact::model::{Body, Model};
use autodidact::rbm::Rbm;
use autodidact::{Operand, ShapeError};
use zerocopy::{FromBytes as _, IntoBytes as _};

/// Storage for [`Buffers`], for models of up to `WIDTH` features, `SCORES` components (or classes) and
/// `WORKSPACE` bytes of workspace.
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Memory<const WIDTH: usize, const SCORES: usize, const WORKSPACE: usize> {
    workspace: [u8; WORKSPACE],
    scores: [i32; SCORES],
    counts: [i16; WIDTH],
    features: [i16; WIDTH],
    output: [i16; WIDTH],
    whitened: [i16; SCORES],
}

impl<const WIDTH: usize, const SCORES: usize, const WORKSPACE: usize>
    Memory<WIDTH, SCORES, WORKSPACE>
{
    /// Zeroed memory.
    pub const NEW: Self = Self {
        workspace: [0; WORKSPACE],
        scores: [0; SCORES],
        counts: [0; WIDTH],
        features: [0; WIDTH],
        output: [0; WIDTH],
        whitened: [0; SCORES],
    };

    /// All of this memory.
    pub const fn buffers(&mut self) -> Buffers<'_> {
        Buffers {
            counts: &mut self.counts,
            features: &mut self.features,
            output: &mut self.output,
            whitened: &mut self.whitened,
            scores: &mut self.scores,
            workspace: &mut self.workspace,
        }
    }
}

/// Borrowed buffers, whatever their size.
#[derive(Debug)]
pub struct Buffers<'b> {
    pub(crate) counts: &'b mut [i16],
    pub(crate) features: &'b mut [i16],
    pub(crate) output: &'b mut [i16],
    pub(crate) whitened: &'b mut [i16],
    pub(crate) scores: &'b mut [i32],
    pub(crate) workspace: &'b mut [u8],
}

/// The sizes that a model needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Features of a sample; what networks give back is as wide.
    pub width: usize,
    /// Most components of a PCA or a mixture, or most classes.
    pub scores: usize,
    /// Workspace of the hungriest network, machine or net, in bytes.
    pub workspace_bytes: usize,
}

impl Sizes {
    /// Bytes of a [`Memory`] of these sizes.
    pub const fn memory_bytes(&self) -> usize {
        let words = self.workspace_bytes.next_multiple_of(4) + self.scores * size_of::<i32>();
        words + ((3 * self.width + self.scores) * size_of::<i16>()).next_multiple_of(4)
    }

    /// What `model` needs.
    pub fn of<const READS: u32>(model: &Model<'_, READS>) -> Self {
        let mut sizes = Self {
            width: model.scaler().len(),
            scores: 0,
            workspace_bytes: 0,
        };
        for part in model.parts() {
            match part.body {
                Body::Pca(pca) if has(READS, reads::PCA) => {
                    sizes.scores = sizes.scores.max(pca.k())
                }
                Body::Gmm(gmm) if has(READS, reads::GMM) => {
                    sizes.scores = sizes.scores.max(gmm.k())
                }
                Body::LatentClass(classes) if has(READS, reads::LATENT_CLASS) => {
                    sizes.scores = sizes.scores.max(classes.classes())
                }
                Body::Network(network, _) if has(READS, reads::NETWORK) => {
                    sizes.workspace_bytes = sizes.workspace_bytes.max(network.workspace_bytes());
                }
                Body::Rbm(rbm) if has(READS, reads::RBM) => {
                    sizes.take_energy(EnergyWords::of_rbm(&rbm))
                }
                Body::Dbn(dbn) if has(READS, reads::DBN) => {
                    sizes.take_energy(EnergyWords::of_dbn(&dbn))
                }
                Body::Graph(graph, _) if has(READS, reads::GRAPH) => {
                    sizes.workspace_bytes = sizes.workspace_bytes.max(graph.workspace_bytes());
                }
                Body::Stack(stack, _) if has(READS, reads::STACK) => {
                    sizes.workspace_bytes = sizes.workspace_bytes.max(stack.workspace_bytes());
                }
                _ => {}
            }
        }
        sizes
    }

    fn take_energy(&mut self, words: EnergyWords) {
        let bytes = words.total().saturating_mul(size_of::<u32>());
        self.workspace_bytes = self.workspace_bytes.max(bytes);
    }
}

/// Words of workspace of a Boltzmann machine or a belief net, one use after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnergyWords {
    /// The sample as bits.
    visible: usize,
    /// What the calls into the model take.
    workspace: usize,
    /// Means of hidden units, two in a word.
    hidden: usize,
}

/// A workspace, cut.
pub(crate) struct EnergyWorkspace<'w> {
    pub(crate) visible: &'w mut [u32],
    pub(crate) workspace: &'w mut [i32],
    /// May be longer than there are hidden units by one.
    pub(crate) hidden: &'w mut [i16],
}

impl EnergyWords {
    pub(crate) fn of_rbm(rbm: &Rbm<'_>) -> Self {
        Self::new(rbm.visible(), rbm.workspace_len(), rbm.hidden())
    }

    pub(crate) fn of_dbn(dbn: &Dbn<'_>) -> Self {
        Self::new(dbn.visible(), dbn.workspace_len(), dbn.hidden())
    }

    const fn new(visible: usize, workspace: usize, hidden: usize) -> Self {
        Self {
            visible: visible.div_ceil(32),
            workspace,
            hidden: hidden.div_ceil(2),
        }
    }

    const fn total(self) -> usize {
        self.visible + self.workspace + self.hidden
    }

    /// Cuts a workspace; slices are empty where it is too short or not aligned to words.
    pub(crate) fn cut(self, bytes: &mut [u8]) -> EnergyWorkspace<'_> {
        let bytes = bytes.get_mut(..self.total() * size_of::<u32>());
        let words = <[u32]>::mut_from_bytes(bytes.unwrap_or_default()).unwrap_or_default();
        let (visible, rest) = words.split_at_mut_checked(self.visible).unwrap_or_default();
        let (workspace, hidden) = rest
            .split_at_mut_checked(self.workspace)
            .unwrap_or_default();
        EnergyWorkspace {
            visible,
            workspace: <[i32]>::mut_from_bytes(workspace.as_mut_bytes()).unwrap_or_default(),
            hidden: <[i16]>::mut_from_bytes(hidden.as_mut_bytes()).unwrap_or_default(),
        }
    }
}

const _: () = {
    let sizes = Sizes {
        width: 7,
        scores: 5,
        workspace_bytes: 3,
    };
    assert!(sizes.memory_bytes() == size_of::<Memory<7, 5, 3>>());
};

impl<'b> Buffers<'b> {
    /// How large they are.
    pub const fn sizes(&self) -> Sizes {
        Sizes {
            width: self.counts.len(),
            scores: self.scores.len(),
            workspace_bytes: self.workspace.len(),
        }
    }

    /// The beginning of each buffer, as long as `model` needs it.
    ///
    /// # Errors
    ///
    /// A buffer is shorter than that.
    pub fn for_model<const READS: u32>(self, model: &Model<'_, READS>) -> Result<Self, ShapeError> {
        let Sizes {
            width,
            scores,
            workspace_bytes,
        } = Sizes::of(model);
        Ok(Self {
            counts: cut(self.counts, Operand::Input, width)?,
            features: cut(self.features, Operand::Input, width)?,
            output: cut(self.output, Operand::Output, width)?,
            whitened: cut(self.whitened, Operand::Output, scores)?,
            scores: cut(self.scores, Operand::Output, scores)?,
            workspace: cut(self.workspace, Operand::Workspace, workspace_bytes)?,
        })
    }
}

fn cut<T>(buffer: &mut [T], operand: Operand, needed: usize) -> Result<&mut [T], ShapeError> {
    let given = buffer.len();
    buffer.get_mut(..needed).ok_or(ShapeError {
        operand,
        needed,
        given,
    })
}
