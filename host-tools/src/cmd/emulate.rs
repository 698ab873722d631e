//! `autodidact emulate`: a container over a file on an emulated core, compared with the host.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use autodidact::model::Model;
use autodidact_tools::emulator::{self, Board, Core, Footprint, MemorySize, PartCost};
use autodidact_tools::talk::Output;
use autodidact_tools::verdict::ensure_same;
use autodidact_tools::{artifact, replay};
use clap::Args;
use serde_json::{Map, Value, json};

use super::run::{ensure_served, runs_over_rows, to_csv};
use super::shared::{Data, Rows, grouped, open_output, print_json};

#[derive(Debug, Args)]
pub(crate) struct Emulate {
    /// The container.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// The core.
    #[arg(long, value_enum)]
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

    /// Write the device's results as CSV to this file (`-` is standard output; the table then goes to standard error).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Emulate {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let inputs = [&*self.model, self.data.path()];
        let output = self.output.as_deref();
        let output = output.map(|path| open_output(path, &inputs, self.json));
        let output = output.transpose()?;
        emulator::ready(self.core)?;
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        ensure_served(&model, "run over rows", runs_over_rows)?;
        let (rows, source, counts) = self.data.counts(&model, self.rows)?;
        let host = replay::replay(&model, &counts)?;
        let device = emulator::replay(self.core, &bytes, &counts)?;
        let mut aside = Output::aside();
        let mut out = out;
        if let Some(output) = output {
            if output.is_standard_output() {
                out = &mut aside;
            }
            let rows = replay::decode(&model, &device.results)?;
            output.finish(to_csv(&model, &rows)?.as_bytes())?;
        }
        let board = Board {
            flash: self.flash,
            ram: self.ram,
        };
        let footprint = Footprint::measure(self.core, bytes.len(), &device)?;
        let fits = board.check(&footprint);
        let core = self.core.name();
        let same = ensure_same(core, "byte", &host, &device.results, "the model");
        if self.json {
            print_json(
                out,
                &json!({
                    "core": core,
                    "rows": rows,
                    "instructions_per_row": instructions(&device.log.parts),
                    "flash_bytes": footprint.flash(),
                    "flash_code_bytes": footprint.code,
                    "flash_model_bytes": footprint.model,
                    "ram_bytes": footprint.ram(),
                    "ram_buffers_bytes": footprint.buffers,
                    "ram_variables_bytes": footprint.variables,
                    "ram_stack_bytes": footprint.stack,
                    "fits": fits.is_ok(),
                    "identical": same.is_ok(),
                }),
            )?;
            return same.and(fits);
        }
        writeln!(out, "{rows} rows of {source} on {}", self.core)?;
        for cost in &device.log.parts {
            let each = grouped(cost.instructions_per_row());
            writeln!(out, "{:<15} {each} instructions a row", cost.name)?;
        }
        print_footprint(out, &footprint, &board)?;
        same?;
        writeln!(
            out,
            "host and {} gave the same {} bytes",
            self.core,
            grouped(host.len() as u64)
        )?;
        fits
    }
}

/// Instructions a row of each part, by its name.
fn instructions(parts: &[PartCost]) -> Map<String, Value> {
    let costs = parts.iter();
    costs
        .map(|cost| (cost.name.clone(), cost.instructions_per_row().into()))
        .collect()
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
