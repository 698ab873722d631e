//! The memory of every learner in statics of its own, so that the image's symbols tell its size.
//!
//! `MEMORY_…` is what the caller owns, `LEARNER_…` the struct that borrows it. Every learner takes a row, so that
//! neither compiler nor linker can leave a static out or cut it down.

#![allow(unsafe_code, reason = "statics without a flag of their own")]

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::num::NonZeroU32;

use autodidact::anomaly::{Detector, DetectorConfig, KllSketch, QuantileSketch, Score};
use autodidact::em::ExpectationMaximization as _;
use autodidact::gmm::{Covariance, batch::BatchEm, stepwise::Rate, stepwise::StepwiseEm};
use autodidact::latent_class::{self, Column, Learner, MISSING, Options};
use autodidact::pca::{self, Forgetting, IncrementalPca};
use autodidact::rng::Generator;
use autodidact::scaler::{Affine, ScalerFeature};
use autodidact::{Defect, ShapeError, backprop, kmeans, rbm};

use crate::{Machine, exit_failure, exit_success, stack};
use static_cell::ConstStaticCell;

/// A static of exactly the size of its value: [`ConstStaticCell`] without the flag.
struct Bare<T>(UnsafeCell<T>);

// SAFETY: `learners` is the only function that reaches the statics, and it runs once.
unsafe impl<T: Send> Sync for Bare<T> {}

impl<T> Bare<T> {
    /// # Safety
    /// To be called once for each static.
    #[expect(
        clippy::mut_from_ref,
        reason = "called once, so that the reference is unique"
    )]
    unsafe fn take(&'static self) -> &'static mut T {
        // SAFETY: nobody else has a reference.
        black_box(unsafe { &mut *self.0.get() })
    }
}

const DIAGONAL_WORDS: usize = BatchEm::words(Covariance::Diagonal, 4, 8);
const TIED_WORDS: usize = BatchEm::words(Covariance::Tied, 4, 8);
const FULL_WORDS: usize = BatchEm::words(Covariance::Full, 4, 8);
const STEPWISE_WORDS: usize = StepwiseEm::words(Covariance::Diagonal, 4, 8);
/// Those of host-tools/data/users.csv: interest, gender, age, four sites.
const USERS_COLUMNS: [Column; 7] = [
    Column::categorical(3),
    Column::categorical(2),
    Column::GAUSSIAN,
    Column::BERNOULLI,
    Column::BERNOULLI,
    Column::BERNOULLI,
    Column::BERNOULLI,
];
static USERS: [Column; 7] = USERS_COLUMNS;
const USERS_WORDS: usize = latent_class::storage_words(3, &USERS_COLUMNS);
const RBM_WORDS: usize = rbm::learn::storage_words(64, 32, rbm::Units::Bernoulli, 0);
/// A denoiser of digits.
const STACK: [u16; 3] = [64, 16, 64];
static AGE: [ScalerFeature; 1] = [ScalerFeature {
    to_feature: IDENTITY,
    to_counts: IDENTITY,
}];
const IDENTITY: Affine = Affine {
    bias: 0,
    multiplier: 1,
    shift: 0,
};

/// A static for a learner's memory, and one for the learner.
macro_rules! statics {
    ($($memory:ident: $storage:ty = $new:expr, $learner:ident: $type:ty;)*) => {$(
        static $memory: Bare<$storage> = Bare(UnsafeCell::new($new));
        static $learner: Bare<Option<$type>> = Bare(UnsafeCell::new(None));
    )*};
}

