//! `autodidact emulate`: a container over a file on an emulated core, compared with the host.

use std::path::PathBuf;

use anyhow::{Result, bail};
use autodidact::model::Model;
use autodidact_tools::emulator::{self, Core};
use autodidact_tools::evaluate::Units;
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

    /// The core: m4, m0plus, m55 or rv32.
    #[arg(long)]
    core: Core,

    /// Rows to run.
    #[arg(long, value_enum, default_value_t = Rows::All)]
    rows: Rows,

    /// Write the device's results as CSV to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Emulate {
    pub(crate) fn run(self) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let table = self.rows.of(self.data.read()?)?;
        let counts = Units::of(&model)?.counts(&table)?;
        let host = replay::replay(&model, &counts)?;
        let device = emulator::replay(self.core, &bytes, &counts)?;
        println!(
            "{} rows of {} on {}",
            table.rows(),
            table.source(),
            self.core
        );
        for cost in &device.log.parts {
            println!(
                "{:<15} {} instructions a row",
                cost.name,
                grouped(cost.instructions_per_row())
            );
        }
        println!(
            "{:<15} {} bytes at the deepest",
            "stack",
            grouped(device.log.stack_bytes)
        );
        if let Some(path) = &self.output {
            let rows = replay::decode(&model, &device.results)?;
            artifact::write(path, to_csv(&model, &rows)?.as_bytes())?;
        }
        if device.results != host {
            let at = device.results.iter().zip(&host).position(|(d, h)| d != h);
            bail!(
                "the emulated {} and the host differ, first at byte {} of {}; this is a defect of autodidact, please report it with the model",
                self.core,
                at.unwrap_or(device.results.len().min(host.len())),
                host.len()
            );
        }
        println!(
            "host and {} gave the same {} bytes",
            self.core,
            grouped(host.len() as u64)
        );
        Ok(())
    }
}
