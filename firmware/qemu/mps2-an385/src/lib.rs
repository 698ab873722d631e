//! QEMU's `mps2-an385`: a Cortex-M3 at 25 MHz that runs code built for the Cortex-M0+.
#![no_std]

use autodidact_qemu::Machine;

/// This machine's constants; the host's table of machines holds the same model address.
pub const MACHINE: Machine = Machine {
    instructions_per_32_ticks: 1280,
    model_base: 0x0010_0000,
    model_window_bytes: 2 << 20,
};
