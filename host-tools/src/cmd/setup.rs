//! `autodidact setup`: what building for and emulating cores needs.

use anyhow::Result;
use autodidact_tools::emulator::{self, Core};
use autodidact_tools::say;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// For these cores only; all of them if none is given.
    #[arg(long, value_enum, value_delimiter = ',')]
    core: Vec<Core>,
}

impl Setup {
    pub(crate) fn run(self) -> Result<()> {
        let cores = match self.core.as_slice() {
            [] => &Core::ALL,
            cores => cores,
        };
        for core in cores {
            emulator::set_up(*core)?;
        }
        say!("everything needed is installed");
        Ok(())
    }
}
