//! Every learner in statics of its own on this machine, for the table of their RAM.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::learners(&autodidact_mps2_an505::MACHINE)
}
