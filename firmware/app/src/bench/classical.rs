//! Classical models and learners: whole calls of nearest centroid, residual, log-likelihood, and single steps.

use core::hint::black_box;
use core::num::NonZeroU32;

use autodidact::anomaly::{Detector, DetectorConfig, KllSketch, Score};
use autodidact::gmm::Covariance;
use autodidact::gmm::parameters::Parameters;
use autodidact::gmm::stepwise::{Rate, StepwiseEm};
use autodidact::kmeans::{KMeans, Memory, Metric, Online, Usage};
use autodidact::pca::{self, Forgetting, IncrementalPca, Pca, center_offset};

use super::{measure, refused, repeats};
use crate::Counter;

/// Measures every model and learner on samples from `memory`.
pub(super) fn run(counter: &impl Counter, memory: &[i16]) {
    for (name, metric) in [
        ("nearest_l1_10x64", Metric::Manhattan),
        ("nearest_cosine_10x64", Metric::Cosine),
    ] {
        refused(name, measure_kmeans(counter, name, metric, memory));
    }
    refused("online_kmeans_step_8x16", measure_online(counter, memory));
    refused("pca_residual_64x16", measure_pca_residual(counter, memory));
    let mut storage = pca::Storage::<4, 16>::NEW;
    let name = "incremental_pca_step_4x16";
    let learner = storage.learner(Forgetting::NEVER).ok();
    refused(name, measure_pca_step(counter, name, learner, memory));
    let mut storage = pca::Storage::<16, 64>::NEW;
    let name = "incremental_pca_step_16x64";
    let learner = storage.learner(Forgetting::NEVER).ok();
    refused(name, measure_pca_step(counter, name, learner, memory));
    refused("gmm", measure_gmm(counter, memory));
    refused("detector_update", measure_detector(counter));
}

/// On a word boundary, as a container's tensors are.
#[repr(align(4))]
struct Aligned<T>(T);

fn measure_kmeans(
    counter: &impl Counter,
    name: &'static str,
    metric: Metric,
    memory: &[i16],
) -> Option<()> {
    const K: usize = 10;
    const DIMENSIONS: usize = 64;
    const MACS: u32 = 640;
    let (centroids, rest) = memory.split_at_checked(K * DIMENSIONS)?;
    let sample = rest.get(..DIMENSIONS)?;
    let mut unit = Aligned([0_i16; K * DIMENSIONS]);
    let Aligned(unit) = &mut unit;
    let mut offsets = [0_i64; K];
    let rows = centroids.chunks_exact(DIMENSIONS);
    let targets = unit.chunks_exact_mut(DIMENSIONS).zip(&mut offsets);
    for ((centroid, offset), row) in targets.zip(rows) {
        if metric == Metric::Cosine {
            // 64 coordinates of 1/8: unit length in I1F15.
            for (c, x) in centroid.iter_mut().zip(row) {
                *c = if *x < 0 { -4096 } else { 4096 };
            }
        } else {
            centroid.copy_from_slice(row);
        }
        *offset = metric.offset(centroid);
    }
    let kmeans = KMeans::with_metric(metric, unit, &offsets, DIMENSIONS).ok()?;
    measure(counter, name, MACS, repeats(MACS), || {
        let _ = black_box(black_box(&kmeans).nearest(black_box(sample)));
    });
    Some(())
}

fn measure_online(counter: &impl Counter, memory: &[i16]) -> Option<()> {
    const K: usize = 8;
    const DIMENSIONS: usize = 16;
    // The search, one centroid's way and its norm.
    const MACS: u32 = 160;
    // On a word boundary, as the learner's own storage has them.
    #[repr(align(4))]
    struct Centroids([i16; K * DIMENSIONS]);
    let Centroids(centroids) = &mut Centroids([0; K * DIMENSIONS]);
    centroids.copy_from_slice(memory.get(..K * DIMENSIONS)?);
    let mut accumulators = [0; K * DIMENSIONS];
    let (mut offsets, mut usage) = ([0; K], [Usage::default(); K]);
    let online = Online::new(Memory {
        centroids,
        offsets: &mut offsets,
        accumulators: &mut accumulators,
        usage: &mut usage,
    });
    let mut online = online.ok()?.with_window(1000).with_patience(100);
    let mut rows = memory.chunks_exact(DIMENSIONS).cycle();
    measure(
        counter,
        "online_kmeans_step_8x16",
        MACS,
        repeats(MACS),
        || {
            if let Some(row) = rows.next() {
                let _ = black_box(online.step(black_box(row)));
            }
        },
    );
    Some(())
}

