//! Learning on the device, seen from the host: what to learn, the same procedure on the host, and how good
//! the result is.
//!
//! A [`Config`] is read from a file; with a table it makes a [`Problem`], whose container, settings and counts
//! go to a device ([`emulator::learn`](crate::emulator::learn())) and to [`learn`]. Both give the same bytes,
//! which [`decode`] reads as [`State`]s, one at the start and one after every pass; [`judge`] compares them with
//! a fit in f64.

mod config;
mod problem;
mod procedure;
mod quality;
mod schema;
mod settings;
mod state;

pub use config::Config;
pub use problem::Problem;
pub use procedure::{learn, prepare};
pub use quality::{Comparison, judge, shown};
pub use schema::OwnedClasses;
pub use settings::{
    Classes, Corruption, Covariance, Hidden, Layers, Learner, MOST_HIDDEN_LAYERS, Machine, Mixture,
    Seeding, Settings,
};
pub use state::{Learnt, OwnedMachine, OwnedMixture, State, decode};
