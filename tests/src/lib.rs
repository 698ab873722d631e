//! What the tests beside this file share: small models of every kind, and mutations of their bytes.

pub mod mutate;
pub mod small;

/// The guide's example, tested as it stands.
#[cfg(doctest)]
#[doc = include_str!("../../docs/anomaly.md")]
pub struct AnomalyGuide;
