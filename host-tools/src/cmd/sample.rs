//! `autodidact sample`: rows drawn from a model, by the device's own sampler.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use autodidact::gmm::Gmm;
use autodidact::latent_class::{LatentClass, MISSING};
use autodidact::model::{Body, Input, Model, Task};
use autodidact::net::Graph;
use autodidact::pca::Pca;
use autodidact::rng::Generator;
use autodidact_tools::evaluate::Units;
use autodidact_tools::quantize::FEATURE_UNIT;
use autodidact_tools::quantize::latent_class::Coding;
use autodidact_tools::query::{Query, given_sample};
use autodidact_tools::sampler::{Sampler, Steps, in_data_units, score_network};
use autodidact_tools::{artifact, chain};
use clap::Args;

use super::complete::in_data_units as units_of_machine;
use super::query::{coding, columns, queryable};
use super::shared::{Drawing, draw_seed};

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
    /// A sampler of the model's score network.
    pub(super) fn sampler<'a>(&self, model: &Model<'a>) -> Result<Sampler<'a>> {
        let network = score_network(model)?;
        let schedule = Steps::of(model).changed(self.gamma, self.walk).schedule()?;
        Ok(Sampler::new(network, schedule))
    }
}

impl Sample {
    pub(crate) fn run(self) -> Result<()> {
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        let mut rng = Generator::from_seed(draw_seed(self.seed));
        if let Some(rows) = self.by_gibbs(&model, &mut rng)? {
            return self.drawing.print(&names(&model), &rows);
        }
        if score_network(&model).is_ok() {
            let mut sampler = self.walk.sampler(&model)?;
            let units = Units::of(&model)?;
            let rows = (0..self.rows).map(|_| {
                let sample = sampler.sample(&mut rng, None, &mut |_, _| {})?;
                Ok(in_data_units(&units, &sample))
            });
            let rows = rows.collect::<Result<Vec<_>>>()?;
            return self.drawing.print(&names(&model), &rows);
        }
        if let Some(generator) = generator(&model) {
            let units = Units::of(&model)?;
            let mut workspace = vec![0; generator.workspace_bytes()];
            let (mut latent, mut features) =
                (vec![0; generator.inputs()], vec![0; generator.outputs()]);
            let rows = (0..self.rows).map(|_| {
                latent.fill_with(|| autodidact::rng::normal(&mut rng));
                generator.run(0, &mut workspace, &latent, &mut features)?;
                Ok(in_data_units(&units, &features))
            });
            let rows = rows.collect::<Result<Vec<_>>>()?;
            return self.drawing.print(&names(&model), &rows);
        }
        let Ok(part) = queryable(&model) else {
            bail!(
                "the model has nothing to draw from; mixtures, latent classes, Boltzmann machines, belief nets, generators and score networks can be sampled"
            );
        };
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
    /// Rows of the model's first Boltzmann machine or belief net, if it has one.
    fn by_gibbs(&self, model: &Model<'_>, rng: &mut Generator) -> Result<Option<Vec<Vec<f64>>>> {
        let units = Units::of(model)?;
        for part in model.parts() {
            let (rows, visible) = match &part.body {
                Body::Rbm(rbm) => (chain::sample_rbm(rbm, self.rows, self.steps, rng)?, *rbm),
                Body::Dbn(dbn) => {
                    let rows = chain::sample_dbn(dbn, self.rows, self.steps, rng)?;
                    (rows, *dbn.bottom())
                }
                _ => continue,
            };
            ensure!(
                self.given.is_empty(),
                "--given works for latent classes; of a Boltzmann machine, `autodidact complete` fills in what is not known"
            );
            let rows = rows.into_iter();
            return Ok(Some(
                rows.map(|row| units_of_machine(&visible, &units, row))
                    .collect(),
            ));
        }
        Ok(None)
    }
}

/// The first generator of a container.
fn generator<'a>(model: &Model<'a>) -> Option<Graph<'a>> {
    model.parts().find_map(|part| match part.body {
        Body::Graph(graph, Task::Generator) => Some(graph),
        _ => None,
    })
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
