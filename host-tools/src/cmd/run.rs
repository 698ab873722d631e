//! `autodidact run`: a container over a file, row by row, as the device would.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use autodidact::kmeans::Metric;
use autodidact::model::{Body, Model, Task};
use autodidact_tools::artifact::{self, Unfinished};
use autodidact_tools::evaluate::{Outcome, Units};
use autodidact_tools::quantize::FEATURE_UNIT;
use autodidact_tools::replay::{self, PartResult};
use autodidact_tools::talk::Output;
use clap::Args;

use super::shared::{Data, Rows};
use autodidact_tools::number::reading_in_steps;

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The container.
    model: PathBuf,

    #[command(flatten)]
    data: Data,

    /// Write the CSV to this file instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Run {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let inputs = [&*self.model, self.data.path()];
        let output = self.output.map(|path| Unfinished::of(&path, &inputs));
        let output = output.transpose()?;
        let bytes = artifact::read(&self.model)?;
        let model = Model::load(&bytes)?;
        ensure_served(&model, "run over rows", runs_over_rows)?;
        let (_, _, counts) = self.data.counts(&model, Rows::All)?;
        let rows = replay::decode(&model, &replay::replay(&model, &counts)?)?;
        let csv = to_csv(&model, &rows)?;
        match output {
            Some(output) => output.finish(csv.as_bytes()),
            None => Ok(out.write_all(csv.as_bytes())?),
        }
    }
}

/// Whether a part gives something for a row: what draws or restores rows does not.
pub(crate) fn runs_over_rows(body: &Body<'_>) -> bool {
    !matches!(body, Body::Score(_) | Body::Graph(_, Task::Generator))
}

/// Makes sure that a part of the model can be `done`, as `serves` tells; names the verbs that serve the others.
pub(crate) fn ensure_served(
    model: &Model<'_>,
    done: &str,
    serves: fn(&Body<'_>) -> bool,
) -> Result<()> {
    if model.parts().any(|part| serves(&part.body)) {
        return Ok(());
    }
    if model
        .parts()
        .any(|part| matches!(part.body, Body::Score(_)))
    {
        bail!(
            "a score network cannot be {done}; `autodidact sample` draws rows from it, `autodidact inpaint` fills in columns and `autodidact restore` restores damaged rows"
        );
    }
    bail!("a generator cannot be {done}; `autodidact sample` draws rows from it")
}

/// One line a row: distances, residuals and scores in standardised features, log-likelihoods as densities
/// of what the mixture reads, outputs of networks in data units and of discriminators as they are, free energies in nats and probabilities of
/// hidden units.
pub(crate) fn to_csv(model: &Model<'_>, rows: &[Vec<PartResult>]) -> Result<String> {
    let units = Units::of(model)?;
    let mut csv = String::from("row");
    for part in model.parts() {
        let name = part.name;
        match &part.body {
            Body::KMeans(_) => csv += &format!(",{name}.cluster,{name}.distance"),
            Body::Pca(pca) => {
                for score in 0..pca.k() {
                    csv += &format!(",{name}.score{score}");
                }
                csv += &format!(",{name}.residual");
            }
            Body::Network(network, _) => {
                for output in 0..network.outputs() {
                    csv += &format!(",{name}.{output}");
                }
            }
            Body::Stack(stack, _) => {
                for output in 0..stack.outputs() {
                    csv += &format!(",{name}.{output}");
                }
            }
            Body::Graph(graph, _) if graph.inputs() == model.scaler().len() => {
                for output in 0..graph.outputs() {
                    csv += &format!(",{name}.{output}");
                }
            }
            Body::Gmm(_) => csv += &format!(",{name}.nats,{name}.component,{name}.probability"),
            Body::Rbm(rbm) => {
                csv += &format!(",{name}.free_energy");
                for unit in 0..rbm.hidden() {
                    csv += &format!(",{name}.{unit}");
                }
            }
            Body::Dbn(dbn) => {
                for unit in 0..dbn.hidden() {
                    csv += &format!(",{name}.{unit}");
                }
            }
            Body::LatentClass(_) => csv += &format!(",{name}.nats,{name}.class,{name}.probability"),
            _ => {}
        }
    }
    csv.push('\n');
    let squared = |value: u64| value as f64 / (FEATURE_UNIT * FEATURE_UNIT);
    let parts: Vec<_> = model.parts().collect();
    for (at, row) in rows.iter().enumerate() {
        csv += &at.to_string();
        for (part, result) in parts.iter().zip(row) {
            match result {
                PartResult::KMeans { index, .. } => {
                    let distance = match (&part.body, Outcome::of(&part.body, result)) {
                        // Squared distances compare, their roots have the unit of the features.
                        (Body::KMeans(kmeans), Outcome::KMeans { distance, .. })
                            if kmeans.metric() == Metric::SquaredEuclidean =>
                        {
                            distance.sqrt()
                        }
                        (_, Outcome::KMeans { distance, .. }) => distance,
                        _ => f64::NAN,
                    };
                    csv += &format!(",{index},{distance:.5}");
                }
                PartResult::Pca {
                    scores, residual, ..
                } => {
                    for score in scores {
                        csv += &format!(",{:.5}", f64::from(*score) / FEATURE_UNIT);
                    }
                    csv += &format!(",{:.5}", squared(*residual));
                }
                PartResult::Mixture {
                    responsibilities, ..
                } => {
                    if let Outcome::Mixture {
                        log_likelihood,
                        most_probable,
                    } = Outcome::of(&part.body, result)
                    {
                        let share = responsibilities.get(most_probable).copied().unwrap_or(0);
                        let probability = f64::from(share) / 65_536.0;
                        csv += &format!(",{log_likelihood:.5},{most_probable},{probability:.5}");
                    }
                }
                PartResult::Rbm {
                    free_energy,
                    hidden,
                } => {
                    csv += &format!(",{:.5}", f64::from(*free_energy) / 65_536.0);
                    for mean in hidden {
                        csv += &format!(",{:.5}", f64::from(*mean) / FEATURE_UNIT);
                    }
                }
                PartResult::Dbn(hidden) => {
                    for mean in hidden {
                        csv += &format!(",{:.5}", f64::from(*mean) / FEATURE_UNIT);
                    }
                }
                PartResult::Nothing => {}
                // Logits, which have no unit of the data.
                PartResult::Network(logits)
                    if matches!(part.body, Body::Graph(_, Task::Discriminator)) =>
                {
                    for &logit in logits {
                        csv += &format!(",{:.5}", f64::from(logit) / FEATURE_UNIT);
                    }
                }
                PartResult::Network(output) => {
                    let features: Vec<f64> = output
                        .iter()
                        .map(|&x| f64::from(x) / FEATURE_UNIT)
                        .collect();
                    for (value, step) in units.readings(&features).iter().zip(units.steps()) {
                        csv.push(',');
                        csv += &reading_in_steps(*value, step);
                    }
                }
            }
        }
        csv.push('\n');
    }
    Ok(csv)
}
