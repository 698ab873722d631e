//! Dense layers.

use super::*;
use crate::Operand;

fn dense_by_definition(
    weights: &[i8],
    channels: &[Channel],
    x: &[i32],
    stage: [i32; 3],
) -> Vec<i32> {
    let rows = weights.chunks_exact(x.len()).zip(channels);
    rows.map(|(row, channel)| {
        let products = row
            .iter()
            .zip(x)
            .map(|(w, x)| i64::from(*w) * i64::from(*x));
        let sum = i64::from(channel.bias) + products.sum::<i64>();
        output(sum, channel, stage[0], stage[1], stage[2])
    })
    .collect()
}

fn check_dense<I, O>(
    matrix: &Matrix<'_>,
    channels: &[Channel],
    x: &[I],
    stage: [i32; 3],
    expected: &[i32],
) where
    I: Activation,
    O: Activation
        + TryFrom<i32, Error: core::fmt::Debug>
        + Into<i32>
        + PartialEq
        + core::fmt::Debug,
{
    let element = |v: i32| O::try_from(v).unwrap();
    let stage = OutputStage {
        zero_point: element(stage[0]),
        min: element(stage[1]),
        max: element(stage[2]),
    };
    let expected: Vec<O> = expected.iter().map(|y| element(*y)).collect();
    let guard = element(77);
    let mut y = vec![guard; matrix.rows() + 1];
    let mut scratch = vec![-1; dense_scratch_len(x.len())];
    dense(
        matrix,
        Channels::new(channels).unwrap(),
        &stage,
        x,
        &mut scratch,
        &mut y[..matrix.rows()],
    )
    .unwrap();
    let case = (matrix.order(), matrix.rows(), matrix.cols());
    assert_eq!(y[..matrix.rows()], expected, "{case:?}");
    assert_eq!(y[matrix.rows()], guard, "{case:?}");
    reference::dense(matrix, channels, &stage, x, &mut y);
    assert_eq!(y[..matrix.rows()], expected, "reference, {case:?}");
}

#[test]
fn dense_is_its_definition_for_every_order_tail_and_extreme() {
    let mut random = Random(1);
    for cols in 1..=70 {
        for rows in 1..=20 {
            let pattern = random.below(4);
            let weights = narrow(&random.values(rows * cols, pattern, -128, 127));
            let channels = random.channels(rows);
            // One element more, so that the inputs can start at an odd place.
            let pattern = random.below(4);
            let x8 = narrow(&random.values(cols + 1, pattern, -128, 127));
            let x16 = wide(&random.values(cols + 1, pattern, -32_768, 32_767));
            let start = random.below(2);
            let (x8, x16) = (&x8[start..start + cols], &x16[start..start + cols]);
            let [x8_wide, x16_wide] = [
                x8.iter().map(|x| i32::from(*x)).collect::<Vec<_>>(),
                x16.iter().map(|x| i32::from(*x)).collect(),
            ];
            let to8 = [random.below(256) as i32 - 128, -100, 120];
            let to16 = [0, -32_768, 32_767];
            for order in ORDERS {
                let words = packed(&weights, rows, cols, order);
                let matrix = matrix(&words, rows, cols, order);
                let expected =
                    |x: &[i32], stage| dense_by_definition(&weights, &channels, x, stage);
                check_dense::<i8, i8>(&matrix, &channels, x8, to8, &expected(&x8_wide, to8));
                check_dense::<i8, i16>(&matrix, &channels, x8, to16, &expected(&x8_wide, to16));
                check_dense::<i16, i8>(&matrix, &channels, x16, to8, &expected(&x16_wide, to8));
                check_dense::<i16, i16>(&matrix, &channels, x16, to16, &expected(&x16_wide, to16));
            }
        }
    }
}

#[test]
fn scales_of_a_quarter_and_more_round_once_too() {
    let mut random = Random(2);
    for shift in 20..=33 {
        // A sum small enough that the result fits 32 bits.
        let weights = narrow(&random.values(7 * 3, 0, -3, 3));
        let channels: Vec<_> = (0..7)
            .map(|_| Channel {
                bias: 0,
                multiplier: (random.word() >> 2 | 1 << 30).cast_signed(),
                shift,
            })
            .collect();
        let x = narrow(&random.values(3, 0, -5, 5));
        let x_wide: Vec<_> = x.iter().map(|x| i32::from(*x)).collect();
        let stage = [-1, -32_768, 32_767];
        for order in ORDERS {
            let words = packed(&weights, 7, 3, order);
            let matrix = matrix(&words, 7, 3, order);
            let expected = dense_by_definition(&weights, &channels, &x_wide, stage);
            check_dense::<i8, i16>(&matrix, &channels, &x, stage, &expected);
        }
    }
}

#[test]
fn dense_refuses_wrong_lengths_and_writes_nothing() {
    let words = packed(&[1; 15], 3, 5, Order::Quads);
    let matrix = matrix(&words, 3, 5, Order::Quads);
    let channel = Channel {
        bias: 0,
        multiplier: 1 << 30,
        shift: 33,
    };
    let stage = OutputStage {
        zero_point: 0i8,
        min: -128,
        max: 127,
    };
    let needed = dense_scratch_len(5);
    for (inputs, channels, outputs, scratch, operand) in [
        (4, 3, 3, needed, Operand::Input),
        (6, 3, 3, needed, Operand::Input),
        (5, 2, 3, needed, Operand::Channels),
        (5, 3, 2, needed, Operand::Output),
        (5, 3, 4, needed, Operand::Output),
        (5, 3, 3, needed - 1, Operand::Workspace),
    ] {
        let mut y = vec![9i8; outputs];
        let (channels, x) = (vec![channel; channels], vec![1i8; inputs]);
        let result = dense(
            &matrix,
            Channels::new(&channels).unwrap(),
            &stage,
            &x,
            &mut vec![0; scratch],
            &mut y,
        );
        assert_eq!(result.map_err(|error| error.operand), Err(operand));
        assert_eq!(y, vec![9i8; outputs]);
    }
}

#[test]
fn channels_have_scales_in_range_or_are_refused() {
    let channel = |multiplier, shift| Channel {
        bias: i32::MIN,
        multiplier,
        shift,
    };
    let good = [channel(1 << 30, 1), channel(i32::MAX, 62)];
    assert_eq!(Channels::new(&good).unwrap().as_slice(), good);
    for wrong in [
        channel(-(1 << 30), 33),
        channel((1 << 30) - 1, 33),
        channel(1 << 30, 0),
        channel(1 << 30, 63),
    ] {
        let refused = Channels::new(&[good[0], wrong]).map(|_| ());
        assert_eq!(refused, Err(crate::Defect::Scale { index: 1 }));
    }
}
