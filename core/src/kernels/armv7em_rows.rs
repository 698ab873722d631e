//! Binary layers with `SXTAB16`: two weights an instruction, four words of a row at a time; and their draws.
#![allow(unsafe_code, reason = "the DSP instructions have no stable intrinsics")]

use super::rows::{STATE_BITS, row_stride};
use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;
use zerocopy::{FromBytes, IntoBytes};

/// Rows that a 16-bit lane can take: 256 weights of at most 128.
const LANE_ROWS: usize = 256;
/// Bytes of code that add sixteen columns of one row.
const ROW: usize = 44;

/// What [`panels`] reads and writes.
#[repr(C)]
struct Job {
    /// Addresses of rows; each moves on by sixteen columns a panel.
    rows: *mut u32,
    rows_end: *mut u32,
    /// Bytes of code that the first round of eight rows leaves out.
    skip: usize,
    start: *const i32,
    sums: *mut i32,
    sums_end: *mut i32,
}

/// The starts and all active rows, when `weights` is aligned.
#[inline]
pub(super) fn add_rows(
    weights: &[i8],
    active: &[u32],
    start: &[i32],
    sums: &mut [i32],
) -> Option<()> {
    let stride = sums.len();
    let words = <[u32]>::ref_from_bytes(weights.as_bytes()).ok()?;
    let rows = weights.len().checked_div(stride)?;
    let out = sums.as_mut_ptr_range();
    let mut from = start.as_ptr();
    let whole = start.len() == stride;
    if !whole {
        crate::slices::copy(start, sums);
        from = out.start;
    }
    let mut address = words.as_ptr() as usize;
    let mut left = rows;
    let mut list = MaybeUninit::<[u32; LANE_ROWS]>::uninit();
    let list = list.as_mut_ptr().cast::<u32>();
    for bits in active.chunks(LANE_ROWS / 32) {
        let mut end = list;
        for word in bits {
            let mut rest = word.reverse_bits();
            if left < 32 {
                // Bit 0 came first: those behind the last row are the low ones.
                rest &= !(u32::MAX >> left);
            }
            left = left.saturating_sub(32);
            if rest != 0 {
                // SAFETY: one address for each bit of at most eight words.
                unsafe {
                    asm!(
                        "2:",
                        "clz {at}, {rest}",
                        "lsr {bit}, {top}, {at}",
                        "mla {at}, {at}, {stride}, {address}",
                        "bics {rest}, {rest}, {bit}",
                        "str {at}, [{end}], #4",
                        "bne 2b",
                        rest = inout(reg) rest => _, end = inout(reg) end, at = out(reg) _, bit = out(reg) _,
                        top = in(reg) 1u32 << 31, stride = in(reg) stride, address = in(reg) address,
                        options(nostack)
                    );
                }
            }
            address = address.wrapping_add(32 * stride);
        }
        let count = (end as usize).wrapping_sub(list as usize) / 4;
        if count == 0 {
            continue;
        }
        let job = Job {
            rows: list,
            rows_end: end,
            skip: count.wrapping_neg() % 8 * ROW,
            start: from,
            sums: out.start,
            sums_end: out.end,
        };
        // SAFETY: every address is that of a row of `stride` bytes within `weights`, word-aligned because the
        // stride is a multiple of 16; there is one or more, at most 256; starts and sums are `stride` long.
        unsafe { panels(&job) };
        from = out.start;
    }
    if whole && !core::ptr::eq(from, out.start) {
        crate::slices::copy(start, sums);
    }
    Some(())
}

/// Sixteen columns after the other: adds the rows up in 16-bit lanes, then into the sums.
///
/// `r0-r3` four words of a row, `r4-r11` lanes of two columns, `r12` the list, `lr` the row's address. On the
/// stack: the job's fields.
///
/// # Safety
/// The job's addresses must be those of one to 256 rows, word-aligned, as long as starts and sums, which must be
/// a whole number of sixteen, one or more; `skip` must follow from their number.
#[unsafe(naked)]
unsafe extern "C" fn panels(job: &Job) {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "ldm r0, {{r1-r6}}",
        "push {{r1-r6}}",
        "1:",
        "ldr r0, [sp, #8]",
        "ldr r12, [sp]",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "mov r11, r4",
        "add pc, r0",
        "nop", // where an offset of 0 does not lead: pc reads four bytes on
        "2:",
        ".rept 8",
        "ldr.w lr, [r12]",
        "ldm.w lr!, {{r0-r3}}",
        "str.w lr, [r12], #4",
        "sxtab16 r4, r4, r0",
        "sxtab16 r5, r5, r0, ror #8",
        "sxtab16 r6, r6, r1",
        "sxtab16 r7, r7, r1, ror #8",
        "sxtab16 r8, r8, r2",
        "sxtab16 r9, r9, r2, ror #8",
        "sxtab16 r10, r10, r3",
        "sxtab16 r11, r11, r3, ror #8",
        ".endr",
        "ldr r0, [sp, #4]",
        "cmp r12, r0",
        "bne.w 2b",
        "ldrd r12, lr, [sp, #12]", // start, sums
        "mov.w r3, #4096",
        "ldm.w r12!, {{r0-r2}}",
        "smlabb r0, r4, r3, r0",
        "smlabb r1, r5, r3, r1",
        "smlatb r2, r4, r3, r2",
        "mov r4, r3",
        "ldr.w r3, [r12], #4",
        "smlatb r3, r5, r4, r3",
        "stm.w lr!, {{r0-r3}}",
        ".macro adi_flush even, odd",
        "ldm.w r12!, {{r0-r3}}",
        "smlabb r0, \\even, r4, r0",
        "smlabb r1, \\odd, r4, r1",
        "smlatb r2, \\even, r4, r2",
        "smlatb r3, \\odd, r4, r3",
        "stm.w lr!, {{r0-r3}}",
        ".endm",
        "adi_flush r6, r7",
        "adi_flush r8, r9",
        "adi_flush r10, r11",
        ".purgem adi_flush",
        "strd r12, lr, [sp, #12]",
        "ldr r0, [sp, #20]",
        "cmp lr, r0",
        "bne.w 1b",
        "add sp, #24",
        "pop {{r4-r11, pc}}",
    )
}