/// Scores of a sample and how far the components leave it unexplained.
fn measure_pca_residual(counter: &impl Counter, memory: &[i16]) -> Option<()> {
    const K: usize = 16;
    const DIMENSIONS: usize = 64;
    // Projecting is one for each weight, restoring another.
    const MACS: u32 = 2048;
    let (components, rest) = memory.split_at_checked(K * DIMENSIONS)?;
    let (mean, rest) = rest.split_at_checked(DIMENSIONS)?;
    let sample = rest.get(..DIMENSIONS)?;
    let mut offsets = [0_i64; K];
    for (offset, component) in offsets.iter_mut().zip(components.chunks_exact(DIMENSIONS)) {
        *offset = center_offset(component, mean);
    }
    let pca = Pca::new(mean, components, &offsets).ok()?;
    let mut scores = [0_i32; K];
    measure(counter, "pca_residual_64x16", MACS, repeats(MACS), || {
        let _ = black_box(pca.project_into(black_box(sample), &mut scores));
        let _ = black_box(pca.residual(black_box(sample), black_box(&scores)));
    });
    Some(())
}

/// A step of a learner that has seen as many samples as there is memory for, the mean over the same samples.
fn measure_pca_step(
    counter: &impl Counter,
    name: &'static str,
    learner: Option<IncrementalPca<'_>>,
    memory: &[i16],
) -> Option<()> {
    let mut learner = learner?;
    let (k, d) = (learner.k(), learner.dimensions().max(1));
    // Dot product, remainder and update of each component; Gram-Schmidt takes k - 1 more in the mean.
    let macs = u32::try_from((4 * k).checked_sub(1)?.checked_mul(d)?).ok()?;
    for sample in memory.chunks_exact(d) {
        learner.step(sample).ok()?;
    }
    let mut samples = memory.chunks_exact(d).cycle();
    measure(counter, name, macs, repeats(macs), || {
        if let Some(sample) = samples.next() {
            let _ = black_box(learner.step(black_box(sample)));
        }
    });
    Some(())
}

/// A mixture of Gaussians: the log-likelihood of a sample, and a step of learning.
fn measure_gmm(counter: &impl Counter, memory: &[i16]) -> Option<()> {
    const K: usize = 8;
    const DIMENSIONS: usize = 16;
    let (means, rest) = memory.split_at_checked(K * DIMENSIONS)?;
    let sample = rest.get(..DIMENSIONS)?;
    let kinds = [
        (
            "gmm_full_8x16",
            Covariance::Full,
            K * DIMENSIONS * (DIMENSIONS + 1) / 2,
        ),
        ("gmm_diagonal_8x16", Covariance::Diagonal, K * DIMENSIONS),
    ];
    let mut words = [0; Parameters::words(Covariance::Full, K, DIMENSIONS)];
    for (name, covariance, macs) in kinds {
        let words = words.get_mut(..Parameters::words(covariance, K, DIMENSIONS))?;
        let mut parameters = Parameters::new(words, covariance, K, DIMENSIONS).ok()?;
        for (index, mean) in means.chunks_exact(DIMENSIONS).enumerate() {
            // Close together: no component may be left out for being far away.
            let mut near = [0; DIMENSIONS];
            for (to, from) in near.iter_mut().zip(mean) {
                *to = from >> 4;
            }
            parameters.set_mean(index, &near).ok()?;
        }
        let model = parameters.model().ok()?;
        model.log_likelihood(sample).ok()?;
        let macs = u32::try_from(macs).ok()?;
        measure(counter, name, macs, repeats(macs), || {
            let _ = black_box(black_box(&model).log_likelihood(black_box(sample)));
        });
        if covariance == Covariance::Diagonal {
            let mut state = [0; StepwiseEm::words(Covariance::Diagonal, K, DIMENSIONS)];
            let rate = Rate::new(45_875, 655).ok()?;
            let mut learner = StepwiseEm::from_model(&mut state, &model, 1000, rate, 0).ok()?;
            let name = "stepwise_em_step_diagonal_8x16";
            measure(counter, name, macs, repeats(64 * macs), || {
                let _ = black_box(learner.step(black_box(sample)));
            });
        }
    }
    Some(())
}

/// One decision of a detector, learning and frozen: per score, so that the work counted is 1.
fn measure_detector(counter: &impl Counter) -> Option<()> {
    const REPEATS: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);
    let mut config = DetectorConfig::one_in(1000);
    config.calibration = u32::MAX;
    let mut detector = Detector::new(config).ok()?;
    let mut state = 1_u32;
    let mut score = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Score::from(state >> 4)
    };
    for _ in 0..2000 {
        detector.update(score());
    }
    measure(counter, "detector_update", 1, REPEATS, || {
        let _ = black_box(detector.update(black_box(score())));
    });
    let mut sketch = KllSketch::<1536>::new(1);
    for _ in 0..2000 {
        sketch.insert(score());
    }
    measure(counter, "kll_insert_1536", 1, REPEATS, || {
        sketch.insert(black_box(score()));
    });
    measure(counter, "kll_quantile_1536", 1, REPEATS, || {
        black_box(black_box(&sketch).quantile(1 << 31));
    });
    detector.freeze();
    measure(counter, "detector_update_frozen", 1, REPEATS, || {
        let _ = black_box(detector.update(black_box(score())));
    });
    Some(())
}
