//! Transcripts: what a page or a case shows of the command is what the command does.
//!
//! A fenced block that begins with `console` is a transcript: lines with `$ ` are commands, what follows is all they
//! say, on standard output and on standard error. `? 1` after a command is the code that it ends with, `...` stands
//! for any lines and `[..]` for anything within one, as in snapbox. A block of nothing but commands shows that they
//! succeed. The blocks of a page run in their order and in one
//! folder; `console,long` ones train for long and run with `TRANSCRIPTS=long` only, `console,parse` ones need data that are
//! not here. Every command of every block is at least understood.
//!
//! With `TRANSCRIPTS=overwrite` a transcript becomes what the command says now, with `TRANSCRIPTS=long,overwrite` every one.

#![cfg(all(unix, feature = "train"))]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, os};

use snapbox::filter::NormalizeToExpected;
use snapbox::{Assert, IntoData as _};

/// What the environment asks for beyond comparing short transcripts: `long`, `overwrite`, or both with a comma.
fn wished(what: &str) -> bool {
    env::var("TRANSCRIPTS").is_ok_and(|wishes| wishes.split(',').any(|wish| wish == what))
}

/// A fenced block: what its first line says, and the place of the others in the page.
struct Block<'a> {
    mark: &'a str,
    body: Range<usize>,
}

/// A command of a transcript.
struct Step<'a> {
    /// Whether an empty line comes before it.
    apart: bool,
    line: &'a str,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in page.split_inclusive('\n') {
        let next = at + line.len();
        open = match (open, line.trim_end().strip_prefix("```")) {
            (None, Some(mark)) => Some((mark, next)),
            (Some((mark, start)), Some("")) => {
                let body = start..at;
                blocks.push(Block { mark, body });
                None
            }
            (open, _) => open,
        };
        at = next;
    }
    blocks
}

fn steps(body: &str) -> Vec<Step<'_>> {
    let mut apart = false;
    let mut steps = Vec::new();
    for line in body.lines() {
        if let Some(line) = line.strip_prefix("$ ") {
            steps.push(Step { apart, line });
        }
        apart = line.is_empty();
    }
    steps
}

