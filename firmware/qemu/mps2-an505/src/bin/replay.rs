//! Runs a model that the emulator places in memory, on rows that the host sends.
#![no_std]
#![no_main]

use autodidact_qemu::{ConstStaticCell, ReplayMemory};

static MEMORY: ConstStaticCell<ReplayMemory> = ConstStaticCell::new(ReplayMemory::NEW);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::replay(&autodidact_mps2_an505::MACHINE, &MEMORY)
}
