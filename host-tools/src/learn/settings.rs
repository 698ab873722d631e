//! What a device is to learn and how, and the record that tells it.

pub use autodidact::backprop::{Corruption, Hidden};
pub use autodidact::gmm::Covariance;

use crate::train::model::VisibleUnits;

/// Where the first centroids are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeding {
    /// k-means++.
    PlusPlus,
    /// Random rows.
    Random,
}

/// What is learnt, with what only this learner needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Learner {
    /// k-means by Lloyd's algorithm, in rounds over resident rows.
    KMeans {
        /// Where it starts.
        seeding: Seeding,
    },
    /// k-means along the stream, from a clustering of resident rows.
    OnlineKMeans {
        /// Where the clustering starts.
        seeding: Seeding,
        /// Its rounds at most.
        start_rounds: u32,
        /// Clusterings, of which the best is taken; at least 1.
        starts: u32,
        /// Rows that a centroid weighs at most; 0 for all it has won.
        window: u16,
        /// Steps after which an unused centroid moves; 0 for never.
        patience: u32,
    },
    /// Incremental principal components.
    Pca {
        /// Extra weight of recent rows.
        amnesia: u8,
        /// Rows that count in the long run; 0 for all.
        window: u32,
    },
    /// A mixture by EM in rounds over resident rows, from a clustering of them.
    Mixture(Mixture),
    /// A mixture by stepwise EM along the stream, from batch EM over resident rows.
    StepwiseMixture {
        /// The mixture and its start.
        mixture: Mixture,
        /// Rounds of batch EM that start it.
        em_rounds: u32,
        /// `exponent` of the rate, `U16F16`.
        exponent: u32,
        /// Least rate, `U0F16`.
        least: u16,
    },
    /// Latent classes by EM in rounds over resident rows, from random classes.
    LatentClass(Classes),
    /// Latent classes by stepwise EM along the stream, from batch EM over resident rows.
    StepwiseLatentClass {
        /// The classes.
        classes: Classes,
        /// Rounds of batch EM that start it.
        em_rounds: u32,
        /// Rows that the statistics remember at most; 0 for the learner's own limit.
        memory: u16,
    },
    /// A Boltzmann machine by contrastive divergence along the stream.
    Rbm(Machine),
    /// An autoencoder or a denoiser by back-propagation along the stream.
    Layers(Layers),
}

/// Most hidden layers of [`Layers`].
pub const MOST_HIDDEN_LAYERS: usize = 7;

/// Dense layers to be trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layers {
    /// Widths of the hidden layers; those behind the first 0 are none.
    pub hidden: [u16; MOST_HIDDEN_LAYERS],
    /// Their function.
    pub function: Hidden,
    /// What is undone: nothing makes an autoencoder.
    pub corruption: Corruption,
    /// Learning rate, `U0F16`.
    pub rate: u16,
    /// Whether it falls to 0 over all passes.
    pub falls: bool,
    /// Whether learning goes on from given layers.
    pub given: bool,
}

impl Layers {
    /// Widths of the input, of every hidden layer and of the output, for rows of `width` features.
    #[must_use]
    pub fn widths(&self, width: usize) -> Vec<u16> {
        // No table has more columns than a width holds.
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        let hidden = self.hidden.into_iter().take_while(|width| *width > 0);
        [width].into_iter().chain(hidden).chain([width]).collect()
    }
}

/// A Boltzmann machine to be trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// What the visible units hold.
    pub units: VisibleUnits,
    /// What counts as 1, in data units; the middle of the data if not given.
    pub threshold: Option<f64>,
    /// Gibbs steps of a sample.
    pub steps: u16,
    /// Persistent chains; 0 for CD.
    pub chains: u16,
    /// Samples of a batch.
    pub batch: u16,
    /// Learning rate, `U0F16`.
    pub rate: u16,
    /// Whether it falls to 0 over all passes.
    pub falls: bool,
    /// `U0F16`.
    pub momentum: u16,
    /// `U0F16`.
    pub weight_decay: u16,
    /// Fractional bits of the weights.
    pub weight_bits: u8,
}

/// Latent classes to be fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Classes {
    /// Pseudo-count of every class and level, `U16F16`.
    pub smoothing: u32,
    /// Least variance of a standardised column within a class, `U8F24`.
    pub floor: u32,
    /// Rounds end with one that gains less than this in nats a row, `I16F16`.
    pub tolerance: i32,
}

/// A Gaussian mixture to be fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    /// What its covariances look like.
    pub covariance: Covariance,
    /// Where the clustering that it starts from starts.
    pub seeding: Seeding,
    /// Rounds of that clustering at most.
    pub start_rounds: u32,
    /// Least variance, `U8F24`.
    pub floor: u32,
    /// Rounds end with one that gains less than this in nats a row, `I16F16`; at 0 with one that loses.
    pub tolerance: i32,
}

