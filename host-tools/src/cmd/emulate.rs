//! `autodidact emulate`: a container over a file on an emulated core, compared with the host.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use autodidact::model::Model;
use autodidact_tools::emulator::{self, Board, Core, Footprint, MemorySize};
use autodidact_tools::talk::Output;
use autodidact_tools::{artifact, replay};
use clap::Args;

use super::run::to_csv;
use super::shared::{Data, Rows, grouped};

#[derive(Debug, Args)]
pub(crate) struct Emulate {
    /// The container.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// The core: m4, m33, m0plus, m0, m55 or rv32.
    #[arg(long)]
    core: Core,

    /// Rows to run.
    #[arg(long, value_enum, default_value_t = Rows::All)]
    rows: Rows,

    /// Flash of the board that the model is for, such as 256K: the model has to fit it.
    #[arg(long, value_name = "BYTES")]
    flash: Option<MemorySize>,

    /// RAM of that board, such as 64K.
    #[arg(long, value_name = "BYTES")]
    ram: Option<MemorySize>,

    /// Write the device's results as CSV to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Emulate {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let (rows, source, counts) = self.data.counts(&model, self.rows)?;
        let host = replay::replay(&model, &counts)?;
        let device = emulator::replay(self.core, &bytes, &counts)?;
        if let Some(path) = &self.output {
            let rows = replay::decode(&model, &device.results)?;
            artifact::write(path, to_csv(&model, &rows)?.as_bytes())?;
        }
        writeln!(out, "{rows} rows of {source} on {}", self.core)?;
        for cost in &device.log.parts {
            writeln!(
                out,
                "{:<15} {} instructions a row",
                cost.name,
                grouped(cost.instructions_per_row())
            )?;
        }
        let board = Board {
            flash: self.flash,
            ram: self.ram,
        };
        let footprint = Footprint::measure(self.core, bytes.len(), &device)?;
        print_footprint(out, &footprint, &board)?;
        board.check(&footprint)?;
        if device.results != host {
            let at = device.results.iter().zip(&host).position(|(d, h)| d != h);
            bail!(
                "the emulated {} and the host differ, first at byte {} of {}; this is a defect of autodidact, please report it with the model",
                self.core,
                at.unwrap_or(device.results.len().min(host.len())),
                host.len()
            );
        }
        writeln!(
            out,
            "host and {} gave the same {} bytes",
            self.core,
            grouped(host.len() as u64)
        )?;
        Ok(())
    }
}

/// Two lines: what an application with this model takes, of how much.
fn print_footprint(out: &mut Output, footprint: &Footprint, board: &Board) -> Result<()> {
    let mut line = |memory: &str,
                    used: u64,
                    available: Option<MemorySize>,
                    parts: &[(u64, &str)]|
     -> Result<()> {
        let parts: Vec<_> = parts
            .iter()
            .map(|(bytes, what)| format!("{} of {what}", grouped(*bytes)))
            .collect();
        let of = available.map_or_else(String::new, |size| format!(" of {}", grouped(size.0)));
        writeln!(
            out,
            "{memory:<15} {}{of} bytes: {}",
            grouped(used),
            parts.join(", ")
        )?;
        Ok(())
    };
    let Footprint {
        code,
        model,
        buffers,
        variables,
        stack,
    } = *footprint;
    line(
        "flash",
        footprint.flash(),
        board.flash,
        &[(code, "code"), (model, "model")],
    )?;
    line(
        "RAM",
        footprint.ram(),
        board.ram,
        &[
            (buffers, "buffers"),
            (variables, "variables"),
            (stack, "stack at its deepest"),
        ],
    )
}
