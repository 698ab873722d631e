//! Every learner in statics of its own on this machine, for the table of their RAM.
#![no_std]
#![no_main]

#[riscv_rt::entry]
fn main() -> ! {
    autodidact_qemu::learners(&autodidact_riscv32_virt::MACHINE)
}