statics! {
    MEMORY_KMEANS_ONLINE: kmeans::Storage<8, 16> = kmeans::Storage::NEW,
    LEARNER_KMEANS_ONLINE: kmeans::Online<'static>;
    MEMORY_KMEANS_LLOYD: kmeans::Storage<8, 16> = kmeans::Storage::NEW,
    LEARNER_KMEANS_LLOYD: kmeans::Lloyd<'static>;
    MEMORY_PCA_4X16: pca::Storage<4, 16> = pca::Storage::NEW,
    LEARNER_PCA_4X16: IncrementalPca<'static>;
    MEMORY_PCA_16X64: pca::Storage<16, 64> = pca::Storage::NEW,
    LEARNER_PCA_16X64: IncrementalPca<'static>;
    MEMORY_GMM_DIAGONAL: [i64; DIAGONAL_WORDS] = [0; DIAGONAL_WORDS],
    LEARNER_GMM_DIAGONAL: BatchEm<'static>;
    MEMORY_GMM_TIED: [i64; TIED_WORDS] = [0; TIED_WORDS],
    LEARNER_GMM_TIED: BatchEm<'static>;
    MEMORY_GMM_FULL: [i64; FULL_WORDS] = [0; FULL_WORDS],
    LEARNER_GMM_FULL: BatchEm<'static>;
    MEMORY_GMM_STEPWISE: [i64; STEPWISE_WORDS] = [0; STEPWISE_WORDS],
    LEARNER_GMM_STEPWISE: StepwiseEm<'static>;
    MEMORY_LATENT_CLASS: latent_class::Storage<USERS_WORDS> = latent_class::Storage::NEW,
    LEARNER_LATENT_CLASS: Learner<'static>;
    MEMORY_RESERVOIR: [i16; 64 * 16] = [0; 64 * 16],
    LEARNER_RESERVOIR: kmeans::Reservoir<'static>;
    MEMORY_RBM: rbm::learn::Storage<RBM_WORDS> = rbm::learn::Storage::NEW,
    LEARNER_RBM: rbm::learn::ContrastiveDivergence<'static>;
    MEMORY_BACKPROP: StackMemory = StackMemory::NEW,
    LEARNER_BACKPROP: backprop::Learner<'static>;
}

/// What [`backprop::memory_len`] asks for [`STACK`].
struct StackMemory {
    weights: [i16; 2 * 64 * 16],
    biases: [i32; 16 + 64],
    values: [i16; 64 + 16 + 64],
    errors: [i32; 16 + 64],
}

impl StackMemory {
    const NEW: Self = Self {
        weights: [0; 2 * 64 * 16],
        biases: [0; 16 + 64],
        values: [0; 64 + 16 + 64],
        errors: [0; 16 + 64],
    };

    fn learner(&mut self) -> Result<backprop::Learner<'_>, Defect> {
        let memory = backprop::Memory {
            weights: &mut self.weights,
            biases: &mut self.biases,
            values: &mut self.values,
            errors: &mut self.errors,
        };
        backprop::Learner::new(&STACK, backprop::Hidden::Tanh, memory)
    }
}

static LEARNER_SKETCH: Bare<QuantileSketch> = Bare(UnsafeCell::new(QuantileSketch::NEW));
static LEARNER_KLL: Bare<Option<KllSketch<1536>>> = Bare(UnsafeCell::new(None));
static LEARNER_DETECTOR: Bare<Option<Detector>> = Bare(UnsafeCell::new(None));

/// Not part of any learner: rows that batch learners read, and one entry for each.
static ROWS: [i16; 16 * 8] = rows();
static ASSIGNMENTS: Bare<[u16; 8]> = Bare(UnsafeCell::new([0; 8]));

/// Sixteen rows of eight features, or eight of sixteen.
const fn rows() -> [i16; 16 * 8] {
    let mut rows = [0; 16 * 8];
    let mut rest = rows.as_mut_slice();
    let mut state = 1u32;
    while let [x, behind @ ..] = rest {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *x = (state >> 18) as i16;
        rest = behind;
    }
    rows
}

#[derive(Debug, defmt::Format)]
enum Failure {
    Defect(Defect),
    Shape(ShapeError),
}

impl From<Defect> for Failure {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}

