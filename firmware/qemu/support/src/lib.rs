//! What every emulated machine shares, so that an image is a few lines: logging, files, faults, stack and
//! instruction accounting.
//!
//! The machines run under QEMU with semihosting (the guest asks the emulator for files, a console and its own
//! end) and `-icount shift=0` (every instruction takes one nanosecond of the guest's time, so that timers
//! count instructions and every run counts the same).
//!
//! No function here panics. `unsafe` is confined to the modules that touch what Rust cannot see: registers,
//! linker symbols, the stack.
#![no_std]

mod counter;
mod exit;
mod fault;
mod file;
mod host;
mod image;
mod learners;
mod logger;
mod model_window;
mod stack;
#[cfg(target_arch = "arm")]
mod vectors;

pub use counter::InstructionCounter;
pub use exit::{exit_failure, exit_success};
pub use file::{FileError, Files};
pub use image::{
    LearnMemory, Machine, ReplayMemory, SmallReplayMemory, bench, crash, demo, draw, generate,
    learn, replay, selftest,
};
pub use learners::learners;
pub use model_window::ModelWindow;
pub use static_cell::ConstStaticCell;
