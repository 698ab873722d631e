//! QEMU's `mps2-an386`: a Cortex-M4F at 25 MHz.
#![no_std]

use autodidact_qemu::Machine;

/// This machine's constants; the host's table of machines holds the same model address.
pub const MACHINE: Machine = Machine {
    instructions_per_32_ticks: 1280,
    model_base: 0x0010_0000,
    model_window_bytes: 2 << 20,
};
