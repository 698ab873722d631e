//! `cargo xtask lint`

use anyhow::Result;
use autodidact_tools::emulator::{lint, set_up};
use std::io::{self, Write as _};

use crate::cargo;
use crate::cores::Cores;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// m4, m33, m0plus, m0, m55, rv32 or all
    #[arg(long, default_value = "all")]
    core: Cores,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // The demonstrations are built around a model: any will do.
    let model = cargo::root().join("tests/golden/v1-row-major.adm");
    for core in arguments.core.list() {
        set_up(core)?;
        lint(core, &model)?;
        writeln!(io::stdout(), "{core}: nothing to complain about")?;
    }
    Ok(())
}
