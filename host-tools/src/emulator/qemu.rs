//! Finds QEMU and runs images in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Machine, SET_UP, apt, process};

/// No run of ours takes this long; a guest that hangs is ended.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(300);

/// What a run left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The guest's exit status: 0 when all went well, 101 after a panic, 102 after a fault.
    pub status: i32,
    /// What the guest wrote to its console: `defmt` frames.
    pub console: Vec<u8>,
    /// What the emulator itself had to say.
    pub complaints: String,
}

/// The emulator's program.
///
/// # Errors
///
/// It is missing: the message says how to get it.
pub(crate) fn find(program: &str) -> Result<PathBuf> {
    process::which(program).with_context(|| {
        format!(
            "there is no {program} here, which runs firmware without a board: run `{SET_UP}`, or as root `{} {}`",
            apt::INSTALL,
            package(program)
        )
    })
}

/// The emulator's program, installed if it is missing.
///
/// # Errors
///
/// It is missing and cannot be installed.
pub(crate) fn set_up(program: &str) -> Result<PathBuf> {
    if let Some(path) = process::which(program) {
        return Ok(path);
    }
    let package = package(program);
    apt::install(
        &[package],
        &format!("running firmware without a board needs {program}"),
    )?;
    process::which(program).with_context(|| {
        format!("the package {package} was installed, but {program} is not on the search path")
    })
}

/// Debian's package that has the program.
fn package(program: &str) -> &'static str {
    if program == "qemu-system-arm" {
        "qemu-system-arm"
    } else {
        "qemu-system-misc"
    }
}

/// Runs an image to its end in `folder`, whose files the guest can read and write.
///
/// `model`, a file name in that folder, is placed in the machine's model window first.
///
/// # Errors
///
/// QEMU cannot be started, ended by a signal or did not end in time. A guest that ended with a non-zero status is
/// not an error here.
pub(crate) fn run(
    machine: &Machine,
    elf: &Path,
    folder: &Path,
    model: Option<&str>,
    limit: Duration,
) -> Result<Finished> {
    let program = find(machine.qemu)?;
    let mut command = Command::new(&program);
    command
        .current_dir(folder)
        .args(machine.qemu_args)
        .args(["-nographic", "-monitor", "none", "-serial", "none"])
        .args(["-semihosting-config", "enable=on,target=native"])
        // One instruction, one nanosecond: timers count instructions, and every run counts the same.
        .args(["-icount", "shift=0"])
        .arg("-kernel")
        .arg(elf);
    if let Some(model) = model {
        command.arg("-device").arg(format!(
            "loader,file={model},addr={:#x},force-raw=on",
            machine.model_base
        ));
    }
    let output = process::run(&mut command, limit)
        .with_context(|| format!("{} cannot be started", program.display()))?;
    let complaints = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let Some(status) = output.status else {
        bail!(
            "the emulated {} did not end within {limit:?} and was stopped",
            machine.package
        );
    };
    let Some(status) = status.code() else {
        bail!("{} was ended by a signal: {complaints}", machine.qemu);
    };
    Ok(Finished {
        status,
        console: output.stdout,
        complaints,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Core;

    #[test]
    fn every_emulator_has_a_package() {
        for core in Core::ALL {
            assert!(package(core.machine().qemu).starts_with("qemu-system-"));
        }
    }
}
