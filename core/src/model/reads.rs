//! What a program reads of containers, as a set of bits for [`Model::load_only`](super::Model::load_only).
//!
//! The linker cannot know which kinds of parts a program will meet, but the program can: what it does not
//! name is refused by the loader and left out of the image.

/// k-means by squared Euclidean distance.
pub const KMEANS: u32 = 1;
/// k-means by the other metrics; goes with [`KMEANS`].
pub const KMEANS_METRICS: u32 = 1 << 1;
/// Principal components.
pub const PCA: u32 = 1 << 2;
/// Variances along the components, and parts that read whitened scores; goes with [`PCA`].
pub const PCA_SPECTRUM: u32 = 1 << 3;
/// Networks.
pub const NETWORK: u32 = 1 << 4;
/// Gaussian mixtures.
pub const GMM: u32 = 1 << 5;
/// Latent classes.
pub const LATENT_CLASS: u32 = 1 << 6;
/// Restricted Boltzmann machines.
pub const RBM: u32 = 1 << 7;
/// Deep belief nets.
pub const DBN: u32 = 1 << 8;
/// Graphs.
pub const GRAPH: u32 = 1 << 16;
/// Score networks.
pub const SCORE: u32 = 1 << 17;
/// Stacks of dense layers, as [`backprop`](crate::backprop) learns them.
pub const STACK: u32 = 1 << 18;
/// All that this release knows.
pub const EVERYTHING: u32 = u32::MAX;

/// Whether the set has all of `what`.
#[inline]
#[must_use]
pub const fn has(set: u32, what: u32) -> bool {
    set & what == what
}
