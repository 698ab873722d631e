//! What the tests beside this file share: small models of every kind, and mutations of their bytes.

pub mod mutate;
pub mod small;
