//! Draws samples, fills in and restores rows on this machine, as the host asks.
#![no_std]
#![no_main]

use autodidact_qemu::{ConstStaticCell, LearnMemory};

static MEMORY: ConstStaticCell<LearnMemory> = ConstStaticCell::new([0; 1 << 17]);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::generate(&autodidact_mps2_an385::MACHINE, &MEMORY)
}
