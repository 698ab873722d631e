//! The longest steps of the learners beside the bounds that their documentation states.
//!
//! Rows are unfavourable on purpose: the ends of the range, zeros, single entries, duplicates, remainders next
//! to nothing, in runs of random length, so that learners degenerate and recover. Two sizes of each learner
//! hold the law of the bound, not only its value.

use core::hint::black_box;

use autodidact::anomaly::{Detector, DetectorConfig, KllSketch, QuantileSketch, Score};
use autodidact::backprop;
use autodidact::gmm::Covariance;
use autodidact::gmm::batch::BatchEm;
use autodidact::gmm::parameters::Parameters;
use autodidact::gmm::stepwise::{Rate, StepwiseEm};
use autodidact::kmeans::{self, Metric, PlusPlus, Reservoir};
use autodidact::latent_class::{self, Column, Options, gaussian_columns, storage_words};
use autodidact::pca::{self, Forgetting, IncrementalPca};
use autodidact::rng::Generator;
use autodidact::scaler::{Affine, ScalerFeature};

use super::refused;
use crate::Counter;

/// Steps of each learner.
const STEPS: u32 = 400;
/// The longest row.
const WIDTH: usize = 64;

/// Logs `bench <name> <instructions of the longest step> <operations of its bound>`.
fn longest(
    counter: &impl Counter,
    name: &'static str,
    operations: u64,
    mut step: impl FnMut(&[i16; WIDTH]),
) {
    let mut rows = Rows::NEW;
    let mut most = 0;
    for _ in 0..STEPS {
        let row = rows.next();
        let before = counter.instructions();
        step(black_box(row));
        most = most.max(counter.instructions().wrapping_sub(before));
    }
    defmt::println!("bench {=str} {=u64} {=u64}", name, most, operations);
}

/// Unfavourable rows.
struct Rows {
    row: [i16; WIDTH],
    state: u32,
    kind: u32,
}

impl Rows {
    const NEW: Self = Self {
        row: [0; WIDTH],
        state: 1,
        kind: 0,
    };

    fn word(&mut self) -> u32 {
        self.state = self
            .state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.state >> 8
    }

    fn next(&mut self) -> &[i16; WIDTH] {
        let word = self.word();
        if word & 3 == 0 {
            self.kind = (word >> 2) & 7;
        }
        let at = self.word() as usize % WIDTH;
        for index in 0..WIDTH {
            let noise = self.word() as u16;
            let value = match self.kind {
                0 => noise.cast_signed(),
                1 => i16::MIN,
                2 => i16::MAX,
                3 if noise & 1 == 0 => i16::MIN,
                3 => i16::MAX,
                4 if index == at => i16::MIN,
                4 => 0,
                5 => (noise & 1).cast_signed(),
                6 => noise.cast_signed() >> 6,
                // The row before once more.
                _ => continue,
            };
            if let Some(slot) = self.row.get_mut(index) {
                *slot = value;
            }
        }
        &self.row
    }
}

