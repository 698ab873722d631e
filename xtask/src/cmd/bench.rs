//! `cargo xtask bench`

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Result, bail};
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::emulator::{BenchRow, Core, Image, bench, goal};

use super::setup;
use crate::cores::Cores;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// m4, m33, m0plus, m55, rv32 or all
    #[arg(long, default_value = "all")]
    core: Cores,
    /// Write the figures to this file as well, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when a goal is missed, or where it always was, when more is
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cores = arguments.core.with(Image::Bench)?;
    // A file that cannot be written shows before the measuring, not after it.
    let json = arguments
        .json
        .as_deref()
        .map(Unfinished::beside)
        .transpose()?;
    setup::prepare(&cores)?;
    writeln!(io::stdout(), "{}", header())?;
    let mut rows = Vec::new();
    let mut missed = 0;
    for core in cores {
        for row in bench(core)? {
            let (line, held) = table_line(core, &row);
            writeln!(io::stdout(), "{line}")?;
            missed += usize::from(!held);
            rows.push(row);
        }
    }
    writeln!(
        io::stdout(),
        "\nInstructions, not cycles: QEMU counts what is executed and knows no caches or wait states. Whole calls,\n\
         input preparation and requantisation included. operations: multiply-accumulates in theory; beside the longest\n\
         of many steps of a learner (_longest) the bound that its documentation states, of loading (load_) bytes of the\n\
         container. library: CMSIS-NN of July 2026 with GCC 12 -O3; CMSIS-DSP in f32 for nearest_l2."
    )?;
    if let Some(json) = json {
        json.finish(&to_json(&rows)?)?;
    }
    if arguments.check && missed > 0 {
        bail!("{missed} workloads take more instructions than their goals allow");
    }
    Ok(())
}

fn header() -> String {
    format!(
        "{:<7} {:<33} {:>12} {:>10} {:>8} {:>6} {:>8}",
        "core", "name", "instructions", "operations", "per_op", "goal", "library"
    )
}

/// One line of the table, and whether what was reached before still is (as it is where there is no goal).
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
        "{:<7} {:<33} {:>12} {:>10} {:>8.3} {:>6} {:>8} {mark}",
        core.name(),
        row.name,
        row.instructions,
        row.macs,
        row.per_mac,
        number(goal.map(|goal| goal.at_most)),
        number(goal.and_then(|goal| goal.reference)),
    );
    let held = goal.is_none_or(|goal| row.per_mac <= goal.held);
    (line.trim_end().to_owned(), held)
}

/// The rows as a JSON array, one line break at the end.
fn to_json(rows: &[BenchRow]) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(rows)?;
    json.push(b'\n');
    Ok(json)
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
    fn the_json_is_an_array_of_flat_objects() {
        let json = to_json(&[row(1.25)]).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value[0]["per_mac"], 1.25);
        assert_eq!(value[0].as_object().unwrap().len(), 5);
    }
}
