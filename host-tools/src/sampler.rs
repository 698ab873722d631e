//! Samples of score networks by annealed Langevin dynamics: the device's own, on the host.

use anyhow::{Context, Result, ensure};
use autodidact::model::{Body, Model};
use autodidact::rng::Generator;
use autodidact::score::{
    AnnealedLangevin, Inpainting, Progress, Schedule, ScoreNetwork, from_features_into,
};

use crate::evaluate::Units;
use crate::quantize::{FEATURE_UNIT, QuantisedModel};
use crate::train::model::NoiseLevels;

/// One in the format of a schedule's step size, `U2F30`.
const GAMMA_UNIT: f64 = 1_073_741_824.0;

/// What there is to say where one is missing.
pub const NO_SCORE_NETWORK: &str =
    "the model has no score network; train one with `autodidact fit ncsn`";

/// The keys of a container's provenance that say how its score network is walked.
const GAMMA: &str = "langevin_gamma";
const STEPS: &str = "langevin_steps";
const NOISE: &str = "langevin_noise";

/// What [`NOISE`] says where the noise keeps to the levels.
const CONSISTENT: &str = "consistent";

/// Notes how a model's score network is walked.
pub fn note_schedule(model: &mut QuantisedModel, levels: &NoiseLevels) {
    model.note(GAMMA, levels.gamma);
    model.note(STEPS, levels.steps);
    if levels.consistent {
        model.note(NOISE, CONSISTENT);
    }
}

/// How a walk goes, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Size of a step, as [`Schedule`] has it.
    pub gamma: Option<f64>,
    /// Steps a level.
    pub steps: Option<u16>,
    /// Whether the noise keeps to the levels, as [`Schedule::consistent`] has it.
    pub consistent: bool,
}

impl Steps {
    /// What a container's provenance says.
    #[must_use]
    pub fn of(model: &Model<'_>) -> Self {
        fn value<T: std::str::FromStr>(model: &Model<'_>, key: &str) -> Option<T> {
            model.text_value(key)?.trim().parse().ok()
        }
        Self {
            gamma: value(model, GAMMA),
            steps: value(model, STEPS),
            consistent: model
                .text_value(NOISE)
                .is_some_and(|noise| noise.trim() == CONSISTENT),
        }
    }

    /// With what is given in place of what was known.
    #[must_use]
    pub fn changed(self, gamma: Option<f64>, steps: Option<u16>) -> Self {
        Self {
            gamma: gamma.or(self.gamma),
            steps: steps.or(self.steps),
            ..self
        }
    }

    /// The walk, with the last, denoising step.
    ///
    /// # Errors
    ///
    /// Something is not known, or no device can walk so.
    pub fn schedule(self) -> Result<Schedule> {
        let (gamma, steps) = self.gamma.zip(self.steps).with_context(|| {
            format!("the model's provenance has no lines `{GAMMA}` and `{STEPS}`; give both, or train it with `autodidact fit ncsn`")
        })?;
        // A float cast saturates.
        let schedule = Schedule::new((gamma * GAMMA_UNIT) as u32, steps, true).with_context(|| {
            format!("a walk of {steps} steps of size {gamma} a level is none: give at least 1, of a size above 0 and below 2")
        })?;
        Ok(if self.consistent {
            schedule.consistent()
        } else {
            schedule
        })
    }
}

/// The walk that a container's provenance names, with the last, denoising step.
///
/// # Errors
///
/// There is none, or none that a device can walk.
pub fn schedule(model: &Model<'_>) -> Result<Schedule> {
    Steps::of(model).schedule()
}

/// The first score network of a container.
///
/// # Errors
///
/// There is none.
pub fn score_network<'a>(model: &Model<'a>) -> Result<ScoreNetwork<'a>> {
    let mut networks = model.parts().filter_map(|part| match part.body {
        Body::Score(network) => Some(network),
        _ => None,
    });
    networks.next().context(NO_SCORE_NETWORK)
}

