//! What loading proves of a graph: shapes follow, tags are known, no accumulator can overflow.

use super::operation::{OpKind, OpRecord, Value};
use super::{Activation, Element, Graph, MAX_OPS, MAX_WIDTH, WEIGHTS_ALIGN, plan};
use crate::Defect;
use crate::kernels::{Channel, Order};

/// Fields that an operation of this kind does not use are 0.
fn unused_are_zero(op: &OpRecord, kind: OpKind) -> bool {
    let layer = kind.has_weights();
    let conv = kind == OpKind::Conv3x3;
    let unbounded = matches!(op.activation(), Activation::Elu | Activation::Silu);
    let narrowed = unbounded && op.element() == Element::I8;
    let coarse = unbounded && op.element() == Element::I16;
    op.reserved == 0
        && (coarse || op.coarse == 0)
        && (layer
            || (op.activation == 0 && op.order == 0 && op.conditioned == 0 && op.weights == 0))
        && (conv || (op.stride == 0 && op.padding == 0))
        && (layer || kind == OpKind::Add || op.parameters == 0)
        && (op.operands() == 2 || op.inputs.get(1) == Some(&0))
        && narrowed == (op.narrow != 0)
}

/// Tags, types and clamps of one operation.
fn check_output(op: &OpRecord, kind: OpKind) -> bool {
    let (least, most) = (op.element().min(), op.element().max());
    let within = |v: i16| v >= least && v <= most;
    let fixed = matches!(op.activation(), Activation::Sigmoid | Activation::Tanh)
        || (op.element() == Element::I16 && op.activation() != Activation::Clamp);
    op.element <= 1
        && op.conditioned <= 1
        && Activation::from_tag(op.activation).is_some()
        && Order::from_tag(op.order).is_some()
        && unused_are_zero(op, kind)
        && within(op.min)
        && within(op.max)
        && op.min <= op.max
        && within(op.zero_point)
        && (!fixed || op.zero_point == 0)
        && op.coarse <= OpRecord::MAX_COARSE
        && op.unit.is_finite()
        && op.unit > 0.0
}

/// Whether accumulators up to `bound` in magnitude, and what they become by a scale that has been checked, stay
/// within 32 bits.
pub(super) fn fits(bound: u64, channel: &Channel) -> bool {
    const MOST: u64 = i32::MAX as u64;
    // Below 2^31 times below 2^31, where the first condition holds.
    let scaled = bound.wrapping_mul(channel.multiplier.unsigned_abs().into());
    bound <= MOST && (scaled >> (channel.shift & 63)) < MOST
}

