//! Restoration of damaged samples with a denoiser as the prior.
//!
//! A sample x was seen as y = k * x + noise: blurred, masked or merely noisy. Of all x that explain y the likeliest
//! is sought by gradient descent; the gradient of the log prior smoothed by noise of standard deviation sigma is
//! what a denoiser A knows, `(A(x) - x) / sigma^2` (Alain and Bengio 2014), so that forward passes suffice: the
//! deep mean-shift prior of Bigdeli, Jin, Favaro and Zwicker (2017), see [`MeanShift`].

mod degradation;
mod mean_shift;
#[cfg(test)]
mod tests;

pub use degradation::{Blur, Degradation, KERNEL_ONE};
pub use mean_shift::{MeanShift, Noise, Observation, Settings};
