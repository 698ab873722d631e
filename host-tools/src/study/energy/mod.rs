//! Boltzmann machines, deep belief nets and deep autoencoders: likelihoods, bounds, codes and errors.
//!
//! The digits are binarised at 8 of 16, MNIST's pixels with their shade as probability, and every fourth
//! digit or the test images are judged. References are those of the same experiments in NumPy, and of
//! R. Salakhutdinov and I. Murray, *On the quantitative analysis of deep belief networks*, ICML 2008.

mod codes;
mod machines;

use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::train::device::TrainingDevice;

pub use codes::{DigitCodes, digit_codes, neighbour_accuracy};
pub use machines::{DIGIT_THRESHOLD, digit_machine};

/// What a figure has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

/// One measured figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured on what.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its standard error, where sampling leaves one.
    pub standard_error: Option<f64>,
    /// What it has to reach.
    pub bar: Option<Bar>,
    /// Wall-clock time of training or estimation.
    pub seconds: f64,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, seconds: f64) -> Self {
        Self {
            name: name.into(),
            value,
            standard_error: None,
            bar: None,
            seconds,
        }
    }

    fn error(self, standard_error: f64) -> Self {
        Self {
            standard_error: Some(standard_error),
            ..self
        }
    }

    fn bar(self, bar: Bar) -> Self {
        Self {
            bar: Some(bar),
            ..self
        }
    }

    /// Whether the bar is reached; true without one.
    #[must_use]
    pub fn reached(&self) -> bool {
        match self.bar {
            Some(Bar::AtLeast(bar)) => self.value >= bar,
            Some(Bar::AtMost(bar)) => self.value <= bar,
            None => true,
        }
    }

    /// The heading above figures.
    #[must_use]
    pub fn header() -> String {
        format!(
            "{:<58} {:>9} {:>8} {:>14} {:>8}",
            "figure", "value", "+-", "bar", "seconds"
        )
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self
            .standard_error
            .map_or(String::new(), |e| format!("{e:.3}"));
        let bar = match self.bar {
            Some(Bar::AtLeast(bar)) => format!(">= {bar:.2}"),
            Some(Bar::AtMost(bar)) => format!("<= {bar:.2}"),
            None => String::new(),
        };
        let mark = if self.reached() { "" } else { "  missed" };
        write!(
            f,
            "{:<58} {:>9.3} {error:>8} {bar:>14} {:>8.1}{mark}",
            self.name, self.value, self.seconds
        )
    }
}

/// The figures of the bundled digits; `quick` takes one seed in place of three and shorter chains.
///
/// # Errors
///
/// A training run fails.
pub fn digits(quick: bool, device: &TrainingDevice, report: &mut dyn FnMut(Figure)) -> Result<()> {
    machines::digits(quick, device, report)?;
    machines::deep_belief_net(quick, device, report)?;
    codes::digits(device, report)
}

/// The figures of MNIST; `folder` holds `mnist/`.
///
/// # Errors
///
/// A file is missing; a training run fails.
pub fn mnist(folder: &Path, device: &TrainingDevice, report: &mut dyn FnMut(Figure)) -> Result<()> {
    machines::mnist(folder, device, report)?;
    codes::mnist(folder, device, report)
}
