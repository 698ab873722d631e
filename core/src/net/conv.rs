//! 3x3 convolutions of any pair of element types.

use super::dense::Rows;
use super::graph::{Input, Output};
use super::operation::Value;
use crate::ShapeError;
use crate::kernels::{Activation as Element, Conv3x3, conv3x3, for_each_taps};
use crate::num::saturating_i8;

/// Runs a convolution: by the 8-bit kernel where nothing is wider, otherwise window by window.
///
/// `taps` holds one window, the others are those of [`Rows::run`].
pub(super) fn run(
    rows: &Rows<'_>,
    geometry: &Conv3x3,
    value: &Value,
    input: Input<'_>,
    [taps, scratch, sums]: [&mut [i16]; 3],
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
            windows(rows, geometry, zero, input, [taps, scratch, sums], output)
        }
        (Input::I16(input), output) => windows(
            rows,
            geometry,
            value.zero,
            input,
            [taps, scratch, sums],
            output,
        ),
    }
}

fn windows<I: Element>(
    rows: &Rows<'_>,
    geometry: &Conv3x3,
    zero: I,
    input: &[I],
    [taps, scratch, sums]: [&mut [i16]; 3],
    output: &mut Output<'_>,
) -> Result<(), ShapeError> {
    let channels = rows.weights.rows();
    // The slices of a window have the lengths that the layer checks: `ok` is never `None`.
    match output {
        Output::I8(output) => for_each_taps(
            geometry,
            channels,
            zero,
            input,
            taps,
            output,
            &mut |taps, cell| rows.run_i8(Input::I16(taps), scratch, sums, cell).ok(),
        ),
        Output::I16(output) => for_each_taps(
            geometry,
            channels,
            zero,
            input,
            taps,
            output,
            &mut |taps, cell| rows.run_i16(Input::I16(taps), scratch, cell).ok(),
        ),
    }
}
