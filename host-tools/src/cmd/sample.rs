//! `autodidact sample`: rows drawn from a model, by the device's own sampler.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use autodidact::gmm::Gmm;
use autodidact::latent_class::{LatentClass, MISSING};
use autodidact::model::{Body, Input, Model, Task};
use autodidact::pca::Pca;
use autodidact::rng::Generator;
use autodidact::score::Schedule;
use autodidact_tools::evaluate::Units;
use autodidact_tools::generate::{Request, Work};
use autodidact_tools::quantize::FEATURE_UNIT;
use autodidact_tools::quantize::latent_class::Coding;
use autodidact_tools::query::{Query, given_sample};
use autodidact_tools::sampler::{Steps, in_data_units};
use autodidact_tools::{artifact, chain};
use clap::Args;

use super::complete::in_data_units as units_of_machine;
use super::query::{coding, columns, queryable};
use super::shared::{Drawer, Drawing, draw_seed};

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// The container.
    model: PathBuf,

    /// Number of rows.
    #[arg(short = 'n', long, default_value_t = 10)]
    rows: usize,

    /// What is known, as in `query`: `site=pubmed, gender=f` (latent classes only).
    #[arg(long, default_value = "")]
    given: String,

    /// Fixes the rows; drawn and printed when it is not given.
    #[arg(long)]
    seed: Option<u64>,

    /// Gibbs steps between rows (Boltzmann machines and belief nets only).
    #[arg(long, default_value_t = 100)]
    steps: usize,

    #[command(flatten)]
    walk: Walk,

    #[command(flatten)]
    drawing: Drawing,

    #[command(flatten)]
    drawer: Drawer,
}

/// How a score network is walked.
#[derive(Debug, Args)]
pub(super) struct Walk {
    /// Steps of a score network's walk at each noise level, in place of those that the model names.
    #[arg(long, value_name = "STEPS")]
    walk: Option<u16>,

    /// Size of those steps, above 0 and below 2: the share of the residual that is taken is half of it.
    #[arg(long)]
    gamma: Option<f64>,
}

impl Walk {
    /// The walk of the model's score network.
    pub(super) fn schedule(&self, model: &Model<'_>) -> Result<Schedule> {
        Steps::of(model).changed(self.gamma, self.walk).schedule()
    }
}

impl Sample {
    pub(crate) fn run(self) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let seed = draw_seed(self.seed);
        if let Some((request, body)) = self.request(&model, seed)? {
            ensure!(
                self.given.is_empty(),
                "--given works for latent classes; `autodidact complete` and `autodidact inpaint` fill in what is not known"
            );
            let (rows, drawn) = self.drawer.draw(&bytes, &model, &request)?;
            let units = Units::of(&model)?;
            let rows = rows.chunks_exact(model.scaler().len());
            let rows: Vec<Vec<f64>> = rows
                .map(|row| match &body {
                    Body::Rbm(rbm) => units_of_machine(rbm, &units, chain::real(row)),
                    Body::Dbn(dbn) => units_of_machine(dbn.bottom(), &units, chain::real(row)),
                    _ => in_data_units(&units, row),
                })
                .collect();
            self.drawing.print(&names(&model), &rows)?;
            drawn.print();
            return Ok(());
        }
        let mut rng = Generator::from_seed(seed);
        let Ok(part) = queryable(&model) else {
            bail!(
                "the model has nothing to draw from; mixtures, latent classes, Boltzmann machines, belief nets, generators and score networks can be sampled"
            );
        };
        self.drawer
            .ensure_host("mixtures and latent classes are drawn from")?;
        match (&part.body, &part.input) {
            (Body::LatentClass(classes), _) => {
                let coding = coding(&model, classes.lines())?;
                print_classes(classes, &coding, &self.given, self.rows, &mut rng)
            }
            _ if !self.given.is_empty() => bail!(
                "--given works for latent classes; of a mixture, ask `autodidact query` for the conditional mean"
            ),
            (Body::Gmm(gmm), Input::Features) => {
                let rows = of_mixture(&model, gmm, None, self.rows, &mut rng)?;
                self.drawing.print(&names(&model), &rows)
            }
            (Body::Gmm(gmm), Input::Whitened(pca)) => {
                let rows = of_mixture(&model, gmm, Some(pca), self.rows, &mut rng)?;
                self.drawing.print(&names(&model), &rows)
            }
            _ => bail!("part `{}` cannot be sampled", part.name),
        }
    }
}

