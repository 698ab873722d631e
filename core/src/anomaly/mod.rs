//! Anomaly scores that mean something: a rate of false alarms instead of a threshold.
//!
//! Any model gives a score that grows with strangeness: the distance to the nearest centroid, the
//! residual of principal components, a negative log-likelihood, a reconstruction error. What is high is
//! different for each of them, so the device finds out: a [`QuantileSketch`] learns the distribution of
//! scores in a kilobyte ([`KllSketch`] that of any stream in six), a [`Detector`] puts its threshold where one score in `r` exceeds it, and a
//! [`RankCusum`] tells when the distribution itself has moved.
//!
//! Everything is integer, total for every score, of bounded work, and plain data.

mod detector;
mod drift;
mod kll;
mod score;
mod sketch;
#[cfg(test)]
mod tests;
mod window;

pub use detector::{Decision, Detector, DetectorConfig, Event, Phase};
pub use drift::{Drift, DriftConfig, RankCusum};
pub use kll::KllSketch;
pub use score::Score;
pub use sketch::{EXACT_TOP, QuantileSketch, Rank, WEIGHT_LIMIT};
pub use window::Window;
