//! What a registry would get: every published package is packed, unpacked again, built and tested from there. The tools'
//! tests emulate a core, with the firmware that their package holds.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cmd::package::Firmware;
use crate::{cargo, step};

/// What every package holds beside its sources.
const ENCLOSED: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

pub(crate) fn run() -> Result<()> {
    let packages = unpack()?;
    let folder = super::folder()?.join("packages");
    // One workspace of all packages, in which they find each other as they would in the registry. Its profile is the
    // repository's, so that the dependencies are there already.
    let members: Vec<_> = packages.iter().map(|name| format!("{name:?}")).collect();
    let patches: Vec<_> = packages
        .iter()
        .map(|name| format!("{name} = {{ path = {name:?} }}\n"))
        .collect();
    let root = fs::read_to_string(cargo::root().join("Cargo.toml"))?;
    let profiles = root.find("[profile.").context("no profile in Cargo.toml")?;
    let profiles = &root[profiles..];
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n[patch.crates-io]\n{}\n{profiles}",
        members.join(", "),
        patches.concat(),
    );
    write(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    fs::copy(cargo::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;

    let target = std::path::absolute(cargo::target_folder())?;
    let test = ["test", "--release", "--package", "autodidact-tools"];
    step::run(
        "tests of autodidact-tools out of its package",
        &mut step::cargo_in(&folder, &target, test),
        step::tests,
    )
}

/// A workspace of nothing but core's package, hence with cargo's own profiles.
pub(crate) fn core_alone() -> Result<PathBuf> {
    unpack()?;
    let folder = super::folder()?.join("packages-alone");
    let from = super::folder()?.join("packages/autodidact");
    mirror(&from, &folder.join("autodidact"))?;
    fs::copy(from.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let manifest = b"[workspace]\nresolver = \"3\"\nmembers = [\"autodidact\"]\n";
    write(&folder.join("Cargo.toml"), manifest)?;
    Ok(folder)
}

/// Packs and unpacks; each package has a folder of its name then.
fn unpack() -> Result<Vec<String>> {
    let folder = super::folder()?.join("packages");
    let target = super::folder()?.join("packed");
    let root = cargo::root();
    let packages = published(&root)?;
    let mut pack = step::cargo_in(&root, &target, ["package", "--no-verify", "--allow-dirty"]);
    for (name, _) in &packages {
        pack.args(["--package", name]);
    }
    let firmware = Firmware::enclose()?;
    step::run("packing", &mut pack, step::silent)?;
    drop(firmware);
    let fresh = folder.join("unpacked");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    for (name, version) in &packages {
        let stem = format!("{name}-{version}");
        let mut tar = Command::new("tar");
        tar.arg("-xzf")
            .arg(target.join("package").join(format!("{stem}.crate")))
            .arg("-C")
            .arg(&fresh);
        step::run(&format!("unpacking {name}"), &mut tar, step::silent)?;
        let package = fresh.join(stem);
        for file in ENCLOSED {
            ensure!(
                package.join(file).is_file(),
                "the package {name} has no {file}"
            );
        }
        check_links(name, &fs::read_to_string(package.join("README.md"))?)?;
        mirror(&package, &folder.join(name))?;
    }
    fs::remove_dir_all(&fresh)?;
    Ok(packages.into_iter().map(|(name, _)| name).collect())
}

/// Name and version of every package of the workspace that may be published.
fn published(root: &Path) -> Result<Vec<(String, String)>> {
    let arguments = ["metadata", "--no-deps", "--format-version=1"];
    let output = step::cargo_in(root, &cargo::target_folder(), arguments).output()?;
    ensure!(output.status.success(), "`cargo metadata` failed");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    packages
        .iter()
        .filter(|package| package["publish"].is_null())
        .map(|package| Ok((text(&package["name"])?, text(&package["version"])?)))
        .collect()
}

/// A registry shows a README away from its repository, where no relative link leads anywhere.
fn check_links(package: &str, readme: &str) -> Result<()> {
    for link in readme.split("](").skip(1) {
        let link = link.split(')').next().unwrap_or_default();
        if !link.starts_with("https://") && !link.starts_with('#') {
            bail!("the README of {package} links to {link}, which is not in the registry");
        }
    }
    Ok(())
}

/// Makes `to` hold what `from` holds. Files that are the same are left alone: cargo goes by their times.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeSet::<OsString>::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        names.insert(entry.file_name());
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            mirror(&entry.path(), &to)?;
        } else {
            write(&to, &fs::read(entry.path())?)?;
        }
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if names.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write(file: &Path, content: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(file, content).with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leaves_the_package_is_refused() {
        let check = |text| check_links("some", text);
        check("[one](https://example.org), [two](#below)").unwrap();
        let error = check("![picture](docs/digits.png)").unwrap_err();
        assert!(error.to_string().contains("docs/digits.png"), "{error}");
    }
}
