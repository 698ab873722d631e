//! Packs the sources of the firmware, core among them, into one file that becomes part of the program.
//!
//! The file has for each source a line with its length and its path, the source, and a line break. In the repository it
//! is made of `firmware/` and `core/`; a published package has it ready beside this script, put there by
//! `cargo xtask package`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What core's package is built from.
const CORE: [&str; 5] = ["Cargo.toml", "README.md", "build", "build.rs", "src"];
/// Models that the firmware measures loading with.
const MODELS: &str = "tests/golden";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let pack = PathBuf::from(variable("OUT_DIR")).join("firmware.pack");
    let ready = package.join("firmware.pack");
    match repository(&package) {
        Some(root) => fs::write(pack, pack_sources(&root)?),
        None if ready.is_file() => fs::copy(ready, pack).map(drop),
        None => {
            println!(
                "cargo::error=this package of autodidact-tools lacks the firmware's sources; pack it by \
                 `cargo xtask package`, which adds them"
            );
            Ok(())
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// The repository that the package lies in, if it does.
fn repository(package: &Path) -> Option<PathBuf> {
    let root = package.parent()?;
    let there = ["firmware", "core"].map(|folder| root.join(folder).join("Cargo.toml").is_file());
    (there == [true; 2]).then(|| root.to_path_buf())
}

fn pack_sources(root: &Path) -> io::Result<Vec<u8>> {
    let mut pack = Vec::new();
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    println!(
        "cargo::rerun-if-changed={}",
        root.join("Cargo.toml").display()
    );
    append(
        &mut pack,
        "Cargo.toml",
        workspace_of_core(&manifest).as_bytes(),
    );
    for name in CORE {
        add(&mut pack, root, &Path::new("core").join(name))?;
    }
    for name in names(&root.join(MODELS))? {
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "adm")
        {
            add(&mut pack, root, &Path::new(MODELS).join(name))?;
        }
    }
    for name in names(&root.join("firmware"))? {
        if name != "target" {
            add(&mut pack, root, &Path::new("firmware").join(name))?;
        }
    }
    Ok(pack)
}

/// The repository's manifest with core as its only member. The profiles are the tools' own.
fn workspace_of_core(manifest: &str) -> String {
    let lines = manifest
        .lines()
        .take_while(|line| !line.starts_with("[profile."));
    let mut kept: Vec<_> = lines
        .filter(|line| !line.starts_with('#') && !line.starts_with("exclude = "))
        .map(|line| {
            if line.starts_with("members = ") {
                "members = [\"core\"]"
            } else {
                line
            }
        })
        .collect();
    kept.push("");
    kept.join("\n")
}

/// Adds a file, or all files of a folder, tests left out.
fn add(pack: &mut Vec<u8>, root: &Path, path: &Path) -> io::Result<()> {
    let source = root.join(path);
    println!("cargo::rerun-if-changed={}", source.display());
    if !source.is_dir() {
        append(pack, &path.to_string_lossy(), &fs::read(source)?);
        return Ok(());
    }
    for name in names(&source)? {
        if name != "tests" && name != "tests.rs" {
            add(pack, root, &path.join(name))?;
        }
    }
    Ok(())
}

fn append(pack: &mut Vec<u8>, path: &str, content: &[u8]) {
    pack.extend_from_slice(format!("{} {path}\n", content.len()).as_bytes());
    pack.extend_from_slice(content);
    pack.push(b'\n');
}

/// What a folder holds, hidden files left out, in the order of its names.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !name.to_string_lossy().starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
