//! What to learn and how, as the host says it.

use autodidact::gmm::Covariance;

/// Bytes of a record of settings.
pub const SETTINGS_BYTES: usize = 64;

/// The version of the record that this code reads.
const VERSION: u32 = 1;

/// What is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
pub enum Learner {
    /// k-means in rounds over resident rows.
    Lloyd,
    /// k-means along the stream.
    OnlineKMeans,
    /// Principal components along the stream.
    Pca,
    /// A Gaussian mixture in rounds over resident rows.
    BatchEm,
    /// A Gaussian mixture along the stream.
    StepwiseEm,
    /// Latent classes in rounds over resident rows.
    LatentClass,
    /// Latent classes along the stream.
    StepwiseLatentClass,
    /// A Boltzmann machine along the stream.
    Rbm,
    /// Dense layers along the stream.
    Layers,
}

/// Where the first centroids are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
pub enum Seeding {
    /// k-means++.
    PlusPlus,
    /// Random rows.
    Random,
}

/// A record of settings: sixteen little-endian words of 32 bits.
///
/// | word | field |
/// |---|---|
/// | 0 | version, 1 |
/// | 1 | learner: 0 k-means (Lloyd), 1 k-means along a stream, 2 PCA, 3 mixture (batch EM), 4 mixture (stepwise EM), 5 latent classes (batch EM), 6 latent classes (stepwise EM), 7 Boltzmann machine, 8 dense layers, of the widths and the function that the part `stack` has |
/// | 2 | k: clusters, components, classes, hidden units |
/// | 3 | passes over the rows, or rounds, at most |
/// | 4, 5 | seed, low word first |
/// | 6 | resident rows at most: a uniform sample of the stream where it has more |
/// | 7 | seeding: 0 k-means++, 1 random rows |
/// | 8 | rounds of Lloyd's algorithm that start the learner, at most; Gibbs steps of a Boltzmann machine; 1 for dense layers that go on from the parameters of the part `stack` |
/// | 9 | rounds of batch EM over the resident rows that start a stepwise learner; starts of k-means along a stream, of which the best is taken, 0 for one; persistent chains of a Boltzmann machine, 0 for CD; damage that dense layers undo: 0 none, 1 masking, 2 normal noise, 3 salt and pepper |
/// | 10 | covariances: 0 diagonal, 1 tied, 2 full |
/// | 11 | variance floor, `U8F24`; samples of a Boltzmann machine's batch; probability (`U0F16`) or standard deviation (`U4F12`) of damage |
/// | 12 | least gain of a round of EM in nats a row, `I16F16`: rounds end with one that gains less; learning rate of a Boltzmann machine in the low half, weight decay in the high one, `U0F16`; learning rate of dense layers, `U0F16` |
/// | 13 | rows that count: window of k-means (16 bits) and of PCA, memory of latent classes (16 bits), 0 for all; least rate (`U0F16`) of a stepwise mixture; batches after which a Boltzmann machine's rate is 0, rows after which that of dense layers is, 0 for a constant rate |
/// | 14 | patience of k-means, 0 for none; amnesia of PCA; exponent (`U16F16`) of a stepwise mixture; pseudo-count (`U16F16`) of latent classes; momentum of a Boltzmann machine in the low half (`U0F16`), fractional bits of its weights in byte 2, and in byte 3 0 for Bernoulli units, 1 for Gaussian ones; what damage sets features to, `I4F12`: pepper, or the only value, in the low half, salt in the high one |
/// | 15 | input: 0 the features, 1 the whitened scores of the part `components` |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub(super) learner: Learner,
    pub(super) k: usize,
    pub(super) passes: u32,
    pub(super) seed: u64,
    pub(super) resident: usize,
    pub(super) seeding: Seeding,
    pub(super) start_rounds: u32,
    pub(super) em_rounds: u32,
    pub(super) covariance: Covariance,
    pub(super) floor: u32,
    pub(super) tolerance: i32,
    pub(super) window: u32,
    pub(super) adaptation: u32,
    pub(super) whitened: bool,
}

impl Settings {
    /// Reads a record; `None` where a word has a value that means nothing.
    pub fn from_bytes(bytes: &[u8; SETTINGS_BYTES]) -> Option<Self> {
        let mut words = [0_u32; SETTINGS_BYTES / 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let [
            version,
            learner,
            k,
            passes,
            seed_low,
            seed_high,
            resident,
            seeding,
            start_rounds,
            em_rounds,
            covariance,
            floor,
            tolerance,
            window,
            adaptation,
            input,
        ] = words;
        if version != VERSION {
            return None;
        }
        Some(Self {
            learner: match learner {
                0 => Learner::Lloyd,
                1 => Learner::OnlineKMeans,
                2 => Learner::Pca,
                3 => Learner::BatchEm,
                4 => Learner::StepwiseEm,
                5 => Learner::LatentClass,
                6 => Learner::StepwiseLatentClass,
                7 => Learner::Rbm,
                8 => Learner::Layers,
                _ => return None,
            },
            k: k as usize,
            passes,
            seed: (u64::from(seed_high) << 32) | u64::from(seed_low),
            resident: resident as usize,
            seeding: match seeding {
                0 => Seeding::PlusPlus,
                1 => Seeding::Random,
                _ => return None,
            },
            start_rounds,
            em_rounds,
            covariance: match covariance {
                0 => Covariance::Diagonal,
                1 => Covariance::Tied,
                2 => Covariance::Full,
                _ => return None,
            },
            floor,
            tolerance: tolerance.cast_signed(),
            window,
            adaptation,
            whitened: match input {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }

    /// The variance floor as mixtures take it, `I8F56`.
    pub(super) fn variance_floor(&self) -> i64 {
        // A word of 32 bits with 24 fractional ones; half of its range is beyond any variance.
        (i64::from(self.floor.min(u32::MAX >> 1))) << 32
    }
}

/// A word as two halves, the low one first.
pub(super) fn halves(word: u32) -> [u16; 2] {
    let [a, b, c, d] = word.to_le_bytes();
    [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
}
