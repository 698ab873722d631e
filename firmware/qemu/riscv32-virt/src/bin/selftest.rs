//! Compares the kernels with their definition on this machine.
#![no_std]
#![no_main]

use autodidact_app::selftest::LargeMemory;
use autodidact_qemu::ConstStaticCell;

static MEMORY: ConstStaticCell<LargeMemory> = ConstStaticCell::new(LargeMemory::NEW);

#[riscv_rt::entry]
fn main() -> ! {
    autodidact_qemu::selftest(&autodidact_riscv32_virt::MACHINE, &MEMORY)
}
