//! Clippy over the sets of features. The default sets are linted with the workspace.

use std::path::absolute;

use anyhow::Result;

use crate::{cargo, step};

pub(crate) fn run() -> Result<()> {
    let target = absolute(cargo::target_folder())?;
    // The GPU path has a target folder of its own, as in `cargo xtask test --gpu`.
    let gpu = target.join("gpu");
    for (package, features, target) in [
        ("autodidact", "--no-default-features", &target),
        ("autodidact", "--all-features", &target),
        ("autodidact-tools", "--no-default-features", &target),
        ("autodidact-tools", "--all-features", &gpu),
    ] {
        let clippy = ["clippy", "--release", "--all-targets", "--package", package];
        let arguments = clippy.into_iter().chain([features, "--", "-D", "warnings"]);
        step::run(
            &format!("clippy, {package} {features}"),
            &mut step::cargo_in(&cargo::root(), target, arguments),
            step::silent,
        )?;
    }
    Ok(())
}
