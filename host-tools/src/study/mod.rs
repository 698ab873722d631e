//! Studies: figures of the literature, measured again with this crate.
//!
//! Each study returns rows of figures that print as a line; the command line shows them and tests hold them
//! to the published ones.

pub mod mixtures;
pub mod seeding;
