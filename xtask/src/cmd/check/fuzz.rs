//! The fuzz target of the loader, without nightly and without cargo-fuzz: LLVM's coverage pass is there in every
//! compiler, and core has next to no unsafe code for a sanitiser to watch. With both, CONTRIBUTING.md says how.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, step};

/// What makes code countable for libFuzzer, and its arithmetic checked.
const FLAGS: [&str; 9] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions=on",
    "-Coverflow-checks=on",
];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Replaces core/fuzz/seeds by the least set of short inputs that reaches as much as all of them so far
    #[arg(long)]
    keep: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            seconds: 60,
            keep: false,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = super::folder()?.join("fuzz");
    let root = cargo::root();
    let host = host()?;
    let build = ["build", "--release", "--locked", "--target", &host];
    // The target is named, so that the flags are not for build scripts.
    let mut build = step::cargo_in(&root.join("core/fuzz"), &folder.join("target"), build);
    build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    step::run("building the fuzz target", &mut build, step::silent)?;

    let program = folder.join("target").join(&host).join("release/load");
    let corpus = folder.join("corpus");
    let findings = folder.join("findings");
    let seeds = root.join("core/fuzz/seeds");
    let golden = root.join("tests/golden");
    for folder in [&corpus, &findings, &seeds] {
        fs::create_dir_all(folder)?;
    }
    let mut fuzz = Command::new(&program);
    fuzz.current_dir(&root)
        .args([&corpus, &seeds, &golden])
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-max_len=8192", "-timeout=10", "-rss_limit_mb=2048"])
        .arg("-print_final_stats=1");
    step::run("fuzzing", &mut fuzz, executed).with_context(|| {
        format!(
            "an input that breaks something is kept in {}; `{} FILE` runs it again",
            findings.display(),
            program.display()
        )
    })?;
    if arguments.keep {
        keep(&program, &[&corpus, &seeds], &golden, &seeds)?;
    }
    Ok(())
}

/// The compiler's own target.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

/// How many inputs were run. A loader that refuses everything would be none to fuzz.
fn executed(said: &str) -> Result<String> {
    let value = |key| {
        let line = said.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().last())
            .map(str::to_owned)
    };
    let (Some(runs), Some(new)) = (
        value("stat::number_of_executed_units:"),
        value("stat::new_units_added:"),
    ) else {
        bail!("no statistics: it did not fuzz");
    };
    Ok(format!("{runs} inputs, {new} of them kept as new"))
}

/// Longest input that is kept in the repository. Longer ones show little that is new, and there are many.
const KEPT_BYTES: u64 = 2304;

/// Replaces the kept inputs by the least set of short ones of all that reaches what the golden containers do not.
fn keep(program: &Path, from: &[&Path], golden: &Path, seeds: &Path) -> Result<()> {
    let folder = super::folder()?.join("fuzz");
    let (short, merged) = (folder.join("short"), folder.join("merged"));
    for folder in [&short, &merged] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    copy_files(golden, &merged, u64::MAX)?;
    let known: Vec<_> = fs::read_dir(&merged)?.collect::<Result<_, _>>()?;
    for folder in from {
        copy_files(folder, &short, KEPT_BYTES)?;
    }
    let mut merge = Command::new(program);
    merge
        .args(["-set_cover_merge=1", "-use_counters=0", "-max_len=8192"])
        .args([&merged, &short]);
    step::run("the least set of inputs", &mut merge, step::silent)?;
    for entry in known {
        fs::remove_file(entry.path())?;
    }
    fs::remove_dir_all(seeds)?;
    fs::create_dir_all(seeds)?;
    copy_files(&merged, seeds, u64::MAX)
}

/// Copies the files of a folder that are no longer than `longest`.
fn copy_files(from: &Path, to: &Path, longest: u64) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.metadata()?.len() <= longest {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
