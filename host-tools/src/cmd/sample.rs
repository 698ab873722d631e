//! `autodidact sample`: rows drawn from a model, by the device's own sampler.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use autodidact::latent_class::MISSING;
use autodidact::model::{Body, Input, Model, Part, Task};
use autodidact::pca::Whitening;
use autodidact::score::Schedule;
use autodidact_tools::evaluate::Units;
use autodidact_tools::generate::{Request, Work};
use autodidact_tools::quantize::latent_class::Coding;
use autodidact_tools::query::{Query, given_sample};
use autodidact_tools::sampler::{Steps, in_data_units};
use autodidact_tools::talk::Output;
use autodidact_tools::{artifact, chain};
use clap::Args;

use super::complete::{check_gibbs_steps, in_data_units as units_of_machine};
use super::query::{coding, columns};
use super::shared::{Drawer, Drawing, csv_line, draw_seed};
use autodidact_tools::number::reading;

/// Gibbs steps between rows unless said otherwise.
const GIBBS_STEPS: usize = 100;

/// Most numbers that are drawn at once: they are kept in memory.
pub(super) const MOST_NUMBERS: usize = 1 << 26;

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// The container.
    model: PathBuf,

    /// Number of rows.
    #[arg(
        short = 'n',
        long,
        alias = "rows",
        value_name = "ROWS",
        default_value_t = 10
    )]
    count: usize,

    /// What is known, as in `query`: `site=pubmed, gender=f` (latent classes only).
    #[arg(long, default_value = "")]
    given: String,

    /// Fixes the rows; drawn, and said on standard error, when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    /// Gibbs steps between rows (Boltzmann machines and belief nets only) [default: 100].
    #[arg(long, alias = "steps", value_name = "STEPS")]
    gibbs_steps: Option<usize>,

    #[command(flatten)]
    walk: Walk,

    #[command(flatten)]
    drawing: Drawing,

    #[command(flatten)]
    drawer: Drawer,
}

/// The smallest size of a walk's steps that is worth the walk.
const LEAST_GAMMA: f64 = 0.001;

/// Checks the size of a walk's steps.
pub(super) fn check_gamma(gamma: f64) -> Result<()> {
    ensure!(
        (LEAST_GAMMA..2.0).contains(&gamma),
        "--gamma is {}; give a number from {LEAST_GAMMA} to below 2",
        reading(gamma)
    );
    Ok(())
}

/// How a score network is walked.
#[derive(Debug, Args)]
pub(super) struct Walk {
    /// Steps of a score network's walk at each noise level, in place of those that the model names.
    #[arg(long, value_name = "STEPS")]
    walk: Option<u16>,

    /// Size of those steps, from 0.001 to below 2: the share of the residual that is taken is half of it.
    #[arg(long)]
    gamma: Option<f64>,
}

impl Walk {
    fn is_given(&self) -> bool {
        self.walk.is_some() || self.gamma.is_some()
    }

    /// The walk of the model's score network.
    pub(super) fn schedule(&self, model: &Model<'_>) -> Result<Schedule> {
        ensure!(self.walk != Some(0), "--walk is 0; give at least 1");
        if let Some(gamma) = self.gamma {
            check_gamma(gamma)?;
        }
        Steps::of(model).changed(self.gamma, self.walk).schedule()
    }
}

impl Sample {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        self.drawing.check(&[&self.model])?;
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        self.check(&model)?;
        let seed = draw_seed(self.seed);
        let request = self.request(&model, seed)?;
        let part = model.parts().nth(request.part);
        let part = part.context("the model has changed in between")?;
        let (rows, drawn) = self.drawer.draw(&bytes, &model, &request)?;
        if let Body::LatentClass(classes) = &part.body {
            print_classes(out, &coding(&model, classes.lines())?, &rows)?;
        } else {
            let rows = in_units(&model, &part, &rows)?;
            self.drawing
                .print(out, &names(&model), &Units::of(&model)?, &rows)?;
        }
        drawn.say();
        Ok(())
    }
}

