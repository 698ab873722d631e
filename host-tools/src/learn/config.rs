//! What is to be learnt, as a person writes it: a small TOML file.
//!
//! | key | learners | meaning | default |
//! |---|---|---|---|
//! | `learner` | | `kmeans`, `kmeans-online`, `pca`, `gmm`, `gmm-stepwise`, `latent-class`, `latent-class-stepwise`, `rbm`, `autoencoder` or `denoiser` | |
//! | `k` | all but `autoencoder`, `denoiser` | clusters, components, classes or hidden units | |
//! | `passes` | all | passes over the rows, or rounds, at most | |
//! | `seed` | all | fixes every random choice | 0 |
//! | `scale` | all but latent classes and Bernoulli units | `uniform` or `standard`, as `autodidact fit --scale` | `uniform` |
//! | `rows` | all | `training` learns from three rows of four, `all` from every row | `training` |
//! | `components` | k-means and mixtures | learn from that many whitened principal components instead of the features | |
//! | `resident` | all but `pca`, `rbm`, `autoencoder`, `denoiser` | rows kept in memory at most, a uniform sample of the stream | all; 256 along a stream |
//! | `seeding` | k-means and mixtures | `plus-plus` or `random` | `plus-plus` |
//! | `start-rounds` | `kmeans-online`, `gmm`, `gmm-stepwise` | rounds of k-means over the resident rows that start it | 0; mixtures 20 |
//! | `starts` | `kmeans-online` | clusterings of the resident rows, of which the best starts it | 1 |
//! | `window` | `kmeans-online`, `pca` | rows that count; 0 for all | 0 |
//! | `patience` | `kmeans-online` | rows after which an unused centroid moves; 0 for never | 0 |
//! | `amnesia` | `pca` | extra weight of recent rows | 2 |
//! | `covariance` | `gmm`, `gmm-stepwise` | `diagonal`, `tied` or `full` | `diagonal` |
//! | `floor` | mixtures, latent classes | least variance | 0.0001; latent classes 0.001 |
//! | `tolerance` | `gmm`, `latent-class` | ends with a round that gains less, nats a row; 0: with one that loses | 0 |
//! | `em-rounds` | `gmm-stepwise`, `latent-class-stepwise` | rounds of batch EM over the resident rows that start it | 5 |
//! | `exponent` | `gmm-stepwise` | the rate falls as the number of rows to this power, the sample of the start included | 0.8 |
//! | `least-rate` | `gmm-stepwise` | but not below this | 0 |
//! | `smoothing` | latent classes | pseudo-count of every class and level; 1 makes classes of many levels alike along a stream | 0.1 |
//! | `memory` | `latent-class-stepwise` | rows that are remembered at most; 0 for 32768 | 0 |
//! | `units` | `rbm` | `bernoulli` (0 and 1) or `gaussian` (features) | `bernoulli` |
//! | `threshold` | `rbm` | what counts as 1 in data units | the middle of the data |
//! | `steps` | `rbm` | Gibbs steps of a sample | 1 |
//! | `chains` | `rbm` | persistent chains; 0 for chains that start at the sample | 0 |
//! | `batch` | `rbm` | samples of an update | 32 |
//! | `learning-rate` | `rbm` | at the start; below `batch` · 2^(5 - `weight-bits`) | 0.05 |
//! | `schedule` | `rbm` | `linear`: the rate falls to 0 over all passes; or `constant` | `linear` |
//! | `momentum` | `rbm` | share of an update that goes into the next | 0.9 |
//! | `weight-decay` | `rbm` | weights shrink by this times the rate, at most a quarter | 0 |
//! | `weight-bits` | `rbm` | fractional bits of the weights: they reach to 127 / 2^bits | 5 |
//! | `hidden` | `autoencoder`, `denoiser` | widths of the hidden layers, at most seven | |
//! | `activation` | `autoencoder`, `denoiser` | their function: `relu`, `sigmoid`, `tanh` or `elu` | `tanh` |
//! | `learning-rate` | `autoencoder`, `denoiser` | of a step, which is one row | 0.005 |
//! | `schedule` | `autoencoder`, `denoiser` | as of `rbm` | `linear` |
//! | `corruption` | `denoiser` | `gaussian`, `masking` (set to the mean) or `salt-and-pepper` (set to -2 or 2) | `gaussian` |
//! | `strength` | `denoiser` | standard deviation of the noise in features; probability that a feature is set | 0.5; 0.25 |
//!
//! For latent classes a column of whole numbers from 0 to 31 holds levels, any other is Gaussian.

