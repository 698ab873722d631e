//! Binary layers with `SXTAB16`: two weights an instruction, four words of a row at a time; and their draws.
#![allow(unsafe_code, reason = "the DSP instructions have no stable intrinsics")]

use super::rows::{STATE_BITS, row_stride};
use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;
use zerocopy::{FromBytes, IntoBytes};

/// Rows that a 16-bit lane can take: 256 weights of at most 128.
const LANE_ROWS: usize = 256;
/// Bytes of code that add sixteen columns of two rows, and how many are the first row's: in the first panel of
/// a group, in the others.
const PAIR: [(usize, usize); 2] = [(76, 40), (84, 44)];

/// What [`panels`] reads and writes.
#[repr(C)]
struct Job {
    /// Addresses of rows; each moves on by 64 columns after a group of four panels.
    rows: *mut u32,
    rows_end: *mut u32,
    /// Bytes of code that the first round of eight rows leaves out: in a group's first panel, in the others.
    skip: [usize; 2],
    /// Bytes of the list that an odd row takes.
    odd: usize,
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
    let whole = start.len() == stride;
    if !whole {
        crate::slices::copy(start, sums);
    }
    // From here on `sums` is written through these pointers alone.
    let out = sums.as_mut_ptr_range();
    let mut from = if whole {
        start.as_ptr()
    } else {
        out.start.cast_const()
    };
    let mut address = words.as_ptr() as usize;
    let mut left = rows;
    // 256 is a multiple of eight: `panels` finds whole eights.
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
        let absent = count.wrapping_neg() % 8;
        let job = Job {
            rows: list,
            rows_end: end,
            skip: PAIR.map(|(pair, first)| absent / 2 * pair + absent % 2 * first),
            odd: absent % 2 * 4,
            start: from,
            sums: out.start,
            sums_end: out.end,
        };
        // SAFETY: every address is that of a row of `stride` bytes within `weights`, word-aligned because the
        // stride is a multiple of 16; there is one or more, at most 256; starts and sums are `stride` long.
        unsafe { panels(&job) };
        from = out.start;
    }
    // No row was active: nothing has been written.
    if core::ptr::eq(from, start.as_ptr()) {
        crate::slices::copy(start, sums);
    }
    Some(())
}

