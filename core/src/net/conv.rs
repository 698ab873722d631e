//! 3x3 convolutions of any pair of element types.

use super::dense::Rows;
use super::graph::{Input, Output};
use super::operation::Value;
use crate::ShapeError;
use crate::kernels::{Activation as Element, Conv3x3, conv3x3, for_each_taps};
use crate::num::saturating_i8;

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
    let count = weights.rows();
    match output {
        Output::I8(output) if rows.op.narrows() => {
            let sums = sums.get_mut(..count).unwrap_or_default();
            let stage = rows.stage_i16();
            for_each_taps(
                geometry,
                count,
                zero,
                input,
                scratch,
                output,
                &mut |taps, cell| {
                    taps.dense(&weights, channels, &stage, sums)?;
                    rows.narrow(sums, cell);
                    Ok(())
                },
            )
        }
        Output::I8(output) => {
            let stage = rows.stage_i8();
            for_each_taps(
                geometry,
                count,
                zero,
                input,
                scratch,
                output,
                &mut |taps, cell| taps.dense(&weights, channels, &stage, cell),
            )
        }
        Output::I16(output) => {
            let stage = rows.stage_i16();
            for_each_taps(
                geometry,
                count,
                zero,
                input,
                scratch,
                output,
                &mut |taps, cell| taps.dense(&weights, channels, &stage, cell),
            )?;
            rows.finish(output);
            Ok(())
        }
    }
}
