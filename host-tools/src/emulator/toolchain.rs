//! Finds a way to build for a bare-metal target ([`find`]), and makes one if there is none ([`set_up`]).
//!
//! In this order, of which finding leaves out what installs something:
//! 1. the compiler at hand has the target's library (rustup's `target add` was run, or a distribution ships it);
//! 2. a recent enough compiler of the distribution has the library's source (Debian's `rustc-web` and
//!    `rust-web-src`), and cargo builds `core` from it;
//! 3. `rustup target add` gets the library;
//! 4. rustup's compiler has the source (`rust-src`);
//! 5. `apt-get` installs Debian's compiler and source.
//!
//! What is there already comes before what has to be downloaded, so that a machine without network asks it once.
//!
//! The environment variable `AUTODIDACT_TOOLCHAIN` (`target` or `source`) restricts the search to the
//! target's library (1 and 3) or to its source (2, 4 and 5).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use super::{SET_UP, apt, process};
use crate::say;

/// The oldest compiler that builds the firmware: major and minor version.
const MSRV: (u32, u32) = (1, 95);
/// Downloading a target's library takes seconds; where the network is missing, rustup may wait for very long.
const RUSTUP_TIMEOUT: Duration = Duration::from_secs(120);
/// Compiler and cargo of the distribution, whatever comes first on the search path.
const DISTRIBUTION: (&str, &str) = ("/usr/bin/rustc", "/usr/bin/cargo");
/// Every compiler with its cargo.
const ANY: [(&str, &str); 2] = [("rustc", "cargo"), DISTRIBUTION];
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "cargo-web"];

/// A way to build for one bare-metal target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The target's library is installed.
    Target {
        /// The cargo to call.
        cargo: PathBuf,
    },
    /// `core` is built from source.
    Source {
        /// The cargo to call.
        cargo: PathBuf,
        /// The compiler that comes with that source.
        rustc: PathBuf,
        /// An LLVM linker.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// A cargo command set up for `target`, free of what the calling cargo left in the environment.
    pub(crate) fn cargo(&self, target: &str) -> Command {
        let (Self::Target { cargo } | Self::Source { cargo, .. }) = self;
        let mut command = Command::new(cargo);
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "LD_LIBRARY_PATH",
        ] {
            command.env_remove(name);
        }
        if let Self::Source { rustc, linker, .. } = self {
            let variable = target.to_uppercase().replace(['-', '.'], "_");
            command
                .env_remove("RUSTUP_TOOLCHAIN")
                .env("RUSTC", rustc)
                // The standard library's source may be built by the compiler it came with only under this name.
                .env("RUSTC_BOOTSTRAP", "1")
                .env(format!("CARGO_TARGET_{variable}_LINKER"), linker);
        }
        command
    }

    /// What the compiler says of its version: `rustc 1.95.0`.
    pub(crate) fn compiler(&self) -> Result<String> {
        let rustc = match self {
            Self::Target { .. } => at_hand(),
            Self::Source { rustc, .. } => rustc.clone(),
        };
        let output = Command::new(&rustc)
            .arg("--version")
            .output()
            .with_context(|| format!("{} cannot be started", rustc.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let words: Vec<_> = said.split_whitespace().take(2).collect();
        Ok(words.join(" "))
    }

    /// Arguments that a `build` with this toolchain needs.
    pub(crate) fn build_args(&self) -> &'static [&'static str] {
        match self {
            Self::Target { .. } => &[],
            Self::Source { .. } => &["-Zbuild-std=core"],
        }
    }

    /// Keeps what different compilers build apart.
    pub(crate) fn folder(&self) -> &'static str {
        match self {
            Self::Target { .. } => "firmware",
            Self::Source { .. } => "firmware-build-std",
        }
    }
}

/// Whether the target's library and its source may be used, by the environment.
fn allowed() -> Result<(bool, bool)> {
    let wish = env::var("AUTODIDACT_TOOLCHAIN").unwrap_or_default();
    Ok(match wish.as_str() {
        "" => (true, true),
        "target" => (true, false),
        "source" => (false, true),
        other => bail!("AUTODIDACT_TOOLCHAIN is `{other}`; it may be `target` or `source`"),
    })
}

/// Finds a way to build for `target`.
///
/// # Errors
///
/// There is none: the message says how to get one.
pub(crate) fn find(target: &str) -> Result<Toolchain> {
    let (allow_target, allow_source) = allowed()?;
    if allow_target && let Some(toolchain) = with_target(target) {
        return Ok(toolchain);
    }
    if allow_source
        && let Some(toolchain) = from_source(&[DISTRIBUTION]).or_else(|| from_source(&ANY))
    {
        return Ok(toolchain);
    }
    bail!(
        "there is no Rust target {target} here, which the firmware is built for: run `{SET_UP}`, or `rustup target add {target}`, or as root `{} {} lld`",
        apt::INSTALL,
        DEBIAN_PACKAGES.join(" ")
    )
}

