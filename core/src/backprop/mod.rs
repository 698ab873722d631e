//! Gradient steps on the device: autoencoders and denoising autoencoders that learn in integers.
//!
//! A [`Learner`] is a small stack of dense layers with 16-bit weights that it changes one sample at a time by
//! back-propagation (Rumelhart, Hinton and Williams 1986) of the squared error. Shown the sample itself it is an
//! autoencoder; shown a [`Corruption`] of it, a denoising autoencoder (Vincent et al. 2010). The last layers alone
//! can learn as well, above ones that stay. A container holds what was learnt as a part of its own
//! ([`Model::stack`](crate::model::Model::stack)): to be run, or to be learnt from further.
//!
//! | quantity | format |
//! |---|---|
//! | input, target, output, value of a hidden unit | `I4F12` in `i16`, saturating |
//! | weight | `I3F13` in `i16`, \[-4, 4), saturating |
//! | bias | `I7F25` in `i32`, saturating |
//! | weighted sum | `I39F25` in `i64`, exact |
//! | error signal | `I12F20` in `i32`, saturating |
//! | rate | `U0F16` in `u16` |
//!
//! **Rounding of weights.** Late in learning most steps are fractions of a unit of 2^-13, which rounding to nearest
//! would lose. Steps are rounded at random, up with the probability of what is cut off (Gupta et al. 2015): right
//! on average. Measured on a synthetic problem with one seed, error over that of the same procedure in f64: 1.00 to
//! 1.01 at rates from 1/16384 to 1/160 so rounded; to nearest 2.1 at 1/16384, 1.28 at 1/8192, and below one from
//! 1/3300 on, where the random word a weight can be saved.

mod corruption;
mod learner;
mod stack;
#[cfg(test)]
mod tests;

pub use corruption::Corruption;
pub use learner::{Learner, Memory, Rounding, memory_len};
pub use stack::{Hidden, Stack};
