//! What the tests beside this file share: small models of every kind, mutations of their bytes, containers taken apart, and what is asked
//! of images.

pub mod graphs;
pub mod image;
pub mod mutate;
pub mod raw;
pub mod requests;
pub mod small;

/// The Rust of the documentation's pages compiles, and runs where it has a `main`.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/kmeans.md")]
    struct KMeans;
    #[doc = include_str!("../../docs/pca.md")]
    struct Pca;
    #[doc = include_str!("../../docs/gmm.md")]
    struct Gmm;
    #[doc = include_str!("../../docs/latent-class.md")]
    struct LatentClass;
    #[doc = include_str!("../../docs/rbm.md")]
    struct Rbm;
    #[doc = include_str!("../../docs/anomaly.md")]
    struct Anomaly;
    #[doc = include_str!("../../docs/score.md")]
    struct Score;
    #[doc = include_str!("../../docs/priors.md")]
    struct Priors;
    #[doc = include_str!("../../docs/autoencoders.md")]
    struct Autoencoders;
    #[doc = include_str!("../../docs/backprop.md")]
    struct Backprop;
}
