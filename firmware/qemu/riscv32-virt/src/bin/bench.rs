//! Measures the kernels on this machine.
#![no_std]
#![no_main]

use autodidact_app::bench::Memory;
use autodidact_qemu::ConstStaticCell;

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::NEW);

#[riscv_rt::entry]
fn main() -> ! {
    autodidact_qemu::bench(&autodidact_riscv32_virt::MACHINE, &MEMORY)
}
