//! Squared Mahalanobis distances with `SMLALD`: two rows of the factor at a time, two columns a word.
#![allow(unsafe_code, reason = "the DSP instructions have no stable intrinsics")]

use super::mahalanobis::{factor_len, factor_rows};
use core::arch::naked_asm;
use zerocopy::{FromBytes, IntoBytes};

/// Most features: as many as the unrolled code has words for.
const MAX_DIMENSIONS: usize = 64;

/// What [`distance`] reads besides the factor.
#[repr(C)]
struct Job {
    offsets: *const i64,
    shifts: *const u8,
    x: *const u32,
    shifts_end: *const u8,
}

/// A sample in words, the last one padded.
#[repr(align(4))]
struct Words([i16; MAX_DIMENSIONS]);

/// The sum, when the shapes fit and the factor is aligned.
#[inline]
pub(super) fn mahalanobis(
    factor: &[i16],
    offsets: &[i64],
    shifts: &[u8],
    x: &[i16],
) -> Option<u64> {
    let rows = factor_rows(x.len());
    if x.is_empty()
        || x.len() > MAX_DIMENSIONS
        || factor.len() != factor_len(x.len())
        || offsets.len() != rows
        || shifts.len() != rows
    {
        return None;
    }
    let factor = <[u32]>::ref_from_bytes(factor.as_bytes()).ok()?;
    let mut padded = Words([0; MAX_DIMENSIONS]);
    let x = if let Ok(words) = <[u32]>::ref_from_bytes(x.as_bytes()) {
        words.as_ptr()
    } else {
        for (to, from) in padded.0.iter_mut().zip(x) {
            *to = *from;
        }
        padded.0.as_ptr().cast()
    };
    let shifts = shifts.as_ptr_range();
    let job = Job {
        offsets: offsets.as_ptr(),
        shifts: shifts.start,
        x,
        shifts_end: shifts.end,
    };
    // SAFETY: there are rows / 2 pairs of offsets and shifts, one at least, the words of the factor that so
    // many pairs have, and one word of x for each pair; no more than the unrolled code has steps.
    Some(unsafe { distance(&job, factor.as_ptr()) })
}

/// `r0` word of x, `r1` factor, `r2` x, `r3` offsets, `r4-r7` sums, `r8, r9` words of the factor, `r10, r11`
/// sum of squares, `r12` where the next pair enters the code, `lr` shifts.
///
/// # Safety
/// The job's pointers and `factor` must be valid for one or more, and at most 32, pairs of rows.
#[unsafe(naked)]
unsafe extern "C" fn distance(job: &Job, factor: *const u32) -> u64 {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "ldrd r3, lr, [r0]",
        "ldr r2, [r0, #8]",
        "ldr r0, [r0, #12]",
        "push {{r0}}",
        "movs r10, #0",
        "movs r11, #0",
        // The last step of the unrolled code, 16 bytes long: one word of x.
        "adr.w r12, 3f",
        "subs r12, #15", // and Thumb
        "2:",
        "ldm r3!, {{r4-r7}}",
        "bx r12",
        // Word by word from the last of 32, because a pair has its last columns first.
        ".set gmm_word, 31",
        ".rept 32",
        "ldr.w r0, [r2, #(4 * gmm_word)]",
        "ldrd r8, r9, [r1], #8",
        "smlald r4, r5, r0, r8",
        "smlald r6, r7, r0, r9",
        ".set gmm_word, gmm_word - 1",
        ".endr",
        "3:",
        "ldrb r8, [lr], #1",
        "ldrb r9, [lr], #1",
        // (high : low) >> shift, in 32 bits.
        "rsb r0, r8, #32",
        "lsrs r4, r8",
        "lsls r5, r0",
        "orrs r4, r5",
        "rsb r0, r9, #32",
        "lsrs r6, r9",
        "lsls r7, r0",
        "orrs r6, r7",
        "smlal r10, r11, r4, r4",
        "smlal r10, r11, r6, r6",
        "ldr r0, [sp]",
        "sub.w r12, r12, #16",
        "cmp lr, r0",
        "bne 2b",
        "mov r0, r10",
        "mov r1, r11",
        "pop {{r2}}",
        "pop {{r4-r11, pc}}",
    )
}
