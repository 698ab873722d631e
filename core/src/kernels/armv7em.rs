//! Cores with the DSP extension (M4, M7, M33): two multiply-accumulates an instruction.
//!
//! [`Order::Quads`] lays two rows side by side in every 16-bit lane: the odd row in the high byte,
//! the even row, offset by 128, in the low byte. `SMLAD` on the word as it lies therefore sums
//! `256·odd + even`, and `SXTB16 ROR #8` leaves the odd row alone: three instructions do four
//! multiply-accumulates, and the even row falls out at the end as the first sum less 256 times the
//! second. All of it is exact modulo 2^32, so nothing is lost whatever the inputs are.
#![allow(unsafe_code, reason = "the DSP instructions have no stable intrinsics")]

use super::{Activation, Channel, Order, OutputStage};
use core::arch::{asm, naked_asm};

/// The order this file reads.
pub(super) const ORDER: Order = Order::Quads;

/// Bytes of code that multiply eight inputs by four rows.
const EIGHT: usize = 104;

/// A layer as [`quads`] reads it.
#[repr(C)]
struct Job {
    weights: *const u32,
    inputs: *const u32,
    /// Bytes of code that the first round of eights leaves out; bit 0: four inputs come first.
    skip: usize,
    correction: i32,
    inputs_end: *const u32,
    channels: *const Channel,
    output: *mut u8,
    rows: usize,
    zero_point: i32,
    min: i32,
    max: i32,
    /// Outputs are `i16`.
    wide: u32,
}

/// Every row, from sums to outputs; channels and outputs are as many as the weights have rows.
///
/// `inputs` holds two inputs a word, in whole steps of four inputs. `correction` is `-128 · sum x`.
pub(super) fn rows<O: Activation>(
    weights: &[u32],
    inputs: &[u32],
    correction: i32,
    channels: &[Channel],
    stage: &OutputStage<O>,
    output: &mut [O],
) {
    let steps = inputs.len() / 2;
    let Some(groups) = weights.len().checked_div(4 * steps) else {
        return;
    };
    let rows = (4 * groups).min(channels.len()).min(output.len());
    if rows == 0 {
        return;
    }
    let inputs = inputs.as_ptr_range();
    let mut job = Job {
        weights: weights.as_ptr(),
        inputs: inputs.start,
        skip: (steps / 2).wrapping_neg() % 4 * EIGHT + steps % 2,
        correction,
        // `steps` is even or the odd word is left over: never past the slice.
        inputs_end: inputs.start.wrapping_add(2 * steps),
        channels: channels.as_ptr(),
        output: output.as_mut_ptr().cast(),
        rows,
        zero_point: stage.zero_point.into(),
        min: stage.min.into(),
        max: stage.max.into(),
        wide: u32::from(size_of::<O>() == 2),
    };
    // SAFETY: there is at least one step and one row; weights hold 4 · steps words for each group
    // of four rows that is begun, inputs 2 · steps words, channels and output one element a row,
    // `wide` is the size of an output element, `skip` follows from `steps`.
    unsafe { quads(&mut job) };
}

