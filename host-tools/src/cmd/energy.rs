//! `autodidact fit rbm` and `fit dbn`: Boltzmann machines, one or a stack.

use anyhow::{Result, ensure};
use autodidact_tools::data::{Scaling, Standardiser, Table, listed};
use autodidact_tools::evaluate::{FloatPart, Likelihood};
use autodidact_tools::quantize::{self, FEATURE_UNIT, QuantisedPart};
use autodidact_tools::say;
use autodidact_tools::train::dbn::{self, DbnOptions};
use autodidact_tools::train::model::VisibleUnits;
use autodidact_tools::train::rbm::{self, Algorithm, Binarise, RbmOptions};
use clap::Args;

use super::fit::{advance, bar};
use super::prepare::{Common, Prepared};
use autodidact_tools::number::reading;

/// Learning rates that suit states of 0 and 1, and features.
const BERNOULLI_RATE: f64 = 0.05;
const GAUSSIAN_RATE: f64 = 0.002;

/// How a machine is trained.
#[derive(Debug, Args)]
struct Training {
    /// Visible units.
    #[arg(long, value_enum, default_value_t = VisibleUnits::Bernoulli)]
    units: VisibleUnits,

    /// What counts as 1: this value of the data and any above. The middle of the data if not given.
    #[arg(long, value_name = "VALUE")]
    threshold: Option<f64>,

    /// Train on 0 and 1 drawn afresh with the shade as probability; the device still goes by the threshold.
    #[arg(long)]
    stochastic: bool,

    /// Gibbs steps of an update.
    #[arg(long, alias = "steps", value_name = "STEPS", default_value_t = 1)]
    gibbs_steps: usize,

    /// Persistent chains, so many (PCD), in place of chains that start at the data (CD).
    #[arg(long, alias = "persistent")]
    chains: Option<usize>,

    /// How often every row is seen.
    #[arg(long, default_value_t = 200)]
    epochs: usize,

    /// Rows per update.
    #[arg(long, default_value_t = 32)]
    batch: usize,

    /// Learning rate at the start; it falls to zero [default: 0.05, of Gaussian units 0.002].
    #[arg(long)]
    learning_rate: Option<f64>,

    /// Share of the last update that goes into the next one.
    #[arg(long, default_value_t = 0.9)]
    momentum: f64,

    /// Weights shrink by this times the learning rate an update.
    #[arg(long, default_value_t = 1e-3)]
    weight_decay: f64,
}

impl Training {
    /// Reads and scales the data.
    fn prepare(&self, common: &Common) -> Result<Prepared> {
        let prepared = self.prepare_any_width(common)?;
        prepared.check_width("a Boltzmann machine", autodidact::rbm::MAX_UNITS)?;
        Ok(prepared)
    }

    fn prepare_any_width(&self, common: &Common) -> Result<Prepared> {
        match self.units {
            VisibleUnits::Gaussian => {
                ensure!(
                    self.threshold.is_none() && !self.stochastic,
                    "--threshold and --stochastic are for units of 0 and 1; leave them out with --units gaussian"
                );
                common.prepare()
            }
            VisibleUnits::Bernoulli => {
                let at = self.threshold;
                let prepared = common.prepare_scaled(Scaling::Threshold { at })?;
                self.check_threshold(&prepared)?;
                Ok(prepared)
            }
        }
    }

    /// Names the columns that never reach the threshold; where it was guessed and most do not, that is an error.
    fn check_threshold(&self, prepared: &Prepared) -> Result<()> {
        let (never, varying) = Standardiser::never_above(&prepared.features);
        if never.is_empty() {
            return Ok(());
        }
        let names = prepared.features.columns();
        let named: Vec<String> = never.iter().map(|&at| format!("`{}`", names[at])).collect();
        let fitted = &prepared.standardiser;
        let never = format!(
            "{} of {varying} columns that vary never reach the threshold {}: {}",
            never.len(),
            reading(fitted.mean[0] + fitted.std[0] / FEATURE_UNIT),
            listed(&named)
        );
        ensure!(
            self.threshold.is_some() || 2 * named.len() <= varying,
            "{never}; it is the middle of all values, which go from {} to {}: give a --threshold that means something in every column, such as 0.5 for states of 0 and 1, or --units gaussian for columns of numbers",
            fitted.minimum,
            fitted.maximum
        );
        say!("{never}; their units are always 0");
        Ok(())
    }

