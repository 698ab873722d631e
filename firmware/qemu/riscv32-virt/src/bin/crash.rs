//! Panics, faults or hangs, so that tests can see that the host notices.
#![no_std]
#![no_main]

#[riscv_rt::entry]
fn main() -> ! {
    autodidact_qemu::crash(&autodidact_riscv32_virt::MACHINE)
}
