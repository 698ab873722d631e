//! Samples, options and lines at their ends.

use super::*;

/// A line that maps counts to features as they are, one that saturates, one that maps all to one value.
fn any_line(rng: &mut Generator) -> ScalerFeature {
    let affine = [
        Affine {
            bias: 0,
            multiplier: 1,
            shift: 0,
        },
        Affine {
            bias: 0,
            multiplier: i32::MAX,
            shift: 0,
        },
        Affine {
            bias: -(1 << 61),
            multiplier: 0,
            shift: 62,
        },
    ][below(rng, 3) as usize];
    ScalerFeature {
        to_feature: affine,
        to_counts: affine,
    }
}

fn any_row(columns: &[Column], style: u32, rng: &mut Generator) -> Vec<i16> {
    columns
        .iter()
        .map(|column| {
            let word = rng.next_u32();
            let level = (word % (column.levels().max(1) as u32)) as i16;
            match (style, column.is_gaussian()) {
                (0, _) => MISSING,
                (1, true) => 5,
                (1, false) => 0,
                (2, true) => [i16::MIN, i16::MAX, -i16::MAX][(word % 3) as usize],
                (3, _) => word as i16,
                (4, _) if word.is_multiple_of(4) => MISSING,
                (4, true) => (word as i16) >> 4,
                _ => level,
            }
        })
        .collect()
}