/// A shell in `folder` that finds the command.
fn shell(folder: &Path, script: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_autodidact"));
    let mut path = program.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

/// Whether a transcript shows nothing of what the commands say.
fn is_silent(body: &str) -> bool {
    body.lines()
        .all(|line| line.is_empty() || line.starts_with("$ "))
}

/// The transcript of the commands of a block, as they run now.
fn transcript(folder: &Path, body: &str) -> String {
    let mut transcript = String::new();
    for step in steps(body) {
        let output = shell(folder, &format!("exec 2>&1\n{}", step.line)).output();
        let output = output.unwrap();
        let separator = if step.apart { "\n" } else { "" };
        transcript += &format!("{separator}$ {}\n", step.line);
        if let Some(code @ 1..) = output.status.code() {
            transcript += &format!("? {code}\n");
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let said: Vec<_> = said.lines().map(str::trim_end).collect();
        let said = said.join("\n");
        let shown = !is_silent(body) || !output.status.success();
        if shown && !said.trim_end().is_empty() {
            transcript += said.trim_end();
            transcript.push('\n');
        }
    }
    transcript
}

/// What a command said, with the elisions of the transcript where they fit.
fn with_elisions(said: String, expected: &str) -> String {
    let pattern = expected.to_owned().into_data().raw();
    let fitted = NormalizeToExpected::new()
        .redact()
        .normalize(said.clone().into_data(), &pattern);
    let fitted = fitted.render().unwrap();
    if fitted == expected {
        fitted
    } else {
        elided_likewise(&said, expected).unwrap_or(said)
    }
}

/// The lines of `said` that begin as those of `expected` do, and elisions between them where it has some.
fn elided_likewise(said: &str, expected: &str) -> Option<String> {
    let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut lines = said.lines();
    let mut kept = String::new();
    let mut skips = false;
    for line in expected.lines() {
        if line == "..." {
            skips = true;
            kept += "...\n";
            continue;
        }
        let next = loop {
            let next = lines.next()?;
            if first_word(next) == first_word(line) {
                break next;
            }
            if !skips {
                return None;
            }
        };
        skips = false;
        kept += next;
        kept.push('\n');
    }
    (skips || lines.next().is_none()).then_some(kept)
}

/// Runs the transcripts of a file in a folder; the differences.
fn run(file: &Path, folder: &Path) -> Vec<String> {
    let page = fs::read_to_string(file).unwrap();
    let mut renewed = page.clone();
    let mut differences = Vec::new();
    // From the last to the first, places stay where they are.
    let mut outcomes: Vec<(Range<usize>, String)> = Vec::new();
    for block in blocks(&page) {
        let runs = match block.mark {
            "console" => true,
            "console,long" => wished("long"),
            _ => false,
        };
        if runs {
            let body = &page[block.body.clone()];
            let said = transcript(folder, body);
            outcomes.push((block.body, with_elisions(said, body)));
        }
    }
    for (place, said) in outcomes.into_iter().rev() {
        let expected = &page[place.clone()];
        // Another compiler's instructions are others.
        let same = if said.contains("instructions") && !counts_like_ours() {
            without_numbers(&said) == without_numbers(expected)
        } else {
            said == expected
        };
        if !same {
            let name = format!(
                "{}:{}",
                file.display(),
                page[..place.start].matches('\n').count()
            );
            let difference = Assert::new().try_eq(
                Some(&name),
                said.clone().into_data().raw(),
                expected.to_owned().into_data().raw(),
            );
            differences.extend(difference.err().map(|error| error.to_string()));
            renewed.replace_range(place, &said);
        }
    }
    if wished("overwrite") && renewed != page {
        fs::write(file, renewed).unwrap();
        return Vec::new();
    }
    differences
}

/// Whether the compiler is that of the figures in the documentation.
fn counts_like_ours() -> bool {
    let Some(docs) = docs() else { return false };
    let figures = fs::read_to_string(docs.join("figures.json")).unwrap_or_default();
    let version = Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let words: Vec<_> = version
        .iter()
        .flat_map(|said| said.split_whitespace())
        .take(2)
        .collect();
    figures.contains(&format!("{:?}", words.join(" ")))
}

fn without_numbers(text: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| word.replace(|c: char| c.is_ascii_digit(), ""));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Asks of every command of a page that its words are understood; the complaints.
fn understand(file: &Path) -> Vec<String> {
    // The command, but for what it does.
    const UNDERSTOOD: &str =
        "exec 3>&2; autodidact() { command autodidact \"$@\" --help 2>&3 >&-; }";
    let page = fs::read_to_string(file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut complaints = Vec::new();
    for block in blocks(&page)
        .iter()
        .filter(|block| !block.mark.starts_with("rust"))
    {
        let body = page[block.body.clone()].replace("\\\n", " ");
        for line in body.lines() {
            let command = line.strip_prefix("$ ").unwrap_or(line);
            if command.starts_with("autodidact ") {
                let script = format!("{UNDERSTOOD}\n{command}");
                let output = shell(folder.path(), &script).output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                if !said.is_empty() {
                    complaints.push(format!("{}: {command}\n{said}", file.display()));
                }
            }
        }
    }
    complaints
}

/// The documentation, which the package of the tools has not.
fn docs() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let docs = root.join("docs");
    docs.is_dir().then_some(docs)
}

/// The pages of the repository that have transcripts or commands.
fn pages() -> Vec<PathBuf> {
    let Some(docs) = docs() else {
        return Vec::new();
    };
    let mut pages: Vec<_> = fs::read_dir(&docs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.push(docs.with_file_name("README.md"));
    pages.push(docs.with_file_name("host-tools").join("README.md"));
    pages.sort();
    pages
}

/// Runs a page in a folder that has the repository's examples and data.
fn page(file: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["examples", "host-tools"] {
        os::unix::fs::symlink(root.join(name), folder.path().join(name)).unwrap();
    }
    run(file, folder.path())
}

fn assert_none(differences: &[String]) {
    let advice =
        "TRANSCRIPTS=overwrite cargo test --release -p autodidact-tools --test transcripts";
    assert!(
        differences.is_empty(),
        "{}\nif that is how it should be: {advice}",
        differences.join("\n")
    );
}

/// A half of the pages: two tests share the processors.
fn every_other_page(from: usize) {
    for file in pages().iter().skip(from).step_by(2) {
        assert_none(&page(file));
    }
}

#[test]
fn what_the_pages_show_is_what_the_command_does() {
    every_other_page(0);
}

#[test]
fn what_the_other_pages_show_is_what_the_command_does() {
    every_other_page(1);
}

#[test]
fn every_command_of_the_pages_is_understood() {
    let complaints: Vec<_> = pages().iter().flat_map(|file| understand(file)).collect();
    assert_none(&complaints);
}

#[test]
fn what_the_cases_show_is_what_the_command_does() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut differences = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(cases)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for case in folders {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&case).unwrap() {
            let file = entry.unwrap().path();
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        differences.extend(run(&case.join("transcript.md"), folder.path()));
    }
    assert_none(&differences);
}
