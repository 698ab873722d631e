//! What all networks have in common.

use super::{Graph, Network};
use crate::ShapeError;

/// Features in, features out, both `I4F12`: what a denoiser can be made of.
pub trait Forward {
    /// Number of input features.
    fn inputs(&self) -> usize;

    /// Number of output features.
    fn outputs(&self) -> usize;

    /// Bytes of workspace for [`forward`](Self::forward).
    fn workspace_bytes(&self) -> usize;

    /// One run; of a graph with noise levels, at the first.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has the wrong length or the workspace is shorter than
    /// [`workspace_bytes`](Self::workspace_bytes).
    fn forward(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError>;
}

impl Forward for Network<'_> {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn workspace_bytes(&self) -> usize {
        self.workspace_bytes()
    }

    fn forward(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.run(workspace, features, output)
    }
}

impl Forward for Graph<'_> {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn workspace_bytes(&self) -> usize {
        self.workspace_bytes()
    }

    fn forward(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.run(0, workspace, features, output)
    }
}
