//! Dot products and the nearest centroid with `SMLALD`: two products an instruction, summed in 64
//! bits, so that every sum is exact. Sums of maxima with `SSUB16`, `SEL` and `SMLAD`, summed in 32 bits.
#![allow(unsafe_code, reason = "the DSP instructions have no stable intrinsics")]

use super::Nearest;
use core::arch::{asm, naked_asm};
use zerocopy::{FromBytes, IntoBytes};

/// A search as [`scores`] reads it.
///
/// Its register `lr` points at `x`: what a row needs at its end lies below, what it starts with above,
/// so that one instruction loads either.
#[repr(C, align(8))]
struct Search {
    /// Least score so far.
    best: i64,
    norms_end: *const i64,
    x_end: *const u32,
    x: *const u32,
    /// The sum that a row starts from.
    zero: [u32; 2],
    /// Where its code starts: at the words that the unrolled loop leaves over, or in the loop.
    start: usize,
    start_in_loop: usize,
    norms: *const i64,
    /// Words of `x` that the unrolled loop leaves over.
    tail: usize,
    /// The end of the norm of the row with the least score.
    best_at: *const i64,
}

/// The least `norm - 2 c · x` over rows of words, and the first row that reaches it.
///
/// `rows` must hold `x.len()` words for each of the norms; otherwise, and without norms, there is
/// no result.
#[inline]
fn least_score(rows: &[u32], norms: &[i64], x: &[u32]) -> Option<(u32, i64)> {
    if norms.is_empty() || x.is_empty() || norms.len().checked_mul(x.len()) != Some(rows.len()) {
        return None;
    }
    let (x_range, norms_range) = (x.as_ptr_range(), norms.as_ptr_range());
    let mut search = Search {
        best: i64::MAX,
        norms_end: norms_range.end,
        x_end: x_range.end,
        x: x_range.start,
        zero: [0; 2],
        // Both are addresses of code, which `scores` fills in.
        start: 0,
        start_in_loop: x.len() / 4,
        norms: norms_range.start,
        tail: x.len() % 4,
        best_at: norms_range.start,
    };
    // SAFETY: there is a word of `x` and a norm, and `rows` has as many words for each norm as `x`.
    unsafe { scores(&mut search, rows.as_ptr()) };
    let behind = (search.best_at.addr() - norms_range.start.addr()) / size_of::<i64>();
    // 0 where no score is below the start value, as elsewhere.
    Some((behind.saturating_sub(1) as u32, search.best))
}

/// `r0` row, `r1` x, `r2, r3` sum, `r4-r7` words of x, `r8-r11` of the row, `r12` norms, `lr` search.
///
/// # Safety
/// The search's pointers must be valid, with one or more words of `x`, one or more norms, and as
/// many words of `rows` for each norm; `start_in_loop` and `tail` must be the quotient and the
/// remainder of the words of `x` by four.
#[unsafe(naked)]
unsafe extern "C" fn scores(search: &mut Search, rows: *const u32) {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "add lr, r0, #16",
        "mov r0, r1",
        "ldrd r3, r12, [lr, #16]",
        // Steps of four words that the first round leaves out, 22 bytes of code each.
        "rsbs r3, r3, #0",
        "and r3, r3, #7",
        "movs r4, #22",
        "muls r3, r4, r3",
        "adr.w r4, 3f",
        "adds r4, #1", // Thumb
        "adds r4, r4, r3",
        "ldr r2, [lr, #24]",
        "str r4, [lr, #16]",
        "cbz r2, 1f",
        "adr.w r4, 6f",
        "adds r4, #1",
        "1:",
        "str r4, [lr, #12]",
        "2:",
        "ldm.w lr, {{r1-r3, pc}}", // x, zero, start
        "3:",
        ".rept 8",
        "ldm.n r1!, {{r4-r7}}",
        "ldm.w r0!, {{r8-r11}}",
        "smlald r2, r3, r4, r8",
        "smlald r2, r3, r5, r9",
        "smlald r2, r3, r6, r10",
        "smlald r2, r3, r7, r11",
        ".endr",
        "ldr r4, [lr, #-4]",
        "cmp r1, r4",
        "bne 3b",
        "4:",
        "ldrd r4, r5, [r12], #8",
        "subs r4, r4, r2",
        "sbcs r5, r3",
        "subs r4, r4, r2",
        "sbcs r5, r3",
        "ldmdb lr, {{r6-r9}}", // best, end of the norms
        "cmp r4, r6",
        "sbcs r7, r5, r7",
        "bge 5f",
        "strd r4, r5, [lr, #-16]",
        "str r12, [lr, #28]",
        "5:",
        "cmp r12, r8",
        "bne 2b",
        "pop {{r4-r11, pc}}",
        "6:",
        "ldr r7, [lr, #24]",
        "7:",
        "ldr r4, [r1], #4",
        "ldr r8, [r0], #4",
        "smlald r2, r3, r4, r8",
        "subs r7, #1",
        "bne 7b",
        "ldr r4, [lr, #-4]",
        "cmp r1, r4",
        "beq 4b",
        "ldr pc, [lr, #16]",
    )
}

