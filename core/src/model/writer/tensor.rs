//! The tensors of a container: their shapes, and how what a part is made of becomes their bytes.

use zerocopy::IntoBytes;

use super::{LayerSpec, RbmSpec, WriteError, put};
use crate::kernels::{Order, pack};
use crate::kmeans::Metric;
use crate::model::TensorElement;
use crate::model::graph::GraphSpec;
use crate::model::layout::{LayerRecord, MachineRecord};
use crate::pca::{center_offset, inverse_deviation};

/// Called for every tensor, in file order.
pub(super) type Visit<'v, 'a> = &'v mut dyn FnMut(TensorSpec<'a>) -> Result<(), WriteError>;

/// What a tensor is filled with.
pub(super) enum Fill<'a> {
    Bytes(&'a [u8]),
    CentroidOffsets {
        metric: Metric,
        rows: &'a [i16],
    },
    InverseDeviations(&'a [u64]),
    Offsets {
        mean: &'a [i16],
        components: &'a [i16],
    },
    Records(&'a [LayerSpec<'a>]),
    GraphRecords(GraphSpec<'a>),
    GraphWeights(GraphSpec<'a>),
    GraphChannels(GraphSpec<'a>),
    GraphAdditions(GraphSpec<'a>),
    Weights {
        row_major: &'a [i8],
    },
    Machine(RbmSpec<'a>),
    Machines(&'a [RbmSpec<'a>]),
    /// Rows of weights, padded.
    Rows(&'a [i8]),
    /// Columns of weights, `hidden` each, padded.
    Columns(&'a [i8]),
}

/// A tensor to write.
pub(super) struct TensorSpec<'a> {
    pub(super) element: TensorElement,
    pub(super) order: Order,
    pub(super) frac_bits: u8,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) fill: Fill<'a>,
}

impl<'a> TensorSpec<'a> {
    pub(super) fn new(
        element: TensorElement,
        frac_bits: u8,
        [rows, cols]: [usize; 2],
        fill: Fill<'a>,
    ) -> Self {
        Self {
            element,
            order: Order::RowMajor,
            frac_bits,
            rows,
            cols,
            fill,
        }
    }

    pub(super) fn bytes(&self) -> Option<usize> {
        self.order
            .stored_bytes(self.rows, self.cols)?
            .checked_mul(self.element.bytes())
    }

    pub(super) fn write(&self, out: &mut [u8]) -> Result<(), WriteError> {
        match &self.fill {
            Fill::Bytes(bytes) if bytes.len() == out.len() => out.copy_from_slice(bytes),
            Fill::Bytes(_) => return Err(WriteError::Shape),
            Fill::CentroidOffsets { metric, rows } => {
                for (cell, row) in out
                    .chunks_exact_mut(8)
                    .zip(rows.chunks_exact(self.cols_of(rows.len())))
                {
                    cell.copy_from_slice(&metric.offset(row).to_le_bytes());
                }
            }
            Fill::InverseDeviations(variances) => {
                for (cell, variance) in out.chunks_exact_mut(8).zip(variances.iter()) {
                    cell.copy_from_slice(&inverse_deviation(*variance).to_le_bytes());
                }
            }
            Fill::Offsets { mean, components } => {
                for (cell, row) in out
                    .chunks_exact_mut(8)
                    .zip(components.chunks_exact(mean.len().max(1)))
                {
                    cell.copy_from_slice(&center_offset(row, mean).to_le_bytes());
                }
            }
            Fill::Records(layers) => {
                for (cell, layer) in out
                    .chunks_exact_mut(size_of::<LayerRecord>())
                    .zip(layers.iter())
                {
                    cell.copy_from_slice(layer.record().as_bytes());
                }
            }
            Fill::Machine(spec) => write_machines(core::slice::from_ref(spec), out)?,
            Fill::Machines(specs) => write_machines(specs, out)?,
            Fill::Rows(weights) => {
                let columns = self.cols_of(weights.len());
                let rows = out.chunks_exact_mut(self.cols.max(1));
                for (cell, row) in rows.zip(weights.chunks_exact(columns)) {
                    cell.get_mut(..columns)
                        .ok_or(WriteError::Shape)?
                        .copy_from_slice(row.as_bytes());
                }
            }
            Fill::Columns(weights) => {
                // This tensor's rows are the weights' columns.
                let rows = out.chunks_exact_mut(self.cols.max(1));
                for (column, cell) in rows.enumerate() {
                    let weights = weights.iter().skip(column).step_by(self.rows.max(1));
                    for (to, w) in cell.iter_mut().zip(weights) {
                        *to = w.cast_unsigned();
                    }
                }
            }
            Fill::GraphRecords(graph) => {
                let layout = graph.layout()?;
                put(out, 0, layout.records().as_bytes())?;
            }
            Fill::GraphWeights(graph) => graph.write_weights(out)?,
            Fill::GraphChannels(graph) => graph.write_channels(out)?,
            Fill::GraphAdditions(graph) => graph.write_additions(out)?,
            Fill::Weights { row_major } => {
                let packed =
                    zerocopy::FromBytes::mut_from_bytes(out).map_err(|_| WriteError::Shape)?;
                pack(row_major, self.rows, self.cols, self.order, packed)
                    .map_err(|_| WriteError::Shape)?;
            }
        }
        Ok(())
    }

    /// Row length of the matrix whose norms this tensor holds.
    fn cols_of(&self, elements: usize) -> usize {
        elements.checked_div(self.rows).unwrap_or(1).max(1)
    }
}

/// The records of machines.
fn write_machines(specs: &[RbmSpec<'_>], out: &mut [u8]) -> Result<(), WriteError> {
    for (cell, spec) in out.chunks_exact_mut(size_of::<MachineRecord>()).zip(specs) {
        cell.copy_from_slice(spec.record()?.as_bytes());
    }
    Ok(())
}
