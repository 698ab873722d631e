//! `cargo xtask setup`

use anyhow::Result;
use autodidact_tools::emulator::{Core, set_up};
use std::io::{self, Write as _};

use crate::cores::Cores;
use crate::vulkan;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// m4, m33, m0plus, m0, m55, rv32 or all
    #[arg(long, default_value = "all")]
    core: Cores,
    /// A Vulkan driver as well, for training on a GPU or its software stand-in
    #[arg(long)]
    gpu: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    prepare(&arguments.core.list())?;
    if arguments.gpu {
        vulkan::set_up()?;
    }
    writeln!(io::stdout(), "everything needed is installed")?;
    Ok(())
}

/// Installs what `cores` need.
pub(crate) fn prepare(cores: &[Core]) -> Result<()> {
    cores.iter().try_for_each(|core| set_up(*core))
}
