//! Dense layers, 3x3 convolutions, distances and dot products in integers.
//!
//! Each function here is a safe front: it checks shapes once, then calls the fastest
//! implementation that the target has. `portable` is the reference in plain Rust; every other
//! implementation gives the same bits, which is tested on random and adversarial inputs.
//!
//! | target | implementation | fast weight order |
//! |---|---|---|
//! | thumbv7em, thumbv8m.main with DSP (M4, M7, M33) | `armv7em`: `SMLAD`, `SMLALD` | [`Order::Quads`] |
//! | thumbv6m (M0, M0+) | `armv6m` | [`Order::Octets`] |
//! | everything else | `portable` | [`Order::RowMajor`] |
//!
//! No function panics; a slice of the wrong length gives a [`ShapeError`] before anything is
//! written.

mod conv;
mod dense;
mod distance;
mod matrix;
#[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
mod packed;
mod portable;
pub mod reference;

#[cfg(autodidact_kernels = "armv6m")]
mod armv6m;
#[cfg(autodidact_kernels = "armv6m")]
use armv6m as backend;
#[cfg(autodidact_kernels = "armv7em")]
mod armv7em;
#[cfg(autodidact_kernels = "armv7em")]
mod armv7em_distance;
#[cfg(autodidact_kernels = "armv7em")]
use armv7em as backend;
#[cfg(autodidact_kernels = "helium")]
mod helium;

pub use conv::{Conv3x3, Padding, conv3x3};
pub use dense::{Activation, Channel, OutputStage, dense, dense_scratch_len};
pub use distance::{Nearest, dot, nearest_l2, squared_distance};
pub use matrix::{Matrix, MatrixError, Order, pack};

#[cfg(test)]
mod tests;
