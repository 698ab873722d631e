//! `cargo xtask bench`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use autodidact_tools::emulator::{BenchRow, Core, bench, goal};
use tempfile::NamedTempFile;

use super::setup;
use crate::cores::Cores;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// m4, m0plus, m55, rv32 or all
    #[arg(long, default_value = "all")]
    core: Cores,
    /// Write the figures to this file as well, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when a goal is missed
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cores = arguments.core.list();
    // A file that cannot be written shows before the measuring, not after it.
    let json = arguments
        .json
        .as_deref()
        .map(Unfinished::beside)
        .transpose()?;
    setup::prepare(&cores)?;
    println!("{}", header());
    let mut rows = Vec::new();
    let mut missed = 0;
    for core in cores {
        for row in bench(core)? {
            let (line, reached) = table_line(core, &row);
            println!("{line}");
            missed += usize::from(!reached);
            rows.push(row);
        }
    }
    println!(
        "\nInstructions, not cycles: QEMU counts what is executed and knows no caches or wait states. Whole calls,\n\
         input preparation and requantisation included. library: CMSIS-NN of July 2026 with GCC 12 -O3; CMSIS-DSP\n\
         in f32 for nearest_l2."
    );
    if let Some(json) = json {
        json.write(&rows)?;
    }
    if arguments.check && missed > 0 {
        bail!("{missed} workloads take more instructions than their goals allow");
    }
    Ok(())
}

fn header() -> String {
    format!(
        "{:<7} {:<22} {:>12} {:>8} {:>8} {:>6} {:>8}",
        "core", "name", "instructions", "macs", "per_mac", "goal", "library"
    )
}

/// One line of the table, and whether the goal is reached (as it is where there is none).
fn table_line(core: Core, row: &BenchRow) -> (String, bool) {
    let goal = goal(core, &row.name);
    let reached = goal.is_none_or(|goal| row.per_mac <= goal.at_most);
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
    let mark = match goal {
        Some(_) if reached => "✓",
        Some(_) => "✗ missed",
        None => "",
    };
    let line = format!(
        "{:<7} {:<22} {:>12} {:>8} {:>8.3} {:>6} {:>8} {mark}",
        core.name(),
        row.name,
        row.instructions,
        row.macs,
        row.per_mac,
        number(goal.map(|goal| goal.at_most)),
        number(goal.and_then(|goal| goal.reference)),
    );
    (line.trim_end().to_owned(), reached)
}

/// A file that gets its name when it is complete.
#[derive(Debug)]
struct Unfinished<'a> {
    file: NamedTempFile,
    name: &'a Path,
}

impl<'a> Unfinished<'a> {
    fn beside(name: &'a Path) -> Result<Self> {
        let folder = match name.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder)
            .map_err(|error| anyhow!("{} cannot be written: {}", name.display(), error.kind()))?;
        Ok(Self { file, name })
    }

    fn write(self, rows: &[BenchRow]) -> Result<()> {
        let Self { mut file, name } = self;
        let cannot = || format!("{} cannot be written", name.display());
        serde_json::to_writer_pretty(&mut file, rows).with_context(cannot)?;
        writeln!(file).with_context(cannot)?;
        file.persist(name).with_context(cannot)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(per_mac: f64) -> BenchRow {
        BenchRow {
            core: "m4",
            name: "dense_i8_640x128".to_owned(),
            instructions: 100_000,
            macs: 81_920,
            per_mac,
        }
    }

    #[test]
    fn a_missed_goal_shows() {
        let (line, reached) = table_line(Core::M4, &row(1.5));
        assert!(!reached && line.ends_with("missed"), "{line}");
        let (line, reached) = table_line(Core::M4, &row(1.28));
        assert!(reached && line.ends_with('✓'), "{line}");
    }

    #[test]
    fn the_json_file_is_an_array_of_flat_objects() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench.json");
        Unfinished::beside(&file)
            .unwrap()
            .write(&[row(1.25)])
            .unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value[0]["per_mac"], 1.25);
        assert_eq!(value[0].as_object().unwrap().len(), 5);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let message = Unfinished::beside(Path::new("/nowhere/bench.json"))
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "/nowhere/bench.json cannot be written: entity not found"
        );
    }
}
