//! What the tests beside this file share: small models of every kind, mutations of their bytes, and what is asked
//! of images.

pub mod image;
pub mod mutate;
pub mod small;
