//! The memory that running a model takes, all of it.

use autodidact::model::{Body, Model};
use autodidact::{Operand, ShapeError};

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
    /// Workspace of the hungriest network, in bytes.
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
                Body::Pca(pca) => sizes.scores = sizes.scores.max(pca.k()),
                Body::Gmm(gmm) => sizes.scores = sizes.scores.max(gmm.k()),
                Body::LatentClass(classes) => sizes.scores = sizes.scores.max(classes.classes()),
                Body::Network(network, _) => {
                    sizes.workspace_bytes = sizes.workspace_bytes.max(network.workspace_bytes());
                }
                Body::Graph(graph, _) => {
                    sizes.workspace_bytes = sizes.workspace_bytes.max(graph.workspace_bytes());
                }
                _ => {}
            }
        }
        sizes
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
