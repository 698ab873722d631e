//! Learns on this machine from rows that the host sends.
#![no_std]
#![no_main]

use autodidact_qemu::{ConstStaticCell, LearnMemory};

static MEMORY: ConstStaticCell<LearnMemory> = ConstStaticCell::new([0; 1 << 17]);

#[riscv_rt::entry]
fn main() -> ! {
    autodidact_qemu::learn(&autodidact_riscv32_virt::MACHINE, &MEMORY)
}