impl Graph<'_> {
    /// Everything but the ranges of accumulators. With `apart`, no byte may belong to two operations: what each takes
    /// follows what those before it took. Bytes of weights, channel records and additions that they take then.
    pub(crate) fn check(&self, apart: bool) -> Result<[usize; 3], Defect> {
        let ops = self.ops();
        if ops.len() > MAX_OPS {
            return Err(Defect::TooManyLayers {
                found: u32::try_from(ops.len()).unwrap_or(u32::MAX),
            });
        }
        let input_len = Value::features(self.input_shape()).checked_len();
        if input_len.is_none()
            || self.levels() == 0
            || !ops
                .iter()
                .any(|op| op.kind().is_some_and(OpKind::has_weights))
        {
            return Err(Defect::Shape);
        }
        let [mut weights, mut channels, mut additions] = [0usize; 3];
        for (layer, op) in (0u16..).zip(ops) {
            let defect = Defect::Layer { layer };
            let kind = op.kind().ok_or(defect)?;
            let out_of_turn =
                |field: u32, next: usize| apart && usize::try_from(field).ok() != Some(next);
            // Values before this one only, and in a decoder only those of the decoder.
            let first = self.code_op().filter(|code| layer >= *code).unwrap_or(0);
            let known = |v: &u16| *v <= layer && *v >= first;
            if !check_output(op, kind) || !op.inputs.iter().take(op.operands()).all(known) {
                return Err(defect);
            }
            let operand = |index: usize| {
                let value = op.inputs.get(index).and_then(|v| self.value(*v));
                value.ok_or(defect)
            };
            let input = operand(0)?;
            let output = op.value();
            output.checked_len().ok_or(defect)?;
            let fits = match kind {
                OpKind::Dense => op.rows() <= MAX_WIDTH && input.len() <= MAX_WIDTH,
                OpKind::Conv3x3 => op.geometry(&input).is_some_and(|geometry| {
                    let [height, width] = geometry.output_size();
                    output.shape.get(..2) == Some(&[height, width][..])
                        && geometry.window_len() <= MAX_WIDTH
                }),
                OpKind::Add => {
                    let addition = self.addition(op).ok_or(defect)?;
                    let next = additions;
                    additions += 1;
                    addition.is_valid()
                        && !out_of_turn(op.parameters, next)
                        && output.shape == input.shape
                        && operand(1)?.shape == input.shape
                }
                OpKind::AveragePool | OpKind::Upsample => {
                    let [height, width, channels] = input.shape;
                    let expected = if kind == OpKind::Upsample {
                        [2 * height, 2 * width, channels]
                    } else {
                        [height / 2, width / 2, channels]
                    };
                    // They move elements: the format stays.
                    output.shape == expected
                        && output.element == input.element
                        && [output.zero, output.min, output.max]
                            == [input.zero, input.min, input.max]
                }
            };
            if !fits {
                return Err(defect);
            }
            if kind.has_weights() {
                let matrix = self.matrix(op, &input).ok_or(defect)?;
                // The last level's records lie behind all others.
                let sets = self.sets(op);
                if self.channels(op, sets.saturating_sub(1)).is_none()
                    || out_of_turn(op.weights, weights)
                    || out_of_turn(op.parameters, channels)
                {
                    return Err(defect);
                }
                // At most what is there, but for 64 operations that share it.
                let bytes = matrix.data().len().next_multiple_of(WEIGHTS_ALIGN);
                weights = weights.saturating_add(bytes);
                channels = channels.saturating_add(matrix.rows() * usize::from(sets));
            }
        }
        plan::check(ops)?;
        let last = u16::try_from(ops.len().saturating_sub(1)).unwrap_or(u16::MAX);
        let is_features = |op: &OpRecord| {
            op.element() == Element::I16
                && op.zero_point == 0
                && op.coarse == 0
                && !matches!(op.activation(), Activation::Sigmoid | Activation::Tanh)
        };
        if !ops.last().is_some_and(is_features) {
            return Err(Defect::Layer { layer: last });
        }
        if let Some(code) = self.code_op() {
            // The code is handed out as i16 and lies strictly inside.
            let inside = code >= 1 && code <= last;
            let wide = self.value(code).is_some_and(|v| v.element == Element::I16);
            if !inside || !wide {
                return Err(Defect::Layer { layer: code });
            }
        }
        Ok([weights, channels, additions])
    }

    /// Sets of channel records of an operation with weights.
    fn sets(&self, op: &OpRecord) -> u16 {
        if op.conditioned == 1 {
            self.levels()
        } else {
            1
        }
    }

    /// Proves for every row and level that no input overflows the accumulator or the requantised value.
    pub(crate) fn prove(&self) -> Result<(), Defect> {
        // Largest magnitude that each value can hold, or what lies beyond its edge: any feature enters, any code is
        // given to a decoder. Pooling and upsampling hand on what they are given, everything else is clamped.
        let mut held = [1u32 << 15; MAX_OPS + 1];
        for (layer, op) in (0u16..).zip(self.ops()) {
            let made = usize::from(layer) + 1;
            let source = op.inputs.first().copied().unwrap_or(0);
            let given = held.get(usize::from(source)).copied().unwrap_or(1 << 15);
            let largest = match op.kind() {
                _ if self.code_op().map(usize::from) == Some(made) => 1 << 15,
                Some(OpKind::AveragePool | OpKind::Upsample) => given,
                _ => op.value().largest(),
            };
            if let Some(value) = held.get_mut(made) {
                *value = largest;
            }
            let weights = self.value(source).and_then(|value| self.matrix(op, &value));
            let Some(weights) = weights else {
                continue;
            };
            for row in 0..weights.rows() {
                // At most 2^15 · 2^7 · 2^15.
                let sum = weights.row_magnitude(row) * u64::from(given);
                for level in 0..self.sets(op) {
                    let channels = self.channels(op, level).unwrap_or(&[]);
                    let row_index = u32::try_from(row).unwrap_or(u32::MAX);
                    let Some(channel) = channels.get(row) else {
                        return Err(Defect::Shape);
                    };
                    if channel.scale().is_none() {
                        return Err(Defect::Scale { index: row_index });
                    }
                    let bound = sum.saturating_add(u64::from(channel.bias.unsigned_abs()));
                    if !fits(bound, channel) {
                        return Err(Defect::AccumulatorOverflow {
                            layer,
                            row: row_index,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}
