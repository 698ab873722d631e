//! Squared Mahalanobis distances with `SMLALD`: two rows of the factor at a time, two columns a word.
#![allow(unsafe_code, reason = "the DSP instructions have no stable intrinsics")]

use super::mahalanobis::{factor_len, factor_rows};
use core::arch::naked_asm;
use zerocopy::{FromBytes, IntoBytes};

/// Most features: as many as the unrolled code has words for.
const MAX_DIMENSIONS: usize = 64;

/// What [`distances`] reads besides the factors.
#[repr(C)]
struct Job {
    offsets: *const i64,
    shifts: *const u8,
    x: *const u32,
    /// Rows of a factor.
    rows: usize,
    output: *mut u64,
    output_end: *mut u64,
    /// What takes the factor and the shifts back to their start when all components share them.
    rewind_factor: usize,
    rewind_shifts: usize,
}

/// A sample in words, the last one padded.
#[repr(align(4))]
struct Words([i16; MAX_DIMENSIONS]);

/// Every distance, when the shapes fit and the factors are aligned.
#[inline]
pub(super) fn mahalanobis(
    factors: &[i16],
    offsets: &[i64],
    shifts: &[u8],
    x: &[i16],
    distances: &mut [u64],
) -> Option<()> {
    let (rows, len, k) = (factor_rows(x.len()), factor_len(x.len()), distances.len());
    let shared = factors.len() == len;
    let stored = if shared { 1 } else { k };
    if x.is_empty()
        || x.len() > MAX_DIMENSIONS
        || k == 0
        || factors.len() != stored * len
        || shifts.len() != stored * rows
        || offsets.len() != k * rows
    {
        return None;
    }
    let factors = <[u32]>::ref_from_bytes(factors.as_bytes()).ok()?;
    let mut padded = Words([0; MAX_DIMENSIONS]);
    let x = if let Ok(words) = <[u32]>::ref_from_bytes(x.as_bytes()) {
        words.as_ptr()
    } else {
        for (to, from) in padded.0.iter_mut().zip(x) {
            *to = *from;
        }
        padded.0.as_ptr().cast()
    };
    let output = distances.as_mut_ptr_range();
    let job = Job {
        offsets: offsets.as_ptr(),
        shifts: shifts.as_ptr(),
        x,
        rows,
        output: output.start,
        output_end: output.end,
        rewind_factor: if shared { 2 * len } else { 0 },
        rewind_shifts: if shared { rows } else { 0 },
    };
    // SAFETY: there are `rows` offsets for each output, and for each of them, or once with the rewinds set,
    // `rows` shifts and a factor of so many rows; x has a word for each pair of rows; the unrolled code has a
    // step for each of these.
    unsafe { distances_of(&job, factors.as_ptr()) };
    Some(())
}

/// `r0` word of x, `r1` factor, `r2` x, `r3` offsets, `r4-r7` sums, `r8, r9` words of the factor, `r10, r11`
/// sum of squares, `r12` where the next pair enters the code, `lr` shifts. On the stack: the end of this
/// component's shifts, the job, the output.
///
/// # Safety
/// The job's pointers and `factors` must be valid for one or more outputs of one or more, and at most 32,
/// pairs of rows.
#[unsafe(naked)]
unsafe extern "C" fn distances_of(job: &Job, factors: *const u32) {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "sub sp, #12",
        "ldr r4, [r0, #16]",
        "strd r0, r4, [sp, #4]",
        "ldrd r3, lr, [r0]",
        "ldr r2, [r0, #8]",
        "1:",
        "ldr r4, [sp, #4]",
        "ldr r4, [r4, #12]",
        "add r4, lr",
        "str r4, [sp]",
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
        // (high : low) >> shift, in 32 bits: by at most 31, and by 0 what is shifted left by 32 is 0.
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
        "ldrd r0, r4, [sp, #4]", // job, output
        "strd r10, r11, [r4], #8",
        "str r4, [sp, #8]",
        "ldrd r5, r6, [r0, #24]", // rewinds
        "subs r1, r5",
        "sub.w lr, lr, r6",
        "ldr r5, [r0, #20]",
        "cmp r4, r5",
        "bne.w 1b",
        "add sp, #12",
        "pop {{r4-r11, pc}}",
    )
}
