//! Cores without packed arithmetic (M0, M0+): four weights a load, eight rows an input.
//!
//! [`Order::Octets`] stores a column of four rows in one word, each weight offset by 128 and so
//! without a sign. With the word `w = w0 + 2^8 w1 + 2^16 w2 + 2^24 w3`, the sums over all inputs of
//! `x · w`, `x · (w >> 8)`, `x · (w >> 16)` and `x · (w >> 24)` are formed modulo 2^32; each less 2^8
//! times the next is one row's sum, exactly. No weight has to be cut out by itself: eleven
//! instructions and a quarter of the loads do four multiply-accumulates.
#![allow(unsafe_code, reason = "the loop needs all fourteen registers")]

use super::{Activation, Channel, Order, OutputStage};
use core::arch::naked_asm;

/// The order this file reads.
pub(super) const ORDER: Order = Order::Octets;

/// A layer as [`octets`] reads it.
#[repr(C)]
struct Job {
    /// What the sums over `w >> 24`, `w >> 16`, `w`, `w >> 8` start from.
    initial: [i32; 4],
    inputs: *const u32,
    weights: *const u32,
    inputs_end: *const u32,
    zero_point: i32,
    min: i32,
    max: i32,
    output: *mut u8,
    channels: *const Channel,
    output_end: *mut u8,
    /// Bytes of an output: 1 or 2.
    size: usize,
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
    // Eight words of weights a step and group; division is slow here, and needless.
    let groups = output.len().div_ceil(8);
    let fits = groups
        .checked_mul(8 * steps)
        .is_some_and(|needed| needed <= weights.len());
    if steps == 0 || groups == 0 || !fits || channels.len() < output.len() {
        return;
    }
    let third = correction.wrapping_add(correction << 8);
    let second = correction.wrapping_add(third << 8);
    let first = correction.wrapping_add(second << 8);
    let inputs = inputs.as_ptr();
    let output = output.as_mut_ptr_range();
    let mut job = Job {
        initial: [correction, third, first, second],
        inputs,
        weights: weights.as_ptr(),
        inputs_end: inputs.wrapping_add(2 * steps),
        zero_point: stage.zero_point.into(),
        min: stage.min.into(),
        max: stage.max.into(),
        output: output.start.cast(),
        channels: channels.as_ptr(),
        output_end: output.end.cast(),
        size: size_of::<O>(),
    };
    // SAFETY: there is at least one step and one row; weights hold eight words a step for each group
    // of eight rows that is begun, inputs two words a step, and there is a channel for each output.
    unsafe { octets(&mut job) };
}

