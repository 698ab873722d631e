//! Host tools of autodidact: read data, train in f32, quantise, check, export, emulate.
//!
//! The way of a model: a file becomes a [`data::Table`], [`train`] fits f32 parameters to it,
//! [`quantize`] turns them into integers and bytes, [`replay`] runs the device's own kernels over
//! rows that training never saw, [`evaluate`] judges what comes out, and [`emulator`] does the same
//! on an emulated core.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod artifact;
pub mod chain;
pub mod data;
pub mod emulator;
pub mod energy;
pub mod evaluate;
pub mod generate;
#[cfg(feature = "train")]
pub mod generated;
pub mod interrupt;
pub mod learn;
pub mod number;
pub mod oracle;
pub mod picture;
pub mod quantize;
pub mod query;
pub mod replay;
pub mod restoration;
pub mod sampler;
#[cfg(feature = "train")]
pub mod showcase;
#[cfg(feature = "train")]
pub mod study;
pub mod talk;
pub mod train;
pub mod verdict;

/// The example of the package's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
