//! What a device is asked to draw, fill in or restore: the request that it is sent, and the same work on the host.
//!
//! A [`Request`] names a part of a container. [`Request::on_host`] does the work with core's own samplers,
//! [`emulator::generate`](crate::emulator::generate()) has an emulated core do it; both give the same rows.

use anyhow::{Context, Result, bail};
use autodidact::model::{Body, Model, Task};
use autodidact::net::Forward;
use autodidact::restore::Noise;
use autodidact::rng::{Generator, normal};
use autodidact::score::{DenoiserScore, Inpainting, Schedule};

use crate::chain;
use crate::restoration::{Damage, Descents};
use crate::sampler::Sampler;

/// Bytes of a request's record.
pub const RECORD_BYTES: usize = 128;

/// Something to draw from a container.
#[derive(Clone, Debug)]
pub struct Request {
    /// Index of the part in the container's directory.
    pub part: usize,
    /// Fixes every random choice.
    pub seed: u64,
    /// What the part is to do.
    pub work: Work,
}

/// What is drawn, and how.
#[derive(Clone, Debug)]
pub enum Work {
    /// Samples of a score network.
    Walks {
        /// How it is walked.
        schedule: Schedule,
        /// How many.
        samples: usize,
    },
    /// Rows filled in by a score network.
    FillIn {
        /// How it is walked.
        schedule: Schedule,
        /// Which columns are known.
        known: Vec<bool>,
        /// Whole rows of counts.
        counts: Vec<i16>,
        /// Samples of each row.
        draws: usize,
    },
    /// Samples of a generator.
    Runs {
        /// How many.
        samples: usize,
    },
    /// Samples of a Boltzmann machine's or a belief net's chain.
    Chain {
        /// Gibbs steps between two of them.
        steps: usize,
        /// How many.
        samples: usize,
    },
    /// Samples of a Gaussian mixture: features, or whitened scores where it reads those.
    Mixture {
        /// How many.
        samples: usize,
    },
    /// Samples of latent classes, in counts.
    Classes {
        /// What is known of them, and [`MISSING`](autodidact::latent_class::MISSING) where nothing is.
        given: Vec<i16>,
        /// How many.
        samples: usize,
    },
    /// Rows restored by a denoiser or a score network.
    Descents(Descents),
}

impl Request {
    /// Index and body of the first part of a container that `wanted` takes.
    #[must_use]
    pub fn find<'a>(
        model: &Model<'a>,
        wanted: impl Fn(&Body<'a>) -> bool,
    ) -> Option<(usize, Body<'a>)> {
        let mut bodies = model.parts().map(|part| part.body).enumerate();
        bodies.find(|(_, body)| wanted(body))
    }

    /// The rows, one after another, in `I4F12`: features, or states or probabilities of binary units. Those of latent
    /// classes are counts.
    ///
    /// # Errors
    ///
    /// The part is none that does such work, or the work is of another width.
    pub fn on_host(&self, model: &Model<'_>) -> Result<Vec<i16>> {
        let part = model.parts().nth(self.part);
        let part = part.with_context(|| format!("the model has no part {}", self.part))?;
        let mut rng = Generator::from_seed(self.seed);
        match (&self.work, &part.body) {
            (Work::Walks { schedule, samples }, Body::Score(network)) => {
                let mut sampler = Sampler::new(*network, *schedule);
                let mut rows = Vec::with_capacity(samples * network.dimensions());
                for _ in 0..*samples {
                    rows.extend(sampler.sample(&mut rng, None, &mut |_, _| {})?);
                }
                Ok(rows)
            }
            (
                Work::FillIn {
                    schedule,
                    known: mask,
                    counts,
                    draws,
                },
                Body::Score(network),
            ) => {
                let mut sampler = Sampler::new(*network, *schedule);
                let mut known = vec![0; network.dimensions()];
                let mut rows = Vec::with_capacity(draws * counts.len());
                for counts in counts.chunks_exact(known.len()) {
                    model.scaler().scale_into(counts, &mut known)?;
                    for _ in 0..*draws {
                        let known = Inpainting {
                            known: &known,
                            mask,
                        };
                        rows.extend(sampler.sample(&mut rng, Some(known), &mut |_, _| {})?);
                    }
                }
                Ok(rows)
            }
            (Work::Runs { samples }, Body::Graph(generator, Task::Generator)) => {
                let mut workspace = vec![0; generator.workspace_bytes()];
                let mut latent = vec![0; generator.inputs()];
                let mut rows = vec![0; samples * generator.outputs()];
                for row in rows.chunks_exact_mut(generator.outputs()) {
                    latent.fill_with(|| normal(&mut rng));
                    generator.run(0, &mut workspace, &latent, row)?;
                }
                Ok(rows)
            }
            (Work::Chain { steps, samples }, Body::Rbm(rbm)) => {
                chain::sample_rbm(rbm, *samples, *steps, &mut rng)
            }
            (Work::Chain { steps, samples }, Body::Dbn(dbn)) => {
                chain::sample_dbn(dbn, *samples, *steps, &mut rng)
            }
            (Work::Mixture { samples }, Body::Gmm(gmm)) => {
                let mut rows = vec![0; samples * gmm.dimensions()];
                for row in rows.chunks_exact_mut(gmm.dimensions()) {
                    gmm.sample_into(&mut rng, row)?;
                }
                Ok(rows)
            }
            (Work::Classes { given, samples }, Body::LatentClass(classes)) => {
                let mut posterior = vec![0; classes.classes()];
                let mut rows = vec![0; samples * classes.columns().len()];
                for row in rows.chunks_exact_mut(classes.columns().len()) {
                    classes.sample_into(given, &mut rng, &mut posterior, row)?;
                }
                Ok(rows)
            }
            (Work::Descents(descents), Body::Score(network)) => {
                let mut workspace = vec![0; network.workspace_bytes()];
                let mut features = vec![0; network.features_len()];
                let mut score = network.with_memory(&mut workspace, &mut features)?;
                descents.run(&mut score, self.seed)
            }
            (Work::Descents(descents), Body::Network(network, Task::Denoiser)) => {
                self.restore(descents, network)
            }
            (Work::Descents(descents), Body::Graph(graph, Task::Denoiser)) => {
                self.restore(descents, graph)
            }
            _ => bail!("part `{}` cannot be asked for that", part.name),
        }
    }

