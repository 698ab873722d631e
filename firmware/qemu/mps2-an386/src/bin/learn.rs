//! Learns on this machine from rows that the host sends.
#![no_std]
#![no_main]

use autodidact_qemu::{ConstStaticCell, LearnMemory};

static MEMORY: ConstStaticCell<LearnMemory> = ConstStaticCell::new([0; 1 << 17]);

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::learn(&autodidact_mps2_an386::MACHINE, &MEMORY)
}
