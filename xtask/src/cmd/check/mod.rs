//! `cargo xtask check`: what the tests of the workspace's own profile cannot show. One file a check.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Subcommand;

use crate::cargo;

mod calls;
mod features;
mod fuzz;
mod licences;
mod package;
mod profiles;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// All of them if none is named
    #[command(subcommand)]
    check: Option<Check>,
}

#[derive(Debug, Clone, Subcommand)]
enum Check {
    /// Clippy over every set of cargo features, the GPU path's included
    Features,
    /// Licences, sources and versions of all dependencies, by cargo-deny
    Licences,
    /// Packs what is published; builds and tests the tools as they come out of their package
    Package,
    /// Core's tests out of its package, by cargo's own profiles: without and with optimisation, for size, with LTO
    Profiles,
    /// Looks for values that cross a call in core and whose size compilers get wrong
    Calls,
    /// Damages containers for a minute, on from the inputs kept in core/fuzz/seeds
    Fuzz(fuzz::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let all = [
        Check::Features,
        Check::Licences,
        Check::Package,
        Check::Profiles,
        Check::Calls,
        Check::Fuzz(fuzz::Arguments::default()),
    ];
    let checks = match &arguments.check {
        Some(check) => vec![check.clone()],
        None => all.to_vec(),
    };
    for check in checks {
        let begin = Instant::now();
        let (name, result) = match check {
            Check::Features => ("features", features::run()),
            Check::Licences => ("licences", licences::run()),
            Check::Package => ("package", package::run()),
            Check::Profiles => ("profiles", profiles::run()),
            Check::Calls => ("calls", calls::run()),
            Check::Fuzz(arguments) => ("fuzz", fuzz::run(&arguments)),
        };
        result?;
        writeln!(
            io::stdout(),
            "{name}: {:.0} s",
            begin.elapsed().as_secs_f64()
        )?;
    }
    Ok(())
}

/// Where checks build what the workspace's own builds have no use for.
fn folder() -> Result<PathBuf> {
    Ok(std::path::absolute(cargo::target_folder())?.join("checks"))
}