impl Sample {
    /// Checks that there are not too many rows, and that the model has what the options are for.
    fn check(&self, model: &Model<'_>) -> Result<()> {
        self.drawing.check_count(self.count)?;
        let most = MOST_NUMBERS / model.scaler().len().max(1);
        ensure!(
            self.count <= most,
            "{} rows are too many to draw at once; give -n at most {most}, and draw more with other seeds",
            self.count
        );
        let has = |kind: fn(&Body<'_>) -> bool| model.parts().any(|part| kind(&part.body));
        ensure!(
            self.gibbs_steps.is_none() || has(|body| matches!(body, Body::Rbm(_) | Body::Dbn(_))),
            "--gibbs-steps works for Boltzmann machines and belief nets; leave it out"
        );
        ensure!(
            !self.walk.is_given() || has(|body| matches!(body, Body::Score(_))),
            "--walk and --gamma work for score networks; leave them out"
        );
        ensure!(
            !self.drawing.is_given() || !has(|body| matches!(body, Body::LatentClass(_))),
            "--width draws rows of numbers, and those of latent classes are mixed; leave it out"
        );
        Ok(())
    }

    /// What to draw from the model's first Boltzmann machine or belief net, else from its score network, else from its
    /// generator, else from its first mixture or latent classes.
    fn request(&self, model: &Model<'_>, seed: u64) -> Result<Request> {
        let samples = self.count;
        let machine = |body: &Body<'_>| matches!(body, Body::Rbm(_) | Body::Dbn(_));
        let generator = |body: &Body<'_>| matches!(body, Body::Graph(_, Task::Generator));
        let mixture = |body: &Body<'_>| matches!(body, Body::Gmm(_) | Body::LatentClass(_));
        let (part, work) = if let Some((part, _)) = Request::find(model, machine) {
            let steps = self.gibbs_steps.unwrap_or(GIBBS_STEPS);
            check_gibbs_steps(steps)?;
            (part, Work::Chain { steps, samples })
        } else if let Some((part, _)) = Request::find(model, |body| matches!(body, Body::Score(_)))
        {
            let schedule = self.walk.schedule(model)?;
            (part, Work::Walks { schedule, samples })
        } else if let Some((part, _)) = Request::find(model, generator) {
            (part, Work::Runs { samples })
        } else if let Some((part, body)) = Request::find(model, mixture) {
            if let Body::LatentClass(classes) = body {
                let given = self.given(&coding(model, classes.lines())?)?;
                let work = Work::Classes { given, samples };
                return Ok(Request { part, seed, work });
            }
            (part, Work::Mixture { samples })
        } else {
            bail!(
                "the model has nothing to draw from; mixtures, latent classes, Boltzmann machines, belief nets, generators and score networks can be sampled"
            );
        };
        ensure!(
            self.given.is_empty(),
            "--given works for latent classes; of a mixture, ask `autodidact query` for the conditional mean; `autodidact complete` and `autodidact inpaint` fill in what is not known"
        );
        Ok(Request { part, seed, work })
    }

    /// What is known of the rows of latent classes.
    fn given(&self, coding: &Coding) -> Result<Vec<i16>> {
        if self.given.is_empty() {
            return Ok(vec![MISSING; coding.columns().len()]);
        }
        let conditions = Query::conditions(&self.given, coding.columns())?;
        Ok(given_sample(coding, &conditions))
    }
}

/// Names of the columns.
pub(super) fn names(model: &Model<'_>) -> Vec<String> {
    let columns = columns(model, model.scaler().len());
    columns.into_iter().map(|column| column.name).collect()
}

fn print_classes(out: &mut Output, coding: &Coding, rows: &[i16]) -> Result<()> {
    let names: Vec<&str> = coding.columns().iter().map(|c| c.name.as_str()).collect();
    writeln!(out, "{}", csv_line(&names))?;
    for drawn in rows.chunks_exact(names.len()) {
        let cells = drawn.iter().enumerate();
        let cells: Vec<String> = cells.map(|(at, &value)| coding.decode(at, value)).collect();
        writeln!(out, "{}", csv_line(&cells))?;
    }
    Ok(())
}

/// Rows of a part in data units; probabilities as they are; behind principal components, what the drawn scores are
/// reconstructed to.
fn in_units(model: &Model<'_>, part: &Part<'_>, rows: &[i16]) -> Result<Vec<Vec<f64>>> {
    let units = Units::of(model)?;
    rows.chunks_exact(part.body.inputs())
        .map(|row| match (&part.body, &part.input) {
            (Body::Rbm(rbm), _) => Ok(units_of_machine(rbm, &units, chain::real(row))),
            (Body::Dbn(dbn), _) => Ok(units_of_machine(dbn.bottom(), &units, chain::real(row))),
            (_, Input::Whitened(whitening)) => Ok(in_data_units(
                &units,
                &reconstructed(model, whitening, row)?,
            )),
            // A network that draws may pass what its columns were ever seen to be.
            _ => Ok(units.within_ranges(in_data_units(&units, row))),
        })
        .collect()
}

/// Features of whitened scores.
fn reconstructed(model: &Model<'_>, whitening: &Whitening<'_>, drawn: &[i16]) -> Result<Vec<i16>> {
    let spectrum = whitening.spectrum();
    // Whitened scores are scores divided by their standard deviation.
    let unit = 2f64.powi(autodidact::kmeans::Metric::default().distance_bits() as i32);
    let scores: Vec<i32> = drawn
        .iter()
        .zip(spectrum.variances())
        .map(|(&y, &v)| (f64::from(y) * (v as f64 / unit).sqrt()).round() as i32)
        .collect();
    let mut features = vec![0; model.scaler().len()];
    whitening.pca().reconstruct_into(&scores, &mut features)?;
    Ok(features)
}
