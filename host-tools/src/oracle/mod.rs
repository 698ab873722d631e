//! References in f64, in textbook form: what the device's arithmetic and the trainers are judged by.
//!
//! Nothing here shares code with the core crate or with the trainers, and nothing is fast.

mod back_propagation;
mod contrastive_divergence;
mod dense;
mod eigen;
mod em;
mod em_latent_class;
mod gmm;
mod graph;
mod kernel_density;
mod latent_class;
mod linear;
mod lloyd;
mod nearest;
mod projection;
mod quality;

pub use back_propagation::BackPropagation;
pub use contrastive_divergence::{CdOptions, contrastive_divergence};
pub use dense::{activate, dense_layer, forward};
pub use eigen::{Eigen, covariance, jacobi_eigen};
pub use em::{Covariance, EmFit};
pub use em_latent_class::{Distribution, LatentClassFit};
pub use gmm::Mixture;
pub use graph::{by_element, graph_forward, graph_values};
pub use kernel_density::KernelDensity;
pub use latent_class::{LatentClasses, LatentColumn};
pub use linear::LinearEstimator;
pub use lloyd::{Clustering, Metric, lloyd, nearest_by};
pub use nearest::{Nearest, inertia, nearest};
pub use projection::Projection;
pub use quality::{mean_squared_error, psnr_db};