impl From<ShapeError> for Failure {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

/// Lets every learner take a row, and logs how many did.
pub fn learners(_: &Machine) -> ! {
    static ONCE: ConstStaticCell<()> = ConstStaticCell::new(());
    stack::paint();
    if ONCE.try_take().is_none() {
        exit_failure()
    }
    // SAFETY: there is one to take.
    match unsafe { step_all() } {
        Ok(steps) => {
            defmt::println!("learners {=u32}", steps);
            exit_success()
        }
        Err(failure) => {
            defmt::error!("a learner fails: {}", failure);
            exit_failure()
        }
    }
}

/// # Safety
/// To be called once.
unsafe fn step_all() -> Result<u32, Failure> {
    let mut steps = 0;
    let (rows, _) = ROWS.as_chunks::<16>();
    let [row, ..] = rows else { return Ok(0) };
    // SAFETY: every static is taken once, in here or in what is called from here.
    unsafe {
        kmeans_learners(row)?;
        steps += 2;
        let online = LEARNER_PCA_4X16
            .take()
            .insert(MEMORY_PCA_4X16.take().learner(Forgetting::NEVER)?);
        black_box(online).step(row)?;
        let wide = [*row; 4];
        let window = Forgetting::after(NonZeroU32::MAX);
        let online = LEARNER_PCA_16X64
            .take()
            .insert(MEMORY_PCA_16X64.take().learner(window)?);
        black_box(online).step(wide.as_flattened())?;
        steps += 2;
        steps += mixtures()?;
        let learner = MEMORY_LATENT_CLASS
            .take()
            .learner(&USERS, &AGE, 3, Options::DEFAULT)?;
        let learner = LEARNER_LATENT_CLASS.take().insert(learner);
        black_box(learner).step(&[1, 0, 27, 0, 1, MISSING, 0])?;
        let reservoir = kmeans::Reservoir::new(MEMORY_RESERVOIR.take(), 16)?;
        let reservoir = LEARNER_RESERVOIR.take().insert(reservoir);
        black_box(reservoir).step(row, &mut Generator::from_seed(1))?;
        let detector = LEARNER_DETECTOR
            .take()
            .insert(Detector::new(DetectorConfig::one_in(1000))?);
        black_box(black_box(detector).update(Score::from(1u32)));
        LEARNER_SKETCH.take().insert(Score::from(1u32));
        let kll = LEARNER_KLL.take().insert(KllSketch::new(1));
        black_box(kll).insert(Score::from(1u32));
        let learner = MEMORY_RBM
            .take()
            .learner(64, 32, rbm::learn::Options::DEFAULT)?;
        let learner = black_box(LEARNER_RBM.take().insert(learner));
        let mut rng = Generator::from_seed(1);
        learner.start(410, &mut rng);
        learner.step(rbm::States::Binary(&[1, 2]), &mut rng)?;
        let learner = LEARNER_BACKPROP
            .take()
            .insert(MEMORY_BACKPROP.take().learner()?);
        let learner = black_box(learner);
        learner.initialise(&mut rng);
        learner.step(
            wide.as_flattened(),
            &backprop::Corruption::None,
            650,
            &mut rng,
        )?;
        steps += 7;
    }
    Ok(steps)
}

/// # Safety
/// To be called once.
unsafe fn kmeans_learners(row: &[i16]) -> Result<(), Failure> {
    // SAFETY: every static is taken once.
    unsafe {
        let online = LEARNER_KMEANS_ONLINE
            .take()
            .insert(MEMORY_KMEANS_ONLINE.take().online()?);
        black_box(online).step(row)?;
        let memory = MEMORY_KMEANS_LLOYD.take();
        let lloyd = memory.lloyd(kmeans::Metric::SquaredEuclidean, &ROWS, ASSIGNMENTS.take())?;
        let lloyd = black_box(LEARNER_KMEANS_LLOYD.take().insert(lloyd));
        lloyd.seed_plus_plus(&mut Generator::from_seed(1));
        black_box(lloyd.fit(2));
    }
    Ok(())
}

/// # Safety
/// To be called once.
unsafe fn mixtures() -> Result<u32, Failure> {
    let (rows, _) = ROWS.as_chunks::<8>();
    let [row, ..] = rows else { return Ok(0) };
    let centroids = ROWS.first_chunk::<{ 4 * 8 }>().unwrap_or(&[0; 4 * 8]);
    let floor = 1 << 48;
    let fit = |em: &mut BatchEm<'static>| -> Result<(), Failure> {
        em.start_from_centroids(&ROWS, centroids)?;
        em.expectation(&ROWS)?;
        Ok(em.maximization()?)
    };
    // SAFETY: every static is taken once.
    unsafe {
        let em = BatchEm::new(
            MEMORY_GMM_DIAGONAL.take(),
            Covariance::Diagonal,
            4,
            8,
            floor,
        )?;
        let diagonal = black_box(LEARNER_GMM_DIAGONAL.take().insert(em));
        fit(diagonal)?;
        let em = BatchEm::new(MEMORY_GMM_TIED.take(), Covariance::Tied, 4, 8, floor)?;
        fit(black_box(LEARNER_GMM_TIED.take().insert(em)))?;
        let em = BatchEm::new(MEMORY_GMM_FULL.take(), Covariance::Full, 4, 8, floor)?;
        fit(black_box(LEARNER_GMM_FULL.take().insert(em)))?;
        let start = diagonal.model()?;
        let rate = Rate::new(45_875, 0)?;
        let em = StepwiseEm::from_model(MEMORY_GMM_STEPWISE.take(), &start, 16, rate, floor)?;
        black_box(LEARNER_GMM_STEPWISE.take().insert(em)).step(row)?;
    }
    Ok(4)
}