    /// The rows that the units see, and how they are made 0 and 1.
    fn rows(&self, prepared: &Prepared) -> Result<(Table, Binarise)> {
        let features = &prepared.features;
        if !self.stochastic {
            let binarise = match self.units {
                // The smallest feature that rounds to one above 0, as the device reads it.
                VisibleUnits::Bernoulli => Binarise::Threshold((0.5 / FEATURE_UNIT) as f32),
                VisibleUnits::Gaussian => Binarise::No,
            };
            return Ok((features.with_values(features.values().to_vec())?, binarise));
        }
        let scaling = &prepared.standardiser;
        let (low, high) = (f64::from(scaling.minimum), f64::from(scaling.maximum));
        let data = scaling.inverse(features)?;
        let shades = data.values().iter();
        let shades =
            shades.map(|&x| (((f64::from(x) - low) / (high - low)) as f32).clamp(0.0, 1.0));
        let shades = data.with_values(shades.collect())?;
        Ok((shades, Binarise::Stochastic))
    }

    fn options(&self, hidden: usize, binarise: Binarise, seed: u64) -> RbmOptions {
        let steps = self.gibbs_steps;
        RbmOptions {
            hidden,
            units: self.units,
            algorithm: match self.chains {
                None => Algorithm::ContrastiveDivergence { steps },
                Some(chains) => Algorithm::Persistent { steps, chains },
            },
            binarise,
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate.unwrap_or(match self.units {
                VisibleUnits::Bernoulli => BERNOULLI_RATE,
                VisibleUnits::Gaussian => GAUSSIAN_RATE,
            }),
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            seed,
            ..RbmOptions::default()
        }
    }

    /// `CD-1`, `PCD-5 of 100 chains`.
    fn algorithm(&self) -> String {
        match self.chains {
            None => format!("CD-{}", self.gibbs_steps),
            Some(chains) => format!("PCD-{} of {chains} chains", self.gibbs_steps),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct RbmFit {
    #[command(flatten)]
    common: Common,

    /// Number of hidden units.
    #[arg(long, default_value_t = 64)]
    hidden: usize,

    #[command(flatten)]
    training: Training,
}

impl RbmFit {
    pub(super) fn run(self) -> Result<()> {
        let (common, training) = (&self.common, &self.training);
        let output = common.open_output()?;
        let mut prepared = training.prepare(common)?;
        let (rows, binarise) = training.rows(&prepared)?;
        let options = training.options(self.hidden, binarise, prepared.seed);
        let bar = bar("epoch");
        let machine = rbm::fit(
            &options.check()?,
            &rows,
            &prepared.device,
            &mut |progress| {
                advance(&bar, progress);
            },
        )?;
        bar.finish_and_clear();
        prepared.model.note(
            "algorithm",
            format!(
                "Boltzmann machine, {} {} and {} hidden units, {}",
                machine.visible,
                machine.units,
                machine.hidden,
                training.algorithm()
            ),
        );
        let part = QuantisedPart::Rbm(quantize::rbm(&machine)?);
        prepared.model.parts.push((common.name("machine"), part));
        let likelihood = Likelihood::of_rbm(&machine, &prepared.features)?;
        common.finish(&prepared, output, &[FloatPart::Energy(&likelihood)])
    }
}

#[derive(Debug, Args)]
pub(super) struct DbnFit {
    #[command(flatten)]
    common: Common,

    /// Widths of the hidden layers, from the data up.
    #[arg(long, value_delimiter = ',', default_value = "64,32")]
    hidden: Vec<usize>,

    #[command(flatten)]
    training: Training,
}

impl DbnFit {
    pub(super) fn run(self) -> Result<()> {
        let (common, training) = (&self.common, &self.training);
        let output = common.open_output()?;
        let mut prepared = training.prepare(common)?;
        let (rows, binarise) = training.rows(&prepared)?;
        let layers = self.hidden.iter().enumerate().map(|(at, &hidden)| {
            let mut options = training.options(hidden, binarise, prepared.seed);
            if at > 0 && training.learning_rate.is_none() {
                options.learning_rate = BERNOULLI_RATE;
            }
            options
        });
        let config = DbnOptions {
            layers: layers.collect(),
            sampled: true,
        }
        .check()?;
        let bar = bar("epoch");
        let net = dbn::fit(&config, &rows, &prepared.device, &mut |progress| {
            advance(&bar, progress);
        })?;
        bar.finish_and_clear();
        prepared.model.note(
            "algorithm",
            format!(
                "deep belief net, {} {} and {:?} hidden units, {}",
                net.layers[0].visible,
                net.layers[0].units,
                self.hidden,
                training.algorithm()
            ),
        );
        let part = QuantisedPart::Dbn(quantize::dbn(&net)?);
        prepared.model.parts.push((common.name("net"), part));
        let likelihood = Likelihood::of_dbn(&net, &prepared.features)?;
        common.finish(&prepared, output, &[FloatPart::Energy(&likelihood)])
    }
}
