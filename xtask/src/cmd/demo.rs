//! `cargo xtask demo`

use anyhow::Result;
use autodidact_tools::emulator::Core;

use super::setup;
use crate::cargo;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `autodidact demo`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::prepare(&[Core::M4])?;
    cargo::run(
        cargo::AUTODIDACT
            .into_iter()
            .chain(["demo"])
            .chain(arguments.rest.iter().map(String::as_str)),
    )
}
