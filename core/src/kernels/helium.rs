//! Cores with Helium (M55, M85): 16 multiply-accumulates of `i8` an instruction.
//!
//! Rows lie one after the other ([`Order::RowMajor`]). Four rows share each vector of inputs that is
//! loaded; their four sums are requantised in one vector. Inputs are read where they lie.
#![allow(
    unsafe_code,
    reason = "the vector instructions have no stable intrinsics"
)]

use super::conv::Arguments;
use super::{Activation, Channel, Matrix, Order, OutputStage, portable};
use core::arch::naked_asm;
use core::ptr;
use zerocopy::{FromBytes, IntoBytes};

/// A layer as [`quads`] reads it.
#[repr(C)]
struct Job {
    weights: *const i8,
    cols: usize,
    input: *const u8,
    /// Inputs are `i16`.
    wide_input: u32,
    channels: *const Channel,
    output: *mut u8,
    /// Rows left, a multiple of four.
    rows: usize,
    /// Outputs are `i16`.
    wide_output: u32,
    zero_point: i32,
    min: i32,
    max: i32,
}

/// A dense layer; `None`, and nothing written, when the weights lie in another order.
pub(super) fn dense<I: Activation, O: Activation>(
    weights: &Matrix<'_>,
    channels: &[Channel],
    stage: &OutputStage<O>,
    input: &[I],
    output: &mut [O],
) -> Option<()> {
    let mut job = Job::new(weights, channels, stage, input)?;
    // SAFETY: the operands are those of the job.
    unsafe { job.run(weights, channels, stage, input, output) };
    Some(())
}

/// A convolution, window by window; `None` when the weights lie in another order.
pub(super) fn conv3x3(
    (geometry, weights, channels, stage, input_zero_point, input): Arguments<'_>,
    scratch: &mut [i16],
    output: &mut [i8],
) -> Option<()> {
    let scratch = <[i8]>::mut_from_bytes(scratch.as_mut_bytes()).ok()?;
    let taps = scratch.get_mut(..geometry.window_len())?;
    let mut job = Job::new(weights, channels, stage, taps)?;
    geometry.for_each_window(weights.rows(), output, &mut |window, cell| {
        window.gather(input, taps, |taps| fill(taps, input_zero_point), copy)?;
        job.input = taps.as_ptr().cast();
        // SAFETY: the operands are those of the job, and the input is where it says.
        unsafe { job.run(weights, channels, stage, taps, cell) };
        Some(())
    })
}

impl Job {
    /// A job without output; `None` when the weights lie in another order.
    fn new<I: Activation, O: Activation>(
        weights: &Matrix<'_>,
        channels: &[Channel],
        stage: &OutputStage<O>,
        input: &[I],
    ) -> Option<Self> {
        let (rows, cols) = (weights.rows().min(channels.len()), weights.cols());
        if weights.order() != Order::RowMajor || input.len() != cols {
            return None;
        }
        Some(Self {
            weights: weights.data().as_ptr(),
            cols,
            input: input.as_ptr().cast(),
            wide_input: u32::from(size_of::<I>() == 2),
            channels: channels.as_ptr(),
            output: ptr::null_mut(),
            rows: rows & !3,
            wide_output: u32::from(size_of::<O>() == 2),
            zero_point: stage.zero_point.into(),
            min: stage.min.into(),
            max: stage.max.into(),
        })
    }

    /// Every row.
    ///
    /// # Safety
    /// The other operands must be those that the job was made of, and `self.input` must be `input`.
    #[inline]
    unsafe fn run<I: Activation, O: Activation>(
        &mut self,
        weights: &Matrix<'_>,
        channels: &[Channel],
        stage: &OutputStage<O>,
        input: &[I],
        output: &mut [O],
    ) {
        let mut done = 0;
        if self.rows > 0 && output.len() >= self.rows {
            self.output = output.as_mut_ptr().cast();
            // SAFETY: weights, channels and output hold `rows` rows, one or more groups of four, and
            // the input holds `cols` elements; the two flags are the sizes of the elements.
            done = unsafe { quads(self) };
        }
        // What the vectors leave: fewer than four rows, or all from a group on with a scale of 1/4
        // or more.
        if done < output.len()
            && let (Some(channels), Some(output)) = (channels.get(done..), output.get_mut(done..))
        {
            portable::rows(weights, done, channels, stage, input, output);
        }
    }
}

/// Copies as much as both slices hold.
#[inline]
fn copy(from: &[i8], into: &mut [i8]) {
    let bytes = from.len().min(into.len());
    // SAFETY: both slices hold `bytes` bytes.
    unsafe { copy_bytes(into.as_mut_ptr(), from.as_ptr(), bytes) };
}

/// Fills a slice.
#[inline]
fn fill(into: &mut [i8], with: i8) {
    // SAFETY: the slice holds as many bytes as its length says.
    unsafe { fill_bytes(into.as_mut_ptr(), with.into(), into.len()) };
}

