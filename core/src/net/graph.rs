//! A short program of layers over one workspace.

use super::dense::Rows;
use super::memory::{ALIGN, align, prefix, prefix_mut};
use super::operation::{Addition, OpKind, OpRecord, Value, sides};
use super::{Element, WEIGHTS_ALIGN, add, conv, plan, pool};
use crate::kernels::{Channel, Channels, Matrix, dense_scratch_len};
use crate::{Defect, Operand, ShapeError};

/// What a [`Graph`] borrows.
#[derive(Debug, Clone, Copy)]
pub struct GraphTensors<'a> {
    /// The operations, in the order they run.
    pub ops: &'a [OpRecord],
    /// Weights of all layers, each matrix in its order from the byte that its record names.
    pub weights: &'a [i8],
    /// Output parameters of all layers: for each its rows, or its rows for every noise level.
    pub channels: &'a [Channel],
    /// Parameters of all additions.
    pub additions: &'a [Addition],
}

/// A network as a list of operations, checked at construction.
///
/// Operation i makes value i + 1 out of earlier values; value 0 is the input, `I4F12` features in
/// height-width-channel order, and the last value is the output, `I4F12` features. Values lie in an arena at
/// places that loading checks; see [`place`](super::place).
///
/// # Noise levels
///
/// A layer may be *conditioned*: it then has one set of channel records a level, so that bias and scale of every
/// output depend on the noise level at no cost. A gain and a bias per level and channel are this, and so is an
/// input multiplier per level, folded into the first layer.
///
/// # Memory
///
/// One workspace of [`workspace_bytes`](Self::workspace_bytes). Dense, 64-256-256-64: 1,031 bytes with 8-bit inner
/// values without a function, 1,543 with 16-bit ones or with ELU or SiLU. A residual block of 16 channels over 28x28
/// pixels: three images, 37,632 bytes with 8-bit values and 75,264 with 16-bit ones, and below 400 of scratch.
///
/// # Cost
///
/// Instructions per multiply-accumulate of whole runs with 16-bit values on a Cortex-M4, counted in QEMU by
/// `cargo xtask bench`: 1.28 for 64-256-256-256-64 with SiLU and sums; 1.46 and 1.12 for a convolution over 8x8 pixels of
/// 16 and of 32 channels; 1.86 for the 7.5 million of a convolutional score network over 28x28 pixels with 16
/// channels, SiLU behind every layer, pooling, upsampling and two sums.
///
/// # Ranges
///
/// Every accumulator is proved to stay within 32 bits for every input at load, as for
/// [`Network`](super::Network).
#[derive(Debug, Clone, Copy)]
pub struct Graph<'a> {
    tensors: GraphTensors<'a>,
    input: [u16; 3],
    levels: u16,
    code_op: Option<u16>,
}

impl<'a> Graph<'a> {
    /// A graph over an image of `input` = height, width and channels (1, 1 and n for plain features).
    ///
    /// `levels` counts the noise levels, 1 without any; `code_op` counts the operations of the encoder, if the
    /// graph has one: its value is the code.
    ///
    /// # Errors
    /// [`Defect`] when an operation does not follow from those before, two values that live at the same time
    /// overlap, or the range of an accumulator cannot be proved. Work: a pass over the weights of each operation.
    pub fn new(
        tensors: GraphTensors<'a>,
        input: &[u16; 3],
        levels: u16,
        code_op: Option<u16>,
    ) -> Result<Self, Defect> {
        let graph = Self::unchecked(tensors, input, levels, code_op);
        graph.check(false)?;
        graph.prove()?;
        Ok(graph)
    }

    /// A view that nothing has been checked of: for sizes alone, or of what has been checked before.
    pub(crate) const fn unchecked(
        tensors: GraphTensors<'a>,
        input: &[u16; 3],
        levels: u16,
        code_op: Option<u16>,
    ) -> Self {
        Self {
            tensors,
            input: *input,
            levels,
            code_op,
        }
    }

