//! `cargo xtask package`

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use autodidact_tools::emulator::firmware_pack;

use crate::cargo;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Upload the packages to the registry as well
    #[arg(long)]
    publish: bool,
    /// Passed on to cargo
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let _firmware = Firmware::enclose()?;
    let verb = if arguments.publish {
        "publish"
    } else {
        "package"
    };
    let packages = [
        verb,
        "--package",
        "autodidact",
        "--package",
        "autodidact-tools",
    ];
    let rest = arguments.rest.iter().map(String::as_str);
    cargo::run(packages.into_iter().chain(rest))
}

/// The firmware's sources in the folder of the tools' package, for as long as it is packed.
#[derive(Debug)]
pub(crate) struct Firmware(PathBuf);

impl Firmware {
    /// Puts them there.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn enclose() -> Result<Self> {
        let path = cargo::root().join("host-tools/firmware.pack");
        fs::write(&path, firmware_pack())
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        // Left behind it would do no harm: it is written anew before it is packed.
        let _ = fs::remove_file(&self.0);
    }
}
