//! Compares the kernels with their definition on this machine.
#![no_std]
#![no_main]

use autodidact_app::selftest::Memory;
use autodidact_qemu::Slot;

static MEMORY: Slot<Memory> = Slot::new(Memory::NEW);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::selftest(&autodidact_mps3_an547::MACHINE, &MEMORY)
}