/// `sum x_i^2` of the halves of `len` words.
///
/// # Safety
/// `x` must point to `len` words.
#[unsafe(naked)]
unsafe extern "C" fn square(x: *const u32, len: usize) -> i64 {
    naked_asm!(
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "mov r2, r0",
        "bic r3, r1, #7",
        "add r12, r2, r3, lsl #2",
        "add lr, r2, r1, lsl #2",
        "movs r0, #0",
        "movs r1, #0",
        "b 2f",
        "1:",
        "ldm r2!, {{r4-r11}}",
        "smlald r0, r1, r4, r4",
        "smlald r0, r1, r5, r5",
        "smlald r0, r1, r6, r6",
        "smlald r0, r1, r7, r7",
        "smlald r0, r1, r8, r8",
        "smlald r0, r1, r9, r9",
        "smlald r0, r1, r10, r10",
        "smlald r0, r1, r11, r11",
        "2:",
        "cmp r2, r12",
        "bne 1b",
        "b 4f",
        "3:",
        "ldr r4, [r2], #4",
        "smlald r0, r1, r4, r4",
        "4:",
        "cmp r2, lr",
        "bne 3b",
        "pop {{r4-r11, pc}}",
    )
}

/// `sum + a_0 · b_0 + a_1 · b_1` of the halves of two words.
#[inline(always)]
fn smlald(sum: i64, a: u32, b: u32) -> i64 {
    let (mut low, mut high) = (sum as u32, (sum >> 32) as u32);
    // SAFETY: one instruction on registers.
    unsafe {
        asm!("smlald {low}, {high}, {a}, {b}", low = inout(reg) low, high = inout(reg) high,
            a = in(reg) a, b = in(reg) b, options(pure, nomem, nostack));
    }
    i64::from(high) << 32 | i64::from(low)
}

/// A slice of an even number of elements as words, when it is aligned.
fn words(elements: &[i16]) -> Option<&[u32]> {
    <[u32]>::ref_from_bytes(elements.as_bytes()).ok()
}

pub(super) fn dot(a: &[i16], b: &[i16]) -> i64 {
    if let (Some(row), Some(x)) = (words(a), words(b))
        && let Some((_, score)) = least_score(row, &[0], x)
    {
        return -(score >> 1);
    }
    // Unaligned or odd. Single words may lie anywhere.
    let ((a, a_last), (b, b_last)) = (a.as_chunks::<2>(), b.as_chunks::<2>());
    let mut sum = 0;
    let word = |[low, high]: [i16; 2]| {
        u32::from(low.cast_unsigned()) | u32::from(high.cast_unsigned()) << 16
    };
    for (a, b) in a.iter().zip(b) {
        sum = smlald(sum, word(*a), word(*b));
    }
    for (a, b) in a_last.iter().zip(b_last) {
        sum += i64::from(i32::from(*a) * i32::from(*b));
    }
    sum
}

/// The nearest centroid.
pub(super) fn nearest_l2(centroids: &[i16], norms: &[i64], x: &[i16]) -> Nearest {
    if let (Some(rows), Some(words)) = (words(centroids), words(x))
        && let Some((index, score)) = least_score(rows, norms, words)
    {
        // SAFETY: the slice holds as many words as its length says.
        let square = unsafe { square(words.as_ptr(), words.len()) };
        return Nearest {
            index,
            distance: score.wrapping_add(square).cast_unsigned(),
        };
    }
    super::portable::nearest_l2(centroids, norms, x, dot)
}

/// `sum max(a_i, b_i)` of the halves of `len` words, modulo 2^32.
///
/// `SSUB16` sets a flag for each half from the difference in full, 17 bits, and its result is not
/// used; `SEL` takes the greater halves, and `SMLAD` by ones adds both.
///
/// # Safety
/// `a` and `b` must point to `len` words.
#[unsafe(naked)]
unsafe extern "C" fn maxima(a: *const u32, b: *const u32, len: usize) -> i32 {
    naked_asm!(
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        "push {{r4-r11, lr}}",
        "mov.w lr, #0x00010001",
        "movs r3, #0",
        "subs r2, #8",
        "blo 2f",
        "1:",
        ".rept 2",
        "ldm.w r0!, {{r4-r7}}",
        "ldm.w r1!, {{r8-r11}}",
        "ssub16 r12, r4, r8",
        "sel r4, r4, r8",
        "smlad r3, r4, lr, r3",
        "ssub16 r12, r5, r9",
        "sel r5, r5, r9",
        "smlad r3, r5, lr, r3",
        "ssub16 r12, r6, r10",
        "sel r6, r6, r10",
        "smlad r3, r6, lr, r3",
        "ssub16 r12, r7, r11",
        "sel r7, r7, r11",
        "smlad r3, r7, lr, r3",
        ".endr",
        "subs r2, #8",
        "bhs 1b",
        "2:",
        "adds r2, #8",
        "beq 4f",
        "3:",
        "ldr r4, [r0], #4",
        "ldr r8, [r1], #4",
        "ssub16 r12, r4, r8",
        "sel r4, r4, r8",
        "smlad r3, r4, lr, r3",
        "subs r2, #1",
        "bne 3b",
        "4:",
        "mov r0, r3",
        "pop {{r4-r11, pc}}",
    )
}

/// The nearest centroid under the Manhattan distance.
pub(super) fn nearest_l1(centroids: &[i16], sums: &[i64], x: &[i16]) -> Nearest {
    // 2^16 maxima fit 32 bits.
    if x.len() <= 1 << 16
        && let (Some(rows), Some(x)) = (words(centroids), words(x))
    {
        return super::portable::nearest_l1(rows, sums, x, |a, b| {
            // SAFETY: both slices hold that many words.
            unsafe { maxima(a.as_ptr(), b.as_ptr(), a.len().min(b.len())) }.into()
        });
    }
    super::portable::nearest_l1(centroids, sums, x, super::portable::sum_of_maxima)
}
