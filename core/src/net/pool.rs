//! Average pooling and nearest upsampling by two, of images in height-width-channel order.

use super::dense::Narrow;
use super::graph::{Input, Output};
use super::operation::mean_of_four;

/// Elements of a row of the image, and of one pixel.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) row: usize,
    pub(super) pixel: usize,
}

pub(super) fn average(image: Rows, input: Input<'_>, output: &mut Output<'_>) {
    match (input, output) {
        (Input::I8(x), Output::I8(y)) => average_elements(image, x, y),
        (Input::I16(x), Output::I16(y)) => average_elements(image, x, y),
        // Both have one type: loading checks it.
        _ => {}
    }
}

fn average_elements<T: Narrow>(Rows { row, pixel }: Rows, x: &[T], y: &mut [T]) {
    let pair = 2 * pixel;
    let rows = x.chunks_exact((2 * row).max(1));
    let out_row = (row / pair.max(1)) * pixel;
    for (both, y) in rows.zip(y.chunks_exact_mut(out_row.max(1))) {
        let (upper, lower) = both.split_at_checked(row).unwrap_or_default();
        let pairs = upper
            .chunks_exact(pair.max(1))
            .zip(lower.chunks_exact(pair.max(1)));
        for ((upper, lower), y) in pairs.zip(y.chunks_exact_mut(pixel.max(1))) {
            let (a, b) = upper.split_at_checked(pixel).unwrap_or_default();
            let (c, d) = lower.split_at_checked(pixel).unwrap_or_default();
            for ((((y, a), b), c), d) in y.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let sum: i32 = (*a).into() + (*b).into() + (*c).into() + (*d).into();
                *y = T::clamped(mean_of_four(sum), i16::MIN, i16::MAX);
            }
        }
    }
}

pub(super) fn upsample(image: Rows, input: Input<'_>, output: &mut Output<'_>) {
    match (input, output) {
        (Input::I8(x), Output::I8(y)) => upsample_elements(image, x, y),
        (Input::I16(x), Output::I16(y)) => upsample_elements(image, x, y),
        _ => {}
    }
}

fn upsample_elements<T: Copy>(Rows { row, pixel }: Rows, x: &[T], y: &mut [T]) {
    let rows = y.chunks_exact_mut((2 * row).max(1));
    // Every row twice, and in it every pixel twice.
    let sources = x.chunks_exact(row.max(1)).flat_map(|row| [row, row]);
    for (source, y) in sources.zip(rows) {
        let pixels = source
            .chunks_exact(pixel.max(1))
            .flat_map(|pixel| [pixel, pixel]);
        for (from, to) in pixels.zip(y.chunks_exact_mut(pixel.max(1))) {
            crate::slices::copy(from, to);
        }
    }
}
