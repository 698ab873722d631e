//! `cargo xtask figures`: instructions and bytes that the docs quote, measured, and kept in one file.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cargo;

mod measure;
mod quote;

/// Another compiler's instructions may be off by this much, and so may those of a network trained on another machine.
const TOLERANCE: f64 = 0.02;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing: fail where docs/figures.json is not what is measured, or the docs quote something else
    #[arg(long)]
    check: bool,
}

/// What was measured, by name, and the compiler of the images that it was measured in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Figures {
    compiler: String,
    figures: BTreeMap<String, u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let measured = measure::everything()?;
    if arguments.check {
        let kept = Figures::read()?;
        let stale = kept.differences(&measured);
        ensure!(
            stale.is_empty(),
            "docs/figures.json is stale, run `cargo xtask figures`:\n{}",
            stale.join("\n")
        );
        return check_pages(&kept);
    }
    for page in pages()? {
        let text = fs::read_to_string(&page)?;
        let renewed = match Figures::read() {
            Ok(kept) => quote::renew(&text, &kept.figures, &measured.figures),
            Err(_) => text.clone(),
        };
        if renewed != text {
            fs::write(&page, renewed)
                .with_context(|| format!("{} cannot be written", page.display()))?;
            writeln!(io::stdout(), "{} is up to date again", named(&page))?;
        }
    }
    measured.write()?;
    check_pages(&measured)
}

impl Figures {
    fn path() -> PathBuf {
        cargo::root().join("docs/figures.json")
    }

    fn read() -> Result<Self> {
        let path = Self::path();
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    fn write(&self) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(Self::path(), text).context("docs/figures.json cannot be written")
    }

    /// One line for each figure that is missing on either side, or differs by more than it may.
    fn differences(&self, measured: &Self) -> Vec<String> {
        let same_compiler = self.compiler == measured.compiler;
        let names: std::collections::BTreeSet<_> =
            self.figures.keys().chain(measured.figures.keys()).collect();
        let differs = |name: &String| {
            let (kept, now) = (self.figures.get(name), measured.figures.get(name));
            let within = match (kept, now) {
                (Some(kept), Some(now)) if same_compiler && !measure::is_trained(name) => {
                    kept == now
                }
                (Some(&kept), Some(&now)) => {
                    kept.abs_diff(now) as f64 <= TOLERANCE * kept.max(now) as f64
                }
                _ => false,
            };
            let shown = |value: Option<&u64>| value.map_or("nothing".to_owned(), u64::to_string);
            (!within).then(|| {
                format!(
                    "{name}: {} in the file, {} measured",
                    shown(kept),
                    shown(now)
                )
            })
        };
        names.into_iter().filter_map(differs).collect()
    }
}

/// Everything that may quote a figure.
fn pages() -> Result<Vec<PathBuf>> {
    let root = cargo::root();
    let mut pages = vec![root.join("README.md"), root.join("firmware/README.md")];
    collect(&root.join("docs"), "md", &mut pages)?;
    collect(&root.join("core/src"), "rs", &mut pages)?;
    pages.sort();
    Ok(pages)
}

fn collect(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, extension, into)?;
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
    Ok(())
}

fn named(page: &Path) -> String {
    let root = cargo::root();
    page.strip_prefix(&root)
        .unwrap_or(page)
        .display()
        .to_string()
}

/// Asks that every quoted figure is the file's, and that instructions are quoted by name.
fn check_pages(kept: &Figures) -> Result<()> {
    let mut complaints = Vec::new();
    for page in pages()? {
        let text = fs::read_to_string(&page)?;
        let found = quote::complaints(&text, &kept.figures);
        complaints.extend(
            found
                .into_iter()
                .map(|(line, what)| format!("{}:{line}: {what}", named(&page))),
        );
    }
    if !complaints.is_empty() {
        bail!(
            "the docs quote what was not measured:\n{}",
            complaints.join("\n")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_quoted_is_the_measured_one() {
        check_pages(&Figures::read().unwrap()).unwrap();
    }

    #[test]
    fn a_figure_is_stale_by_one_instruction_of_the_same_compiler_and_by_a_fiftieth_of_another() {
        let figures = |compiler: &str, value| Figures {
            compiler: compiler.to_owned(),
            figures: BTreeMap::from([("m4.nearest".to_owned(), value)]),
        };
        let kept = figures("rustc 1.95.0", 1000);
        assert!(kept.differences(&kept).is_empty());
        assert_eq!(kept.differences(&figures("rustc 1.95.0", 1001)).len(), 1);
        assert!(kept.differences(&figures("rustc 1.96.0", 1020)).is_empty());
        assert_eq!(kept.differences(&figures("rustc 1.96.0", 1030)).len(), 1);
    }

    #[test]
    fn a_figure_that_is_missing_is_stale() {
        let kept = Figures {
            compiler: String::new(),
            figures: BTreeMap::from([("a".to_owned(), 1)]),
        };
        let none = Figures {
            compiler: String::new(),
            figures: BTreeMap::new(),
        };
        assert_eq!(
            kept.differences(&none),
            ["a: 1 in the file, nothing measured"]
        );
        assert_eq!(
            none.differences(&kept),
            ["a: nothing in the file, 1 measured"]
        );
    }
}