/// Columns whose masks are held: 256 weights in each lane.
const MASKED: usize = 512;

/// The bytes of four units, set where the bit is.
static MASKS: [u32; 16] = {
    let mut masks = [0; 16];
    let mut rest = masks.as_mut_slice();
    let mut bits = 0u32;
    while let [mask, behind @ ..] = rest {
        let mut at = 0;
        while at < 4 {
            *mask |= (((bits >> at) & 1) * 0xff) << (8 * at);
            at += 1;
        }
        bits += 1;
        rest = behind;
    }
    masks
};

/// The active columns of every row, when `weights` is aligned.
#[inline]
pub(super) fn add_columns(
    weights: &[i8],
    columns: usize,
    active: &[u32],
    sums: &mut [i32],
) -> Option<()> {
    let stride = row_stride(columns);
    <[u32]>::ref_from_bytes(weights.as_bytes()).ok()?;
    for (block, bits) in active.chunks(MASKED / 32).enumerate() {
        let first = block * MASKED;
        let here = (stride - first).min(MASKED);
        let mut masks = [0u32; MASKED / 4];
        let mut left = columns - first;
        for (masks, word) in masks.as_chunks_mut::<8>().0.iter_mut().zip(bits) {
            let mut word = *word;
            if left < 32 {
                word &= !(u32::MAX << left);
            }
            left = left.saturating_sub(32);
            for mask in masks {
                *mask = MASKS.get((word & 15) as usize).copied().unwrap_or(0);
                word >>= 4;
            }
        }
        for (sum, row) in sums.iter_mut().zip(weights.chunks_exact(stride.max(1))) {
            let row = row.get(first..first + here)?;
            // SAFETY: the row has `here` elements, a multiple of 16 that is one or more, word-aligned; the masks
            // have as many.
            let total = unsafe { masked_sum(row.as_ptr(), masks.as_ptr(), here / 16) };
            *sum = sum.wrapping_add(total << STATE_BITS);
        }
    }
    Some(())
}

/// The sum of masked weights: `r4-r7` weights, `r8-r11` masks, `r3` lanes.
///
/// # Safety
/// Both pointers must be word-aligned and valid for `sixteens` times 16 bytes, 1 to 32 of them.
#[unsafe(naked)]
unsafe extern "C" fn masked_sum(weights: *const i8, masks: *const u32, sixteens: usize) -> i32 {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "movs r3, #0",
        "2:",
        "ldm.w r0!, {{r4-r7}}",
        "ldm.w r1!, {{r8-r11}}",
        ".macro adi_masked w, mask",
        "and.w \\w, \\w, \\mask",
        "sxtab16 r3, r3, \\w",
        "sxtab16 r3, r3, \\w, ror #8",
        ".endm",
        "adi_masked r4, r8",
        "adi_masked r5, r9",
        "adi_masked r6, r10",
        "adi_masked r7, r11",
        ".purgem adi_masked",
        "subs r2, #1",
        "bne 2b",
        "sxth r0, r3",
        "add.w r0, r0, r3, asr #16",
        "pop {{r4-r11, pc}}",
    )
}

/// Bits for whole fours of sums, at most 32, and which of them are undecided: what `rbm::sample` does unit by unit.
#[inline]
pub(crate) fn draw(
    sums: &[i32],
    words: &[u32; 8],
    brackets: &[u32; 256],
    multiplier: i32,
    shift: u32,
) -> (u32, u32) {
    let fours = (sums.len() / 4).min(8);
    if fours == 0 {
        return (0, 0);
    }
    let (mut below, mut decided) = (0u32, 0u32);
    // SAFETY: reads four sums and a word `fours` times, and entries of the brackets by a byte.
    unsafe {
        asm!(
            "2:",
            "ldr {word}, [{words}], #4",
            ".irp at, 0, 8, 16, 24",
            "ldr {y}, [{sums}], #4",
            ".if \\at",
            "uxtb {entry}, {word}, ror #\\at",
            ".else",
            "uxtb {entry}, {word}",
            ".endif",
            "smmul {y}, {y}, {multiplier}",
            "ldr {entry}, [{brackets}, {entry}, lsl #2]",
            "asr {y}, {y}, {shift}",
            "ssat {y}, #17, {y}",
            "sub {y}, {y}, {entry}, asr #15",
            "ubfx {entry}, {entry}, #0, #15",
            "cmp {y}, {entry}",
            "adc {decided}, {decided}, {decided}",
            "adds {y}, {y}, {y}", // carry: the sign
            "adc {below}, {below}, {below}",
            ".endr",
            "subs {fours}, {fours}, #1",
            "bne 2b",
            word = out(reg) _, y = out(reg) _, entry = out(reg) _,
            words = inout(reg) words.as_ptr() => _, sums = inout(reg) sums.as_ptr() => _,
            fours = inout(reg) fours => _,
            brackets = in(reg) brackets.as_ptr(), multiplier = in(reg) multiplier, shift = in(reg) shift,
            below = inout(reg) below, decided = inout(reg) decided,
            options(readonly, nostack)
        );
    }
    // The first unit is in the highest of the bits drawn.
    let unused = 32 - 4 * fours as u32;
    let upright = |bits: u32| (!bits << unused).reverse_bits();
    (upright(below), upright(decided))
}
