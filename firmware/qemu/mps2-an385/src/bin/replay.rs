//! Runs a model that the emulator places in memory, on rows that the host sends.
#![no_std]
#![no_main]

use autodidact_qemu::{ReplayMemory, Slot};

static MEMORY: Slot<ReplayMemory> = Slot::new(ReplayMemory::NEW);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::replay(&autodidact_mps2_an385::MACHINE, &MEMORY)
}
