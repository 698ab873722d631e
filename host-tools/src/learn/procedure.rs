//! The device's procedure on the host, through the same learners.
//!
//! It is written apart from the firmware's, with vectors instead of an arena, and has to give the same
//! bytes: the state at the start and after every pass, each as its objective (`i64`) and its parameters,
//! little-endian and packed.

use anyhow::{Context, Result, ensure};
use autodidact::backprop;
use autodidact::gmm::batch::BatchEm;
use autodidact::gmm::stepwise::{Rate, StepwiseEm};
use autodidact::gmm::{Gmm, MAX_COMPONENTS, MAX_DIMENSIONS};
use autodidact::kmeans::{Lloyd, Memory, Metric, Online, Reservoir, Usage};
use autodidact::latent_class;
use autodidact::model::{Input, Model};
use autodidact::pca::{Buffers, Forgetting, IncrementalPca};
use autodidact::rbm;
use autodidact::rng::Generator;
use std::num::NonZeroU32;
use zerocopy::IntoBytes as _;

use super::settings::{Classes, Layers, Learner, Machine, Mixture, Seeding, Settings};
use crate::train::model::VisibleUnits;

/// Deviation of a Boltzmann machine's first weights, `U4F12`: 0.1.
pub(super) const FIRST_WEIGHTS: u16 = 410;

/// Rows as a learner reads them: features, or whitened scores of the part `components`.
///
/// # Errors
///
/// `counts` is no whole number of rows, or the model has no such part.
pub fn prepare(model: &Model<'_>, whitened: bool, counts: &[i16]) -> Result<Vec<i16>> {
    let width = model.scaler().len();
    ensure!(
        counts.len().is_multiple_of(width),
        "{} counts are no whole rows of {width}",
        counts.len()
    );
    let input = if whitened {
        let whitening = model.pca("components")?.whitening();
        Input::Whitened(whitening.context("the part `components` has no variances")?)
    } else {
        Input::Features
    };
    let mut features = vec![0; width];
    let (mut scores, mut white) = (vec![0; input.scores()], vec![0; input.scores()]);
    let mut rows = Vec::new();
    for counts in counts.chunks_exact(width) {
        model.scaler().scale_into(counts, &mut features)?;
        rows.extend_from_slice(input.prepare(&features, &mut scores, &mut white)?);
    }
    Ok(rows)
}

/// Learns what `settings` say from rows of counts, with the model's scaler and components.
///
/// # Errors
///
/// There are no rows, or the learner does not take such sizes.
pub fn learn(model: &Model<'_>, settings: &Settings, counts: &[i16]) -> Result<Vec<u8>> {
    let rows = match settings.learner {
        // Their Gaussian columns bring their own scaling.
        Learner::LatentClass(_) | Learner::StepwiseLatentClass { .. } => counts.to_vec(),
        _ => prepare(model, settings.whitened, counts)?,
    };
    let width = rows.len() / (counts.len() / model.scaler().len()).max(1);
    ensure!(!rows.is_empty(), "there are no rows to learn from");
    let mut run = Run {
        settings,
        rows,
        d: width,
        rng: Generator::from_seed(settings.seed),
        states: Vec::new(),
    };
    match settings.learner {
        Learner::KMeans { seeding } => run.kmeans(seeding),
        Learner::OnlineKMeans {
            seeding,
            start_rounds,
            starts,
            window,
            patience,
        } => run.online(seeding, start_rounds, starts, window, patience),
        Learner::Pca { amnesia, window } => run.pca(amnesia, window),
        Learner::Mixture(mixture) => run.mixture(mixture),
        Learner::StepwiseMixture {
            mixture,
            em_rounds,
            exponent,
            least,
        } => run.stepwise(mixture, em_rounds, Rate::new(exponent, least)?),
        Learner::LatentClass(classes) => run.classes(model, classes),
        Learner::StepwiseLatentClass {
            classes,
            em_rounds,
            memory,
        } => run.stepwise_classes(model, classes, em_rounds, memory),
        Learner::Rbm(machine) => run.machine(machine),
        Learner::Layers(layers) => run.layers(model, layers),
    }
    .with_context(|| format!("k = {} of {width} values cannot be learnt", settings.k))?;
    Ok(run.states)
}

struct Run<'s> {
    settings: &'s Settings,
    rows: Vec<i16>,
    d: usize,
    rng: Generator,
    states: Vec<u8>,
}

