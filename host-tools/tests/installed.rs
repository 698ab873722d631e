//! The command away from its repository: a copy of the program, a cache folder without anything, another folder.

#![cfg(feature = "train")]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program's copy in `folder`, at work there, with the firmware that it brings along.
fn copy<I>(folder: &Path, arguments: I) -> Command
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let mut command = Command::new(folder.join("autodidact"));
    command
        .current_dir(folder)
        .env("AUTODIDACT_FIRMWARE", "")
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("CARGO_TARGET_DIR")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn assert_success(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_copy_without_its_repository_emulates() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("autodidact");
    fs::copy(env!("CARGO_BIN_EXE_autodidact"), program).unwrap();
    let fit = [
        "fit", "kmeans", "digits", "-k", "3", "--scale", "uniform", "-o", "k.adm",
    ];
    assert_success(&copy(folder.path(), fit).output().unwrap());
    let run = ["run", "k.adm", "digits", "-o", "host.csv"];
    assert_success(&copy(folder.path(), run).output().unwrap());

    // Two at once, each of which finds nothing built.
    let outputs = ["one.csv", "two.csv"];
    let emulate = |output| ["emulate", "k.adm", "digits", "--core", "m4", "-o", output];
    let children = outputs.map(|output| copy(folder.path(), emulate(output)).spawn().unwrap());
    for child in children {
        assert_success(&child.wait_with_output().unwrap());
    }
    let host = fs::read(folder.path().join("host.csv")).unwrap();
    assert!(!host.is_empty());
    for output in outputs {
        assert!(
            fs::read(folder.path().join(output)).unwrap() == host,
            "{output}"
        );
    }
    let built = fs::read_dir(folder.path().join("cache/autodidact")).unwrap();
    assert_eq!(built.count(), 1, "in the cache folder");
}
