//! Graphs and score networks in a container: what to write, and the way back.

use super::layout::{NO_CODE, PartEntry};
use super::parts::Tensors;
use super::{Task, TensorElement, WriteError};
use crate::Defect;
use crate::kernels::{Channel, pack};
use crate::net::{Addition, Graph, GraphTensors, MAX_OPS, OpKind, OpRecord, WEIGHTS_ALIGN, place};
use crate::score::{Level, ScoreNetwork};
use zerocopy::{FromBytes, IntoBytes};

/// A graph to write.
#[derive(Debug, Clone, Copy)]
pub struct GraphSpec<'a> {
    /// Height, width and channels of the input.
    pub input: [u16; 3],
    /// Operations of the encoder, if it has a code.
    pub code_op: Option<u16>,
    /// The operations, in the order they run.
    pub ops: &'a [OpSpec<'a>],
}

/// An operation to write.
#[derive(Debug, Clone, Copy)]
pub struct OpSpec<'a> {
    /// All but `weights`, `parameters` and `place`, which the writer fills in.
    pub record: OpRecord,
    /// Row-major, outputs x inputs; empty without weights.
    pub weights: &'a [i8],
    /// One record an output, or for conditioned layers one an output for each level in turn.
    pub channels: &'a [Channel],
    /// Parameters of a sum.
    pub addition: Option<Addition>,
}

/// Records with their places, and the lengths of the pools.
pub(super) struct Layout {
    records: [OpRecord; MAX_OPS],
    len: usize,
    pub(super) weights: usize,
    pub(super) channels: usize,
    pub(super) additions: usize,
}

impl Layout {
    pub(super) fn records(&self) -> &[OpRecord] {
        self.records.get(..self.len).unwrap_or(&[])
    }
}

/// Rows of a weight matrix and bytes of it as stored.
fn matrix_shape(op: &OpSpec<'_>) -> Option<[usize; 3]> {
    let rows = op.record.rows();
    let cols = op.weights.len().checked_div(rows)?;
    Some([rows, cols, op.record.order().stored_bytes(rows, cols)?])
}

