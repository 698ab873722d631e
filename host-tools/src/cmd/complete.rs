//! `autodidact complete`: what a row's unknown columns are likely to be, by the device's own sampler.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use autodidact::model::{Body, Model};
use autodidact::rbm::{Rbm, Units as UnitKind};
use autodidact::rng::Generator;
use autodidact_tools::artifact;
use autodidact_tools::chain::{self, Inference};
use autodidact_tools::data::columns_named;
use autodidact_tools::evaluate::Units;
use autodidact_tools::talk::Output;
use clap::Args;

use super::query::columns;
use super::shared::{Data, Drawing, Rows, draw_seed};

#[derive(Debug, Args)]
pub(crate) struct Complete {
    /// The container.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// The columns to fill in, by name or number from 1, ranges too: `33-64`. What the file says there is
    /// not looked at.
    #[arg(long, value_name = "COLUMNS")]
    unknown: String,

    /// Which rows.
    #[arg(long, value_enum, default_value_t = Rows::All)]
    rows: Rows,

    /// Most rows.
    #[arg(short = 'n', long, alias = "limit", value_name = "ROWS")]
    count: Option<usize>,

    /// Gibbs steps that are averaged, after as many that are not; steps of mean field with --mean-field.
    #[arg(long, alias = "steps", value_name = "STEPS", default_value_t = 500)]
    gibbs_steps: usize,

    /// Infer by mean field in place of sampling: no chance, fewer steps, one mode.
    #[arg(long)]
    mean_field: bool,

    /// Fixes the samples; drawn, and said on standard error, when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    #[command(flatten)]
    drawing: Drawing,
}

impl Complete {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        self.drawing.check(&[&self.model, self.data.path()])?;
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let rbm = machine(&model)?;
        check_gibbs_steps(self.gibbs_steps)?;
        let names: Vec<String> = columns(&model, rbm.visible())
            .into_iter()
            .map(|column| column.name)
            .collect();
        let unknown = columns_named(&self.unknown, &names)?;
        ensure!(
            unknown.contains(&false),
            "every column is unknown, so there is nothing to go by; `autodidact sample` draws whole rows"
        );
        let (rows, _, counts) = self.data.counts(&model, self.rows)?;
        let rows = rows.min(self.count.unwrap_or(usize::MAX));
        self.drawing.check_count(rows)?;
        let how = if self.mean_field {
            Inference::MeanField(self.gibbs_steps)
        } else {
            Inference::Gibbs(self.gibbs_steps)
        };
        let mut rng = match how {
            Inference::MeanField(_) => Generator::from_seed(0),
            Inference::Gibbs(_) => Generator::from_seed(draw_seed(self.seed)),
        };
        let units = Units::of(&model)?;
        let mut features = vec![0; rbm.visible()];
        let mut completed = Vec::with_capacity(rows);
        for counts in counts.chunks_exact(rbm.visible()).take(rows) {
            model.scaler().scale_into(counts, &mut features)?;
            let row = chain::complete(&rbm, &features, &unknown, how, &mut rng)?;
            completed.push(in_data_units(&rbm, &units, row));
        }
        self.drawing.print(out, &names, &units, &completed)
    }
}

/// Checks how many Gibbs steps are to be taken.
pub(super) fn check_gibbs_steps(steps: usize) -> Result<()> {
    const MOST: usize = 1_000_000_000;
    ensure!(
        (1..=MOST).contains(&steps),
        "--gibbs-steps is {steps}; give 1 to {MOST}"
    );
    Ok(())
}

/// Probabilities as they are, features in data units.
pub(super) fn in_data_units(rbm: &Rbm<'_>, units: &Units, row: Vec<f64>) -> Vec<f64> {
    match rbm.units() {
        UnitKind::Bernoulli => row,
        UnitKind::Gaussian => units.readings(&row),
    }
}

/// The model's first machine.
fn machine<'a>(model: &Model<'a>) -> Result<Rbm<'a>> {
    let mut bodies = model.parts().map(|part| part.body);
    if let Some(rbm) = bodies.find_map(|body| match body {
        Body::Rbm(rbm) => Some(rbm),
        _ => None,
    }) {
        return Ok(rbm);
    }
    let asked = |part: &Body<'_>| matches!(part, Body::Gmm(_) | Body::LatentClass(_));
    if model.parts().any(|part| asked(&part.body)) {
        bail!(
            "the model has no Boltzmann machine; a mixture or latent classes are asked by `autodidact query`"
        );
    }
    None.context("the model has no Boltzmann machine; fit one with `autodidact fit rbm`")
}