use anyhow::{Context, Result, bail, ensure};
use autodidact::gmm::parameters::{COVARIANCE_ONE, LEAST_FLOOR};
use autodidact::rbm::learn::Options;
use toml::{Table, Value};

use super::settings::{
    Classes, Corruption, Covariance, Hidden, Layers, Learner, MOST_HIDDEN_LAYERS, Machine, Mixture,
    Seeding,
};
use crate::train::model::VisibleUnits;

/// What salt and pepper are, in features.
const SALT: f64 = 2.0;

/// Rows in memory at the start of a learner along a stream, if the file does not say.
const RESIDENT: usize = 256;

/// A checked file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// What is learnt.
    pub learner: Learner,
    /// Number of clusters or components.
    pub k: usize,
    /// Passes over the rows, or rounds, at most.
    pub passes: u32,
    /// Fixes every random choice.
    pub seed: u64,
    /// One spread for all columns instead of one for each.
    pub uniform: bool,
    /// Learns from every row instead of leaving every fourth out.
    pub all_rows: bool,
    /// Learns from the whitened scores of so many components.
    pub components: Option<usize>,
    /// Rows in memory at most; all if not given.
    pub resident: Option<usize>,
}

impl Config {
    /// Reads the text of a file; `file` is its name, for messages.
    ///
    /// # Errors
    ///
    /// The text is no TOML, a key is missing or not known, or a value is out of range.
    ///
    /// ```
    /// use autodidact_tools::learn::Config;
    /// let config = Config::parse("learner = 'pca'\nk = 16\npasses = 2", "pca.toml")?;
    /// assert_eq!((config.k, config.seed, config.uniform), (16, 0, true));
    /// let error = Config::parse("learner = 'pca'\nk = 16\npasses = 2\npatience = 9", "pca.toml");
    /// assert!(error.unwrap_err().to_string().starts_with("pca.toml: the learner `pca` takes no key `patience`"));
    /// # anyhow::Ok(())
    /// ```
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let table = text
            .parse::<Table>()
            .map_err(|error| anyhow::anyhow!("{}", error.message().to_owned()))
            .with_context(|| format!("{file} is not a TOML file"))?;
        let mut keys = Keys {
            file,
            table,
            asked: Vec::new(),
        };
        let name = keys.choice(
            "learner",
            &[
                ("kmeans", Name::KMeans),
                ("kmeans-online", Name::OnlineKMeans),
                ("pca", Name::Pca),
                ("gmm", Name::Gmm),
                ("gmm-stepwise", Name::StepwiseGmm),
                ("latent-class", Name::LatentClass),
                ("latent-class-stepwise", Name::StepwiseLatentClass),
                ("rbm", Name::Rbm),
                ("autoencoder", Name::Autoencoder),
                ("denoiser", Name::Denoiser),
            ],
            None,
        )?;
        let most = match name {
            Name::Gmm | Name::StepwiseGmm => autodidact::gmm::MAX_COMPONENTS as u64,
            Name::LatentClass | Name::StepwiseLatentClass => {
                autodidact::latent_class::MAX_CLASSES as u64
            }
            Name::Rbm => autodidact::rbm::MAX_UNITS as u64,
            _ => 1024,
        };
        let classes = matches!(name, Name::LatentClass | Name::StepwiseLatentClass);
        let layers = matches!(name, Name::Autoencoder | Name::Denoiser);
        let hidden = if layers {
            keys.widths("hidden")?
        } else {
            [0; MOST_HIDDEN_LAYERS]
        };
        let k = match hidden.iter().filter(|width| **width > 0).min() {
            Some(narrowest) => usize::from(*narrowest),
            // A machine's were called k as well.
            None if name == Name::Rbm && !keys.table.contains_key("k") => {
                keys.integer("hidden", None, 1, most)? as usize
            }
            None => keys.integer("k", None, 1, most)? as usize,
        };
        let passes = keys.integer("passes", None, 1, 100_000)? as u32;
        let seed = keys.integer("seed", Some(0), 0, i64::MAX as u64)?;
        let scales = [("uniform", true), ("standard", false)];
        let uniform = !classes && keys.choice("scale", &scales, Some(true))?;
        let all_rows = keys.choice("rows", &[("training", false), ("all", true)], Some(false))?;
        let mut config = Self {
            learner: Learner::Pca {
                amnesia: 2,
                window: 0,
            },
            k,
            passes,
            seed,
            uniform,
            all_rows,
            components: None,
            resident: None,
        };
        if name == Name::Pca {
            config.learner = Learner::Pca {
                amnesia: keys.integer("amnesia", Some(2), 0, 255)? as u8,
                window: keys.integer("window", Some(0), 0, u32::MAX.into())? as u32,
            };
            keys.finish("pca")?;
            return Ok(config);
        }
        if name == Name::Rbm {
            config.learner = Learner::Rbm(keys.machine()?);
            keys.finish("rbm")?;
            return Ok(config);
        }
        if layers {
            config.learner = Learner::Layers(keys.layers(hidden, name == Name::Denoiser)?);
            keys.finish(name.as_str())?;
            return Ok(config);
        }
        if keys.table.contains_key("components") && !classes {
            config.components = Some(keys.integer("components", None, 1, 64)? as usize);
        }
        let streams = matches!(
            name,
            Name::OnlineKMeans | Name::StepwiseGmm | Name::StepwiseLatentClass
        );
        if keys.table.contains_key("resident") || streams {
            let default = streams.then_some(RESIDENT as u64);
            config.resident = Some(keys.integer("resident", default, 1, 1 << 20)? as usize);
        } else {
            keys.asked.push("resident");
        }
        if classes {
            let floor = (keys.number("floor", 1e-3, 2f64.powi(-16), 64.0)? * 2f64.powi(24)) as u32;
            let smoothing = (keys.number("smoothing", 0.1, 0.0, 255.0)? * 65_536.0) as u32;
            let mut classes = Classes {
                smoothing,
                floor,
                tolerance: 0,
            };
            config.learner = if streams {
                Learner::StepwiseLatentClass {
                    classes,
                    em_rounds: keys.integer("em-rounds", Some(5), 0, 10_000)? as u32,
                    memory: keys.integer("memory", Some(0), 0, 65_000)? as u16,
                }
            } else {
                let tolerance = keys.number("tolerance", 0.0, 0.0, 100.0)?;
                classes.tolerance = (tolerance * 65_536.0) as i32;
                Learner::LatentClass(classes)
            };
            keys.finish(name.as_str())?;
            return Ok(config);
        }
        let seeds = [
            ("plus-plus", Seeding::PlusPlus),
            ("random", Seeding::Random),
        ];
        let seeding = keys.choice("seeding", &seeds, Some(Seeding::PlusPlus))?;
        config.learner = match name {
            Name::KMeans => Learner::KMeans { seeding },
            Name::OnlineKMeans => Learner::OnlineKMeans {
                seeding,
                start_rounds: keys.integer("start-rounds", Some(0), 0, 10_000)? as u32,
                starts: keys.integer("starts", Some(1), 1, 1000)? as u32,
                window: keys.integer("window", Some(0), 0, u16::MAX.into())? as u16,
                patience: keys.integer("patience", Some(0), 0, u32::MAX.into())? as u32,
            },
            _ => {
                let least = LEAST_FLOOR as f64 / COVARIANCE_ONE as f64;
                let kinds = [
                    ("diagonal", Covariance::Diagonal),
                    ("tied", Covariance::Tied),
                    ("full", Covariance::Full),
                ];
                let mut mixture = Mixture {
                    covariance: keys.choice("covariance", &kinds, Some(Covariance::Diagonal))?,
                    seeding,
                    start_rounds: keys.integer("start-rounds", Some(20), 0, 10_000)? as u32,
                    floor: (keys.number("floor", 1e-4, least, 64.0)? * 2f64.powi(24)) as u32,
                    tolerance: 0,
                };
                if name == Name::Gmm {
                    let tolerance = keys.number("tolerance", 0.0, 0.0, 100.0)?;
                    mixture.tolerance = (tolerance * 65_536.0) as i32;
                    Learner::Mixture(mixture)
                } else {
                    Learner::StepwiseMixture {
                        mixture,
                        em_rounds: keys.integer("em-rounds", Some(5), 0, 10_000)? as u32,
                        exponent: (keys.number("exponent", 0.8, 0.5, 1.0)? * 65_536.0) as u32,
                        least: (keys.number("least-rate", 0.0, 0.0, 0.5)? * 65_536.0) as u16,
                    }
                }
            }
        };
        keys.finish(name.as_str())?;
        Ok(config)
    }
}

