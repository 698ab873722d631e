//! Convolutions.

use super::*;
use crate::Operand;

/// The loop nest of a textbook, in image coordinates.
fn conv_by_definition(
    geometry: &Conv3x3,
    weights: &[i8],
    channels: &[Channel],
    zero: i8,
    x: &[i8],
) -> Vec<i8> {
    let [height, width, depth] = geometry.input_shape().map(|side| side as i64);
    let [out_height, out_width] = geometry.output_size().map(|side| side as i64);
    let stride = geometry.stride() as i64;
    let before = |side: i64, out: i64| match geometry.padding() {
        Padding::Valid => 0,
        Padding::Same => ((out - 1) * stride + 3 - side).max(0) / 2,
    };
    let (top, left) = (before(height, out_height), before(width, out_width));
    let mut y = Vec::new();
    for (oy, ox) in (0..out_height).flat_map(|oy| (0..out_width).map(move |ox| (oy, ox))) {
        for (kernel, channel) in weights.chunks_exact(geometry.window_len()).zip(channels) {
            let mut sum = i64::from(channel.bias);
            for (ky, kx, c) in (0..3)
                .flat_map(|ky| (0..3).flat_map(move |kx| (0..depth).map(move |c| (ky, kx, c))))
            {
                let (iy, ix) = (oy * stride + ky - top, ox * stride + kx - left);
                let inside = (0..height).contains(&iy) && (0..width).contains(&ix);
                let value = if inside {
                    x[((iy * width + ix) * depth + c) as usize]
                } else {
                    zero
                };
                sum += i64::from(kernel[((ky * 3 + kx) * depth + c) as usize]) * i64::from(value);
            }
            y.push(output(sum, channel, 3, -128, 127) as i8);
        }
    }
    y
}

#[test]
fn convolution_is_its_definition_for_every_padding_and_stride() {
    let mut random = Random(4);
    let mut cases = 0;
    for (height, width) in (1..=6).flat_map(|height| (1..=6).map(move |width| (height, width))) {
        for (padding, stride) in [Padding::Same, Padding::Valid]
            .into_iter()
            .flat_map(|p| [(p, 1), (p, 2)])
        {
            let (depth, rows) = (1 + random.below(9), 1 + random.below(10));
            let Some(geometry) = Conv3x3::new(height, width, depth, stride, padding) else {
                assert!(padding == Padding::Valid && (height < 3 || width < 3));
                continue;
            };
            let cols = geometry.window_len();
            let pattern = random.below(4);
            let weights = narrow(&random.values(rows * cols, pattern, -128, 127));
            let x = narrow(&random.values(geometry.input_len(), pattern, -128, 127));
            let channels = random.channels(rows);
            let zero = random.word() as i8;
            let expected = conv_by_definition(&geometry, &weights, &channels, zero, &x);
            let stage = OutputStage {
                zero_point: 3i8,
                min: -128,
                max: 127,
            };
            for order in ORDERS {
                let words = packed(&weights, rows, cols, order);
                let matrix = matrix(&words, rows, cols, order);
                let mut scratch = vec![-1; geometry.scratch_len()];
                let mut y = vec![0; expected.len()];
                conv3x3(
                    &geometry,
                    &matrix,
                    Channels::new(&channels).unwrap(),
                    &stage,
                    zero,
                    &x,
                    &mut scratch,
                    &mut y,
                )
                .unwrap();
                assert_eq!(y, expected, "{geometry:?} {order:?}");
                y.fill(0);
                reference::conv3x3(&geometry, &matrix, &channels, &stage, zero, &x, &mut y);
                assert_eq!(y, expected, "reference, {geometry:?} {order:?}");
            }
            cases += 1;
        }
    }
    assert!(cases > 90);
}