/// Sixteen columns after the other: adds the rows up in 16-bit lanes, then into the sums.
///
/// Four panels read a row at its address and behind, then all addresses move on. `r0-r3` four words of a row,
/// `r4-r11` lanes of two columns, `r12` the list, `r3` and `lr` addresses of two rows. On the stack: the job's
/// fields.
///
/// # Safety
/// The job's addresses must be those of one to 256 rows, word-aligned, as long as starts and sums, which must be
/// a whole number of sixteen, one or more; `skip` and `odd` must follow from their number. There must be room
/// for seven more addresses behind the last.
#[unsafe(naked)]
unsafe extern "C" fn panels(job: &Job) {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "ldm r0, {{r1-r8}}",
        "push {{r1-r8}}",
        ".macro adi_add",
        "sxtab16 r4, r4, r0",
        "sxtab16 r5, r5, r0, ror #8",
        "sxtab16 r6, r6, r1",
        "sxtab16 r7, r7, r1, ror #8",
        "sxtab16 r8, r8, r2",
        "sxtab16 r9, r9, r2, ror #8",
        "sxtab16 r10, r10, r3",
        "sxtab16 r11, r11, r3, ror #8",
        ".endm",
        ".macro adi_load address, offset",
        ".if \\offset",
        "ldrd r0, r1, [\\address, #\\offset]",
        "ldrd r2, r3, [\\address, #\\offset + 8]",
        ".else",
        "ldm.w \\address, {{r0-r3}}",
        ".endif",
        ".endm",
        ".macro adi_flush even, odd",
        "ldm.w r12!, {{r0-r3}}",
        "smlabb r0, \\even, r4, r0",
        "smlabb r1, \\odd, r4, r1",
        "smlatb r2, \\even, r4, r2",
        "smlatb r3, \\odd, r4, r3",
        "stm.w lr!, {{r0-r3}}",
        ".endm",
        "1:",
        ".irp offset, 0, 16, 32, 48",
        ".if \\offset",
        "ldr r0, [sp, #12]",
        ".else",
        "ldr r0, [sp, #8]",
        ".endif",
        "ldr r1, [sp, #16]",
        "ldr r12, [sp]",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "mov r8, r4",
        "mov r9, r4",
        "mov r10, r4",
        "mov r11, r4",
        "ldr.w lr, [r12]", // of an odd row
        "add r12, r1",
        "add pc, r0",
        "nop", // where an offset of 0 does not lead: pc reads four bytes on
        "2:",
        ".rept 4",
        "ldrd r3, lr, [r12], #8",
        "adi_load r3, \\offset",
        "adi_add",
        "adi_load lr, \\offset",
        "adi_add",
        ".endr",
        "ldr r0, [sp, #4]",
        "cmp r12, r0",
        "bne.w 2b",
        "ldrd r12, lr, [sp, #20]", // start, sums
        "mov.w r3, #4096",
        "ldm.w r12!, {{r0-r2}}",
        "smlabb r0, r4, r3, r0",
        "smlabb r1, r5, r3, r1",
        "smlatb r2, r4, r3, r2",
        "mov r4, r3",
        "ldr.w r3, [r12], #4",
        "smlatb r3, r5, r4, r3",
        "stm.w lr!, {{r0-r3}}",
        "adi_flush r6, r7",
        "adi_flush r8, r9",
        "adi_flush r10, r11",
        "ldr r0, [sp, #28]",
        "cmp lr, r0",
        "beq.w 4f",
        "strd r12, lr, [sp, #20]",
        ".endr",
        ".purgem adi_add",
        ".purgem adi_load",
        ".purgem adi_flush",
        // On by 64 columns, eight addresses at a time; what lies behind the last is not used.
        "ldrd r12, lr, [sp]",
        "3:",
        "ldm.w r12, {{r0-r7}}",
        "adds r0, #64",
        "adds r1, #64",
        "adds r2, #64",
        "adds r3, #64",
        "adds r4, #64",
        "adds r5, #64",
        "adds r6, #64",
        "adds r7, #64",
        "stm.w r12!, {{r0-r7}}",
        "cmp r12, lr",
        "blo 3b",
        "b.w 1b",
        "4:",
        "add sp, #32",
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

/// What [`draw_sixteens`] reads and writes.
#[repr(C)]
struct Draw {
    sums: *const i32,
    words: *const u32,
    bytes: *const u8,
    multiplier: i32,
    sixteens: u32,
    undecided: [u32; 2],
}

/// Bits for 16 or 32 sums, and which of them are undecided: what `rbm::sample` does unit by unit.
#[inline]
pub(crate) fn draw(
    sums: &[[i32; 16]],
    words: &[u32; 8],
    bytes: &[u8; 1024],
    multiplier: i32,
) -> (u32, u32) {
    let sixteens = sums.len().min(2) as u32;
    if sixteens == 0 {
        return (0, 0);
    }
    let mut job = Draw {
        sums: sums.as_ptr().cast(),
        words: words.as_ptr(),
        bytes: bytes.as_ptr(),
        multiplier,
        sixteens,
        undecided: [0; 2],
    };
    // SAFETY: there are sixteen sums and four words, one or two times; the job is this function's own.
    let bits = unsafe { draw_sixteens(&raw mut job) };
    // The first unit is in the highest of the bits drawn.
    let bits = (bits << (32 - 16 * sixteens)).reverse_bits();
    let [mut last, mut first] = job.undecided;
    if sixteens == 1 {
        (first, last) = (last, 0);
    }
    if first | last == 0 {
        return (bits, 0);
    }
    (bits, gather(first) | gather(last) << 16)
}

/// One bit a unit from two: byte `j` holds the units `4 k + j`, the last `k` lowest.
#[cold]
fn gather(fields: u32) -> u32 {
    let fields = (fields | fields >> 1) & 0x5555_5555;
    (0..4).fold(0, |bits, k| {
        // The four bits end up side by side at the top.
        let four = ((fields >> (2 * k)) & 0x0101_0101).wrapping_mul(0x1020_4080) >> 28;
        bits << 4 | four
    })
}

/// Draws a bit for each of 16 or 32 sums, returned with the first unit highest.
///
/// A probability's byte, or the one below it, comes from the table by the sum's high product; it is compared
/// with the random bytes of four units at a time. `r0` sums, `r1` words, `r2` table, `r3` multiplier, `r12` half
/// the table, `r8` the bit of each lane, `r9` 2 in each, `lr` 0, `r10` bits, `r11` lanes whose byte may be equal.
///
/// # Safety
/// The job's pointers must be valid for `sixteens` (1 or 2) times 16 sums and 4 words, and 1024 bytes.
#[unsafe(naked)]
unsafe extern "C" fn draw_sixteens(job: *mut Draw) -> u32 {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r0, r4-r11, lr}}",
        "ldm r0, {{r0-r3}}",
        "mov.w r12, #512",
        "movw r8, #0x0408",
        "movt r8, #0x0102",
        "mov.w r9, #0x02020202",
        "movs r4, #0",
        "mov lr, r4",
        "1:",
        "mov r11, lr",
        ".rept 4",
        "ldm.w r0!, {{r4-r7}}",
        "smmla r4, r4, r3, r12",
        "smmla r5, r5, r3, r12",
        "smmla r6, r6, r3, r12",
        "smmla r7, r7, r3, r12",
        "usat r4, #10, r4",
        "usat r5, #10, r5",
        "usat r6, #10, r6",
        "usat r7, #10, r7",
        "ldrb r4, [r2, r4]",
        "ldrb r5, [r2, r5]",
        "ldrb r6, [r2, r6]",
        "ldrb r7, [r2, r7]",
        "orr.w r4, r4, r5, lsl #8",
        "ldr.w r5, [r1], #4",
        "orr.w r4, r4, r6, lsl #16",
        "orr.w r4, r4, r7, lsl #24",
        "usub8 r5, r5, r4", // GE where the random byte is not below
        "sel r6, lr, r8",
        "usad8 r6, r6, lr",
        "uqsub8 r5, r9, r5", // not 0 where it is above by 0 or 1
        "orr.w r10, r6, r10, lsl #4",
        "orr.w r11, r5, r11, lsl #2",
        ".endr",
        "ldr r4, [sp]",
        "ldr r5, [r4, #16]",
        "subs r5, #1",
        "str r5, [r4, #16]",
        "add.w r5, r4, r5, lsl #2",
        "str.w r11, [r5, #20]",
        "bne.w 1b",
        "mov r0, r10",
        "add sp, #4",
        "pop {{r4-r11, pc}}",
    )
}