/// All that a device is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What is learnt.
    pub learner: Learner,
    /// Number of clusters, components or classes.
    pub k: usize,
    /// Passes over the rows, or rounds, at most.
    pub passes: u32,
    /// Fixes every random choice.
    pub seed: u64,
    /// Rows kept in the device's memory, where the learner keeps rows: a uniform sample if there are more.
    pub resident: usize,
    /// Whether it learns from the whitened scores of the part `components` instead of the features.
    pub whitened: bool,
    /// Rows of a pass.
    pub rows: usize,
}

impl Settings {
    /// Batches of all passes.
    #[must_use]
    pub fn batches(&self, machine: Machine) -> u32 {
        let samples = self.rows as u64 * u64::from(self.passes);
        let batches = samples / u64::from(machine.batch).max(1);
        u32::try_from(batches).unwrap_or(u32::MAX).max(1)
    }

    /// Rows of all passes.
    #[must_use]
    pub fn steps(&self) -> u32 {
        let steps = self.rows as u64 * u64::from(self.passes);
        u32::try_from(steps).unwrap_or(u32::MAX).max(1)
    }

    /// The record: sixteen little-endian words, as documented beside the device's code that reads it
    /// (`firmware/app/src/learn/settings.rs`).
    #[must_use]
    pub fn encode(&self) -> [u8; 64] {
        let seeding = |seeding| match seeding {
            Seeding::PlusPlus => 0,
            Seeding::Random => 1,
        };
        let covariance = |covariance| match covariance {
            Covariance::Diagonal => 0,
            Covariance::Tied => 1,
            Covariance::Full => 2,
        };
        let mut words = [0_u32; 16];
        words[0] = 1;
        words[2] = self.k as u32;
        words[3] = self.passes;
        words[4] = self.seed as u32;
        words[5] = (self.seed >> 32) as u32;
        words[6] = self.resident as u32;
        words[15] = self.whitened.into();
        let mut put_mixture = |mixture: Mixture| {
            words[7] = seeding(mixture.seeding);
            words[8] = mixture.start_rounds;
            words[10] = covariance(mixture.covariance);
            words[11] = mixture.floor;
            words[12] = mixture.tolerance.cast_unsigned();
        };
        match self.learner {
            Learner::KMeans { seeding: from } => words[7] = seeding(from),
            Learner::OnlineKMeans {
                seeding: from,
                start_rounds,
                starts,
                window,
                patience,
            } => {
                words[1] = 1;
                words[7] = seeding(from);
                words[8] = start_rounds;
                words[9] = starts;
                words[13] = window.into();
                words[14] = patience;
            }
            Learner::Pca { amnesia, window } => {
                words[1] = 2;
                words[13] = window;
                words[14] = amnesia.into();
            }
            Learner::Mixture(mixture) => {
                put_mixture(mixture);
                words[1] = 3;
            }
            Learner::StepwiseMixture {
                mixture,
                em_rounds,
                exponent,
                least,
            } => {
                put_mixture(mixture);
                words[1] = 4;
                words[9] = em_rounds;
                words[13] = least.into();
                words[14] = exponent;
            }
            Learner::Rbm(machine) => {
                words[1] = 7;
                words[8] = machine.steps.into();
                words[9] = machine.chains.into();
                words[11] = machine.batch.into();
                words[12] = u32::from(machine.rate) | u32::from(machine.weight_decay) << 16;
                words[13] = if machine.falls {
                    self.batches(machine)
                } else {
                    0
                };
                let units = match machine.units {
                    VisibleUnits::Bernoulli => 0,
                    VisibleUnits::Gaussian => 1,
                };
                words[14] = u32::from(machine.momentum)
                    | u32::from(machine.weight_bits) << 16
                    | units << 24;
            }
            Learner::Layers(layers) => {
                words[1] = 8;
                words[8] = layers.given.into();
                let pair = |[low, high]: [i16; 2]| {
                    u32::from(low.cast_unsigned()) | u32::from(high.cast_unsigned()) << 16
                };
                let (kind, strength, values) = match layers.corruption {
                    Corruption::Masking { probability, value } => (1, probability, [value, 0]),
                    Corruption::Gaussian { deviation } => (2, deviation, [0, 0]),
                    Corruption::SaltAndPepper {
                        probability,
                        values,
                    } => (3, probability, values),
                    _ => (0, 0, [0, 0]),
                };
                words[9] = kind;
                words[11] = strength.into();
                words[12] = layers.rate.into();
                words[13] = if layers.falls { self.steps() } else { 0 };
                words[14] = pair(values);
            }
            Learner::LatentClass(_) | Learner::StepwiseLatentClass { .. } => {}
        }
        if let Learner::LatentClass(classes) | Learner::StepwiseLatentClass { classes, .. } =
            self.learner
        {
            words[1] = 5;
            words[11] = classes.floor;
            words[12] = classes.tolerance.cast_unsigned();
            words[14] = classes.smoothing;
        }
        if let Learner::StepwiseLatentClass {
            em_rounds, memory, ..
        } = self.learner
        {
            words[1] = 6;
            words[9] = em_rounds;
            words[13] = memory.into();
        }
        let mut record = [0; 64];
        for (bytes, word) in record.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        record
    }
}