/// The arrays of a k-means learner.
struct Arrays<A> {
    centroids: Vec<i16>,
    offsets: Vec<i64>,
    accumulators: Vec<A>,
    usage: Vec<Usage>,
}

impl<A: Clone + Default> Arrays<A> {
    fn new(k: usize, d: usize) -> Self {
        Self {
            centroids: vec![0; k * d],
            offsets: vec![0; k],
            accumulators: vec![A::default(); k * d],
            usage: vec![Usage::default(); k],
        }
    }

    fn memory(&mut self) -> Memory<'_, A> {
        Memory {
            centroids: &mut self.centroids,
            offsets: &mut self.offsets,
            accumulators: &mut self.accumulators,
            usage: &mut self.usage,
        }
    }
}

impl Run<'_> {
    /// A uniform sample of the rows, all of them where there is room.
    fn collect(&mut self) -> Result<Vec<i16>> {
        let mut buffer = vec![0; self.settings.resident * self.d];
        let mut reservoir = Reservoir::new(&mut buffer, self.d)?;
        for row in self.rows.chunks_exact(self.d) {
            reservoir.step(row, &mut self.rng)?;
        }
        let len = reservoir.rows().len();
        buffer.truncate(len);
        Ok(buffer)
    }

    /// The potential before the last round.
    fn seed(&mut self, lloyd: &mut Lloyd<'_>, seeding: Seeding, rounds: u32) -> u64 {
        match seeding {
            Seeding::PlusPlus => lloyd.seed_plus_plus(&mut self.rng),
            Seeding::Random => lloyd.seed_random(&mut self.rng),
        };
        lloyd.fit(rounds).potential
    }

    fn kmeans(&mut self, seeding: Seeding) -> Result<()> {
        let resident = self.collect()?;
        let mut arrays = Arrays::new(self.settings.k, self.d);
        let mut assignments = vec![0; resident.len() / self.d];
        let mut lloyd = Lloyd::new(
            Metric::SquaredEuclidean,
            &resident,
            arrays.memory(),
            &mut assignments,
        )?;
        self.seed(&mut lloyd, seeding, 0);
        self.write_kmeans(0, lloyd.model().centroids(), lloyd.usage());
        for _ in 0..self.settings.passes {
            let round = lloyd.round();
            let potential = round.potential.cast_signed();
            self.write_kmeans(potential, lloyd.model().centroids(), lloyd.usage());
            if round.converged() {
                break;
            }
        }
        Ok(())
    }

    fn online(
        &mut self,
        seeding: Seeding,
        start_rounds: u32,
        starts: u32,
        window: u16,
        patience: u32,
    ) -> Result<()> {
        let resident = self.collect()?;
        let mut start = Arrays::new(self.settings.k, self.d);
        let mut assignments = vec![0; resident.len() / self.d];
        let mut lloyd = Lloyd::new(
            Metric::SquaredEuclidean,
            &resident,
            start.memory(),
            &mut assignments,
        )?;
        let mut arrays = Arrays::new(self.settings.k, self.d);
        let mut least = None;
        for _ in 0..starts {
            let potential = self.seed(&mut lloyd, seeding, start_rounds);
            if least.is_none_or(|least| potential < least) {
                least = Some(potential);
                arrays.centroids = lloyd.model().centroids().to_vec();
                arrays.usage = lloyd.usage().to_vec();
            }
        }
        let mut online = Online::new(arrays.memory())?;
        if window != 0 {
            online = online.with_window(window);
        }
        if patience != 0 {
            online = online.with_patience(patience);
        }
        self.write_kmeans(0, online.model().centroids(), online.usage());
        for _ in 0..self.settings.passes {
            let mut sum = 0;
            for row in self.rows.chunks_exact(self.d) {
                sum += online.step(row)?.distance.cast_signed();
            }
            self.write_kmeans(sum, online.model().centroids(), online.usage());
        }
        Ok(())
    }

    fn pca(&mut self, amnesia: u8, window: u32) -> Result<()> {
        let (k, d) = (self.settings.k, self.d);
        let (mut components, mut variances) = (vec![0; k * d], vec![0; k]);
        let (mut mean, mut row) = (vec![0; d], vec![0; d]);
        let (mut draft, mut model_components) = (vec![0; k * d], vec![0; k * d]);
        let (mut model_mean, mut model_offsets) = (vec![0; d], vec![0; k]);
        let (mut model_variances, mut model_inverses) = (vec![0; k], vec![0; k]);
        let buffers = Buffers {
            components: &mut components,
            variances: &mut variances,
            mean: &mut mean,
            row: &mut row,
            draft: &mut draft,
            model_components: &mut model_components,
            model_mean: &mut model_mean,
            model_offsets: &mut model_offsets,
            model_variances: &mut model_variances,
            model_inverses: &mut model_inverses,
        };
        let forgetting = Forgetting {
            amnesia,
            window: NonZeroU32::new(window).unwrap_or(NonZeroU32::MAX),
        };
        let mut pca = IncrementalPca::new(buffers, forgetting)?;
        self.write_pca(&pca)?;
        for _ in 0..self.settings.passes {
            for row in self.rows.chunks_exact(d) {
                pca.step(row)?;
            }
            pca.refresh();
            self.write_pca(&pca)?;
        }
        Ok(())
    }

    /// A batch learner in `words`, started from a clustering of `resident`.
    fn start<'m>(
        &mut self,
        words: &'m mut [i64],
        resident: &[i16],
        mixture: Mixture,
    ) -> Result<BatchEm<'m>> {
        let (k, d) = (self.settings.k, self.d);
        let floor = i64::from(mixture.floor.min(u32::MAX >> 1)) << 32;
        let mut em = BatchEm::new(words, mixture.covariance, k, d, floor)?;
        let mut arrays = Arrays::new(k, d);
        let mut assignments = vec![0; resident.len() / d];
        let mut lloyd = Lloyd::new(
            Metric::SquaredEuclidean,
            resident,
            arrays.memory(),
            &mut assignments,
        )?;
        self.seed(&mut lloyd, mixture.seeding, mixture.start_rounds);
        em.start_from_centroids(resident, lloyd.model().centroids())?;
        Ok(em)
    }

    fn words(&self, mixture: Mixture) -> Result<Vec<i64>> {
        let (k, d) = (self.settings.k, self.d);
        ensure!(
            (1..=MAX_COMPONENTS).contains(&k) && (1..=MAX_DIMENSIONS).contains(&d),
            "a mixture has at most {MAX_COMPONENTS} components of at most {MAX_DIMENSIONS} values"
        );
        Ok(vec![0; BatchEm::words(mixture.covariance, k, d)])
    }

    fn mixture(&mut self, mixture: Mixture) -> Result<()> {
        let mut words = self.words(mixture)?;
        let resident = self.collect()?;
        let mut em = self.start(&mut words, &resident, mixture)?;
        self.write_mixture(0, &em.model()?);
        let least = i64::from(mixture.tolerance) * (resident.len() / self.d) as i64;
        let mut before = None;
        for _ in 0..self.settings.passes {
            let total = round(&mut em, &resident, self.d)?;
            self.write_mixture(total, &em.model()?);
            if before.is_some_and(|before| total - before < least) {
                break;
            }
            before = Some(total);
        }
        Ok(())
    }

    fn stepwise(&mut self, mixture: Mixture, em_rounds: u32, rate: Rate) -> Result<()> {
        let mut batch = self.words(mixture)?;
        let mut words = self.words(mixture)?;
        let resident = self.collect()?;
        let mut start = self.start(&mut batch, &resident, mixture)?;
        for _ in 0..em_rounds {
            round(&mut start, &resident, self.d)?;
        }
        let seen = (resident.len() / self.d) as u32;
        let floor = i64::from(mixture.floor.min(u32::MAX >> 1)) << 32;
        let mut em = StepwiseEm::from_model(&mut words, &start.model()?, seen, rate, floor)?;
        self.write_mixture(0, &em.model()?);
        for _ in 0..self.settings.passes {
            let mut total = 0;
            for row in self.rows.chunks_exact(self.d) {
                total += i64::from(em.step(row)?);
            }
            self.write_mixture(total, &em.model()?);
        }
        Ok(())
    }

    fn classes(&mut self, model: &Model<'_>, classes: Classes) -> Result<()> {
        let schema = model.latent_class("classes")?;
        let resident = self.collect()?;
        let (k, mut words) = (self.settings.k, Vec::new());
        let mut learner = class_learner(&schema, k, classes, 0, &mut words)?;
        learner.start_random(&resident, &mut self.rng)?;
        self.write_classes(0, &learner.model());
        let least = i64::from(classes.tolerance) * (resident.len() / self.d) as i64;
        let mut before = None;
        for _ in 0..self.settings.passes {
            let total = class_round(&mut learner, &resident, self.d)?;
            self.write_classes(total, &learner.model());
            if before.is_some_and(|before| total - before < least) {
                break;
            }
            before = Some(total);
        }
        Ok(())
    }

    fn stepwise_classes(
        &mut self,
        model: &Model<'_>,
        classes: Classes,
        em_rounds: u32,
        memory: u16,
    ) -> Result<()> {
        let schema = model.latent_class("classes")?;
        let resident = self.collect()?;
        let (k, mut words) = (self.settings.k, Vec::new());
        let mut batch = class_learner(&schema, k, classes, memory, &mut words)?;
        batch.start_random(&resident, &mut self.rng)?;
        for _ in 0..em_rounds {
            class_round(&mut batch, &resident, self.d)?;
        }
        let rows = u16::try_from(resident.len() / self.d).unwrap_or(u16::MAX);
        let mut words = vec![0; latent_class::storage_words(k, schema.columns())];
        let options = class_options(classes, memory);
        let mut learner =
            latent_class::Learner::from_model(&batch.model(), &mut words, options, rows)?;
        self.write_classes(0, &learner.model());
        for _ in 0..self.settings.passes {
            let mut total = 0;
            for row in self.rows.chunks_exact(self.d) {
                total += i64::from(learner.step(row)?);
            }
            self.write_classes(total, &learner.model());
        }
        Ok(())
    }

    fn machine(&mut self, machine: Machine) -> Result<()> {
        let units = match machine.units {
            VisibleUnits::Bernoulli => rbm::Units::Bernoulli,
            VisibleUnits::Gaussian => rbm::Units::Gaussian,
        };
        let options = rbm::learn::Options {
            units,
            weight_bits: machine.weight_bits.into(),
            steps: machine.steps,
            chains: machine.chains,
            batch: machine.batch,
            rate: if machine.falls {
                rbm::learn::Rate::linear(machine.rate, self.settings.batches(machine))
            } else {
                rbm::learn::Rate::constant(machine.rate)
            },
            momentum: machine.momentum,
            weight_decay: machine.weight_decay,
            ..rbm::learn::Options::DEFAULT
        };
        let (hidden, visible) = (self.settings.k, self.d);
        let words = rbm::learn::storage_words(visible, hidden, units, machine.chains);
        let mut memory = vec![0; words];
        let mut learner =
            rbm::learn::ContrastiveDivergence::new(&mut memory, visible, hidden, options)?;
        learner.start(FIRST_WEIGHTS, &mut self.rng);
        self.write_machine(&learner.model());
        let mut bits = vec![0; visible.div_ceil(32)];
        for _ in 0..self.settings.passes {
            for row in self.rows.chunks_exact(visible) {
                let sample = match units {
                    rbm::Units::Bernoulli => {
                        learner.model().binarise_into(row, &mut bits)?;
                        rbm::States::Binary(&bits)
                    }
                    rbm::Units::Gaussian => rbm::States::Real(row),
                };
                learner.step(sample, &mut self.rng)?;
            }
            self.write_machine(&learner.model());
        }
        Ok(())
    }

    fn layers(&mut self, model: &Model<'_>, layers: Layers) -> Result<()> {
        let (start, _) = model.stack("stack")?;
        let lengths = backprop::memory_len(start.widths()).context("there are no layers")?;
        let [weights, biases, values, errors] = lengths;
        let (mut weights, mut biases) = (vec![0; weights], vec![0; biases]);
        let (mut values, mut errors) = (vec![0; values], vec![0; errors]);
        let memory = backprop::Memory {
            weights: &mut weights,
            biases: &mut biases,
            values: &mut values,
            errors: &mut errors,
        };
        let mut learner = backprop::Learner::new(start.widths(), start.hidden(), memory)?;
        if layers.given {
            learner.start_from_model(&start)?;
        } else {
            learner.initialise(&mut self.rng);
        }
        let rate = if layers.falls {
            rbm::learn::Rate::linear(layers.rate, self.settings.steps())
        } else {
            rbm::learn::Rate::constant(layers.rate)
        };
        self.write_layers(0, &learner.model());
        let mut steps = 0..u32::MAX;
        for _ in 0..self.settings.passes {
            let mut total = 0;
            for row in self.rows.chunks_exact(self.d) {
                let rate = rate.at(steps.next().unwrap_or(u32::MAX));
                let squared = learner.step(row, &layers.corruption, rate, &mut self.rng)?;
                total += squared.cast_signed();
            }
            self.write_layers(total, &learner.model());
        }
        Ok(())
    }

    fn write_layers(&mut self, objective: i64, model: &backprop::Stack<'_>) {
        self.states.extend(objective.to_le_bytes());
        self.states.extend(model.weights().as_bytes());
        self.states.extend(model.biases().as_bytes());
    }

    fn write_machine(&mut self, model: &rbm::Rbm<'_>) {
        let tensors = model.tensors();
        self.states.extend(0_i64.to_le_bytes());
        // Rows are padded in memory.
        for row in tensors
            .weights
            .chunks_exact(tensors.weights.len() / model.hidden())
        {
            self.states.extend(row[..model.visible()].as_bytes());
        }
        self.states.extend(tensors.visible_biases.as_bytes());
        self.states.extend(tensors.hidden_biases.as_bytes());
    }

    fn write_classes(&mut self, objective: i64, model: &latent_class::LatentClass<'_>) {
        self.states.extend(objective.to_le_bytes());
        self.states.extend(model.weights().as_bytes());
        self.states.extend(model.surprisals().as_bytes());
        self.states.extend(model.gaussians().as_bytes());
    }

    fn write_kmeans(&mut self, objective: i64, centroids: &[i16], usage: &[Usage]) {
        self.states.extend(objective.to_le_bytes());
        self.states.extend(centroids.as_bytes());
        let counts = usage.iter().flat_map(|usage| usage.count.to_le_bytes());
        self.states.extend(counts);
    }

    fn write_pca(&mut self, pca: &IncrementalPca<'_>) -> Result<()> {
        let model = pca.model();
        self.states.extend(0_i64.to_le_bytes());
        self.states.extend(model.mean().as_bytes());
        for component in (0..model.k()).filter_map(|index| model.component(index)) {
            self.states.extend(component.as_bytes());
        }
        let spectrum = model.spectrum().context("the learner has no variances")?;
        self.states.extend(spectrum.variances().as_bytes());
        self.states.extend(spectrum.total().to_le_bytes());
        Ok(())
    }

    fn write_mixture(&mut self, objective: i64, model: &Gmm<'_>) {
        let tensors = model.tensors();
        self.states.extend(objective.to_le_bytes());
        self.states.extend(tensors.weights.as_bytes());
        self.states.extend(tensors.means.as_bytes());
        self.states.extend(tensors.factors.as_bytes());
        self.states.extend(tensors.shifts);
        self.states.extend(tensors.offsets.as_bytes());
        self.states.extend(tensors.constants.as_bytes());
    }
}

