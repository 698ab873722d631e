//! QEMU's `virt` machine with one RV32IMAC hart.
#![no_std]

use autodidact_qemu::Machine;

/// This machine's constants; the host's table of machines holds the same model address.
pub const MACHINE: Machine = Machine {
    instructions_per_32_ticks: 0,
    model_base: 0x8400_0000,
    model_window_bytes: 2 << 20,
};