/// All groups of four rows of a layer.
///
/// While summing: `r0` weights, `r1` inputs, `r4-r7` four weight words, `r8-r11` eight inputs; `r2`,
/// `lr` the sums of the odd rows, `r3`, `r12` those of the raw lanes. On the stack: four sums, the
/// end of the inputs, a gap, the job.
///
/// # Safety
/// The job's pointers must be valid for its rows, of which there must be one or more, as for its
/// steps; `skip` must be a whole number of [`EIGHT`]s below four, and bit 0.
#[unsafe(naked)]
unsafe extern "C" fn quads(job: &mut Job) {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        #[cfg(autodidact_armv8m)]
        ".cpu cortex-m33",
        // Two inputs (register x) times four rows: words wa (rows 0, 1) and wb (rows 2, 3).
        ".macro adi_pair wa, wb, x",
        "smlad r3, \\wa, \\x, r3",
        "sxtb16 \\wa, \\wa, ror #8",
        "smlad r2, \\wa, \\x, r2",
        "smlad r12, \\wb, \\x, r12",
        "sxtb16 \\wb, \\wb, ror #8",
        "smlad lr, \\wb, \\x, lr",
        ".endm",
        // One output: r8 zero point, r9 min, r10 max, r4 shift - 33, r1 high half of the product.
        ".macro adi_output store, size, back",
        "ldr r11, [r3], #4",
        "ldm r5!, {{r1, r2, r4}}", // bias, multiplier, shift
        "add r1, r11",
        "smull r0, r1, r1, r2",
        "subs r4, #33",
        "blo 8f",
        "\\back:",
        "asrs r1, r4",
        "adds r1, #1",
        "add r1, r8, r1, asr #1",
        "cmp r1, r10",
        "it gt",
        "movgt r1, r10",
        "cmp r1, r9",
        "it lt",
        "movlt r1, r9",
        "\\store r1, [r6], #\\size",
        "subs r12, #1",
        ".endm",
        "push {{r0, r4-r11, lr}}",
        "ldr r1, [r0, #16]",
        "sub sp, #24",
        "str r1, [sp, #16]",
        "1:",
        "ldm r0, {{r0-r3}}",
        "mov r12, r3",
        "lsls r4, r2, #31",
        "mov r5, r2",
        "mov r2, #0",
        "mov lr, #0",
        "beq 2f",
        // Four inputs by themselves.
        "ldrd r8, r9, [r1], #8",
        "mov r10, r5",
        "ldm r0!, {{r4-r7}}",
        "adi_pair r4, r5, r8",
        "adi_pair r6, r7, r9",
        "mov r5, r10",
        "ldr r4, [sp, #16]",
        "cmp r1, r4",
        "beq 4f",
        "2:",
        "add pc, r5",
        "nop", // where an offset of 0 does not lead: pc reads four bytes on
        "3:",
        ".rept 4",
        "ldm.w r1!, {{r8-r11}}",
        "ldm.n r0!, {{r4-r7}}",
        "adi_pair r4, r5, r8",
        "adi_pair r6, r7, r9",
        "ldm.n r0!, {{r4-r7}}",
        "adi_pair r4, r5, r10",
        "adi_pair r6, r7, r11",
        ".endr",
        "ldr r4, [sp, #16]",
        "cmp r1, r4",
        "bne 3b",
        "4:",
        "sub r3, r3, r2, lsl #8",
        "sub r12, r12, lr, lsl #8",
        "strd r3, r2, [sp]",
        "strd r12, lr, [sp, #8]",
        "ldr r3, [sp, #24]",
        "str r0, [r3], #20",
        "ldm r3, {{r5-r10}}", // channels, output, rows left, zero point, min, max
        "ldr lr, [r3, #24]",
        "mov r3, sp",
        "mov r12, #4",
        "cmp r7, #4",
        "it lo",
        "movlo r12, r7",
        "sub r7, r12",
        "cmp lr, #0",
        "bne 6f",
        "5:",
        "adi_output strb, 1, 51",
        "bne 5b",
        "b 7f",
        "6:",
        "adi_output strh, 2, 61",
        "bne 6b",
        "7:",
        "ldr r0, [sp, #24]",
        "add r1, r0, #20",
        "stm r1, {{r5-r7}}",
        "cmp r7, #0",
        "bne 1b",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
        // Scales of 1/4 and more: twice the result, saturated far beyond any bound, for the tail.
        "8:",
        "adds r4, #32", // shift - 1
        "movs r2, #1",
        "lsls r2, r4",
        "adds r0, r2",
        "adc r1, r1, #0",
        "adds r4, #1",
        "lsrs r0, r4",
        "rsb r4, r4, #32",
        "lsls r1, r4",
        "orrs r1, r0",
        "ssat r1, #30, r1",
        "lsls r1, r1, #1",
        "movs r4, #0",
        "cmp lr, #0",
        "beq 51b",
        "b 61b",
        ".purgem adi_pair",
        ".purgem adi_output",
    )
}

/// Widens `input` into the front of `into`; the sum of the inputs.
pub(super) fn widen(input: &[i8], into: &mut [i16]) -> i32 {
    let mut sum = 0i32;
    let (fours, rest) = input.as_chunks::<4>();
    let (wide_fours, _) = into.as_chunks_mut::<4>();
    for (wide, four) in wide_fours.iter_mut().zip(fours) {
        let four = u32::from_le_bytes(four.map(i8::cast_unsigned));
        let (low, high): (u32, u32);
        // SAFETY: instructions on registers only.
        unsafe {
            asm!(
                "sxtb16 {low}, {four}",                    // x0, x2
                "sxtb16 {high}, {four}, ror #8",           // x1, x3
                "smlad {sum}, {low}, {ones}, {sum}",
                "smlad {sum}, {high}, {ones}, {sum}",
                "pkhtb {four}, {high}, {low}, asr #16",    // x2, x3
                "pkhbt {low}, {low}, {high}, lsl #16",     // x0, x1
                sum = inout(reg) sum, four = inout(reg) four => high,
                low = out(reg) low, high = out(reg) _, ones = in(reg) ONES,
                options(pure, nomem, nostack)
            );
        }
        let halves = u64::from(low) | u64::from(high) << 32;
        *wide = [0, 16, 32, 48].map(|at| (halves >> at) as i16);
    }
    let tail = into.iter_mut().skip(4 * fours.len());
    for (wide, x) in tail.zip(rest) {
        *wide = i16::from(*x);
        sum = sum.wrapping_add(i32::from(*x));
    }
    sum
}

/// 1 in both lanes.
const ONES: u32 = 0x0001_0001;

/// Adds both halves of every word.
pub(super) fn sum_pairs(pairs: &[u32]) -> i32 {
    let add = |sum: i32, pair: &u32| {
        let mut sum = sum;
        // SAFETY: one instruction on registers.
        unsafe {
            asm!("smlad {sum}, {pair}, {ones}, {sum}", sum = inout(reg) sum, pair = in(reg) *pair,
                ones = in(reg) ONES, options(pure, nomem, nostack));
        }
        sum
    };
    let (eights, rest) = pairs.as_chunks::<8>();
    let sum = eights.iter().flatten().fold(0, add);
    rest.iter().fold(sum, add)
}
