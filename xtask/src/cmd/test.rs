//! `cargo xtask test`

use anyhow::Result;
use autodidact_tools::emulator::Core;

use super::setup;
use crate::{cargo, vulkan};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only the tests that train on wgpu, in a target folder of their own; a software Vulkan driver does
    #[arg(long)]
    gpu: bool,
    /// Passed on to `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let rest = arguments.rest.iter().map(String::as_str);
    if arguments.gpu {
        vulkan::set_up()?;
        let folder = cargo::target_folder()
            .join("gpu")
            .to_string_lossy()
            .into_owned();
        let test = [
            "test",
            "--release",
            "--package",
            "autodidact-tools",
            "--features",
            "gpu",
        ];
        return cargo::run(
            test.into_iter()
                .chain(["--test", "gpu", "--target-dir", folder.as_str()])
                .chain(rest),
        );
    }
    setup::prepare(&Core::ALL)?;
    cargo::run(["test", "--release", "--workspace"].into_iter().chain(rest))
}
