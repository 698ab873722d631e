//! Adding rows of bytes with `SXTAB16`: two columns an instruction, four words of a row at a time.
#![allow(unsafe_code, reason = "the DSP instructions have no stable intrinsics")]

use core::arch::naked_asm;
use zerocopy::FromBytes as _;
use zerocopy::IntoBytes as _;

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
    sums: *mut i32,
    sums_end: *mut i32,
}

/// All active rows, when `weights` is aligned.
#[inline]
pub(super) fn add_rows(weights: &[i8], active: &[u32], sums: &mut [i32]) -> Option<()> {
    let stride = sums.len();
    let words = <[u32]>::ref_from_bytes(weights.as_bytes()).ok()?;
    let rows = weights.len().checked_div(stride)?;
    if rows == 0 {
        return Some(());
    }
    let first = words.as_ptr() as u32;
    let mut list = [0u32; LANE_ROWS];
    for (block, bits) in (0..rows)
        .step_by(LANE_ROWS)
        .zip(active.chunks(LANE_ROWS / 32))
    {
        let mut address = first.wrapping_add((block * stride) as u32);
        let mut left = (rows - block).min(LANE_ROWS);
        let mut count = 0;
        for word in bits {
            let here = left.min(32);
            left -= here;
            // Bit 0 first; bits behind the last row fall off.
            let mut rest = word.reverse_bits() & !(u32::MAX.checked_shr(here as u32).unwrap_or(0));
            while rest != 0 {
                let at = rest.leading_zeros();
                rest &= !(0x8000_0000 >> at);
                // `count` is below 256: as many as there are rows in the block.
                if let Some(slot) = list.get_mut(count & (LANE_ROWS - 1)) {
                    *slot = address.wrapping_add(at * stride as u32);
                }
                count += 1;
            }
            address = address.wrapping_add(32 * stride as u32);
        }
        if count == 0 {
            continue;
        }
        let list = list.get_mut(..count)?.as_mut_ptr_range();
        let out = sums.as_mut_ptr_range();
        let job = Job {
            rows: list.start,
            rows_end: list.end,
            skip: count.wrapping_neg() % 8 * ROW,
            sums: out.start,
            sums_end: out.end,
        };
        // SAFETY: every address is that of a row of `stride` bytes within `weights`, word-aligned because the
        // stride is a multiple of 16; there is one or more, at most 256; sums are `stride` long.
        unsafe { panels(&job) };
    }
    Some(())
}

/// Sixteen columns after the other: adds the rows up in 16-bit lanes, then into the sums.
///
/// `r0-r3` four words of a row, `r4-r11` lanes of two columns, `r12` the list, `lr` the row's address. On the
/// stack: the job's fields.
///
/// # Safety
/// The job's addresses must be those of one to 256 rows, word-aligned, as long as the sums, which must be a
/// whole number of sixteen, one or more; `skip` must follow from their number.
#[unsafe(naked)]
unsafe extern "C" fn panels(job: &Job) {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "ldm r0, {{r1-r5}}",
        "push {{r1-r5}}",
        "1:",
        "ldrd r12, r0, [sp, #4]", // end, skip
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
        "ldr lr, [sp, #12]",
        "mov r12, #4096",
        ".macro adi_flush even, odd",
        "ldm.w lr, {{r0-r3}}",
        "smlabb r0, \\even, r12, r0",
        "smlabb r1, \\odd, r12, r1",
        "smlatb r2, \\even, r12, r2",
        "smlatb r3, \\odd, r12, r3",
        "stm.w lr!, {{r0-r3}}",
        ".endm",
        "adi_flush r4, r5",
        "adi_flush r6, r7",
        "adi_flush r8, r9",
        "adi_flush r10, r11",
        ".purgem adi_flush",
        "str lr, [sp, #12]",
        "ldr r0, [sp, #16]",
        "cmp lr, r0",
        "bne.w 1b",
        "add sp, #20",
        "pop {{r4-r11, pc}}",
    )
}
