//! The verbs of the command line, one file each.

#[cfg(feature = "train")]
mod autoencoder;
#[cfg(feature = "train")]
mod compare;
mod complete;
#[cfg(feature = "train")]
mod dae;
#[cfg(feature = "train")]
mod deep_autoencoder;
#[cfg(feature = "train")]
mod demo;
#[cfg(feature = "train")]
mod drawn;
mod emulate;
#[cfg(feature = "train")]
mod energy;
mod eval;
#[cfg(feature = "train")]
mod fit;
#[cfg(feature = "train")]
mod gan;
#[cfg(feature = "train")]
mod held_out;
#[cfg(feature = "train")]
mod import;
mod inpaint;
mod inspect;
#[cfg(feature = "train")]
mod latent_class;
mod learn;
mod manual;
#[cfg(feature = "train")]
mod ncsn;
#[cfg(feature = "train")]
mod of_column;
mod outline;
#[cfg(feature = "train")]
mod prepare;
mod query;
mod reading;
mod restore;
mod run;
mod sample;
mod setup;
mod shared;
#[cfg(feature = "train")]
mod study;

use std::io::Write as _;

use anyhow::Result;
use autodidact_tools::talk::{self, Output};
use clap::{Parser, Subcommand};

/// The end of the help.
const EXIT_CODES: &str = "Data go to standard output, everything else to standard error. Exit codes: 0, done; 1, failed; 2, called \
                          wrongly; 3, the model does not fit the board; 4, a core gave other bits than the host.";

/// Learning without labels for microcontrollers: train here, run there, the same bits.
#[derive(Debug, Parser)]
#[command(name = "autodidact", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// Say nothing on standard error but errors.
    #[arg(short, long, global = true, display_order = 1000)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a model on the rows of a file, quantise it and write a container.
    #[cfg(feature = "train")]
    Fit(fit::Fit),
    /// Turn a model that scikit-learn has fitted into a container.
    #[cfg(feature = "train")]
    Import(import::Import),
    /// Judge a container on the rows of a file, with the device's own kernels.
    Eval(eval::Eval),
    /// Show what a container holds and what it costs.
    Inspect(inspect::Inspect),
    /// Run a container over a file, row by row, with the device's own kernels.
    Run(run::Run),
    /// Ask a mixture or latent classes for distributions of columns, given others.
    Query(query::Query),
    /// Draw rows from a mixture, latent classes, a Boltzmann machine, a deep belief net, a score network or a generator.
    Sample(sample::Sample),
    /// Fill in columns that are not known, by a Boltzmann machine.
    Complete(complete::Complete),
    /// Fill in unknown columns by a score network.
    Inpaint(inpaint::Inpaint),
    /// Damage rows and restore them with a denoiser or score network as the prior.
    Restore(restore::Restore),
    /// Run a container over a file on an emulated core and compare with the host.
    Emulate(emulate::Emulate),
    /// Learn from a file on an emulated core, pass after pass, and compare with the host and with f64.
    Learn(learn::Learn),
    /// Install what the emulated cores need: Rust targets by rustup or a compiler by apt-get, and QEMU.
    Setup(setup::Setup),
    /// Train on the bundled digits, build firmware around the model, run it on an emulated core.
    #[cfg(feature = "train")]
    Demo(demo::Demo),
    /// Print a shell's completions.
    Completions(manual::Completions),
    /// Print the manual page, or write one for every command.
    Man(manual::Manual),
    /// Measure the figures of the docs again.
    #[cfg(feature = "train")]
    Study(study::Study),
}

impl Cli {
    /// Does what was asked for; data go to standard output, everything else to standard error.
    pub(crate) fn run(self) -> Result<()> {
        if self.quiet {
            talk::be_quiet();
        }
        let mut out = Output::standard();
        match self.verb {
            #[cfg(feature = "train")]
            Verb::Fit(fit) => fit.run(),
            #[cfg(feature = "train")]
            Verb::Import(import) => import.run(),
            Verb::Eval(eval) => eval.run(&mut out),
            Verb::Inspect(inspect) => inspect.run(&mut out),
            Verb::Run(run) => run.run(&mut out),
            Verb::Query(query) => query.run(&mut out),
            Verb::Sample(sample) => sample.run(&mut out),
            Verb::Complete(complete) => complete.run(&mut out),
            Verb::Inpaint(inpaint) => inpaint.run(&mut out),
            Verb::Restore(restore) => restore.run(&mut out),
            Verb::Emulate(emulate) => emulate.run(&mut out),
            Verb::Learn(learn) => learn.run(&mut out),
            Verb::Setup(setup) => setup.run(),
            Verb::Completions(completions) => completions.run(&mut out),
            Verb::Man(manual) => manual.run(&mut out),
            #[cfg(feature = "train")]
            Verb::Demo(demo) => demo.run(&mut out),
            #[cfg(feature = "train")]
            Verb::Study(study) => study.run(&mut out),
        }?;
        Ok(out.flush()?)
    }
}
