//! The portable part of every image: what a device does with a model, without a word about which device.
//!
//! - [`Link`] is all that a machine has to offer: rows of sensor counts come in, result bytes go out,
//!   and a counter tells what the work cost.
//! - [`replay()`] runs every part of a model on every row; the emulator's tests and the demonstration use it.
//! - [`learn`](learn::learn()) learns from the rows, pass after pass.
//! - [`generate`](generate::generate()) draws samples, fills in and restores rows.
//! - [`Memory`] is what running a model needs, to the byte.
//! - [`bench`] measures the kernels on workloads of published size.
//! - [`selftest`] compares them with their definition.
//!
//! Nothing in this crate allocates, and nothing in it can panic.
#![no_std]

mod arena;
pub mod bench;
mod buffers;
pub mod generate;
pub mod learn;
mod link;
mod replay;
pub mod selftest;

pub use arena::OutOfMemory;
pub use buffers::{Buffers, Memory, Sizes};
pub use link::{Counter, Link};
pub use replay::{ReplayError, replay};
