//! Dense layers, and the windows of convolutions, of any pair of element types.

use super::graph::{Input, Output};
use super::{Activation, OpRecord};
use crate::ShapeError;
use crate::kernels::{Activation as Element, Channel, Matrix, OutputStage, dense};
use crate::num::{saturating_i8, saturating_i16};

/// Weights and output parameters of one layer.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) op: &'a OpRecord,
    pub(super) weights: Matrix<'a>,
    pub(super) channels: &'a [Channel],
}

impl Rows<'_> {
    /// All rows over one input; `sums` holds 16-bit sums where the output is narrower and has a function.
    pub(super) fn run(
        &self,
        input: Input<'_>,
        scratch: &mut [i16],
        sums: &mut [i16],
        output: &mut Output<'_>,
    ) -> Result<(), ShapeError> {
        match output {
            Output::I8(output) => self.run_i8(input, scratch, sums, output),
            Output::I16(output) => self.run_i16(input, scratch, output),
        }
    }

    pub(super) fn run_i8(
        &self,
        input: Input<'_>,
        scratch: &mut [i16],
        sums: &mut [i16],
        output: &mut [i8],
    ) -> Result<(), ShapeError> {
        let op = self.op;
        if !op.narrows() {
            return self.call(&self.stage_i8(), input, scratch, output);
        }
        let sums = sums.get_mut(..output.len()).unwrap_or_default();
        self.call(&SUMS, input, scratch, sums)?;
        op.activation().apply_all(sums, i16::MIN, i16::MAX);
        for (y, value) in output.iter_mut().zip(sums) {
            *y = saturating_i8(op.narrow(*value));
        }
        Ok(())
    }

    pub(super) fn run_i16(
        &self,
        input: Input<'_>,
        scratch: &mut [i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        let op = self.op;
        let activation = op.activation();
        if activation == Activation::Clamp {
            let stage = OutputStage {
                zero_point: op.zero_point,
                min: op.min,
                max: op.max,
            };
            return self.call(&stage, input, scratch, output);
        }
        self.call(&SUMS, input, scratch, output)?;
        activation.apply_all(output, op.min, op.max);
        Ok(())
    }

    /// Zero point and clamp of an 8-bit output without a function.
    pub(super) fn stage_i8(&self) -> OutputStage<i8> {
        let narrow = |v: i16| saturating_i8(i32::from(v));
        OutputStage {
            zero_point: narrow(self.op.zero_point),
            min: narrow(self.op.min),
            max: narrow(self.op.max),
        }
    }

    fn call<O: Element>(
        &self,
        stage: &OutputStage<O>,
        input: Input<'_>,
        scratch: &mut [i16],
        output: &mut [O],
    ) -> Result<(), ShapeError> {
        match input {
            Input::I8(x) => dense(&self.weights, self.channels, stage, x, scratch, output),
            Input::I16(x) => dense(&self.weights, self.channels, stage, x, scratch, output),
        }
    }
}

/// Sums in `I4F12`, before a function.
const SUMS: OutputStage<i16> = OutputStage {
    zero_point: 0,
    min: i16::MIN,
    max: i16::MAX,
};

/// An element type's own minimum to maximum, from 32 bits.
pub(super) trait Narrow: Element {
    fn clamped(value: i32, min: i16, max: i16) -> Self;
}

impl Narrow for i8 {
    #[inline]
    fn clamped(value: i32, min: i16, max: i16) -> Self {
        saturating_i8(value.min(max.into()).max(min.into()))
    }
}

impl Narrow for i16 {
    #[inline]
    fn clamped(value: i32, min: i16, max: i16) -> Self {
        saturating_i16(value.min(max.into()).max(min.into()))
    }
}
