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

pub mod anomaly;
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

pub use error::{Defect, Operand, ShapeError};

/// The examples of the package's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
