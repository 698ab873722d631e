//! Dense layers, and the windows of convolutions, of any pair of element types.

use super::graph::{Input, Output};
use super::{Activation, OpRecord};
use crate::ShapeError;
use crate::kernels::{Activation as Element, Channels, Matrix, OutputStage, dense};
use crate::num::{saturating_i8, saturating_i16};

/// Weights and output parameters of one layer.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) op: &'a OpRecord,
    pub(super) weights: Matrix<'a>,
    pub(super) channels: Channels<'a>,
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

    fn run_i8(
        &self,
        input: Input<'_>,
        scratch: &mut [i16],
        sums: &mut [i16],
        output: &mut [i8],
    ) -> Result<(), ShapeError> {
        if !self.op.narrows() {
            return self.call(&self.stage_i8(), input, scratch, output);
        }
        let sums = sums.get_mut(..output.len()).unwrap_or_default();
        self.call(&self.stage_i16(), input, scratch, sums)?;
        self.narrow(sums, output);
        Ok(())
    }

    fn run_i16(
        &self,
        input: Input<'_>,
        scratch: &mut [i16],
        output: &mut [i16],
    ) -> Result<(), ShapeError> {
        self.call(&self.stage_i16(), input, scratch, output)?;
        self.finish(output);
        Ok(())
    }

    /// 16-bit sums through a function into 8 bits.
    pub(super) fn narrow(&self, sums: &mut [i16], output: &mut [i8]) {
        let op = self.op;
        op.activation().apply_all(sums, 0, i16::MIN, i16::MAX);
        for (y, value) in output.iter_mut().zip(sums) {
            *y = saturating_i8(op.narrow(*value));
        }
    }

    /// 16-bit sums through the function, if there is one.
    pub(super) fn finish(&self, sums: &mut [i16]) {
        let activation = self.op.activation();
        if activation != Activation::Clamp {
            let OpRecord {
                coarse, min, max, ..
            } = *self.op;
            activation.apply_all(sums, coarse, min, max);
        }
    }

    /// What 16-bit sums become: the output where there is no function, otherwise sums in its format.
    pub(super) fn stage_i16(&self) -> OutputStage<i16> {
        if self.op.activation() == Activation::Clamp {
            OutputStage {
                zero_point: self.op.zero_point,
                min: self.op.min,
                max: self.op.max,
            }
        } else {
            OutputStage {
                zero_point: 0,
                min: i16::MIN,
                max: i16::MAX,
            }
        }
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
