//! Where the values of a graph lie in its arena.
//!
//! A value lives from the operation that makes it to the last one that reads it. Values that live at the same
//! time must not overlap; others may share their bytes. The exporter chooses places by [`place`]; the loader
//! checks any places that it is given and derives the arena's size from them.

use super::memory::ALIGN;
use super::{MAX_OPS, OpRecord};
use crate::Defect;

/// For each operation, one more than the last operation that reads its value: 0 where none does.
fn last_uses(ops: &[OpRecord]) -> [usize; MAX_OPS] {
    let mut last = [0; MAX_OPS];
    for (reader, op) in (1..).zip(ops) {
        for value in op.inputs.iter().take(op.operands()) {
            // Value 0 is the input, which nobody made.
            let maker = usize::from(*value).checked_sub(1);
            if let Some(last) = maker.and_then(|maker| last.get_mut(maker)) {
                *last = reader;
            }
        }
    }
    last
}

/// The values that operation `at` must not write over: made before it, and read by it or later.
fn live<'o>(
    ops: &'o [OpRecord],
    last_uses: &[usize; MAX_OPS],
    at: usize,
) -> impl Iterator<Item = &'o OpRecord> {
    let before = ops.get(..at).unwrap_or(&[]).iter().zip(last_uses);
    before.filter_map(move |(op, last)| (*last > at).then_some(op))
}

/// First byte behind a value, or `None` when `usize` cannot hold it.
fn end(op: &OpRecord) -> Option<usize> {
    usize::try_from(op.place)
        .ok()?
        .checked_add(op.value().bytes())
}

fn overlap(a: &OpRecord, b: &OpRecord) -> bool {
    match (end(a), end(b)) {
        (Some(a_end), Some(b_end)) => (a.place as usize) < b_end && (b.place as usize) < a_end,
        _ => true,
    }
}

/// Gives every value but the last the lowest place where it overlaps none that lives with it.
///
/// Nothing is done where there are more than [`MAX_OPS`]. Work: at most the cube of their number.
pub fn place(ops: &mut [OpRecord]) {
    if ops.len() > MAX_OPS {
        return;
    }
    let last_uses = last_uses(ops);
    let inner = ops.len().saturating_sub(1);
    for at in 0..ops.len() {
        let Some(mut candidate) = ops.get(at).copied() else {
            return;
        };
        candidate.place = 0;
        // Every round moves behind a value that was in the way: no more rounds than values.
        for _ in 0..if at < inner { at } else { 0 } {
            let in_the_way = live(ops, &last_uses, at).find(|other| overlap(&candidate, other));
            match in_the_way
                .and_then(end)
                .and_then(|end| u32::try_from(end).ok())
            {
                Some(behind) => candidate.place = behind,
                None => break,
            }
        }
        if let Some(op) = ops.get_mut(at) {
            op.place = candidate.place;
        }
    }
}

/// Checks that no operation writes over what is still to be read, and that every value is read.
///
/// No place lies behind what all values take side by side: a damaged one asks for no memory that nobody has. Work: the
/// square of the number of operations, at most [`MAX_OPS`].
pub(super) fn check(ops: &[OpRecord]) -> Result<(), Defect> {
    // At most 64 values of 2^19 bytes.
    let all: usize = ops.iter().map(|op| op.value().bytes()).sum();
    let last_uses = last_uses(ops);
    for (layer, op) in (0u16..).zip(ops) {
        let defect = Err(Defect::Layer { layer });
        let at = usize::from(layer);
        if at + 1 == ops.len() {
            return if op.place == 0 { Ok(()) } else { defect };
        }
        let aligned = usize::try_from(op.place).is_ok_and(|place| place % ALIGN == 0);
        if !aligned
            || end(op).is_none_or(|end| end > all)
            || last_uses.get(at).is_none_or(|last| *last == 0)
            || live(ops, &last_uses, at).any(|other| overlap(op, other))
        {
            return defect;
        }
    }
    Ok(())
}

/// Bytes of the arena; the last value lies in the caller's slice.
pub(super) fn arena_bytes(ops: &[OpRecord]) -> usize {
    let inner = ops.split_last().map_or(&[][..], |(_, inner)| inner);
    inner.iter().filter_map(end).max().unwrap_or(0)
}
