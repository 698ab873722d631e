//! Dense layers, 3x3 convolutions, distances and dot products in integers.
//!
//! Each function here is a safe front: it checks shapes once, then calls the fastest
//! implementation that the target has. [`reference`](mod@reference) defines what comes out; every
//! implementation gives the same bits, which is tested on random and adversarial inputs, on the
//! host and on the emulated cores.
//!
//! | target | implementation | [fastest order](Order::FASTEST) |
//! |---|---|---|
//! | thumbv7em, thumbv8m.main with DSP (M4, M7, M33) | `armv7em`: `SMLAD`, `SMLALD`, `SEL` | [`Order::Quads`] |
//! | thumbv6m (M0, M0+) | `armv6m`: four weights a load | [`Order::Octets`] |
//! | thumbv8m.main with Helium (M55, M85) | `helium`: `VMLADAVA` | [`Order::RowMajor`] |
//! | everything else | `portable` | [`Order::RowMajor`] |
//!
//! [`Implementation::CHOSEN`] is that of the build. Armv8-M needs a flag to have a fast one, see
//! [the crate's page](crate#which-kernels-a-build-has).
//!
//! # Cost
//!
//! Instructions per multiply-accumulate of whole calls, input preparation and requantisation
//! included, counted in QEMU (`-icount shift=0`; instructions, not cycles), rustc 1.95, `opt-level 3`:
//!
//! <!-- figures: {m4,m55,m0plus,rv32}.dense_i8_640x128:op {m4,m55,m0plus,rv32}.dense_i8_128x128:op
//!      {m4,m55,m0plus,rv32}.dense_i8_64x128:op {m4,m55,m0plus,rv32}.dense_i16_640x128:op
//!      {m4,m55,m0plus,rv32}.conv3x3_i8_8x8x16_16:op {m4,m55,m0plus,rv32}.conv3x3_i8_8x8x32_32:op
//!      {m4,m55,m0plus,rv32}.nearest_l2_10x64:op {m4,m55,m0plus,rv32}.nearest_l1_10x64:op -->
//! | work | M4 | M55 | M0+ | RV32IMAC |
//! |---|---|---|---|---|
//! | dense `i8`, 640 inputs, 128 outputs | 0.93 | 0.17 | 3.33 | 4.81 |
//! | dense `i8`, 128 inputs, 128 outputs | 1.10 | 0.25 | 3.61 | 5.05 |
//! | dense `i8`, 64 inputs, 128 outputs | 1.31 | 0.34 | 3.95 | 5.35 |
//! | dense `i16` inputs, 640 inputs, 128 outputs | 0.92 | 0.33 | 3.31 | 4.81 |
//! | convolution, 8x8 pixels, 16 to 16 channels | 1.36 | 0.34 | 4.07 | 5.53 |
//! | convolution, 8x8 pixels, 32 to 32 channels | 1.08 | 0.22 | 3.59 | 5.11 |
//! | nearest of 10 centroids, 64 dimensions (per dimension) | 1.27 | 1.20 | 13.1 | 13.3 |
//! | the same by Manhattan distance | 2.86 | 1.89 | 11.3 | 9.49 |
//!
//! <!-- figures: {m4,m55,m0plus,rv32}.autoencoder_mlperf_ad:op -->
//! The autoencoder of MLPerf Tiny (640-128x4-8-128x4-640) as a whole: 1.05, 0.28, 3.53 and 4.99. The M33 takes what the
//! M4 takes, to within a hundredth.
//! `cargo xtask bench` measures all of it again.
//!
//! # Panics
//!
//! None: a slice of the wrong length gives a [`ShapeError`](crate::ShapeError) before anything is
//! written.

mod conv;
mod dense;
mod distance;
mod implementation;
mod mahalanobis;
mod matrix;
#[cfg(any(autodidact_kernels = "armv7em", autodidact_kernels = "armv6m"))]
mod packed;
mod portable;
pub mod reference;
mod rows;

#[cfg(autodidact_kernels = "armv6m")]
mod armv6m;
#[cfg(autodidact_kernels = "armv7em")]
mod armv7em;
#[cfg(autodidact_kernels = "armv7em")]
mod armv7em_distance;
#[cfg(autodidact_kernels = "armv7em")]
mod armv7em_mahalanobis;
#[cfg(autodidact_kernels = "armv7em")]
mod armv7em_rows;
#[cfg(autodidact_kernels = "helium")]
mod helium;

#[cfg(autodidact_kernels = "armv6m")]
use armv6m as backend;
#[cfg(autodidact_kernels = "armv7em")]
use armv7em as backend;

#[cfg(autodidact_kernels = "armv7em")]
pub(crate) use armv7em_rows::draw;
pub(crate) use conv::for_each_taps_while_some;
pub use conv::{Conv3x3, Padding, Taps, conv3x3, for_each_taps};
pub use dense::{Activation, Channel, Channels, OutputStage, dense, dense_scratch_len};
pub use distance::{Nearest, dot, manhattan_distance, nearest_l1, nearest_l2, squared_distance};
pub use implementation::Implementation;
pub use mahalanobis::{Shifts, factor_index, factor_len, factor_rows, mahalanobis};
pub use matrix::{Matrix, MatrixError, Order, pack};
pub(crate) use rows::is_set;
pub use rows::{STATE_BITS, add_columns, add_rows, bit_words, row_stride};

#[cfg(test)]
mod tests;
