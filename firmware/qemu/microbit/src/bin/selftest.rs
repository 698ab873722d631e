//! Compares the kernels with their definition on this machine.
#![no_std]
#![no_main]

use autodidact_app::selftest::SmallMemory;
use autodidact_qemu::ConstStaticCell;

static MEMORY: ConstStaticCell<SmallMemory> = ConstStaticCell::new(SmallMemory::NEW);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::selftest(&autodidact_microbit::MACHINE, &MEMORY)
}