/// The value of `learner`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    KMeans,
    OnlineKMeans,
    Pca,
    Gmm,
    StepwiseGmm,
    LatentClass,
    StepwiseLatentClass,
    Rbm,
    Autoencoder,
    Denoiser,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::KMeans => "kmeans",
            Self::OnlineKMeans => "kmeans-online",
            Self::Pca => "pca",
            Self::Gmm => "gmm",
            Self::StepwiseGmm => "gmm-stepwise",
            Self::LatentClass => "latent-class",
            Self::StepwiseLatentClass => "latent-class-stepwise",
            Self::Rbm => "rbm",
            Self::Autoencoder => "autoencoder",
            Self::Denoiser => "denoiser",
        }
    }
}

/// The keys of a file, taken one by one.
struct Keys<'f> {
    file: &'f str,
    table: Table,
    asked: Vec<&'static str>,
}

impl Keys<'_> {
    fn take(&mut self, key: &'static str, required: bool) -> Result<Option<Value>> {
        self.asked.push(key);
        let value = self.table.remove(key);
        ensure!(
            value.is_some() || !required,
            "{} has no key `{key}`; add a line `{key} = ...`",
            self.file
        );
        Ok(value)
    }

    fn integer(
        &mut self,
        key: &'static str,
        default: Option<u64>,
        least: u64,
        most: u64,
    ) -> Result<u64> {
        let Some(value) = self.take(key, default.is_none())? else {
            return Ok(default.unwrap_or(least));
        };
        let number = value.as_integer().and_then(|n| u64::try_from(n).ok());
        number
            .filter(|n| (least..=most).contains(n))
            .with_context(|| {
                format!(
                    "{}: `{key}` is {value}; give a whole number from {least} to {most}",
                    self.file
                )
            })
    }

    fn number(&mut self, key: &'static str, default: f64, least: f64, most: f64) -> Result<f64> {
        let Some(value) = self.take(key, false)? else {
            return Ok(default);
        };
        let number = value
            .as_float()
            .or_else(|| value.as_integer().map(|n| n as f64));
        number
            .filter(|n| (least..=most).contains(n))
            .with_context(|| {
                format!(
                    "{}: `{key}` is {value}; give a number from {least:.2e} to {most}",
                    self.file
                )
            })
    }

    fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        options: &[(&str, T)],
        default: Option<T>,
    ) -> Result<T> {
        let Some(value) = self.take(key, default.is_none())? else {
            return default.context("a key without a default was not given");
        };
        for (name, option) in options {
            if value.as_str() == Some(name) {
                return Ok(*option);
            }
        }
        let names: Vec<String> = options
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        bail!(
            "{}: `{key}` is {value}; choose one of {}",
            self.file,
            names.join(", ")
        )
    }

    /// The keys of a Boltzmann machine.
    fn machine(&mut self) -> Result<Machine> {
        let units = [
            ("bernoulli", VisibleUnits::Bernoulli),
            ("gaussian", VisibleUnits::Gaussian),
        ];
        let units = self.choice("units", &units, Some(VisibleUnits::Bernoulli))?;
        let threshold = match self.table.contains_key("threshold") {
            true => Some(self.number("threshold", 0.0, f64::MIN, f64::MAX)?),
            false => {
                self.asked.push("threshold");
                None
            }
        };
        let most = u64::from(u16::MAX);
        // U0F16: almost 1 at most.
        let share = |value: f64| (value * 65_536.0).round().min(65_535.0) as u16;
        let schedules = [("linear", true), ("constant", false)];
        let batch = self.integer("batch", Some(32), 1, most)? as u16;
        let weight_bits = self.integer("weight-bits", Some(5), 3, 12)? as u8;
        let most_rate = match Options::most_rate(weight_bits.into(), batch) {
            u16::MAX => 1.0,
            most => f64::from(most) / 65_536.0,
        };
        let rate = self.number("learning-rate", most_rate.min(0.05), 1e-4, most_rate)?;
        // Times the rate at most a quarter.
        let most_decay = (0.2499 / rate).min(1.0);
        // An earlier name.
        let steps = match self.table.contains_key("steps") {
            true => "steps",
            false => "gibbs-steps",
        };
        Ok(Machine {
            units,
            threshold,
            steps: self.integer(steps, Some(1), 1, most)? as u16,
            chains: self.integer("chains", Some(0), 0, 1024)? as u16,
            batch,
            rate: share(rate),
            falls: self.choice("schedule", &schedules, Some(true))?,
            momentum: share(self.number("momentum", 0.9, 0.0, 0.999)?),
            weight_decay: share(self.number("weight-decay", 0.0, 0.0, most_decay)?),
            weight_bits,
        })
    }

    /// A list of widths.
    fn widths(&mut self, key: &'static str) -> Result<[u16; MOST_HIDDEN_LAYERS]> {
        let value = self.take(key, true)?;
        let list = value.as_ref().and_then(Value::as_array);
        let width = |value: &Value| value.as_integer().filter(|n| (1..=4096).contains(n));
        let widths: Option<Vec<u16>> = list
            .filter(|list| (1..=MOST_HIDDEN_LAYERS).contains(&list.len()))
            .and_then(|list| list.iter().map(|n| width(n).map(|n| n as u16)).collect());
        let widths = widths.with_context(|| {
            format!(
                "{}: `{key}` is {}; give a list of 1 to {MOST_HIDDEN_LAYERS} whole numbers from 1 to 4096",
                self.file,
                value.map_or_else(String::new, |value| value.to_string())
            )
        })?;
        let mut hidden = [0; MOST_HIDDEN_LAYERS];
        hidden[..widths.len()].copy_from_slice(&widths);
        Ok(hidden)
    }

    /// The keys of `autoencoder` and `denoiser` alone.
    fn layers(&mut self, hidden: [u16; MOST_HIDDEN_LAYERS], denoises: bool) -> Result<Layers> {
        let functions = [
            ("relu", Hidden::Relu),
            ("sigmoid", Hidden::Sigmoid),
            ("tanh", Hidden::Tanh),
            ("elu", Hidden::Elu),
        ];
        let function = self.choice("activation", &functions, Some(Hidden::Tanh))?;
        // Almost 1 at most.
        let share = |value: f64| (value * 65_536.0).round().min(65_535.0) as u16;
        let rate = share(self.number("learning-rate", 0.005, 1e-4, 1.0)?);
        let schedules = [("linear", true), ("constant", false)];
        let falls = self.choice("schedule", &schedules, Some(true))?;
        let salt = (SALT * 4096.0) as i16;
        let kinds = [
            ("gaussian", Corruption::Gaussian { deviation: 0 }),
            (
                "masking",
                Corruption::Masking {
                    probability: 0,
                    value: 0,
                },
            ),
            (
                "salt-and-pepper",
                Corruption::SaltAndPepper {
                    probability: 0,
                    values: [-salt, salt],
                },
            ),
        ];
        let mut corruption = Corruption::None;
        if denoises {
            corruption = self.choice("corruption", &kinds, Some(kinds[0].1))?;
        }
        match &mut corruption {
            Corruption::Gaussian { deviation } => {
                *deviation = (self.number("strength", 0.5, 0.001, 15.0)? * 4096.0).round() as u16;
            }
            Corruption::Masking { probability, .. }
            | Corruption::SaltAndPepper { probability, .. } => {
                *probability = share(self.number("strength", 0.25, 0.001, 0.999)?);
            }
            _ => {}
        }
        Ok(Layers {
            hidden,
            function,
            corruption,
            rate,
            falls,
            given: false,
        })
    }

    /// Nothing may be left over.
    fn finish(self, learner: &str) -> Result<()> {
        if let Some(key) = self.table.keys().next() {
            bail!(
                "{}: the learner `{learner}` takes no key `{key}`; it takes {}",
                self.file,
                self.asked.join(", ")
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = Config::parse(text, "a.toml").unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
        error.to_string()
    }

    #[test]
    fn what_is_wrong_is_one_clear_sentence() {
        assert_eq!(
            refused("k = 3"),
            "a.toml has no key `learner`; add a line `learner = ...`"
        );
        assert_eq!(
            refused("learner = 'kmean'"),
            "a.toml: `learner` is \"kmean\"; choose one of \"kmeans\", \"kmeans-online\", \"pca\", \"gmm\", \"gmm-stepwise\", \"latent-class\", \"latent-class-stepwise\", \"rbm\", \"autoencoder\", \"denoiser\""
        );
        assert_eq!(
            refused("learner = 'gmm'\nk = 65\npasses = 1"),
            "a.toml: `k` is 65; give a whole number from 1 to 64"
        );
        assert_eq!(
            refused("learner = 'gmm'\nk = 2.5\npasses = 1"),
            "a.toml: `k` is 2.5; give a whole number from 1 to 64"
        );
        assert_eq!(
            refused("learner = 'kmeans'\nk = 2\npasses = 1\nfloor = 1"),
            "a.toml: the learner `kmeans` takes no key `floor`; it takes learner, k, passes, seed, scale, rows, resident, seeding"
        );
        assert_eq!(
            refused("learner = 'autoencoder'\nhidden = [3, 0]\npasses = 1"),
            "a.toml: `hidden` is [3, 0]; give a list of 1 to 7 whole numbers from 1 to 4096"
        );
        assert_eq!(refused("learner ="), "a.toml is not a TOML file");
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "
            learner = 'gmm-stepwise'
            k = 5
            passes = 4
            seed = 9
            scale = 'standard'
            rows = 'all'
            components = 16
            resident = 100
            seeding = 'random'
            covariance = 'full'
            floor = 0.5
            exponent = 1
            least-rate = 0.25
        ";
        let config = Config::parse(text, "a.toml").unwrap();
        let expected = Config {
            learner: Learner::StepwiseMixture {
                mixture: Mixture {
                    covariance: Covariance::Full,
                    seeding: Seeding::Random,
                    start_rounds: 20,
                    floor: 1 << 23,
                    tolerance: 0,
                },
                em_rounds: 5,
                exponent: 1 << 16,
                least: 1 << 14,
            },
            k: 5,
            passes: 4,
            seed: 9,
            uniform: false,
            all_rows: true,
            components: Some(16),
            resident: Some(100),
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn a_denoiser_s_file_is_read() {
        let text = "
            learner = 'denoiser'
            hidden = [12, 5, 12]
            passes = 3
            activation = 'elu'
            corruption = 'salt-and-pepper'
            strength = 0.5
            learning-rate = 0.25
            schedule = 'constant'
        ";
        let config = Config::parse(text, "a.toml").unwrap();
        let Learner::Layers(layers) = config.learner else {
            panic!("layers");
        };
        assert_eq!(config.k, 5);
        assert_eq!(layers.widths(20), [20, 12, 5, 12, 20]);
        assert_eq!((layers.function, layers.rate), (Hidden::Elu, 1 << 14));
        let corruption = Corruption::SaltAndPepper {
            probability: 1 << 15,
            values: [-8192, 8192],
        };
        assert_eq!((layers.corruption, layers.falls), (corruption, false));
        // An autoencoder has nothing to undo.
        let error = refused(&text.replace("denoiser", "autoencoder"));
        assert!(error.contains("takes no key `corruption`"), "{error}");
    }
}
