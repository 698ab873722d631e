//! Panics, faults or hangs, so that tests can see that the host notices.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    autodidact_qemu::crash(&autodidact_microbit::MACHINE)
}
