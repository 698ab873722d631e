//! `cargo xtask ram`

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Result;
use autodidact_tools::artifact::Unfinished;
use autodidact_tools::emulator::{Image, RamRow, ram};

use super::setup;
use crate::cores::Cores;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// m4, m33, m0plus, m55, rv32 or all
    #[arg(long, default_value = "m4")]
    core: Cores,
    /// Write the figures to this file as well, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cores = arguments.core.with(Image::Learners)?;
    // A file that cannot be written shows before the building, not after it.
    let json = arguments
        .json
        .as_deref()
        .map(Unfinished::beside)
        .transpose()?;
    setup::prepare(&cores)?;
    let mut rows = Vec::new();
    for core in cores {
        rows.extend(ram(core)?);
    }
    writeln!(
        io::stdout(),
        "{:<7} {:<28} {:<13} {:>7} {:>7} {:>7} {:>8}",
        "core",
        "learner",
        "shape",
        "memory",
        "struct",
        "bytes",
        "each row"
    )?;
    for row in &rows {
        writeln!(io::stdout(), "{}", table_line(row))?;
    }
    writeln!(
        io::stdout(),
        "\nBytes of RAM, from the symbols of the image. memory: what the caller hands to the learner; struct: what\n\
         borrows it; each row: what a batch learner keeps of every row. The stack is not in it."
    )?;
    if let Some(json) = json {
        let mut bytes = serde_json::to_vec_pretty(&rows)?;
        bytes.push(b'\n');
        json.finish(&bytes)?;
    }
    Ok(())
}

fn table_line(row: &RamRow) -> String {
    let each_row = match row.row_bytes {
        0 => String::new(),
        bytes => bytes.to_string(),
    };
    let line = format!(
        "{:<7} {:<28} {:<13} {:>7} {:>7} {:>7} {each_row:>8}",
        row.core,
        row.learner,
        row.shape,
        row.memory_bytes,
        row.struct_bytes,
        row.total_bytes(),
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_adds_memory_and_struct() {
        let mut row = RamRow {
            core: "m4",
            learner: "k-means, Lloyd",
            shape: "8 x 16",
            memory_bytes: 1408,
            struct_bytes: 104,
            row_bytes: 34,
        };
        let words = |row: &RamRow| {
            let line = table_line(row);
            let words: Vec<_> = line.split_whitespace().rev().map(str::to_owned).collect();
            words
        };
        assert_eq!(words(&row)[..4], ["34", "1512", "104", "1408"]);
        row.row_bytes = 0;
        assert_eq!(words(&row)[..3], ["1512", "104", "1408"]);
    }
}