/// Finds or makes a way to build for `target`.
///
/// # Errors
///
/// There is none and none can be installed: the message says what is missing.
pub(crate) fn set_up(target: &str) -> Result<Toolchain> {
    let (allow_target, allow_source) = allowed()?;
    if allow_target && let Some(toolchain) = with_target(target) {
        return Ok(toolchain);
    }
    if allow_source && let Some(toolchain) = from_source(&[DISTRIBUTION]) {
        return Ok(toolchain);
    }
    if allow_target
        && add_target(target)
        && let Some(toolchain) = with_target(target)
    {
        return Ok(toolchain);
    }
    if allow_source && let Some(toolchain) = from_source(&ANY) {
        return Ok(toolchain);
    }
    if !allow_source {
        bail!(
            "the Rust target {target} is not installed and `rustup target add {target}` did not install it"
        );
    }
    if source_compiler(&ANY).is_none() {
        apt::install(
            &DEBIAN_PACKAGES,
            &format!(
                "building for {target} needs that Rust target or the standard library's source"
            ),
        )?;
    }
    if linker().is_none() {
        apt::install(&["lld"], "linking firmware needs the LLVM linker")?;
    }
    from_source(&ANY).with_context(|| {
        format!(
            "no Rust compiler here can build for {target}: run `rustup target add {target}`, or install a Rust of \
             at least {}.{} together with its source",
            MSRV.0, MSRV.1
        )
    })
}

/// The compiler that cargo calls unless it is told another.
fn at_hand() -> PathBuf {
    env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from)
}

/// The compiler at hand, if it has the target's library.
fn with_target(target: &str) -> Option<Toolchain> {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let library = sysroot(&at_hand())?
        .join("lib/rustlib")
        .join(target)
        .join("lib");
    has_core(&library).then_some(Toolchain::Target { cargo })
}

/// Has rustup fetch the target's library; `false` if there is no rustup or it cannot.
fn add_target(target: &str) -> bool {
    if process::which("rustup").is_none() {
        return false;
    }
    say!("setup: adding the Rust target {target} with rustup: the firmware is built for it");
    let mut rustup = Command::new("rustup");
    let said = match process::run(rustup.args(["target", "add", target]), RUSTUP_TIMEOUT) {
        Ok(output) if output.status.is_some_and(|status| status.success()) => return true,
        Ok(output) if output.status.is_none() => format!("no answer within {RUSTUP_TIMEOUT:?}"),
        Ok(output) => process::tail(&output.stderr, 1),
        Err(error) => error.to_string(),
    };
    say!("setup: rustup could not add {target} ({said}); building core from source instead");
    false
}

/// A compiler that has the library's source beside it, and a linker.
fn from_source(compilers: &[(&str, &str)]) -> Option<Toolchain> {
    let (rustc, cargo) = source_compiler(compilers)?;
    let linker = linker()?;
    Some(Toolchain::Source {
        cargo,
        rustc,
        linker,
    })
}

/// A recent enough compiler with the library's source beside it, and its cargo.
fn source_compiler(compilers: &[(&str, &str)]) -> Option<(PathBuf, PathBuf)> {
    compilers.iter().find_map(|(rustc, cargo)| {
        let rustc = PathBuf::from(rustc);
        let cargo = PathBuf::from(cargo);
        let source = sysroot(&rustc)?.join("lib/rustlib/src/rust/library/core/src/lib.rs");
        let usable = version(&rustc)? >= MSRV && version(&cargo)? >= MSRV && source.exists();
        usable.then_some((rustc, cargo))
    })
}

/// An LLVM linker: rustup's own, or the distribution's.
fn linker() -> Option<PathBuf> {
    let bundled = ["rustc", "/usr/bin/rustc"].into_iter().find_map(|rustc| {
        fs::read_dir(sysroot(Path::new(rustc))?.join("lib/rustlib"))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path().join("bin/rust-lld")))
            .find(|linker| linker.is_file())
    });
    bundled
        .or_else(|| process::which("lld"))
        .or_else(|| process::which("ld.lld"))
}

fn has_core(library: &Path) -> bool {
    let Ok(entries) = fs::read_dir(library) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc)
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim()))
}

/// Version of a compiler or cargo.
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8(output.stdout).ok()?)
}

/// Major and minor version out of `rustc 1.96.0 (...)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            parse_version("rustc 1.96.0 (ac68faa20 2026-05-25)"),
            Some((1, 96))
        );
        assert_eq!(parse_version("cargo 1.100.0-nightly (abc)"), Some((1, 100)));
        assert_eq!(parse_version("rustc"), None);
        assert!(Some((1, 100)) >= Some(MSRV));
    }

    #[test]
    fn building_from_source_names_compiler_and_linker() {
        let toolchain = Toolchain::Source {
            cargo: "/usr/bin/cargo".into(),
            rustc: "/usr/bin/rustc".into(),
            linker: "/usr/bin/lld".into(),
        };
        let command = toolchain.cargo("thumbv8m.main-none-eabihf");
        let linker = command
            .get_envs()
            .find(|(name, _)| *name == "CARGO_TARGET_THUMBV8M_MAIN_NONE_EABIHF_LINKER");
        assert_eq!(
            linker.and_then(|(_, value)| value),
            Some("/usr/bin/lld".as_ref())
        );
    }
}
