//! Whatever goes wrong on the device ends the run with a line in the log and a non-zero status.

#![allow(
    unsafe_code,
    reason = "exception handlers are entered by the processor"
)]

use core::panic::PanicInfo;

use crate::exit::{exit_fault, exit_panic};
use crate::logger::reset_after_fault;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    reset_after_fault();
    // The message is left out on purpose: formatting it would put all of core::fmt into the image.
    if let Some(place) = info.location() {
        defmt::error!("panic at {=str}:{=u32}", place.file(), place.line());
    }
    exit_panic()
}

/// A panic inside a `defmt` macro.
#[defmt::panic_handler]
fn defmt_panic() -> ! {
    exit_panic()
}

#[cfg(target_arch = "arm")]
mod arm {
    use super::{exit_fault, reset_after_fault};

    #[cortex_m_rt::exception]
    unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
        reset_after_fault();
        defmt::error!(
            "hard fault at pc {=u32:#x}, lr {=u32:#x}",
            frame.pc(),
            frame.lr()
        );
        exit_fault()
    }

    #[cortex_m_rt::exception]
    unsafe fn DefaultHandler(number: i16) -> ! {
        reset_after_fault();
        defmt::error!("unexpected exception {=i16}", number);
        exit_fault()
    }
}

#[cfg(target_arch = "riscv32")]
mod riscv {
    use super::{exit_fault, reset_after_fault};

    #[unsafe(export_name = "ExceptionHandler")]
    fn exception(_frame: &riscv_rt::TrapFrame) -> ! {
        reset_after_fault();
        defmt::error!(
            "exception {=usize:#x} at pc {=usize:#x}",
            riscv::register::mcause::read().bits(),
            riscv::register::mepc::read()
        );
        exit_fault()
    }

    #[unsafe(export_name = "DefaultHandler")]
    fn interrupt() -> ! {
        reset_after_fault();
        defmt::error!("unexpected interrupt");
        exit_fault()
    }
}

/// Runs an instruction that no core has.
pub(crate) fn fault() {
    // SAFETY: the instruction's one effect is to enter the fault handler, which never returns.
    unsafe {
        #[cfg(target_arch = "arm")]
        core::arch::asm!("udf #0");
        #[cfg(target_arch = "riscv32")]
        core::arch::asm!("unimp");
    }
}
