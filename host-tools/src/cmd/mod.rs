//! The verbs of the command line, one file each.

#[cfg(feature = "train")]
mod demo;
mod emulate;
mod eval;
#[cfg(feature = "train")]
mod fit;
mod inspect;
mod learn;
mod run;
mod shared;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Learning without labels for microcontrollers: train here, run there, the same bits.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a model on the rows of a file, quantise it and write a container.
    #[cfg(feature = "train")]
    Fit(fit::Fit),
    /// Judge a container on held-out rows, with the device's own kernels.
    Eval(eval::Eval),
    /// Show what a container holds and what it costs.
    Inspect(inspect::Inspect),
    /// Run a container over a file, row by row, with the device's own kernels.
    Run(run::Run),
    /// Run a container over a file on an emulated core and compare with the host.
    Emulate(emulate::Emulate),
    /// Learn from a file on an emulated core, pass after pass, and compare with the host and with f64.
    Learn(learn::Learn),
    /// Train on the bundled digits, build firmware around the model, run it on an emulated core.
    #[cfg(feature = "train")]
    Demo(demo::Demo),
}

impl Cli {
    pub(crate) fn run(self) -> Result<()> {
        match self.verb {
            #[cfg(feature = "train")]
            Verb::Fit(fit) => fit.run(),
            Verb::Eval(eval) => eval.run(),
            Verb::Inspect(inspect) => inspect.run(),
            Verb::Run(run) => run.run(),
            Verb::Emulate(emulate) => emulate.run(),
            Verb::Learn(learn) => learn.run(),
            #[cfg(feature = "train")]
            Verb::Demo(demo) => demo.run(),
        }
    }
}
