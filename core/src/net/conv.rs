//! 3x3 convolutions of any pair of element types.

use super::dense::Rows;
use super::graph::{Input, Output};
use super::operation::Value;
use crate::kernels::{Activation as Element, Conv3x3, conv3x3, for_each_taps_while_some};
use crate::num::saturating_i8;
use crate::{Operand, ShapeError};

/// Runs a convolution: by the 8-bit kernel where nothing is wider, otherwise window by window.
///
/// The scratch is that of [`Rows::run`].
pub(super) fn run(
    rows: &Rows<'_>,
    geometry: &Conv3x3,
    value: &Value,
    input: Input<'_>,
    [scratch, sums]: [&mut [i16]; 2],
    output: &mut Output<'_>,
) -> Result<(), ShapeError> {
    // What every window relies on, looked at once.
    let count = rows.weights.rows();
    ShapeError::exact(Operand::Weights, geometry.window_len(), rows.weights.cols())?;
    ShapeError::exact(Operand::Channels, count, rows.channels.as_slice().len())?;
    if rows.op.narrows() {
        ShapeError::at_least(Operand::Workspace, count, sums.len())?;
    }
    match (input, output) {
        (Input::I8(input), Output::I8(output)) if !rows.op.narrows() => {
            let zero = saturating_i8(i32::from(value.zero));
            let (weights, channels, stage) = (&rows.weights, rows.channels, rows.stage_i8());
            conv3x3(
                geometry, weights, channels, &stage, zero, input, scratch, output,
            )
        }
        (Input::I8(input), output) => {
            let zero = saturating_i8(i32::from(value.zero));
            windows(rows, geometry, zero, input, [scratch, sums], output)
        }
        (Input::I16(input), output) => {
            windows(rows, geometry, value.zero, input, [scratch, sums], output)
        }
    }
}

fn windows<I: Element>(
    rows: &Rows<'_>,
    geometry: &Conv3x3,
    zero: I,
    input: &[I],
    [scratch, sums]: [&mut [i16]; 2],
    output: &mut Output<'_>,
) -> Result<(), ShapeError> {
    let Rows {
        weights, channels, ..
    } = *rows;
    let (count, channels) = (weights.rows(), channels.as_slice());
    match output {
        Output::I8(output) if rows.op.narrows() => {
            let sums = sums.get_mut(..count).unwrap_or_default();
            let stage = rows.stage_i16();
            for_each_taps_while_some(
                geometry,
                count,
                zero,
                input,
                scratch,
                output,
                &mut |taps, cell| {
                    taps.rows(&weights, channels, &stage, sums);
                    rows.narrow(sums, cell);
                    Some(())
                },
            )
        }
        Output::I8(output) => {
            let stage = rows.stage_i8();
            for_each_taps_while_some(
                geometry,
                count,
                zero,
                input,
                scratch,
                output,
                &mut |taps, cell| {
                    taps.rows(&weights, channels, &stage, cell);
                    Some(())
                },
            )
        }
        Output::I16(output) => {
            let stage = rows.stage_i16();
            for_each_taps_while_some(
                geometry,
                count,
                zero,
                input,
                scratch,
                output,
                &mut |taps, cell| {
                    taps.rows(&weights, channels, &stage, cell);
                    Some(())
                },
            )?;
            rows.finish(output);
            Ok(())
        }
    }
}
