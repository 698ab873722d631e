//! How far a round may fall: the documented bound, in f64.

use super::*;

/// Levels (of the column and class that has most of them) that are stored as 2^-16 or less, and classes.
fn raised(model: &LatentClass<'_>) -> (Vec<usize>, usize) {
    const RAISED: u16 = u16::MAX;
    let k = model.classes();
    let mut at = 0;
    let discrete = model.columns().iter().filter(|c| !c.is_gaussian());
    let columns = discrete
        .map(|column| {
            let table = &model.surprisals()[at..][..column.levels() * k];
            at += table.len();
            let of = |class: usize| {
                table
                    .iter()
                    .skip(class)
                    .step_by(k)
                    .filter(|s| **s == RAISED)
                    .count()
            };
            (0..k).map(of).max().unwrap_or(0)
        })
        .collect();
    (
        columns,
        model.weights().iter().filter(|w| **w == RAISED).count(),
    )
}

/// The documented bound for a round that begins with `model`.
fn bound(model: &LatentClass<'_>, rows: usize, alpha: f64, floor: f64) -> f64 {
    let (k, n, c) = (
        model.classes() as f64,
        rows as f64,
        model.columns().len() as f64,
    );
    let each = cells(model.columns()) as f64 * k + k;
    let (columns, classes) = raised(model);
    let levels = model
        .columns()
        .iter()
        .filter(|c| !c.is_gaussian())
        .map(|c| c.levels() as f64);
    let more: f64 = levels
        .zip(columns)
        .map(|(levels, raised)| 1.6e-5 * raised as f64 * (n + alpha * levels * k))
        .sum();
    let gaussian = gaussian_columns(model.columns()) as f64;
    let narrow = if floor < 2f64.powi(-14) {
        8e-9 / floor * gaussian
    } else {
        0.0
    };
    n * (2.6e-4 * (c + 1.0) + 1.3e-5 * k + narrow)
        + 2.6e-4 * alpha * each
        + more
        + 1.6e-5 * classes as f64 * (n + alpha * k)
}

/// Runs rounds; the largest fall as a part of the bound.
fn worst_fall(
    columns: &[Column],
    rows: &[i16],
    k: usize,
    options: Options,
    rounds: usize,
    seed: u64,
) -> Result<f64, TestCaseError> {
    let lines = vec![line(); gaussian_columns(columns)];
    let (n, alpha) = (
        rows.len() / columns.len(),
        f64::from(options.smoothing) / 65_536.0,
    );
    let floor = f64::from(options.variance_floor.max(Gaussian::MIN_VARIANCE)) / 16_777_216.0;
    let mut memory = vec![0; storage_words(k, columns)];
    let mut learner = Learner::new(columns, &lines, k, &mut memory, options).unwrap();
    learner
        .start_random(rows, &mut Generator::from_seed(seed))
        .unwrap();
    let mut reported = learner.expectation(rows).unwrap();
    let mut exact = objective(&learner.model(), rows, alpha);
    let mut worst = 0f64;
    for _ in 0..rounds {
        let bound = bound(&learner.model(), n, alpha, floor);
        learner.maximization().unwrap();
        let now = objective(&learner.model(), rows, alpha);
        worst = worst.max((exact - now) / bound);
        prop_assert!(
            exact - now <= bound,
            "{} then {}, bound {}",
            exact,
            now,
            bound
        );
        exact = now;
        let now = learner.expectation(rows).unwrap();
        if lines.is_empty() {
            let fall = (reported - now) as f64 / 65_536.0;
            prop_assert!(
                fall <= bound + 1.2e-4 * n as f64,
                "{} reported, bound {}",
                fall,
                bound
            );
        }
        reported = now;
    }
    Ok(worst)
}

#[test]
fn the_hardest_rows_known_use_more_than_half_of_the_bound() {
    // A few rows of one level of many: all classes become one, and the levels that are never seen are rounded
    // up all together in one round, down in the next.
    let columns = [Column::categorical(256)];
    let mut worst = 0f64;
    for k in 1..=8 {
        for n in 1..=4 {
            for seed in 0..3 {
                let fall = worst_fall(&columns, &vec![0; n], k, Options::DEFAULT, 16, seed);
                worst = worst.max(fall.unwrap());
            }
        }
    }
    assert!(worst > 0.5, "{worst}");
}

#[test]
fn a_class_without_rows_obeys_a_high_floor_too() {
    let options = Options {
        variance_floor: 1 << 27,
        ..Options::DEFAULT
    };
    // One row, eight classes: seven of them wait.
    for seed in 0..8 {
        worst_fall(&[Column::GAUSSIAN], &[40], 8, options, 20, seed).unwrap();
    }
    let lines = [line()];
    let mut memory = vec![0; storage_words(2, &[Column::GAUSSIAN])];
    let learner = Learner::new(&[Column::GAUSSIAN], &lines, 2, &mut memory, options).unwrap();
    assert!(
        learner
            .model()
            .gaussians()
            .iter()
            .all(|g| g.variance == 1 << 27)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]
    #[test]
    fn no_round_falls_below_the_bound(
        seed: u64, k in 1usize..=8, n in 1usize..=24, columns in proptest::collection::vec(0usize..7, 1..=4),
        smoothing in prop_oneof![Just(0), Just(1), Just(1 << 14), Just(1 << 16), Just(1_133_000), Just((1 << 24) - 1)],
        floor in prop_oneof![Just(0), Just(1 << 10), Just(1 << 14), Just(1 << 22), Just(1 << 26), Just(u32::MAX)], kind in 0u32..4
    ) {
        let kinds = [
            Column::categorical(1), Column::categorical(3), Column::categorical(17), Column::categorical(256),
            Column::categorical(200), Column::BERNOULLI, Column::GAUSSIAN,
        ];
        let columns: Vec<Column> = columns.into_iter().map(|i| kinds[i]).collect();
        let mut rng = Generator::from_seed(seed);
        let rows: Vec<i16> = (0..n)
            .flat_map(|_| columns.clone())
            .map(|column| match (kind, column.levels()) {
                (0, 0) => 5,
                (0, _) => 0,
                (1, _) if below(&mut rng, 4) == 0 => MISSING,
                (2, 0) => [-300, 300][below(&mut rng, 2) as usize],
                (_, 0) => normal(&mut rng) / 64,
                (_, levels) => below(&mut rng, levels as u32) as i16,
            })
            .collect();
        let options = Options { smoothing, variance_floor: floor, ..Options::DEFAULT };
        worst_fall(&columns, &rows, k, options, 20, seed)?;
    }
}
