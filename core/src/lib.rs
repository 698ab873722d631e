//! Learning without labels on microcontrollers.
//!
//! `autodidact` runs k-means, principal components, autoencoders and denoisers in fixed point:
//! no heap, no floating-point unit, no panic, and the same bits on every core and on the host.
//! Models are trained and quantised by the host tool of the same project (`autodidact fit …`),
//! which writes one container file; a device links that file into its flash and reads it in place.
//!
//! # What this crate is not
//!
//! It is no general inference engine: it reads its own container and nothing else, and it does
//! not train in floating point. That is the host tool's work.
//!
//! # Where to go next
//!
//! | to do this | read |
//! |---|---|
//! | load a model and run its parts | [`model::Model`] |
//! | load one that was verified before, without checks | [`model::Model::load_trusted`] |
//! | turn sensor counts into features | [`scaler::Scaler`] |
//! | assign a sample to a cluster | [`kmeans::KMeans`] |
//! | judge a sample by a mixture of Gaussians, or fit one | [`gmm::Gmm`], [`gmm::batch`], [`gmm::stepwise`] |
//! | learn clusters on the device | [`kmeans::Lloyd`], [`kmeans::Online`] |
//! | project, reconstruct, measure the residual | [`pca::Pca`] |
//! | cluster, query and complete rows of mixed kinds | [`latent_class::LatentClass`] |
//! | learn principal components on the device | [`pca::IncrementalPca`] |
//! | sample, complete and learn binary or real vectors with an energy | [`rbm::Rbm`], [`rbm::Gibbs`], [`rbm::learn`] |
//! | stack such machines | [`dbn::Dbn`] |
//! | denoise, encode, reconstruct with a network | [`net::Network`], [`net::Graph`] |
//! | draw samples by annealed Langevin dynamics, fill in what is missing | [`score::AnnealedLangevin`] |
//! | deblur, fill in or denoise with a denoiser as the prior | [`restore::MeanShift`] |
//! | train an autoencoder or a denoiser on the device | [`backprop::Learner`] |
//! | fit a latent-variable model | [`em`] |
//! | turn a score into an alarm at a chosen rate of false alarms | [`anomaly::Detector`] |
//! | know how numbers are represented and rounded | [`num`] |
//! | draw random numbers that are the same everywhere | [`rng`] |
//! | call a kernel directly | [`kernels`] |
//! | know how long a step of a learner can take | [`work`] |
//!
//! # From counts to a decision
//!
//! ```
//! use autodidact::model::Model;
//!
//! # fn demo(file: &[u8], counts: &[i16; 64]) -> Result<(), Box<dyn std::error::Error>> {
//! let model = Model::load(file)?;                 // checked once, read in place
//! let mut features = [0i16; 64];                  // I4F12: [-8, 8) in steps of 2^-12
//! model.scaler().scale_into(counts, &mut features)?;
//! let nearest = model.kmeans("clusters")?.nearest(&features)?;
//! println!("cluster {} at squared distance {}", nearest.index, nearest.distance);
//! # Ok(()) }
//! ```
//!
//! # Which kernels a build has
//!
//! <!-- figures: m33.dense_i8_640x128 m33.nearest_l2_10x64 -->
//! Every core gives the same bits; what differs is the price. A Cortex-M33 takes 76,260 instructions for a dense layer
//! of 640 inputs and 128 outputs with the DSP extension's kernels, and 273,050 with the portable ones; for the nearest
//! of 10 centroids of 64 features, 808 and 5,458 (QEMU, `-icount shift=0`). The build script chooses the kernels by the
//! target's name, and for Armv8-M by the core that the compiler is told: that architecture leaves the DSP extension and
//! Helium open, and no stable compiler says whether a target has them.
//!
//! | core | target | flags to set | kernels |
//! |---|---|---|---|
//! | Cortex-M0, M0+ | `thumbv6m-none-eabi` | none | `armv6m` |
//! | Cortex-M3 | `thumbv7m-none-eabi` | none | `portable` |
//! | Cortex-M4, M7 | `thumbv7em-none-eabi`, `…-eabihf` | none | `armv7em` (with DSP) |
//! | Cortex-M23 | `thumbv8m.base-none-eabi` | none | `portable` |
//! | Cortex-M33, M35P | `thumbv8m.main-none-eabi`, `…-eabihf` | `-C target-cpu=cortex-m33` | `armv7em`; without the flag `portable` |
//! | Cortex-M33 without DSP | the same | none, or `-C target-cpu=cortex-m33 -C target-feature=-dsp` | `portable` |
//! | Cortex-M52, M55, M85 | the same | `-C target-cpu=cortex-m55` (the core's own name) | `helium`; without the flag `portable` |
//! | Cortex-M55 without Helium | the same | `-C target-cpu=cortex-m55 -C target-feature=-mve` | `armv7em` |
//! | RISC-V, the host, all others | | none | `portable` |
//!
//! The flags belong where cargo hands them to build scripts too: in the application's `.cargo/config.toml`,
//!
//! ```toml
//! [target.thumbv8m.main-none-eabihf]
//! rustflags = ["-C", "target-cpu=cortex-m33"]
//! ```
//!
//! (the target without quotation marks, for all its dot), or in its `build.rustflags`, or in the environment variable
//! `RUSTFLAGS`. Cargo takes one of the three: `RUSTFLAGS` before `[target]` before `[build]`. What is given behind
//! `cargo rustc --` reaches the last crate alone, and the `rustflags` of a profile, which stable cargo refuses, reach no
//! build script: both leave the kernels portable.
//!
//! [`kernels::Implementation::CHOSEN`] says what a build has, in a log or in a `const` assertion of the application.
//!
//! # Panics
//!
//! Nothing in this crate panics, whatever bytes it is given: loading returns a typed error or a
//! model, and a loaded model can only refuse a slice of the wrong length ([`ShapeError`]).
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo
    )
)]

#[cfg(test)]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!(
    "containers are read in place and are little-endian: big-endian targets are not supported"
);

// Odd sizes. On 64-bit hosts a value of 3, 5, 6 or 7 bytes crosses a call as one integer of as many bits, and the
// LLVM 22 of Rust 1.95 and later (mended upstream in July 2026, not yet in a stable compiler) merges the loads that
// make a 48-bit one wrongly at opt-level 2 and 3: a shape of three `u16` arrived as zeros, and no graph loaded in an
// ordinary release build. So nothing of such a size is passed or returned by value in this crate: shapes go by
// reference, small structures are aligned to four bytes.

pub mod anomaly;
#[cfg(test)]
mod awkward;
pub mod backprop;
pub mod dbn;
pub mod em;
mod error;
pub mod gmm;
pub mod kernels;
pub mod kmeans;
pub mod latent_class;
mod linalg;
pub mod model;
pub mod net;
pub mod num;
pub mod pca;
pub mod rbm;
pub mod restore;
pub mod rng;
pub mod scaler;
pub mod score;
mod slices;
pub mod work;

pub use error::{Defect, Difference, Operand, Setting, ShapeError};

/// The examples of the package's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