/// Measures the longest step of every learner.
pub(super) fn run(counter: &impl Counter) {
    refused(
        "online_kmeans",
        online::<8, 16>(counter, "online_kmeans_longest_8x16"),
    );
    refused(
        "online_kmeans",
        online::<16, 64>(counter, "online_kmeans_longest_16x64"),
    );
    refused(
        "reservoir",
        reservoir::<16>(counter, "reservoir_longest_16"),
    );
    refused(
        "reservoir",
        reservoir::<64>(counter, "reservoir_longest_64"),
    );
    for (metric, small, large) in [
        (
            Metric::SquaredEuclidean,
            ["lloyd_l2_longest_8x16", "seeding_l2_longest_8x16"],
            ["lloyd_l2_longest_16x64", "seeding_l2_longest_16x64"],
        ),
        (
            Metric::Manhattan,
            ["lloyd_l1_longest_8x16", "seeding_l1_longest_8x16"],
            ["lloyd_l1_longest_16x64", "seeding_l1_longest_16x64"],
        ),
        (
            Metric::Cosine,
            ["lloyd_cosine_longest_8x16", "seeding_cosine_longest_8x16"],
            ["lloyd_cosine_longest_16x64", "seeding_cosine_longest_16x64"],
        ),
    ] {
        refused("lloyd", lloyd::<8, 16>(counter, small, metric));
        refused("lloyd", lloyd::<16, 64>(counter, large, metric));
    }
    refused(
        "incremental_pca",
        incremental_pca::<4, 16>(counter, "incremental_pca_longest_4x16"),
    );
    refused(
        "incremental_pca",
        incremental_pca::<16, 64>(counter, "incremental_pca_longest_16x64"),
    );
    for (covariance, names, larger) in [
        (
            Covariance::Diagonal,
            [
                "stepwise_em_diagonal_longest_4x8",
                "em_row_diagonal_longest_4x8",
                "em_update_diagonal_longest_4x8",
            ],
            [
                "stepwise_em_diagonal_longest_8x16",
                "em_row_diagonal_longest_8x16",
                "em_update_diagonal_longest_8x16",
            ],
        ),
        (
            Covariance::Tied,
            [
                "stepwise_em_tied_longest_4x8",
                "em_row_tied_longest_4x8",
                "em_update_tied_longest_4x8",
            ],
            [
                "stepwise_em_tied_longest_8x16",
                "em_row_tied_longest_8x16",
                "em_update_tied_longest_8x16",
            ],
        ),
        (
            Covariance::Full,
            [
                "stepwise_em_full_longest_4x8",
                "em_row_full_longest_4x8",
                "em_update_full_longest_4x8",
            ],
            [
                "stepwise_em_full_longest_8x16",
                "em_row_full_longest_8x16",
                "em_update_full_longest_8x16",
            ],
        ),
    ] {
        refused("em", mixture::<4, 8>(counter, names, covariance));
        refused("em", mixture::<8, 16>(counter, larger, covariance));
    }
    refused(
        "latent_class",
        latent_classes::<4, 6>(counter, "latent_class_longest_4x6"),
    );
    refused(
        "latent_class",
        latent_classes::<8, 24>(counter, "latent_class_longest_8x24"),
    );
    refused(
        "backprop",
        back_propagation::<16, 8, { 2 * 16 * 8 }>(counter, "backprop_longest_16x8"),
    );
    refused(
        "backprop",
        back_propagation::<64, 32, { 2 * 64 * 32 }>(counter, "backprop_longest_64x32"),
    );
    refused("detector", detector(counter));
    kll::<512>(counter, "kll_longest_512");
    kll::<1536>(counter, "kll_longest_1536");
}

fn online<const K: usize, const D: usize>(
    counter: &impl Counter,
    name: &'static str,
) -> Option<()> {
    let mut storage = kmeans::Storage::<K, D>::NEW;
    let mut online = storage.online().ok()?.with_window(100).with_patience(20);
    let operations = kmeans::Online::step_operations(K, D);
    longest(counter, name, operations, |row| {
        let _ = black_box(online.step(row.get(..D).unwrap_or(&[])));
    });
    Some(())
}

fn reservoir<const D: usize>(counter: &impl Counter, name: &'static str) -> Option<()> {
    let mut buffer = [0; 8 * WIDTH];
    let mut reservoir = Reservoir::new(buffer.get_mut(..8 * D)?, D).ok()?;
    let mut rng = Generator::from_seed(1);
    longest(counter, name, Reservoir::step_operations(D), |row| {
        let _ = black_box(reservoir.step(row.get(..D).unwrap_or(&[]), &mut rng));
    });
    Some(())
}

