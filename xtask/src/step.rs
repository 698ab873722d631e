//! Steps of a check: one line and the seconds of each, and all that it said where it fails.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, io};

use anyhow::{Context, Result, bail};

use crate::cargo;

/// Cargo, in `folder`, building into `target`.
pub(crate) fn cargo_in<I>(folder: &Path, target: &Path, arguments: I) -> Command
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .args(arguments);
    command
}

/// Runs a command to its end and prints one line: what it was, the seconds, and what `summary` makes of its output.
///
/// # Errors
///
/// The command cannot be started or fails, or `summary` is not content; what the command said is printed then, and
/// kept in the target folder.
pub(crate) fn run(
    name: &str,
    command: &mut Command,
    summary: impl FnOnce(&str) -> Result<String>,
) -> Result<()> {
    write!(io::stdout(), "  {name:<58}")?;
    io::stdout().flush()?;
    let begin = Instant::now();
    let folder = cargo::target_folder().join("checks/logs");
    fs::create_dir_all(&folder)?;
    let log = folder.join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-") + ".log");
    let file = File::create(&log)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    let seconds = begin.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let result = if status.success() {
        summary(&said)
    } else {
        Err(anyhow::anyhow!("{status}"))
    };
    match result {
        Ok(summary) => {
            writeln!(io::stdout(), "{seconds:>6.1} s  {summary}")?;
            Ok(())
        }
        Err(error) => {
            writeln!(io::stdout(), "{seconds:>6.1} s  failed\n{said}")?;
            let line: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
            let program = command.get_program().display();
            bail!(
                "{name}: {error:#}; `{program} {}`, its output is in {}",
                line.join(" "),
                log.display()
            )
        }
    }
}

/// For commands of which nothing but success matters.
#[expect(clippy::unnecessary_wraps, reason = "a summary may fail")]
pub(crate) fn silent(_: &str) -> Result<String> {
    Ok(String::new())
}

/// How many tests passed, by the closing lines of `cargo test`.
///
/// # Errors
///
/// None did, or some were ignored.
pub(crate) fn tests(said: &str) -> Result<String> {
    let (mut passed, mut ignored) = (0, 0);
    for line in said
        .lines()
        .filter(|line| line.starts_with("test result: ok."))
    {
        for field in line.split(['.', ';']) {
            let mut words = field.split_whitespace();
            let (Some(Ok(count)), Some(word)) = (words.next().map(str::parse::<u32>), words.next())
            else {
                continue;
            };
            match word {
                "passed" => passed += count,
                "ignored" => ignored += count,
                _ => {}
            }
        }
    }
    if passed == 0 || ignored > 0 {
        bail!("{passed} tests passed, {ignored} were ignored");
    }
    Ok(format!("{passed} tests"))
}

#[cfg(test)]
mod tests_of_summaries {
    use super::*;

    #[test]
    fn passed_tests_are_added_up_and_ignored_ones_are_refused() {
        let line = |passed, ignored| {
            format!(
                "test result: ok. {passed} passed; 0 failed; {ignored} ignored; 0 measured; 0 filtered out; finished in 1.24s\n"
            )
        };
        let said = format!("running 5 tests\n{}{}", line(5, 0), line(14, 0));
        assert_eq!(tests(&said).unwrap(), "19 tests");
        assert!(tests(&line(5, 1)).is_err());
        assert!(tests(&line(0, 0)).is_err());
        assert!(tests("").is_err());
    }
}
