//! Where the values of a graph lie in its arena.
//!
//! A value lives from the operation that makes it to the last one that reads it. Values that live at the same
//! time must not overlap; others may share their bytes. The exporter chooses places by [`place`]; the loader
//! checks any places that it is given and derives the arena's size from them.

use super::OpRecord;
use super::memory::ALIGN;
use crate::Defect;

/// The last operation that reads `value`.
fn last_use(ops: &[OpRecord], value: usize) -> Option<usize> {
    ops.iter().rposition(|op| {
        op.inputs
            .iter()
            .take(op.operands())
            .any(|v| usize::from(*v) == value)
    })
}

/// The values that operation `at` must not write over: made before it, and read by it or later.
fn live(ops: &[OpRecord], at: usize) -> impl Iterator<Item = &OpRecord> {
    let before = ops.get(..at).unwrap_or(&[]);
    let lives = move |index: &usize| last_use(ops, index + 1).is_some_and(|last| last >= at);
    let live = before
        .iter()
        .enumerate()
        .filter(move |(index, _)| lives(index));
    live.map(|(_, op)| op)
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
/// Work: at most the cube of the number of operations.
pub fn place(ops: &mut [OpRecord]) {
    let inner = ops.len().saturating_sub(1);
    for at in 0..ops.len() {
        let Some(mut candidate) = ops.get(at).copied() else {
            return;
        };
        candidate.place = 0;
        // Every round moves behind a value that was in the way: no more rounds than values.
        for _ in 0..if at < inner { at } else { 0 } {
            let in_the_way = live(ops, at).find(|other| overlap(&candidate, other));
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
/// No place lies behind what all values take side by side: a damaged one asks for no memory that nobody has.
pub(super) fn check(ops: &[OpRecord]) -> Result<(), Defect> {
    // At most 64 values of 2^19 bytes.
    let all: usize = ops.iter().map(|op| op.value().bytes()).sum();
    for (layer, op) in (0u16..).zip(ops) {
        let defect = Err(Defect::Layer { layer });
        let at = usize::from(layer);
        if at + 1 == ops.len() {
            return if op.place == 0 { Ok(()) } else { defect };
        }
        let aligned = usize::try_from(op.place).is_ok_and(|place| place % ALIGN == 0);
        if !aligned
            || end(op).is_none_or(|end| end > all)
            || last_use(ops, at + 1).is_none()
            || live(ops, at).any(|other| overlap(op, other))
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
