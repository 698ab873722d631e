//! The library as somebody else builds it: from a crate outside this workspace, by cargo's own profiles. The
//! workspace's profile is of no use there, and what a compiler makes of the library may depend on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

const TESTS: &str = env!("CARGO_MANIFEST_DIR");

/// The stranger's folder; kept, so that its dependencies are built once. It is a workspace of its own even where
/// the build folder lies in the repository.
fn crate_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stranger");
    fs::create_dir_all(folder.join("src")).unwrap();
    let core = Path::new(TESTS).join("../core").canonicalize().unwrap();
    let manifest = format!(
        "[package]\nname = \"stranger\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\nautodidact = {{ path = {core:?} }}\n"
    );
    write(&folder.join("Cargo.toml"), manifest.as_bytes());
    write(
        &folder.join("src/main.rs"),
        include_bytes!("../stranger/main.rs"),
    );
    // The versions that are here already; cargo strikes out what the stranger does not need.
    let lock = Path::new(TESTS).join("../Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    folder
}

/// Leaves a file alone that is as it should be: cargo goes by its time.
fn write(file: &Path, content: &[u8]) {
    if fs::read(file).is_ok_and(|old| old == content) {
        return;
    }
    fs::write(file, content).unwrap();
}

/// `cargo run` in the stranger's folder, without the settings that this test itself was built with.
fn run(folder: &Path, profile: &[&str], network: &[&str]) -> Output {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(folder)
        .args(["run", "--quiet"])
        .args(profile)
        .args(network)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("GOLDEN", Path::new(TESTS).join("golden"));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PROFILE_") || name.ends_with("RUSTFLAGS") {
            command.env_remove(&*name);
        }
    }
    command.output().unwrap()
}

fn golden_containers_give_what_they_gave(profile: &[&str]) {
    let folder = crate_folder();
    let mut output = run(&folder, profile, &["--offline"]);
    let text = |output: &Output| {
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    if !output.status.success() && text(&output).contains("--offline") {
        output = run(&folder, profile, &[]);
    }
    assert!(
        output.status.success(),
        "a crate outside the workspace, {profile:?}:\n{}",
        text(&output)
    );
    let containers = fs::read_dir(Path::new(TESTS).join("golden"))
        .unwrap()
        .filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|ending| ending == "adm")
        });
    assert_eq!(
        text(&output).matches("as they were").count(),
        containers.count(),
        "every container of the folder is compared:\n{}",
        text(&output)
    );
}

#[test]
fn a_crate_outside_the_workspace_gets_the_same_bits_in_release_and_in_debug() {
    golden_containers_give_what_they_gave(&["--release"]);
    golden_containers_give_what_they_gave(&[]);
}
