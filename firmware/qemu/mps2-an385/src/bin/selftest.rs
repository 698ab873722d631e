//! Compares the kernels with their definition on this machine.
#![no_std]
#![no_main]

use autodidact_app::selftest::LargeMemory;
use autodidact_qemu::ConstStaticCell;

static MEMORY: ConstStaticCell<LargeMemory> = ConstStaticCell::new(LargeMemory::NEW);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::selftest(&autodidact_mps2_an385::MACHINE, &MEMORY)
}
