//! Installing Debian packages, for machines that have them and users who may.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::process;
use crate::say;

/// A slow mirror may take long, but not for ever.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The command that installs packages, whose names follow.
pub(crate) const INSTALL: &str = "apt-get install --no-install-recommends";

/// Installs `packages` and says so in one line that gives `reason`.
///
/// # Errors
///
/// There is no `apt-get`, the user is not root, or a package cannot be had. The message names the packages.
pub fn install(packages: &[&str], reason: &str) -> Result<()> {
    let list = packages.join(" ");
    if process::which("apt-get").is_none() {
        bail!(
            "{reason}, and there is no apt-get here to install it with: install the equivalent of Debian's \
             packages {list}"
        );
    }
    if !is_root()? {
        bail!(
            "{reason}, and installing packages needs root: run `{INSTALL} {list}` as root and try again"
        );
    }
    say!("setup: installing {list} with apt-get: {reason}");
    if !apt_get(&["install", "-y", "--no-install-recommends"], packages)?.0 {
        // The package lists may be missing or out of date.
        apt_get(&["update"], &[])?;
        let (installed, log) = apt_get(&["install", "-y", "--no-install-recommends"], packages)?;
        if !installed {
            bail!("{reason}, and apt-get could not install {list}: {log}");
        }
    }
    Ok(())
}

/// Runs `apt-get` and tells whether it succeeded, with the end of what it said.
fn apt_get(arguments: &[&str], packages: &[&str]) -> Result<(bool, String)> {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(arguments)
        .args(packages);
    let output =
        process::run(&mut command, INSTALL_TIMEOUT).context("apt-get cannot be started")?;
    let success = output.status.is_some_and(|status| status.success());
    Ok((success, process::tail(&output.stderr, 2)))
}

fn is_root() -> Result<bool> {
    let output = Command::new("id")
        .arg("-u")
        .output()
        .context("the command `id` cannot be started")?;
    Ok(output.stdout.trim_ascii() == b"0")
}