/// What a walk is watched with: where it stands, and its state (`I12F20`).
pub type Watch<'w> = &'w mut dyn FnMut(Progress, &[i32]);

/// A score network with the memory that its samples take.
pub struct Sampler<'a> {
    network: ScoreNetwork<'a>,
    schedule: Schedule,
    workspace: Vec<u8>,
    features: Vec<i16>,
    state: Vec<i32>,
    residual: Vec<i32>,
}

impl<'a> Sampler<'a> {
    /// A sampler of this network.
    #[must_use]
    pub fn new(network: ScoreNetwork<'a>, schedule: Schedule) -> Self {
        Self {
            workspace: vec![0; network.workspace_bytes()],
            features: vec![0; network.features_len()],
            state: vec![0; network.dimensions()],
            residual: vec![0; network.dimensions()],
            network,
            schedule,
        }
    }

    /// Bytes that a device spends on a walk beside the container.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.workspace.len() + 2 * self.features.len() + 8 * self.state.len()
    }

    /// Evaluations of the network that one sample takes.
    #[must_use]
    pub fn evaluations(&self) -> u32 {
        self.schedule.evaluations(self.network.graph().levels())
    }

    /// One sample, features in `I4F12`; with `known` of what is known of it. `watch` is called after every step.
    ///
    /// # Errors
    ///
    /// The known part has another width.
    pub fn sample(
        &mut self,
        rng: &mut Generator,
        known: Option<Inpainting<'_>>,
        watch: Watch<'_>,
    ) -> Result<Vec<i16>> {
        let score = self
            .network
            .with_memory(&mut self.workspace, &mut self.features)?;
        let mut walk =
            AnnealedLangevin::new(score, self.schedule, &mut self.state, &mut self.residual)?;
        if let Some(known) = known {
            walk = walk.inpainting(known)?;
        }
        walk.scatter(rng);
        while let Some(progress) = walk.step(rng)? {
            watch(progress, walk.state());
        }
        let mut sample = vec![0; walk.state().len()];
        walk.features_into(&mut sample)?;
        Ok(sample)
    }

    /// The clean estimate of a row of features at a level, `I4F12`.
    ///
    /// # Errors
    ///
    /// The row has another width.
    pub fn denoise(&mut self, level: u16, features: &[i16]) -> Result<Vec<i16>> {
        ensure!(
            features.len() == self.state.len(),
            "a row of {} features where the network takes {}",
            features.len(),
            self.state.len()
        );
        from_features_into(features, &mut self.state)?;
        self.denoise_state(level)
    }

    /// The clean estimate of a state in features, which may lie far beyond those: `I4F12`.
    ///
    /// # Errors
    ///
    /// The state has another width.
    pub fn denoise_wide(&mut self, level: u16, state: &[f64]) -> Result<Vec<i16>> {
        ensure!(
            state.len() == self.state.len(),
            "a row of {} features where the network takes {}",
            state.len(),
            self.state.len()
        );
        for (x, value) in self.state.iter_mut().zip(state) {
            // A float cast saturates.
            *x = (value * f64::from(autodidact::score::ONE)).round() as i32;
        }
        self.denoise_state(level)
    }

    fn denoise_state(&mut self, level: u16) -> Result<Vec<i16>> {
        let mut clean = vec![0; self.state.len()];
        let mut score = self
            .network
            .with_memory(&mut self.workspace, &mut self.features)?;
        score.denoise_into(level, &self.state, &mut self.residual, &mut clean)?;
        Ok(clean)
    }
}

/// A row of the device's features (`I4F12`) in data units, as a person reads them.
#[must_use]
pub fn in_data_units(units: &Units, features: &[i16]) -> Vec<f64> {
    let features: Vec<f64> = features
        .iter()
        .map(|&y| f64::from(y) / FEATURE_UNIT)
        .collect();
    units.readings(&features)
}