impl GraphSpec<'_> {
    /// Fills in where everything lies.
    pub(super) fn layout(&self) -> Result<Layout, WriteError> {
        let mut layout = Layout {
            records: [OpRecord::wide(OpKind::Dense, 0, &[0; 3]); MAX_OPS],
            len: self.ops.len(),
            weights: 0,
            channels: 0,
            additions: 0,
        };
        if self.ops.len() > MAX_OPS {
            return Err(WriteError::Shape);
        }
        let word = |n: usize| u32::try_from(n).map_err(|_| WriteError::Shape);
        for (record, op) in layout.records.iter_mut().zip(self.ops) {
            *record = op.record;
            match op.record.kind() {
                Some(OpKind::Dense | OpKind::Conv3x3) => {
                    let [_, _, bytes] = matrix_shape(op).ok_or(WriteError::Shape)?;
                    record.weights = word(layout.weights)?;
                    record.parameters = word(layout.channels)?;
                    layout.weights = bytes
                        .checked_next_multiple_of(WEIGHTS_ALIGN)
                        .and_then(|bytes| bytes.checked_add(layout.weights))
                        .ok_or(WriteError::Shape)?;
                    layout.channels = layout.channels.saturating_add(op.channels.len());
                }
                Some(OpKind::Add) => {
                    record.parameters = word(layout.additions)?;
                    layout.additions = layout.additions.saturating_add(1);
                }
                _ => {}
            }
        }
        place(layout.records.get_mut(..layout.len).unwrap_or_default());
        Ok(layout)
    }

    pub(super) fn write_weights(&self, out: &mut [u8]) -> Result<(), WriteError> {
        let mut start = 0usize;
        for op in self.ops {
            if !op.record.kind().is_some_and(OpKind::has_weights) {
                continue;
            }
            let [rows, cols, bytes] = matrix_shape(op).ok_or(WriteError::Shape)?;
            let end = start.saturating_add(bytes);
            let slice = out.get_mut(start..end).ok_or(WriteError::Shape)?;
            let packed = FromBytes::mut_from_bytes(slice).map_err(|_| WriteError::Shape)?;
            pack(op.weights, rows, cols, op.record.order(), packed)
                .map_err(|_| WriteError::Shape)?;
            start = end.next_multiple_of(WEIGHTS_ALIGN);
        }
        Ok(())
    }

    pub(super) fn write_channels(&self, out: &mut [u8]) -> Result<(), WriteError> {
        let mut rest = out;
        for op in self.ops {
            if op.record.kind().is_some_and(OpKind::has_weights) {
                rest = fill(rest, op.channels.as_bytes())?;
            }
        }
        Ok(())
    }

    pub(super) fn write_additions(&self, out: &mut [u8]) -> Result<(), WriteError> {
        let mut rest = out;
        for op in self.ops {
            if op.record.kind() == Some(OpKind::Add) {
                rest = fill(rest, op.addition.ok_or(WriteError::Shape)?.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Parameters of the part.
    pub(super) fn params(&self) -> Result<[u32; 4], WriteError> {
        let [height, width, channels] = &self.input;
        let [height, width] = [u32::from(*height), u32::from(*width)];
        Ok([
            u32::try_from(self.ops.len()).map_err(|_| WriteError::Shape)?,
            height | width << 16,
            u32::from(*channels),
            self.code_op.map_or(NO_CODE, u32::from),
        ])
    }

    /// Workspace, as the reader will derive it: from the graph itself, so that there is one formula.
    pub(super) fn workspace_bytes(&self, levels: u16) -> usize {
        let Ok(layout) = self.layout() else {
            return 0;
        };
        let tensors = GraphTensors {
            ops: layout.records(),
            weights: &[],
            channels: &[],
            additions: &[],
        };
        Graph::unchecked(tensors, &self.input, levels, self.code_op).workspace_bytes()
    }
}

/// Copies `bytes` to the front of `out` and gives the rest.
fn fill<'o>(out: &'o mut [u8], bytes: &[u8]) -> Result<&'o mut [u8], WriteError> {
    let (front, rest) = out
        .split_at_mut_checked(bytes.len())
        .ok_or(WriteError::Shape)?;
    front.copy_from_slice(bytes);
    Ok(rest)
}

impl<'a> Tensors<'a> {
    /// Operations, weights, channels, and additions if there is one.
    pub(super) fn graph(
        &self,
        entry: &PartEntry,
        prove: bool,
    ) -> Result<(Graph<'a>, Task), Defect> {
        let task = Task::from_tag(entry.task).ok_or(Defect::Task { found: entry.task })?;
        let graph = self.graph_of(entry, 3, 1, prove)?;
        let same = graph.inputs() == graph.outputs();
        let complete = match task {
            Task::Autoencoder => same && graph.code_op().is_some(),
            Task::Denoiser => same && graph.code_op().is_none(),
            Task::Generator | Task::Discriminator => graph.code_op().is_none(),
        };
        if complete {
            Ok((graph, task))
        } else {
            Err(Defect::Shape)
        }
    }

    /// As a graph, its levels before the additions.
    pub(super) fn score(&self, entry: &PartEntry, prove: bool) -> Result<ScoreNetwork<'a>, Defect> {
        let levels: &[Level] = self.column(3, TensorElement::Level)?;
        let count = u16::try_from(levels.len()).map_err(|_| Defect::Shape)?;
        let graph = self.graph_of(entry, 4, count, prove)?;
        if prove {
            ScoreNetwork::new(graph, levels)
        } else {
            Ok(ScoreNetwork::from_trusted(graph, levels))
        }
    }

    fn graph_of(
        &self,
        entry: &PartEntry,
        additions_at: u16,
        levels: u16,
        prove: bool,
    ) -> Result<Graph<'a>, Defect> {
        let [ops, sides, channels, code] = entry.params;
        let code = match code {
            NO_CODE => None,
            code => Some(u16::try_from(code).map_err(|_| Defect::Shape)?),
        };
        let half = |n: u32| u16::try_from(n).map_err(|_| Defect::Shape);
        let input = [half(sides & 0xffff)?, half(sides >> 16)?, half(channels)?];
        let ops: &[OpRecord] = self.get(0, TensorElement::Operation, 0, [ops, 1])?;
        let adds = ops.iter().any(|op| op.kind() == Some(OpKind::Add));
        self.expect(usize::from(additions_at) + usize::from(adds))?;
        let additions = if adds {
            self.column(additions_at, TensorElement::Addition)?
        } else {
            &[]
        };
        let tensors = GraphTensors {
            ops,
            weights: self.column(1, TensorElement::I8)?,
            channels: self.column(2, TensorElement::Channel)?,
            additions,
        };
        let graph = Graph::unchecked(tensors, &input, levels, code);
        if prove {
            // No byte belongs to two operations: the proofs take one pass over the tensors.
            let [weights, channels, taken] = graph.check(true)?;
            for (index, used, stored) in [
                (1, weights, tensors.weights.len()),
                (2, channels, tensors.channels.len()),
                (additions_at, taken, tensors.additions.len()),
            ] {
                if used != stored {
                    return Err(Defect::Tensor { index });
                }
            }
            graph.prove()?;
        }
        Ok(graph)
    }
}
