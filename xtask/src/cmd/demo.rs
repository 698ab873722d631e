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
    let demo = [
        "run",
        "--release",
        "--package",
        "autodidact-tools",
        "--bin",
        "autodidact",
        "--",
        "demo",
    ];
    cargo::run(
        demo.into_iter()
            .chain(arguments.rest.iter().map(String::as_str)),
    )
}