/// Forty-eight resident rows.
fn lloyd<const K: usize, const D: usize>(
    counter: &impl Counter,
    [name, seeding_name]: [&'static str; 2],
    metric: Metric,
) -> Option<()> {
    const ROWS: usize = 48;
    let mut memory = [0; ROWS * WIDTH];
    let mut source = Rows::NEW;
    for row in memory.chunks_exact_mut(D).take(ROWS) {
        for (to, from) in row.iter_mut().zip(source.next()) {
            *to = *from;
        }
    }
    let mut storage = kmeans::Storage::<K, D>::NEW;
    let mut assignments = [0; ROWS];
    let mut lloyd = storage
        .lloyd(metric, memory.get(..ROWS * D)?, &mut assignments)
        .ok()?;
    let mut rng = Generator::from_seed(1);
    let mut most = 0;
    let mut most_seeding = 0;
    let mut seeding = PlusPlus::NEW;
    loop {
        let before = counter.instructions();
        let ended = black_box(&mut lloyd).seed_step(&mut seeding, &mut rng);
        most_seeding = most_seeding.max(counter.instructions().wrapping_sub(before));
        if ended.is_some() {
            break;
        }
    }
    let operations = kmeans::Lloyd::seed_step_operations(metric, K, D);
    defmt::println!(
        "bench {=str} {=u64} {=u64}",
        seeding_name,
        most_seeding,
        operations
    );
    for _ in 0..8 {
        // From rows that are far from where the centroids belong, three rounds each time.
        lloyd.seed_random(&mut rng);
        let mut rounds = 0;
        while rounds < 3 {
            let before = counter.instructions();
            let ended = black_box(&mut lloyd).step().is_some();
            most = most.max(counter.instructions().wrapping_sub(before));
            rounds += u32::from(ended);
        }
    }
    let operations = kmeans::Lloyd::step_operations(metric, K, D);
    defmt::println!("bench {=str} {=u64} {=u64}", name, most, operations);
    Some(())
}

fn incremental_pca<const K: usize, const D: usize>(
    counter: &impl Counter,
    name: &'static str,
) -> Option<()> {
    let mut storage = pca::Storage::<K, D>::NEW;
    let mut learner = storage.learner(Forgetting::NEVER).ok()?;
    longest(
        counter,
        name,
        IncrementalPca::step_operations(K, D),
        |row| {
            let _ = black_box(learner.step(row.get(..D).unwrap_or(&[])));
        },
    );
    Some(())
}

/// A step along a stream, a row of a batch, and the batch's M step after four rows a component.
fn mixture<const K: usize, const D: usize>(
    counter: &impl Counter,
    [along, row_of, update]: [&'static str; 3],
    covariance: Covariance,
) -> Option<()> {
    let mut words = [0; Parameters::words(Covariance::Full, 8, 16)];
    let mut parameters = Parameters::new(
        words.get_mut(..Parameters::words(covariance, K, D))?,
        covariance,
        K,
        D,
    )
    .ok()?;
    let mut rows = Rows::NEW;
    for index in 0..K {
        parameters.set_mean(index, rows.next().get(..D)?).ok()?;
    }
    let model = parameters.model().ok()?;
    // The words of the tied kind are the most in the parameters, those of the full kind in the statistics.
    let mut memory = [0; BatchEm::words(Covariance::Full, 8, 16) + 256];
    {
        let memory = memory.get_mut(..StepwiseEm::words(covariance, K, D))?;
        let rate = Rate::new(45_875, 6_550).ok()?;
        let mut learner = StepwiseEm::from_model(memory, &model, 0, rate, 0).ok()?;
        longest(
            counter,
            along,
            StepwiseEm::step_operations(covariance, K, D),
            |row| {
                let _ = black_box(learner.step(row.get(..D).unwrap_or(&[])));
            },
        );
    }
    let memory = memory.get_mut(..BatchEm::words(covariance, K, D))?;
    let mut learner = BatchEm::new(memory, covariance, K, D, 0).ok()?;
    learner.start_from_model(&model).ok()?;
    longest(
        counter,
        row_of,
        BatchEm::accumulate_operations(covariance, K, D),
        |row| {
            let _ = black_box(learner.accumulate(row.get(..D).unwrap_or(&[])));
        },
    );
    let mut rows = Rows::NEW;
    let mut most = 0;
    for _ in 0..STEPS / 16 {
        learner.clear();
        for _ in 0..4 * K {
            learner.accumulate(rows.next().get(..D)?).ok()?;
        }
        let before = counter.instructions();
        black_box(&mut learner).update();
        most = most.max(counter.instructions().wrapping_sub(before));
    }
    let operations = BatchEm::update_operations(covariance, K, D);
    defmt::println!("bench {=str} {=u64} {=u64}", update, most, operations);
    Some(())
}

/// Columns of every kind; an M step in every second row.
fn latent_classes<const K: usize, const D: usize>(
    counter: &impl Counter,
    name: &'static str,
) -> Option<()> {
    const LEVELS: u16 = 5;
    let mut columns = [Column::BERNOULLI; D];
    for (index, column) in columns.iter_mut().enumerate() {
        match index % 3 {
            0 => *column = Column::categorical(LEVELS),
            1 => *column = Column::GAUSSIAN,
            _ => (),
        }
    }
    // Counts are features.
    let line = Affine {
        bias: 0,
        multiplier: 1,
        shift: 0,
    };
    let lines = [ScalerFeature {
        to_feature: line,
        to_counts: line,
    }; D];
    let lines = lines.get(..gaussian_columns(&columns))?;
    let mut memory = [0; 1024];
    let memory = memory.get_mut(..storage_words(K, &columns))?;
    let options = Options {
        block: 2,
        ..Options::DEFAULT
    };
    let mut learner = latent_class::Learner::new(&columns, lines, K, memory, options).ok()?;
    let operations = latent_class::Learner::step_operations(K, &columns);
    longest(counter, name, operations, |row| {
        let mut values = [0; D];
        for ((value, x), column) in values.iter_mut().zip(row).zip(&columns) {
            *value = match i16::try_from(column.levels()) {
                Ok(levels @ 1..) => x.rem_euclid(levels),
                _ => *x,
            };
        }
        let _ = black_box(learner.step(&values));
    });
    Some(())
}

/// A denoiser of D features with K hidden units, rounded at random, and so W weights.
fn back_propagation<const D: u16, const K: u16, const W: usize>(
    counter: &impl Counter,
    name: &'static str,
) -> Option<()> {
    let widths = [D, K, D];
    let (mut weights, mut biases) = ([0; W], [0; 2 * WIDTH]);
    let (mut values, mut errors) = ([0; 3 * WIDTH], [0; 2 * WIDTH]);
    let [_, units, all, _] = backprop::memory_len(&widths)?;
    let memory = backprop::Memory {
        weights: &mut weights,
        biases: biases.get_mut(..units)?,
        values: values.get_mut(..all)?,
        errors: errors.get_mut(..units)?,
    };
    let mut learner = backprop::Learner::new(&widths, backprop::Hidden::Tanh, memory).ok()?;
    let mut rng = Generator::from_seed(1);
    learner.initialise(&mut rng);
    let damage = backprop::Corruption::Gaussian { deviation: 2048 };
    let rounding = backprop::Rounding::Stochastic;
    let operations = backprop::Learner::step_operations(&widths, rounding);
    longest(counter, name, operations, |row| {
        let row = row.get(..usize::from(D)).unwrap_or(&[]);
        let _ = black_box(learner.step(row, &damage, 650, &mut rng));
    });
    Some(())
}

fn detector(counter: &impl Counter) -> Option<()> {
    let mut config = DetectorConfig::one_in(1000);
    config.calibration = u32::MAX;
    config.warm_up = 64;
    let mut detector = Detector::new(config).ok()?;
    let mut sketch = QuantileSketch::NEW;
    let score = |row: &[i16; WIDTH]| -> Score {
        let [a, b, ..] = *row;
        Score::from(u32::from(a.cast_unsigned()) << 16 | u32::from(b.cast_unsigned()))
    };
    longest(
        counter,
        "detector_longest",
        Detector::UPDATE_OPERATIONS,
        |row| {
            let _ = black_box(detector.update(score(row)));
        },
    );
    longest(
        counter,
        "sketch_longest",
        QuantileSketch::INSERT_OPERATIONS,
        |row| {
            sketch.insert(score(row));
        },
    );
    Some(())
}

/// Rising scores, each of which moves all of the lowest level.
fn kll<const ITEMS: usize>(counter: &impl Counter, name: &'static str) {
    let mut sketch = KllSketch::<ITEMS>::new(1);
    let mut most = 0;
    for score in 0..8000_u32 {
        let before = counter.instructions();
        black_box(&mut sketch).insert(black_box(Score::from(score)));
        most = most.max(counter.instructions().wrapping_sub(before));
    }
    let operations = KllSketch::<ITEMS>::INSERT_OPERATIONS;
    defmt::println!("bench {=str} {=u64} {=u64}", name, most, operations);
}
