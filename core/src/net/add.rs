//! Sums of two earlier values: skip connections.

use super::dense::Narrow;
use super::graph::{Input, Output};
use super::{Addition, OpRecord};
use crate::kernels::Activation as Element;

/// `y = clamp((a · left + b · right + bias) >> shift)`.
pub(super) fn run(
    op: &OpRecord,
    addition: &Addition,
    a: Input<'_>,
    b: Input<'_>,
    output: &mut Output<'_>,
) {
    match output {
        Output::I8(y) => operands(op, addition, a, b, y),
        Output::I16(y) => operands(op, addition, a, b, y),
    }
}

fn operands<O: Narrow>(
    op: &OpRecord,
    addition: &Addition,
    a: Input<'_>,
    b: Input<'_>,
    y: &mut [O],
) {
    match (a, b) {
        (Input::I8(a), Input::I8(b)) => elements(op, addition, a, b, y),
        (Input::I8(a), Input::I16(b)) => elements(op, addition, a, b, y),
        (Input::I16(a), Input::I8(b)) => elements(op, addition, a, b, y),
        (Input::I16(a), Input::I16(b)) => elements(op, addition, a, b, y),
    }
}

fn elements<A: Element, B: Element, O: Narrow>(
    op: &OpRecord,
    addition: &Addition,
    a: &[A],
    b: &[B],
    y: &mut [O],
) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y = O::clamped(addition.apply((*a).into(), (*b).into()), op.min, op.max);
    }
}