/// Whatever a model is asked about these rows.
fn answers_hold(
    model: &LatentClass<'_>,
    rows: &[i16],
    rng: &mut Generator,
) -> Result<(), TestCaseError> {
    let LatentClass {
        columns,
        weights,
        surprisals,
        lines,
        gaussians,
    } = *model;
    let checked = LatentClass::new(columns, weights, surprisals, lines, gaussians);
    prop_assert!(checked.is_ok(), "{:?}", checked.err());
    let mut posterior = vec![0; model.classes()];
    let mut completed = vec![0; columns.len()];
    for row in rows.chunks(columns.len()) {
        model.posterior_into(row, &mut posterior).unwrap();
        prop_assert_eq!(posterior.iter().sum::<u32>(), 1 << 16);
        model
            .impute_into(row, &mut posterior, &mut completed)
            .unwrap();
        prop_assert!(!completed.contains(&MISSING));
        model
            .sample_into(row, rng, &mut posterior, &mut completed)
            .unwrap();
        prop_assert!(!completed.contains(&MISSING));
        for (index, column) in columns.iter().enumerate() {
            let mut probabilities = vec![0; column.levels()];
            if column.is_gaussian() {
                prop_assert!(model.moments(row, index, &mut posterior).unwrap().is_some());
                continue;
            }
            model
                .level_probabilities_into(row, index, &mut posterior, &mut probabilities)
                .unwrap();
            prop_assert_eq!(probabilities.iter().sum::<u32>(), 1 << 16);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_is_learnt_from_the_model_is_valid_and_answers(
        seed: u64, k in 1usize..=5, n in 1usize..=12, columns in proptest::collection::vec(0usize..5, 1..=4),
        style in 0u32..5, smoothing in 0usize..4, floor in 0usize..5, block in 0usize..3, kappa in 0usize..3,
        memory in 0usize..4, seen in prop_oneof![Just(0), Just(1), Just(u16::MAX)]
    ) {
        let kinds = [
            Column::categorical(1), Column::categorical(3), Column::categorical(256), Column::BERNOULLI, Column::GAUSSIAN,
        ];
        let columns: Vec<Column> = columns.into_iter().map(|i| kinds[i]).collect();
        let options = Options {
            smoothing: [0, 1, 1 << 16, (1 << 24) - 1][smoothing],
            variance_floor: [0, 256, 1 << 14, 1 << 20, 1 << 24][floor],
            block: [1, 16, 100][block],
            kappa: [0, 45_875, u16::MAX][kappa],
            memory: [0, 1, 1000, 1 << 15][memory],
        };
        let mut rng = Generator::from_seed(seed);
        let lines: Vec<ScalerFeature> =
            (0..gaussian_columns(&columns)).map(|_| any_line(&mut rng)).collect();
        let rows: Vec<i16> = (0..n).flat_map(|_| any_row(&columns, style, &mut rng)).collect();
        let mut memory = vec![0; storage_words(k, &columns)];
        let mut learner = Learner::new(&columns, &lines, k, &mut memory, options).unwrap();
        learner.start_random(&rows, &mut rng).unwrap();
        fit(&mut learner, &rows, 6, |_| false).unwrap();
        answers_hold(&learner.model(), &rows, &mut rng)?;
        for row in rows.chunks(columns.len()).cycle().take(4 * n) {
            learner.step(row).unwrap();
        }
        answers_hold(&learner.model(), &rows, &mut rng)?;
        let mut memory = vec![0; storage_words(k, &columns)];
        let mut other = Learner::from_model(&learner.model(), &mut memory, options, seen).unwrap();
        for row in rows.chunks(columns.len()).cycle().take(20 * n) {
            other.step(row).unwrap();
        }
        answers_hold(&other.model(), &rows, &mut rng)?;
    }
}

#[test]
fn awkward_data_is_learnt_from_all_the_same() {
    let columns = [
        Column::categorical(1),
        Column::BERNOULLI,
        Column::GAUSSIAN,
        Column::GAUSSIAN,
    ];
    let lines = [line(); 2];
    // One level only, a flag never observed, a constant number, an unobserved number; a row with nothing.
    let data = [
        [0, MISSING, 64, MISSING],
        [MISSING, MISSING, MISSING, MISSING],
        [0, MISSING, 64, MISSING],
    ]
    .concat();
    for k in [1usize, 2, 7] {
        for smoothing in [0, 1 << 16] {
            let options = Options {
                smoothing,
                ..Options::DEFAULT
            };
            let mut memory = vec![0; storage_words(k, &columns)];
            let mut learner = Learner::new(&columns, &lines, k, &mut memory, options).unwrap();
            learner
                .start_random(&data, &mut Generator::from_seed(2))
                .unwrap();
            fit(&mut learner, &data, 20, |_| false).unwrap();
            let model = learner.model();
            LatentClass::new(
                model.columns,
                model.weights,
                model.surprisals,
                model.lines,
                model.gaussians,
            )
            .unwrap();
            let mut posterior = vec![0; k];
            let mut completed = [0; 4];
            model
                .impute_into(&[MISSING; 4], &mut posterior, &mut completed)
                .unwrap();
            assert_eq!((completed[0], completed[1], completed[3]), (0, 0, 0));
            if k == 1 {
                assert_eq!(completed[2], 64);
                assert_eq!(
                    model.gaussians()[0].variance,
                    Options::DEFAULT.variance_floor
                );
                assert_eq!(model.weights(), [0]);
            }
        }
    }
    // No rows at all.
    let mut memory = vec![0; storage_words(2, &columns)];
    let mut learner = Learner::new(&columns, &lines, 2, &mut memory, Options::DEFAULT).unwrap();
    assert_eq!(fit(&mut learner, &[], 2, |_| false).unwrap().rounds, 2);
    assert!(learner.expectation(&[0; 5]).is_err());
    assert!(learner.step(&[0; 3]).is_err());
}

#[test]
fn as_many_extreme_rows_as_one_likes_overflow_nothing() {
    let columns = [Column::GAUSSIAN, Column::BERNOULLI];
    let lines = [line()];
    let mut memory = vec![0; storage_words(2, &columns)];
    let mut learner = Learner::new(&columns, &lines, 2, &mut memory, Options::DEFAULT).unwrap();
    for row in 0..140_000u32 {
        let value = if row % 3 == 0 { i16::MAX } else { -i16::MAX };
        learner.accumulate(&[value, 1]).unwrap();
        if row % 50_000 == 49_999 {
            learner.maximise();
        }
    }
    let model = learner.model();
    LatentClass::new(
        model.columns,
        model.weights,
        model.surprisals,
        model.lines,
        model.gaussians,
    )
    .unwrap();
    // k = 1 puts whole rows into one class: the largest sums there can be.
    let mut memory = vec![0; storage_words(1, &columns)];
    let mut learner = Learner::new(&columns, &lines, 1, &mut memory, Options::DEFAULT).unwrap();
    for _ in 0..70_000 {
        learner.accumulate(&[-i16::MAX, 0]).unwrap();
    }
    learner.maximise();
    assert_eq!(learner.model().gaussians()[0].mean, i16::MIN);
}

#[test]
fn options_and_memory_that_do_not_fit_are_refused_by_name() {
    let columns = [Column::BERNOULLI];
    let mut memory = [0; 16];
    let mut new = |k, words: usize, options| {
        Learner::new(&columns, &[], k, &mut memory[..words], options)
            .map(|_| ())
            .unwrap_err()
    };
    let words = storage_words(2, &columns);
    let short = Defect::Memory {
        needed: words as u32,
    };
    assert_eq!(new(2, words - 1, Options::DEFAULT), short);
    assert_eq!(new(0, words, Options::DEFAULT), Defect::Shape);
    assert_eq!(new(257, words, Options::DEFAULT), Defect::Shape);
    let mut changed = |change: fn(&mut Options)| {
        let mut options = Options::DEFAULT;
        change(&mut options);
        new(2, words, options)
    };
    let outside = |setting, least, most| Defect::Setting {
        setting,
        least,
        most,
    };
    use crate::Setting;
    let block = outside(Setting::Block, 1, MAX_ROWS);
    assert_eq!(changed(|o| o.block = 0), block);
    let memory = outside(Setting::Memory, 0, 65_535 - 16);
    assert_eq!(changed(|o| o.memory = u16::MAX), memory);
    let smoothing = outside(Setting::Smoothing, 0, (1 << 24) - 1);
    assert_eq!(changed(|o| o.smoothing = 1 << 24), smoothing);
}

#[test]
fn classes_and_columns_that_there_are_not_are_refused() {
    let columns = [Column::BERNOULLI, Column::GAUSSIAN];
    let lines = [line()];
    let mut memory = vec![0; storage_words(2, &columns)];
    let mut learner = Learner::new(&columns, &lines, 2, &mut memory, Options::DEFAULT).unwrap();
    let refused = |result: Result<(), ShapeError>| result.unwrap_err().operand;
    assert_eq!(
        refused(learner.accumulate_in_class(&[0, 5], 2)),
        Operand::Components
    );
    assert_eq!(
        refused(learner.step_with_class(&[0, 5], usize::MAX)),
        Operand::Components
    );
    learner.start_from_classes(&[0, 5, 1, 7], &[0, 1]).unwrap();
    let before = (
        learner.model().surprisals().to_vec(),
        learner.model().gaussians().to_vec(),
    );
    assert_eq!(
        refused(learner.start_from_classes(&[1, 9, 1, 9], &[0, 2])),
        Operand::Components
    );
    learner.maximise();
    let model = learner.model();
    assert_eq!(
        (model.surprisals().to_vec(), model.gaussians().to_vec()),
        before
    );
    let missing = Some(Operand::Columns);
    let of_level = model.level_probabilities_into(&[0, 5], 2, &mut [0; 2], &mut []);
    assert_eq!(of_level.err().map(|error| error.operand), missing);
    let moments = model.moments(&[0, 5], 2, &mut [0; 2]);
    assert_eq!(moments.err().map(|error| error.operand), missing);
}