#[test]
fn convolution_refuses_wrong_lengths_and_writes_nothing() {
    let geometry = Conv3x3::new(4, 4, 2, 1, Padding::Same).unwrap();
    let words = packed(&[1; 36], 2, 18, Order::RowMajor);
    let matrix = matrix(&words, 2, 18, Order::RowMajor);
    let channels = [Channel {
        bias: 0,
        multiplier: 1 << 30,
        shift: 33,
    }; 2];
    let stage = OutputStage {
        zero_point: 0i8,
        min: -128,
        max: 127,
    };
    let needed = geometry.scratch_len();
    for (inputs, outputs, scratch, operand) in [
        (31, 32, needed, Operand::Input),
        (32, 31, needed, Operand::Output),
        (32, 32, needed - 1, Operand::Workspace),
    ] {
        let (x, mut y) = (vec![1; inputs], vec![9; outputs]);
        let mut scratch = vec![0; scratch];
        let result = conv3x3(
            &geometry,
            &matrix,
            Channels::new(&channels).unwrap(),
            &stage,
            0,
            &x,
            &mut scratch,
            &mut y,
        );
        assert_eq!(result.map_err(|error| error.operand), Err(operand));
        assert_eq!(y, vec![9; outputs]);
    }
    assert_eq!(Conv3x3::new(4, 4, 0, 1, Padding::Same), None);
    assert_eq!(Conv3x3::new(4, 4, 1, 3, Padding::Same), None);
    assert_eq!(Conv3x3::new(1 << 13, 1 << 13, 1, 1, Padding::Same), None);
}

#[test]
fn a_window_takes_as_many_channels_and_outputs_as_the_weights_have_rows_and_no_others() {
    let geometry = Conv3x3::new(3, 3, 1, 1, Padding::Valid).unwrap();
    let stage = OutputStage {
        zero_point: 0i16,
        min: i16::MIN,
        max: i16::MAX,
    };
    let channel = Channel {
        bias: 0,
        multiplier: 1 << 30,
        shift: 30,
    };
    let x = [1i16; 9];
    for order in ORDERS {
        for (rows, channels, outputs) in (1..=9).flat_map(|rows| {
            (1..=9).flat_map(move |channels| (1..=9).map(move |outputs| (rows, channels, outputs)))
        }) {
            let words = packed(&vec![1; 9 * rows], rows, 9, order);
            let matrix = matrix(&words, rows, 9, order);
            let channels = vec![channel; channels];
            let channels = Channels::new(&channels).unwrap();
            let (mut y, mut scratch) = (vec![-7; outputs], vec![-1; geometry.scratch_len()]);
            let result = for_each_taps(
                &geometry,
                outputs,
                0,
                &x,
                &mut scratch,
                &mut y,
                &mut |taps, y| taps.dense(&matrix, channels, &stage, y),
            );
            let expected = if channels.as_slice().len() != rows {
                Err(Operand::Channels)
            } else if outputs != rows {
                Err(Operand::Output)
            } else {
                Ok(())
            };
            assert_eq!(result.map_err(|error| error.operand), expected);
            // Nine ones times one, scaled by one.
            let expected = if expected.is_ok() { 9 } else { -7 };
            assert_eq!(y, vec![expected; outputs], "{order:?} {rows}");
        }
    }
}

#[test]
fn windows_refuse_weights_of_another_width_and_no_channels() {
    let geometry = Conv3x3::new(3, 3, 2, 1, Padding::Valid).unwrap();
    let words = packed(&[1; 9], 1, 9, Order::RowMajor);
    let matrix = matrix(&words, 1, 9, Order::RowMajor);
    let channels = [Channel {
        bias: 0,
        multiplier: 1 << 30,
        shift: 33,
    }];
    let stage = OutputStage {
        zero_point: 0i8,
        min: -128,
        max: 127,
    };
    let mut scratch = vec![0; geometry.scratch_len()];
    let (x, mut y) = ([1i8; 18], [9i8]);
    let mut called = 0;
    let mut run = |channels_of_output: usize, y: &mut [i8]| {
        for_each_taps(
            &geometry,
            channels_of_output,
            0,
            &x,
            &mut scratch,
            y,
            &mut |taps, y| {
                called += 1;
                taps.dense(&matrix, Channels::new(&channels).unwrap(), &stage, y)
            },
        )
        .map_err(|error| error.operand)
    };
    assert_eq!(run(0, &mut []), Err(Operand::Channels));
    assert_eq!(run(1, &mut y), Err(Operand::Weights));
    assert_eq!((called, y), (1, [9]));
}

#[test]
fn the_first_error_ends_the_windows() {
    let geometry = Conv3x3::new(4, 4, 1, 1, Padding::Same).unwrap();
    let error = crate::ShapeError {
        operand: Operand::Workspace,
        needed: 2,
        given: 1,
    };
    let (mut scratch, mut y) = (vec![0; geometry.scratch_len()], [0i8; 16]);
    let mut called = 0;
    let result = for_each_taps(
        &geometry,
        1,
        0,
        &[1i8; 16],
        &mut scratch,
        &mut y,
        &mut |_, _| {
            called += 1;
            if called < 3 { Ok(()) } else { Err(error) }
        },
    );
    assert_eq!((result, called), (Err(error), 3));
}
