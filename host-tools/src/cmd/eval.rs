//! `autodidact eval`: what a container is worth on rows it has never seen.

use std::path::PathBuf;

use anyhow::Result;
use autodidact::model::Model;
use autodidact_tools::{artifact, evaluate, replay};
use clap::Args;

use super::shared::{Data, Rows, print_reports, to_json};

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// The container.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// Rows to judge it on.
    #[arg(long, value_enum, default_value_t = Rows::HeldOut)]
    rows: Rows,

    /// Print one flat JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub(crate) fn run(self) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let table = self.rows.of(self.data.read()?)?;
        let reports = evaluate::evaluate(&model, &table, &|counts| replay::replay(&model, counts))?;
        if self.json {
            let mut json = to_json(&reports);
            json.insert("rows".into(), table.rows().into());
            println!("{}", serde_json::to_string_pretty(&json)?);
        } else {
            println!("{} rows of {}", table.rows(), table.source());
            print_reports(&[("device", &reports)]);
        }
        Ok(())
    }
}
