//! QEMU's `mps3-an547`: a Cortex-M55 with Helium at 32 MHz.
#![no_std]

use autodidact_qemu::Machine;

/// This machine's constants; the host's table of machines holds the same model address.
pub const MACHINE: Machine = Machine {
    instructions_per_32_ticks: 1000,
    model_base: 0x1100_0000,
    model_window_bytes: 2 << 20,
};