impl Sample {
    /// What to draw from the model's first Boltzmann machine or belief net, else from its score network, else from its
    /// generator.
    fn request<'a>(&self, model: &Model<'a>, seed: u64) -> Result<Option<(Request, Body<'a>)>> {
        let samples = self.rows;
        let machine = |body: &Body<'_>| matches!(body, Body::Rbm(_) | Body::Dbn(_));
        let generator = |body: &Body<'_>| matches!(body, Body::Graph(_, Task::Generator));
        let (found, work) = if let Some(found) = Request::find(model, machine) {
            let steps = self.steps;
            (found, Work::Chain { steps, samples })
        } else if let Some(found) = Request::find(model, |body| matches!(body, Body::Score(_))) {
            let schedule = self.walk.schedule(model)?;
            (found, Work::Walks { schedule, samples })
        } else if let Some(found) = Request::find(model, generator) {
            (found, Work::Runs { samples })
        } else {
            return Ok(None);
        };
        let (part, body) = found;
        Ok(Some((Request { part, seed, work }, body)))
    }
}

/// Names of the columns.
pub(super) fn names(model: &Model<'_>) -> Vec<String> {
    let columns = columns(model, model.scaler().len());
    columns.into_iter().map(|column| column.name).collect()
}

fn print_classes(
    classes: &LatentClass<'_>,
    coding: &Coding,
    given: &str,
    rows: usize,
    rng: &mut Generator,
) -> Result<()> {
    let names: Vec<&str> = coding.columns().iter().map(|c| c.name.as_str()).collect();
    println!("{}", names.join(","));
    let known = if given.is_empty() {
        vec![MISSING; names.len()]
    } else {
        given_sample(coding, &Query::conditions(given, coding.columns())?)
    };
    let (mut drawn, mut posterior) = (vec![0; names.len()], vec![0; classes.classes()]);
    for _ in 0..rows {
        classes.sample_into(&known, rng, &mut posterior, &mut drawn)?;
        let cells = drawn.iter().enumerate();
        let cells: Vec<String> = cells.map(|(at, &value)| coding.decode(at, value)).collect();
        println!("{}", cells.join(","));
    }
    Ok(())
}

/// Rows in data units; behind principal components, what the drawn scores are reconstructed to.
fn of_mixture(
    model: &Model<'_>,
    gmm: &Gmm<'_>,
    pca: Option<&Pca<'_>>,
    rows: usize,
    rng: &mut Generator,
) -> Result<Vec<Vec<f64>>> {
    let units = Units::of(model)?;
    let width = model.scaler().len();
    let mut drawn = vec![0; gmm.dimensions()];
    let mut sampled = Vec::with_capacity(rows);
    for _ in 0..rows {
        gmm.sample_into(rng, &mut drawn)?;
        let mut features = drawn.clone();
        if let Some((pca, spectrum)) = pca.and_then(|pca| Some((pca, pca.spectrum()?))) {
            let scores = drawn.iter().zip(spectrum.variances());
            // Whitened scores are scores divided by their standard deviation.
            let unit = 2f64.powi(autodidact::kmeans::Metric::default().distance_bits() as i32);
            let scores: Vec<i32> = scores
                .map(|(&y, &v)| (f64::from(y) * (v as f64 / unit).sqrt()).round() as i32)
                .collect();
            features = vec![0; width];
            pca.reconstruct_into(&scores, &mut features)?;
        }
        let features: Vec<f64> = features
            .iter()
            .map(|&x| f64::from(x) / FEATURE_UNIT)
            .collect();
        sampled.push(units.data(&features));
    }
    Ok(sampled)
}
