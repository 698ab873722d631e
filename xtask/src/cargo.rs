//! Calling cargo on this repository's host workspace.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The folder that cargo builds into.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// What cargo is given to run the command `autodidact`, its own arguments behind.
pub(crate) const AUTODIDACT: [&str; 7] = [
    "run",
    "--release",
    "--package",
    "autodidact-tools",
    "--bin",
    "autodidact",
    "--",
];

/// The same without what cargo says of building it.
pub(crate) fn quiet_autodidact<'a>(
    arguments: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    ["--quiet"].into_iter().chain(AUTODIDACT).chain(arguments)
}

/// Runs cargo in the repository's root, its output going where ours goes.
///
/// # Errors
///
/// Cargo cannot be started, or what it ran failed; it has then said why.
pub(crate) fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    run_with(Stdio::inherit(), arguments)
}

/// As [`run`], without what goes to standard output.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_silently<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    run_with(Stdio::null(), arguments)
}

fn run_with<'a>(stdout: Stdio, arguments: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let arguments: Vec<_> = arguments.into_iter().collect();
    let status = Command::new(cargo)
        .current_dir(root())
        .env("CARGO_TARGET_DIR", std::path::absolute(target_folder())?)
        .args(&arguments)
        .stdout(stdout)
        .status()
        .context("cargo cannot be started")?;
    if !status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}