/// # Safety
/// The pointer must be valid for `bytes` bytes.
#[unsafe(naked)]
unsafe extern "C" fn fill_bytes(into: *mut i8, with: i32, bytes: usize) {
    naked_asm!(
        // Naked functions are assembled for the base architecture, not for the target CPU.
        ".cpu cortex-m55",
        "push {{r4, lr}}",
        "vdup.8 q0, r1",
        "wlstp.8 lr, r2, 2f",
        "1:",
        "vstrb.8 q0, [r0], #16",
        "letp lr, 1b",
        "2:",
        "pop {{r4, pc}}",
    )
}

/// # Safety
/// Both pointers must be valid for `bytes` bytes.
#[unsafe(naked)]
unsafe extern "C" fn copy_bytes(into: *mut i8, from: *const i8, bytes: usize) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4, lr}}",
        "wlstp.8 lr, r2, 2f",
        "1:",
        "vldrb.u8 q0, [r1], #16",
        "vstrb.8 q0, [r0], #16",
        "letp lr, 1b",
        "2:",
        "pop {{r4, pc}}",
    )
}

/// Groups of four rows, until one has a scale of 1/4 or more; the number of rows done.
///
/// While summing: `r0`, `r2`, `r4`, `r6` sums, `r1`, `r3`, `r5`, `r7` rows, `r8` inputs. Throughout: `r9` job,
/// `r10` first row of the group, `r11` rows done, `r12` output; `q3` addresses of the group's channels.
///
/// # Safety
/// The job's pointers must be valid for its rows, a multiple of four and not 0, and columns.
#[unsafe(naked)]
unsafe extern "C" fn quads(job: &Job) -> usize {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "mov r9, r0",
        "ldr r10, [r9]",
        "mov r11, #0",
        "ldr r12, [r9, #20]",
        "ldr r1, [r9, #16]",
        "vmov.i32 q3, #0",
        "adds r2, r1, #12",
        "add r3, r1, #24",
        "add r4, r1, #36",
        "vmov q3[2], q3[0], r1, r3",
        "vmov q3[3], q3[1], r2, r4",
        "1:",
        "mov r1, r10",
        "ldrd r2, r8, [r9, #4]", // columns, inputs
        "add r3, r1, r2",
        "add r5, r3, r2",
        "add r7, r5, r2",
        "add r10, r7, r2",
        "ldr r6, [r9, #12]",
        "movs r0, #0",
        "movs r4, #0",
        "cbnz r6, 3f",
        "dlstp.8 lr, r2",
        "movs r2, #0",
        "2:",
        "vldrb.u8 q0, [r8], #16",
        "vldrb.u8 q1, [r1], #16",
        "vmladava.s8 r0, q0, q1",
        "vldrb.u8 q2, [r3], #16",
        "vmladava.s8 r2, q0, q2",
        "vldrb.u8 q1, [r5], #16",
        "vmladava.s8 r4, q0, q1",
        "vldrb.u8 q2, [r7], #16",
        "vmladava.s8 r6, q0, q2",
        "letp lr, 2b",
        "b 5f",
        "3:",
        "dlstp.16 lr, r2",
        "movs r2, #0",
        "movs r6, #0",
        "4:",
        "vldrh.u16 q0, [r8], #16",
        "vldrb.s16 q1, [r1], #8",
        "vmladava.s16 r0, q0, q1",
        "vldrb.s16 q2, [r3], #8",
        "vmladava.s16 r2, q0, q2",
        "vldrb.s16 q1, [r5], #8",
        "vmladava.s16 r4, q0, q1",
        "vldrb.s16 q2, [r7], #8",
        "vmladava.s16 r6, q0, q2",
        "letp lr, 4b",
        "5:",
        "vmov q0[2], q0[0], r0, r4",
        "vmov q0[3], q0[1], r2, r6",
        "movs r0, #33",
        "vldrw.u32 q2, [q3, #8]", // shift
        "vcmp.s32 lt, q2, r0",
        "vmrs r1, p0",
        "cbnz r1, 7f",
        "vldrw.u32 q1, [q3]", // bias
        "vadd.i32 q0, q0, q1",
        "vldrw.u32 q1, [q3, #4]", // multiplier
        "vmulh.s32 q0, q0, q1",
        "vmov.i32 q1, #32",
        "vsub.i32 q1, q1, q2",
        "vrshl.s32 q0, q0, q1", // one rounding, halves up
        "add r1, r9, #28",
        "ldm r1, {{r2-r5}}", // wide output, zero point, min, max
        "vadd.i32 q0, q0, r3",
        "vdup.32 q1, r5",
        "vmin.s32 q0, q0, q1",
        "vdup.32 q1, r4",
        "vmax.s32 q0, q0, q1",
        "movs r1, #48",
        "vadd.i32 q3, q3, r1",
        "mov r1, r12",
        "ldr r5, [r9, #24]",
        "cbnz r2, 6f",
        "vstrb.32 q0, [r1], #4",
        "mov r12, r1",
        "add r11, r11, #4",
        "cmp r11, r5",
        "bne 1b",
        "b 7f",
        "6:",
        "vstrh.32 q0, [r1], #8",
        "mov r12, r1",
        "add r11, r11, #4",
        "cmp r11, r5",
        "bne 1b",
        "7:",
        "mov r0, r11",
        "pop {{r4-r11, pc}}",
    )
}