    /// The operations.
    #[must_use]
    pub const fn ops(&self) -> &'a [OpRecord] {
        self.tensors.ops
    }

    /// Height, width and channels of the input.
    #[must_use]
    pub const fn input_shape(&self) -> [usize; 3] {
        sides(&self.input)
    }

    /// Height, width and channels of the output.
    #[must_use]
    pub fn output_shape(&self) -> [usize; 3] {
        self.ops().last().map_or([0; 3], |op| op.value().shape)
    }

    /// Noise levels, at least 1.
    #[must_use]
    pub const fn levels(&self) -> u16 {
        self.levels
    }

    /// Operations of the encoder, if this graph has a code.
    #[must_use]
    pub const fn code_op(&self) -> Option<u16> {
        self.code_op
    }

    /// Number of input features.
    #[must_use]
    pub fn inputs(&self) -> usize {
        Value::features(self.input_shape()).len()
    }

    /// Number of output features.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.ops().last().map_or(0, |op| op.value().len())
    }

    /// Elements of the code, if this graph has one.
    #[must_use]
    pub fn code_len(&self) -> Option<usize> {
        self.value(self.code_op?).map(|value| value.len())
    }

    /// Weights of operation `index`; `None` for one without.
    #[must_use]
    pub fn weights(&self, index: usize) -> Option<Matrix<'a>> {
        let op = self.ops().get(index)?;
        self.matrix(op, &self.value(*op.inputs.first()?)?)
    }

    /// Multiply-accumulates of one run.
    #[must_use]
    pub fn macs(&self) -> u64 {
        let of = |op: &OpRecord| {
            let input = op.inputs.first().and_then(|v| self.value(*v))?;
            let cols = u64::try_from(op.cols(&input)).ok()?;
            u64::try_from(op.value().len()).ok()?.checked_mul(cols)
        };
        self.ops().iter().filter_map(of).sum()
    }

    /// Bytes of the arena, in which inner values lie.
    #[must_use]
    pub fn arena_bytes(&self) -> usize {
        plan::arena_bytes(self.ops())
    }

    /// Bytes of workspace for [`run`](Self::run), [`encode`](Self::encode) and [`decode`](Self::decode): the
    /// arena, one layer's scratch, and what aligning them to four bytes may cost.
    #[must_use]
    pub fn workspace_bytes(&self) -> usize {
        let scratch = 2 * self.scratch().total();
        // At most 2^20 each: no overflow with places that loading has checked.
        scratch
            .saturating_add(self.arena_bytes())
            .saturating_add(ALIGN - 1)
    }

    /// Runs all operations: features in, features out, both `I4F12`.
    ///
    /// `level` is the noise level of conditioned layers; one past the last counts as the last. What
    /// `workspace` held is lost; its content does not influence the result.
    ///
    /// # Errors
    /// [`ShapeError`] when a slice has the wrong length or the workspace is shorter than
    /// [`workspace_bytes`](Self::workspace_bytes).
    pub fn run(
        &self,
        level: u16,
        workspace: &mut [u8],
        features: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.run_ops(0, self.ops().len(), level, workspace, features, output)
    }

    /// Runs the encoder: features (`I4F12`) to the code (`i16`, the scale of its operation).
    ///
    /// # Errors
    /// [`ShapeError`] as for [`run`](Self::run); a graph without a code needs an output of length 0 and is
    /// never satisfied.
    pub fn encode(
        &self,
        workspace: &mut [u8],
        features: &[i16],
        code: &mut [i16],
    ) -> Result<(), ShapeError> {
        let end = self.code_op.map_or(0, usize::from);
        self.run_ops(0, end, 0, workspace, features, code)
    }

    /// Runs the decoder: code to features.
    ///
    /// # Errors
    /// [`ShapeError`] as for [`encode`](Self::encode).
    pub fn decode(
        &self,
        workspace: &mut [u8],
        code: &[i16],
        features: &mut [i16],
    ) -> Result<(), ShapeError> {
        let start = self.code_op.map_or(usize::MAX, usize::from);
        self.run_ops(start, self.ops().len(), 0, workspace, code, features)
    }

    /// Operations `start..end`: `input` is value `start`, `output` value `end`.
    fn run_ops(
        &self,
        start: usize,
        end: usize,
        level: u16,
        workspace: &mut [u8],
        input: &[i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        let ops = self.ops().get(start..end).unwrap_or(&[]);
        let first = u16::try_from(start).ok().and_then(|v| self.value(v));
        let (Some(first), Some((last, inner))) = (first, ops.split_last()) else {
            return Err(ShapeError {
                operand: Operand::Output,
                needed: 0,
                given: output.len(),
            });
        };
        ShapeError::exact(Operand::Input, first.len(), input.len())?;
        ShapeError::exact(Operand::Output, last.value().len(), output.len())?;
        let short = ShapeError {
            operand: Operand::Workspace,
            needed: self.workspace_bytes(),
            given: workspace.len(),
        };
        ShapeError::at_least(Operand::Workspace, short.needed, short.given)?;
        let plan = self.scratch();
        let aligned = align(workspace).ok_or(short)?;
        let (scratch, arena) = aligned
            .split_at_mut_checked(2 * plan.total())
            .ok_or(short)?;
        let scratch: &mut [i16] = prefix_mut(scratch, plan.total());
        let level = level.min(self.levels.saturating_sub(1));
        for op in inner {
            let value = op.value();
            let (low, rest) = arena.split_at_mut_checked(value.place).ok_or(short)?;
            let (own, high) = rest.split_at_mut_checked(value.bytes()).ok_or(short)?;
            let mut output = match value.element {
                Element::I8 => Output::I8(prefix_mut(own, value.len())),
                Element::I16 => Output::I16(prefix_mut(own, value.len())),
            };
            let behind = value.place.saturating_add(value.bytes());
            let sources = Sources {
                start,
                input,
                low,
                high,
                behind,
            };
            self.run_op(op, level, &sources, plan.cut(scratch), &mut output)?;
        }
        let sources = Sources {
            start,
            input,
            low: arena,
            high: &[],
            behind: usize::MAX,
        };
        self.run_op(
            last,
            level,
            &sources,
            plan.cut(scratch),
            &mut Output::I16(output),
        )
    }

    fn run_op(
        &self,
        op: &OpRecord,
        level: u16,
        sources: &Sources<'_>,
        scratch: [&mut [i16]; 2],
        output: &mut Output<'_>,
    ) -> Result<(), ShapeError> {
        let [a, b] = op.inputs;
        let Some(value) = self.value(a) else {
            return Ok(());
        };
        let input = sources.get(a, &value);
        let [_, width, channels] = value.shape;
        let image = pool::Rows {
            row: width.saturating_mul(channels),
            pixel: channels,
        };
        match op.kind() {
            Some(OpKind::Dense | OpKind::Conv3x3) => {
                let (Some(weights), Some(channels)) =
                    (self.matrix(op, &value), self.channels(op, level))
                else {
                    return Ok(());
                };
                let rows = Rows {
                    op,
                    weights,
                    channels: Channels::proved(channels),
                };
                if op.kind() == Some(OpKind::Dense) {
                    let [scratch, sums] = scratch;
                    return rows.run(input, scratch, sums, output);
                }
                match op.geometry(&value) {
                    Some(geometry) => conv::run(&rows, &geometry, &value, input, scratch, output),
                    None => Ok(()),
                }
            }
            Some(OpKind::Add) => {
                if let (Some(addition), Some(other)) = (self.addition(op), self.value(b)) {
                    add::run(op, &addition, input, sources.get(b, &other), output);
                }
                Ok(())
            }
            Some(OpKind::AveragePool) => {
                pool::average(image, input, output);
                Ok(())
            }
            Some(OpKind::Upsample) => {
                pool::upsample(image, input, output);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Value `index`; 0 is the input.
    pub(super) fn value(&self, index: u16) -> Option<Value> {
        match index.checked_sub(1) {
            None => Some(Value::features(self.input_shape())),
            Some(op) => self.ops().get(usize::from(op)).map(OpRecord::value),
        }
    }

    /// Weights of an operation that reads `input`.
    pub(super) fn matrix(&self, op: &OpRecord, input: &Value) -> Option<Matrix<'a>> {
        let (rows, cols) = (op.rows(), op.cols(input));
        let start = usize::try_from(op.weights).ok()?;
        if !op.kind()?.has_weights() || start % WEIGHTS_ALIGN != 0 {
            return None;
        }
        let end = start.checked_add(op.order().stored_bytes(rows, cols)?)?;
        Matrix::new(
            self.tensors.weights.get(start..end)?,
            rows,
            cols,
            op.order(),
        )
        .ok()
    }

    /// Output parameters of an operation at a level.
    // As for `OpRecord::rows`: once in an image.
    #[inline(never)]
    pub(super) fn channels(&self, op: &OpRecord, level: u16) -> Option<&'a [Channel]> {
        let set = if op.conditioned == 1 {
            usize::from(level)
        } else {
            0
        };
        let rows = op.rows();
        let start = usize::try_from(op.parameters).ok()?;
        let start = start.checked_add(set.checked_mul(rows)?)?;
        self.tensors.channels.get(start..start.checked_add(rows)?)
    }

    /// Parameters of a sum.
    pub(super) fn addition(&self, op: &OpRecord) -> Option<Addition> {
        let index = usize::try_from(op.parameters).ok()?;
        self.tensors.additions.get(index).copied()
    }

    /// The largest of each kind of scratch that an operation needs.
    fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::default();
        for op in self.ops() {
            let Some(value) = op.inputs.first().and_then(|v| self.value(*v)) else {
                continue;
            };
            let kind = op.kind();
            if kind.is_some_and(OpKind::has_weights) {
                let cols = op.cols(&value);
                scratch.row = scratch.row.max(dense_scratch_len(cols).next_multiple_of(2));
                if op.narrows() {
                    scratch.sums = scratch.sums.max(op.rows().next_multiple_of(2));
                }
            }
        }
        scratch
    }
}