    fn restore(&self, descents: &Descents, denoiser: &impl Forward) -> Result<Vec<i16>> {
        let mut workspace = vec![0; denoiser.workspace_bytes()];
        let mut features = vec![0; 2 * denoiser.inputs()];
        let (workspace, features) = (&mut workspace, &mut features);
        let mut score = DenoiserScore::new(denoiser, descents.sigma, workspace, features)?;
        descents.run(&mut score, self.seed)
    }

    /// The record that tells a device, as documented beside the device's code that reads it
    /// (`firmware/app/src/generate/settings.rs`).
    ///
    /// # Errors
    ///
    /// A number that the record does not hold.
    pub fn encode(&self) -> Result<[u8; RECORD_BYTES]> {
        let word = |number: usize| {
            u32::try_from(number).with_context(|| format!("{number} is too many for a device"))
        };
        let mut words = [0_u32; 16];
        let mut kernel: &[i16] = &[];
        words[0] = 1;
        words[2] = word(self.part)?;
        words[4] = self.seed as u32;
        words[5] = (self.seed >> 32) as u32;
        let walk = |words: &mut [u32; 16], schedule: &Schedule| {
            words[6] = schedule.steps().into();
            words[7] = schedule.gamma();
            words[8] = u32::from(schedule.denoise()) + 2 * u32::from(schedule.is_consistent());
        };
        match &self.work {
            Work::Walks { schedule, samples } => {
                words[3] = word(*samples)?;
                walk(&mut words, schedule);
            }
            Work::FillIn {
                schedule, draws, ..
            } => {
                words[1] = 1;
                words[3] = word(*draws)?;
                walk(&mut words, schedule);
            }
            Work::Runs { samples } | Work::Mixture { samples } | Work::Classes { samples, .. } => {
                words[3] = word(*samples)?
            }
            Work::Chain { steps, samples } => {
                words[3] = word(*samples)?;
                words[6] = word(*steps)?;
                words[8] = word(chain::WARM_UP)?;
            }
            Work::Descents(descents) => {
                let settings = &descents.settings;
                words[1] = 2;
                words[6] = settings.steps.into();
                words[7] = settings.rate;
                words[8] = settings.momentum;
                words[9] = settings.level.into();
                words[10] = settings.eta;
                words[11] = match descents.noise {
                    Noise::Known(sd) => sd,
                    Noise::Blind => u32::MAX,
                };
                words[12] = descents.sigma;
                match &descents.damage {
                    Damage::None => {}
                    Damage::Unknown(_) => words[13] = 1,
                    Damage::Blur {
                        shape: [height, width],
                        kernel: weights,
                    } => {
                        words[13] = 2;
                        (words[14], words[15]) = (word(*height)?, word(*width)?);
                        kernel = weights;
                    }
                }
            }
        }
        let mut record = [0; RECORD_BYTES];
        let (head, tail) = record.split_at_mut(64);
        for (bytes, word) in head.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        for (bytes, weight) in tail.as_chunks_mut::<2>().0.iter_mut().zip(kernel) {
            *bytes = weight.to_le_bytes();
        }
        Ok(record)
    }

    /// What the device reads beside it: a row that says what is known or was seen, where that matters, and the rows.
    #[must_use]
    pub fn rows(&self) -> Vec<i16> {
        let row_of = |known: &[bool]| known.iter().map(|&known| known.into()).collect();
        let (mut rows, counts): (Vec<i16>, &[i16]) = match &self.work {
            Work::FillIn { known, counts, .. } => (row_of(known), counts),
            Work::Descents(descents) => {
                let seen = match &descents.damage {
                    Damage::Unknown(seen) => row_of(seen),
                    _ => Vec::new(),
                };
                (seen, &descents.observed)
            }
            Work::Classes { given, .. } => (Vec::new(), given),
            _ => (Vec::new(), &[]),
        };
        rows.extend(counts);
        rows
    }
}
