//! Restricted Boltzmann machines and stacks of them, as plain numbers.

use std::fmt;

use clap::ValueEnum;

/// What the visible units of a machine hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VisibleUnits {
    /// 0 or 1: `E(v, h) = -h'Wv - b'v - c'h`.
    #[default]
    #[value(help = "0 or 1, by a threshold")]
    Bernoulli,
    /// Real numbers of unit variance around their mean given h, for standardised features:
    /// `E(v, h) = |v - b|^2 / 2 - h'Wv - c'h`.
    #[value(help = "Real numbers, for standardised features")]
    Gaussian,
}

impl fmt::Display for VisibleUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bernoulli => "bernoulli",
            Self::Gaussian => "gaussian",
        })
    }
}

/// A restricted Boltzmann machine; its hidden units are binary.
#[derive(Clone, Debug, PartialEq)]
pub struct RbmParameters {
    /// Number of visible units.
    pub visible: usize,
    /// Number of hidden units.
    pub hidden: usize,
    /// `W`: `hidden` rows of `visible` values.
    pub weights: Vec<f32>,
    /// `b`.
    pub visible_bias: Vec<f32>,
    /// `c`.
    pub hidden_bias: Vec<f32>,
    /// What the visible units hold.
    pub units: VisibleUnits,
}

/// A deep belief net: each machine's visible units are the hidden ones of the machine before it.
///
/// Only the last machine is one: those below it give the conditional `p(v | h)` on the way down and an
/// approximate posterior on the way up.
#[derive(Clone, Debug, PartialEq)]
pub struct DbnParameters {
    /// From the data up, at least one.
    pub layers: Vec<RbmParameters>,
}