/// Scratch of one layer, in elements of 16 bits, each even.
#[derive(Debug, Clone, Copy, Default)]
struct Scratch {
    /// What a dense layer or a convolution needs.
    row: usize,
    /// Sums before a function whose result is narrowed.
    sums: usize,
}

impl Scratch {
    /// At most 2^16 elements and few more.
    const fn total(self) -> usize {
        self.row + self.sums
    }

    fn cut(self, scratch: &mut [i16]) -> [&mut [i16]; 2] {
        let (row, sums) = scratch.split_at_mut_checked(self.row).unwrap_or_default();
        [row, sums]
    }
}

/// What an operation reads.
#[derive(Clone, Copy)]
pub(super) enum Input<'b> {
    I8(&'b [i8]),
    I16(&'b [i16]),
}

/// What an operation writes.
pub(super) enum Output<'b> {
    I8(&'b mut [i8]),
    I16(&'b mut [i16]),
}

/// Where earlier values lie while one is being written.
struct Sources<'b> {
    /// The value that the caller gave, and its elements.
    start: usize,
    input: &'b [i16],
    /// The arena before the value being written, the arena behind it, and where that starts.
    low: &'b [u8],
    high: &'b [u8],
    behind: usize,
}

impl<'b> Sources<'b> {
    fn get(&self, index: u16, value: &Value) -> Input<'b> {
        if usize::from(index) == self.start {
            return Input::I16(self.input);
        }
        // A live value does not overlap the one being written: it lies on one side.
        let bytes = match value.place.checked_sub(self.behind) {
            Some(offset) => self.high.get(offset..),
            None => self.low.get(value.place..),
        };
        let bytes = bytes.unwrap_or(&[]);
        match value.element {
            Element::I8 => Input::I8(prefix(bytes, value.len())),
            Element::I16 => Input::I16(prefix(bytes, value.len())),
        }
    }
}
