//! `autodidact eval`: what a container is worth on the rows of a file.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use autodidact::latent_class::MISSING;
use autodidact::model::{Body, Model, Task};
use autodidact_tools::data::Kind;
use autodidact_tools::evaluate::{Figure, Outcome, PartReport};
use autodidact_tools::talk::Output;
use autodidact_tools::{artifact, evaluate, replay};
use clap::Args;

use super::query::coding;
use super::run::{ensure_served, runs_over_rows};
use super::shared::{Data, Rows, report_table, to_json};

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// The container.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// Rows to judge it on.
    #[arg(long, value_enum, default_value_t = Rows::All)]
    rows: Rows,

    /// Print one flat JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        ensure_served(&model, "judged on rows", |body| {
            runs_over_rows(body) && !matches!(body, Body::Graph(_, Task::Discriminator))
        })?;
        let mixed = model
            .parts()
            .any(|part| matches!(part.body, Body::LatentClass(_)));
        let (rows, source, reports) = if mixed {
            self.judge_classes(&model)?
        } else {
            let table = self.data.table(&model, self.rows)?;
            let replay = |counts: &[i16]| replay::replay(&model, counts);
            let reports = evaluate::evaluate(&model, &table, &replay)?;
            (table.rows(), table.source().to_owned(), reports)
        };
        if self.json {
            let mut json = to_json(&reports);
            json.insert("rows".into(), rows.into());
            writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?;
        } else {
            let plural = if rows == 1 { "" } else { "s" };
            writeln!(out, "{rows} row{plural} of {source}")?;
            writeln!(out, "{}", report_table(&[("device", &reports)]))?;
        }
        Ok(())
    }

    /// Latent classes read tables of mixed columns.
    fn judge_classes(&self, model: &Model<'_>) -> Result<(usize, String, Vec<PartReport>)> {
        let (rows, source, counts) = self.data.counts(model, self.rows)?;
        let results = replay::decode(model, &replay::replay(model, &counts)?)?;
        let mut reports = Vec::new();
        for (at, part) in model.parts().enumerate() {
            if let Body::LatentClass(classes) = &part.body {
                let outcome = |row: &Vec<_>| Outcome::of(&part.body, &row[at]);
                let outcomes: Vec<_> = results.iter().map(outcome).collect();
                let mut figures = evaluate::latent_class_figures(classes, &outcomes)?;
                // A density per unit of the data: each observed number was divided by its column's spread.
                let coding = coding(model, classes.lines())?;
                let columns = coding.columns().iter().enumerate();
                let spread: Vec<f64> = columns
                    .map(|(at, column)| match column.kind {
                        Kind::Gaussian => coding.scale(at).std.ln(),
                        _ => 0.0,
                    })
                    .collect();
                let observed = counts.iter().zip(spread.iter().cycle());
                let stretch: f64 = observed
                    .filter(|(value, _)| **value != MISSING)
                    .map(|(_, spread)| spread)
                    .sum();
                if let Some(nats) = figures.first().map(|figure| figure.value) {
                    figures.insert(
                        1,
                        Figure {
                            key: "nats_per_row_data",
                            label: "the same, per unit of the data",
                            value: nats - stretch / rows as f64,
                        },
                    );
                }
                reports.push(PartReport {
                    name: part.name.into(),
                    kind: "latent-class".into(),
                    figures,
                });
            }
        }
        Ok((rows, source, reports))
    }
}