/// One round of EM; the log-likelihood before it, `I47F16` nats.
fn round(em: &mut BatchEm<'_>, rows: &[i16], d: usize) -> Result<i64> {
    em.clear();
    let mut total = 0;
    for row in rows.chunks_exact(d) {
        total += i64::from(em.accumulate(row)?);
    }
    em.update();
    Ok(total)
}

fn class_learner<'m>(
    schema: &latent_class::LatentClass<'m>,
    k: usize,
    classes: Classes,
    memory: u16,
    words: &'m mut Vec<u64>,
) -> Result<latent_class::Learner<'m>> {
    words.resize(latent_class::storage_words(k, schema.columns()), 0);
    let learner = latent_class::Learner::new(
        schema.columns(),
        schema.lines(),
        k,
        words,
        class_options(classes, memory),
    )?;
    Ok(learner)
}

fn class_round(learner: &mut latent_class::Learner<'_>, rows: &[i16], d: usize) -> Result<i64> {
    learner.clear();
    let mut total = 0;
    for row in rows.chunks_exact(d) {
        total += i64::from(learner.accumulate(row)?);
    }
    learner.maximise();
    Ok(total)
}

fn class_options(classes: Classes, memory: u16) -> latent_class::Options {
    let default = latent_class::Options::DEFAULT;
    latent_class::Options {
        smoothing: classes.smoothing,
        variance_floor: classes.floor,
        memory: if memory == 0 { default.memory } else { memory },
        ..default
    }
}