/// All groups of eight rows of a layer.
///
/// While summing: `r0` weights, `r1` inputs, `r2`, `r3` inputs, `r3-r5` weights, `r6-r12`, `lr` the sums of
/// rows 0 to 7. While requantising: `r6` output, `r7` channels, `r8` zero point, `r9` min, `r10` max,
/// `r11` end of the group's output, `r12` stack frame, `lr` size of an output; the sums are on the stack.
///
/// # Safety
/// The job's pointers must be valid, for one or more steps and outputs.
#[unsafe(naked)]
unsafe extern "C" fn octets(job: &mut Job) {
    naked_asm!(
        // Four rows times the input x; s0 and s1 are low registers, or high ones.
        ".macro adi_four add, x, w, t, s0, s1, s2, s3",
        "lsrs \\t, \\w, #24",
        "muls \\t, \\x, \\t",
        "add \\s3, \\t",
        "lsrs \\t, \\w, #16",
        "muls \\t, \\x, \\t",
        "add \\s2, \\t",
        "lsrs \\t, \\w, #8",
        "muls \\t, \\x, \\t",
        "\\add \\s1, \\t",
        "muls \\w, \\x, \\w",
        "\\add \\s0, \\w",
        ".endm",
        // r1 = (r1 · r3) >> 32, with r3 not negative.
        ".macro adi_high",
        "uxth r2, r1",
        "asrs r1, r1, #16",
        "uxth r5, r3",
        "lsrs r3, r3, #16",
        "movs r0, r2",
        "muls r0, r5, r0",
        "muls r5, r1, r5",
        "muls r2, r3, r2",
        "muls r1, r3, r1",
        "lsrs r0, r0, #16",
        "adds r5, r5, r0",
        "uxth r0, r5",
        "asrs r5, r5, #16",
        "adds r2, r2, r0",
        "lsrs r2, r2, #16",
        "adds r1, r1, r5",
        "adds r1, r1, r2",
        ".endm",
        ".macro adi_output store, size, again, back, small",
        "\\again:",
        "pop {{r1}}",
        "ldmia r7!, {{r2-r4}}", // bias, multiplier, shift
        "adds r1, r1, r2",
        "subs r4, #33",
        "blo \\small",
        "adi_high",
        "asrs r1, r4",
        "adds r1, #1",
        "asrs r1, r1, #1",
        "\\back:",
        "add r1, r8",
        "cmp r1, r10",
        "ble 2f",
        "mov r1, r10",
        "2:",
        "cmp r1, r9",
        "bge 2f",
        "mov r1, r9",
        "2:",
        "\\store r1, [r6]",
        "adds r6, #\\size",
        "cmp r6, r11",
        "bne \\again\\()b",
        ".endm",
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        "ldr r1, [r0, #24]",
        "push {{r0, r1}}", // [sp] job, [sp, #4] end of the inputs
        "3:",
        "ldmia r0!, {{r4-r7}}",
        "mov r8, r5",
        "mov r9, r4",
        "mov r10, r6",
        "mov r11, r7",
        "mov r12, r5",
        "mov lr, r4",
        "ldr r1, [r0]",
        "ldr r0, [r0, #4]",
        "4:",
        ".rept 2",
        "ldmia r1!, {{r2}}",
        "sxth r3, r2",
        "ldmia r0!, {{r5}}",
        "adi_four adds, r3, r5, r4, r6, r7, r8, r9",
        "ldmia r0!, {{r5}}",
        "adi_four add, r3, r5, r4, r10, r11, r12, lr",
        "asrs r2, r2, #16",
        "ldmia r0!, {{r4, r5}}",
        "adi_four adds, r2, r4, r3, r6, r7, r8, r9",
        "adi_four add, r2, r5, r3, r10, r11, r12, lr",
        ".endr",
        "ldr r4, [sp, #4]",
        "cmp r1, r4",
        "bne 4b",
        // Each sum less 2^8 times the next.
        "mov r2, r10",
        "mov r3, r11",
        "mov r4, r12",
        "mov r5, lr",
        "lsls r1, r3, #8",
        "subs r2, r2, r1",
        "lsls r1, r4, #8",
        "subs r3, r3, r1",
        "lsls r1, r5, #8",
        "subs r4, r4, r1",
        "mov r12, sp",
        "push {{r2-r5}}",
        "mov r4, r8",
        "mov r5, r9",
        "lsls r1, r7, #8",
        "subs r2, r6, r1",
        "lsls r1, r4, #8",
        "subs r3, r7, r1",
        "lsls r1, r5, #8",
        "subs r4, r4, r1",
        "push {{r2-r5}}",
        "ldr r1, [sp, #32]",
        "str r0, [r1, #20]",
        "adds r1, #28",
        "ldmia r1!, {{r2-r4, r6, r7}}",
        "mov r8, r2",
        "mov r9, r3",
        "mov r10, r4",
        "ldmia r1!, {{r2, r3}}", // end of the output, size
        "mov lr, r3",
        "lsls r4, r3, #3",
        "adds r4, r4, r6",
        "cmp r4, r2",
        "bls 2f",
        "movs r4, r2",
        "2:",
        "mov r11, r4",
        "cmp r3, #1",
        "bne 6f",
        "adi_output strb, 1, 5, 51, 7f",
        "b 8f",
        // Scales of 1/4 and more: the low half of the product counts as well.
        "7:",
        "movs r0, r1",
        "muls r0, r3, r0",
        "push {{r0}}",
        "adi_high",
        "pop {{r0}}",
        "adds r4, #32", // shift - 1
        "movs r2, #1",
        "movs r3, #0",
        "lsls r2, r4",
        "adds r0, r0, r2",
        "adcs r1, r3",
        "adds r4, #1",
        "lsrs r0, r4",
        "movs r2, #32",
        "subs r2, r2, r4",
        "lsls r1, r2",
        "orrs r1, r0",
        // Far beyond any bound, but with room to add the zero point.
        "lsls r2, r1, #1",
        "asrs r2, r2, #1",
        "cmp r2, r1",
        "beq 2f",
        "movs r2, #1",
        "lsls r2, r2, #30",
        "subs r2, #1",
        "asrs r1, r1, #31",
        "eors r1, r2",
        "2:",
        "mov r2, lr",
        "cmp r2, #1",
        "beq 51b",
        "b 61f",
        "6:",
        "adi_output strh, 2, 62, 61, 7b",
        "8:",
        "mov sp, r12",
        "ldr r0, [sp]",
        "str r6, [r0, #40]",
        "str r7, [r0, #44]",
        "ldr r1, [r0, #48]",
        "cmp r6, r1",
        "beq 2f",
        "b 3b",
        "2:",
        "add sp, #8",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
        ".purgem adi_four",
        ".purgem adi_high",
        ".purgem adi_output",
    )
}

/// Widens `input` into the front of `into`; the sum of the inputs.
pub(super) fn widen(input: &[i8], into: &mut [i16]) -> i32 {
    let mut sum = 0i32;
    for (wide, x) in into.iter_mut().zip(input) {
        *wide = i16::from(*x);
        sum = sum.wrapping_add(i32::from(*x));
    }
    sum
}

/// Adds both halves of every word.
pub(super) fn sum_pairs(pairs: &[u32]) -> i32 {
    pairs.iter().fold(0i32, |sum, pair| {
        let low = i32::from(*pair as i16);
        sum.wrapping_add(low).wrapping_add(pair.cast_signed() >> 16)
    })
}
