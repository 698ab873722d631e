//! QEMU's `mps2-an505`: a Cortex-M33 at 20 MHz.
#![no_std]

use autodidact_qemu::{Machine, ModelWindow};

/// This machine's constants; the host's table of machines holds the same model address.
pub const MACHINE: Machine = Machine {
    instructions_per_32_ticks: 1600,
    model: MODEL,
};

#[allow(unsafe_code, reason = "memory is named by its address")]
// SAFETY: memory of the board beside the regions of the linker script, which the emulator fills before the start.
const MODEL: ModelWindow = unsafe { ModelWindow::new(0x1020_0000, 2 << 20) };
