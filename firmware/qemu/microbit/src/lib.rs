//! QEMU's `microbit`: a Cortex-M0 at 16 MHz with the memory of its part, 256 KiB of flash and 16 KiB of RAM.
//!
//! The part itself has no SysTick; the emulated one has, and counts instructions.
#![no_std]

use autodidact_qemu::{Machine, ModelWindow};

/// This machine's constants; the host's table of machines holds the same model address.
pub const MACHINE: Machine = Machine {
    instructions_per_32_ticks: 2000,
    model: MODEL,
};

#[allow(unsafe_code, reason = "memory is named by its address")]
// SAFETY: the half of the flash that the linker script leaves alone, which the emulator fills before the start.
const MODEL: ModelWindow = unsafe { ModelWindow::new(0x0002_0000, 128 << 10) };
