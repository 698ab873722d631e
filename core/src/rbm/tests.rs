//! Against f64, written out from the definition; joint distributions by enumeration.
use super::*;
