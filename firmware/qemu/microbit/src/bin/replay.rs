//! Runs a model that the emulator places in memory, on rows that the host sends.
#![no_std]
#![no_main]

use autodidact_qemu::{ConstStaticCell, SmallReplayMemory};

static MEMORY: ConstStaticCell<SmallReplayMemory> = ConstStaticCell::new(SmallReplayMemory::NEW);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::replay(&autodidact_microbit::MACHINE, &MEMORY)
}
