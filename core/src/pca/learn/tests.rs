use super::*;
use crate::pca::center_offset;
use crate::rng::{Generator, normal};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

mod awkward;

/// `|U U^T - I|`, its largest entry.
fn orthonormality(pca: &Pca<'_>) -> f64 {
    let row = |i| {
        pca.component(i)
            .unwrap()
            .iter()
            .map(|u| f64::from(*u) / 32768.0)
    };
    let pairs = (0..pca.k()).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let off = pairs.map(|(i, j)| {
        let product: f64 = row(i).zip(row(j)).map(|(a, b)| a * b).sum();
        (product - f64::from(u8::from(i == j))).abs()
    });
    off.fold(0.0, f64::max)
}

/// What must hold of a model at any moment.
fn check(learner: &IncrementalPca<'_>) {
    let model = learner.model();
    assert!(
        orthonormality(&model) <= 0.001,
        "{}",
        orthonormality(&model)
    );
    let spectrum = model.spectrum().unwrap();
    Spectrum::new(
        spectrum.variances(),
        spectrum.inverse_deviations(),
        spectrum.total(),
    )
    .unwrap();
    Pca::new(model.mean, model.components, model.offsets).unwrap();
}

/// Share of the variance of `rows` that the first `k` components capture, in f64.
fn captured(pca: &Pca<'_>, rows: &[Vec<i16>], k: usize) -> f64 {
    let d = pca.dimensions();
    let true_mean: Vec<f64> = (0..d)
        .map(|c| rows.iter().map(|x| f64::from(x[c])).sum::<f64>() / rows.len() as f64)
        .collect();
    let (mut total, mut missed) = (0.0, 0.0);
    for x in rows {
        let mut rest: Vec<f64> = x
            .iter()
            .zip(pca.mean())
            .map(|(x, m)| f64::from(*x) - f64::from(*m))
            .collect();
        for i in 0..k {
            let u: Vec<f64> = pca
                .component(i)
                .unwrap()
                .iter()
                .map(|u| f64::from(*u) / 32768.0)
                .collect();
            let y: f64 = rest.iter().zip(&u).map(|(x, u)| x * u).sum();
            rest.iter_mut().zip(&u).for_each(|(r, u)| *r -= y * u);
        }
        missed += rest.iter().map(|r| r * r).sum::<f64>();
        total += x
            .iter()
            .zip(&true_mean)
            .map(|(x, m)| (f64::from(*x) - m).powi(2))
            .sum::<f64>();
    }
    1.0 - missed / total
}

/// Normal samples of d features, of which feature i has this standard deviation before they are all mixed by
/// reflections that keep lengths.
fn samples(deviations: &[f64], mean: f64, n: usize, seed: u64) -> Vec<Vec<i16>> {
    let mut rng = Generator::from_seed(seed);
    let d = deviations.len();
    let mirrors: Vec<Vec<f64>> = (0..3)
        .map(|_| {
            let v: Vec<f64> = (0..d).map(|_| f64::from(normal(&mut rng))).collect();
            let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
            v.iter().map(|v| v / norm).collect()
        })
        .collect();
    (0..n)
        .map(|_| {
            let mut x: Vec<f64> = deviations
                .iter()
                .map(|s| s * f64::from(normal(&mut rng)))
                .collect();
            for mirror in &mirrors {
                let y: f64 = x.iter().zip(mirror).map(|(x, m)| x * m).sum();
                x.iter_mut()
                    .zip(mirror)
                    .for_each(|(x, m)| *x -= 2.0 * y * m);
            }
            x.iter()
                .map(|x| (x + mean * 4096.0).round() as i16)
                .collect()
        })
        .collect()
}

#[test]
fn storage_is_as_large_as_documented() {
    assert_eq!(size_of::<Storage<4, 16>>(), 800);
    assert_eq!(size_of::<Storage<16, 64>>(), 9344);
    for (size, formula) in [
        (size_of::<Storage<4, 16>>(), storage_bytes(4, 16)),
        (size_of::<Storage<16, 64>>(), storage_bytes(16, 64)),
        (size_of::<Storage<1, 3>>(), storage_bytes(1, 3)),
        (size_of::<Storage<3, 5>>(), storage_bytes(3, 5)),
    ] {
        assert_eq!(size, formula);
    }
}

#[test]
fn directions_variances_and_the_mean_are_learnt() {
    let deviations = [1.5, 1.2, 0.9, 0.7, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05];
    let rows = samples(&deviations, 0.5, 4000, 11);
    let mut storage = Storage::<4, 10>::NEW;
    let mut learner = storage.learner(Forgetting::NEVER).unwrap();
    for row in &rows {
        learner.step(row).unwrap();
    }
    check(&learner);
    learner.refresh();
    let model = learner.model();
    // Known: the axes are the mixed unit vectors, so the best share is that of the four largest variances.
    let squares = deviations.map(|s| s * s);
    let total: f64 = squares.iter().sum();
    for k in 1..=4 {
        let best = squares[..k].iter().sum::<f64>() / total;
        let found = captured(&model, &rows, k);
        assert!(found > best - 0.03, "{k}: {found} of {best}");
    }
    for mean in model.mean() {
        assert!((f64::from(*mean) / 4096.0 - 0.5).abs() < 0.1, "{mean}");
    }
    let spectrum = model.spectrum().unwrap();
    for (found, exact) in spectrum.variances().iter().zip(squares) {
        let found = *found as f64 / 2f64.powi(24);
        assert!((found / exact - 1.0).abs() < 0.1, "{found} for {exact}");
    }
    let found = spectrum.total() as f64 / 2f64.powi(24);
    assert!((found / total - 1.0).abs() < 0.1, "{found} for {total}");
}

#[test]
fn a_window_follows_what_no_window_forgets() {
    let before = samples(&[1.5, 0.3, 0.3, 0.3, 0.3, 0.3], 0.0, 4000, 1);
    let after = samples(&[1.5, 0.3, 0.3, 0.3, 0.3, 0.3], 1.0, 2000, 2);
    let share = |forgetting| {
        let mut storage = Storage::<1, 6>::NEW;
        let mut learner = storage.learner(forgetting).unwrap();
        for row in before.iter().chain(&after) {
            learner.step(row).unwrap();
        }
        check(&learner);
        captured(&learner.model(), &after, 1)
    };
    let best = 2.25 / (2.25 + 5.0 * 0.09);
    let window = NonZeroU32::new(200).unwrap();
    let (followed, kept) = (share(Forgetting::after(window)), share(Forgetting::NEVER));
    assert!(followed > best - 0.05, "{followed} of {best}");
    assert!(kept < best - 0.1, "{kept} of {best}");
}

#[test]
fn a_warm_start_is_the_model_it_comes_from() {
    let rows = samples(&[1.5, 1.0, 0.7, 0.2, 0.1], -1.0, 3000, 5);
    let (mut storage, mut other) = (Storage::<3, 5>::NEW, Storage::<3, 5>::NEW);
    let mut learner = storage.learner(Forgetting::NEVER).unwrap();
    for row in &rows {
        learner.step(row).unwrap();
    }
    learner.refresh();
    let model = learner.model();
    let mut warm =
        IncrementalPca::from_model(other.buffers(), &model, Forgetting::NEVER, 3000).unwrap();
    let close = |a: &Pca<'_>, b: &Pca<'_>| {
        assert_eq!(a.mean(), b.mean());
        assert_eq!(
            a.spectrum().unwrap().variances(),
            b.spectrum().unwrap().variances()
        );
        for (a, b) in a.components.iter().zip(b.components) {
            assert!(a.abs_diff(*b) <= 8, "{a} {b}");
        }
    };
    close(&model, &warm.model());
    let before = captured(&model, &rows, 3);
    for row in &rows[..200] {
        warm.step(row).unwrap();
        check(&warm);
    }
    assert!(captured(&warm.model(), &rows, 3) > before - 0.005);
    // Without variances it starts from those of standardised features, and soon knows better.
    let (bare, mut third) = (
        Pca::new(model.mean, model.components, model.offsets).unwrap(),
        Storage::<3, 5>::NEW,
    );
    let mut warm =
        IncrementalPca::from_model(third.buffers(), &bare, Forgetting::NEVER, 100).unwrap();
    assert_eq!(warm.model().spectrum().unwrap().total(), 5 << 24);
    for row in &rows {
        warm.step(row).unwrap();
    }
    assert!(captured(&warm.model(), &rows, 3) > before - 0.005);
    let mut wrong = Storage::<2, 5>::NEW;
    let refused = IncrementalPca::from_model(wrong.buffers(), &bare, Forgetting::NEVER, 100);
    assert_eq!(refused.unwrap_err(), Defect::Shape);
}

#[test]
fn equal_rows_have_a_mean_and_no_variance() {
    let mut storage = Storage::<3, 4>::NEW;
    let mut learner = storage.learner(Forgetting::NEVER).unwrap();
    check(&learner);
    for _ in 0..50 {
        learner.step(&[i16::MAX, i16::MIN, 0, 77]).unwrap();
        check(&learner);
    }
    let model = learner.model();
    assert_eq!(model.mean(), [i16::MAX, i16::MIN, 0, 77]);
    let spectrum = model.spectrum().unwrap();
    assert_eq!((spectrum.variances(), spectrum.total()), (&[0; 3][..], 0));
    assert_eq!(spectrum.explained_ratio(3), 0);
}

#[test]
fn one_sample_is_the_mean() {
    let mut storage = Storage::<2, 3>::NEW;
    let mut learner = storage.learner(Forgetting::NEVER).unwrap();
    learner.step(&[5, -6, 7]).unwrap();
    learner.refresh();
    check(&learner);
    assert_eq!(learner.model().mean(), [5, -6, 7]);
    assert!(learner.step(&[1, 2]).is_err());
    assert_eq!(learner.samples(), 1);
}

#[test]
fn directions_that_nothing_varies_in_stay_without_variance() {
    // Two directions of six: the last three features are constant, the first three depend on each other.
    let mut rng = Generator::from_seed(3);
    let mut storage = Storage::<6, 6>::NEW;
    let mut learner = storage.learner(Forgetting::NEVER).unwrap();
    let mut rows = Vec::new();
    for _ in 0..2000 {
        let (a, b) = (normal(&mut rng) & !1, normal(&mut rng) & !1);
        rows.push(vec![a, b / 2, a / 2, 3, -9, 4096]);
        learner.step(rows.last().unwrap()).unwrap();
        check(&learner);
    }
    let model = learner.model();
    let variances = model.spectrum().unwrap().variances();
    assert!(variances[1] > 1 << 21);
    // What rounding leaves is far below a step of the features squared times six.
    for variance in &variances[2..] {
        assert!(*variance <= 6, "{variances:?}");
    }
    assert!(captured(&model, &rows, 2) > 0.999_99);
}

#[test]
fn wrong_shapes_are_refused() {
    let (mut wide, mut empty) = (Storage::<3, 2>::NEW, Storage::<0, 2>::NEW);
    assert!(wide.learner(Forgetting::NEVER).is_err());
    assert!(empty.learner(Forgetting::NEVER).is_err());
    let mut storage = Storage::<2, 2>::NEW;
    let mut buffers = storage.buffers();
    buffers.row = &mut [];
    assert!(IncrementalPca::new(buffers, Forgetting::NEVER).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Saturated, tiny and random features, up to as many components as features.
    #[test]
    fn any_samples_leave_a_valid_model(
        rows in prop::collection::vec(prop::collection::vec(prop_oneof![
            any::<i16>(), Just(i16::MIN), Just(i16::MAX), -2i16..=2, Just(0)
        ], 5), 1..60),
        window in 1u32..100, amnesia in any::<u8>()
    ) {
        let window = NonZeroU32::new(window).unwrap();
        let forgetting = Forgetting { amnesia, window };
        let (mut all, mut some) = (Storage::<5, 5>::NEW, Storage::<2, 5>::NEW);
        let mut all = all.learner(forgetting).unwrap();
        let mut some = some.learner(forgetting).unwrap();
        for row in &rows {
            all.step(row).unwrap();
            some.step(row).unwrap();
            check(&all);
            check(&some);
        }
        all.refresh();
        check(&all);
    }

    #[test]
    fn a_factor_is_within_its_bound(n in 1u64.., d in 1u64.., a in 0u32..63, b in 0u32..63) {
        let (n, d) = ((n >> a).max(1), (d >> b).max(1));
        let factor = Factor::ratio(n, d);
        prop_assert!(factor.mantissa >= 1 << 14);
        let value = f64::from(factor.mantissa) * 2f64.powi(-factor.shift);
        prop_assert!((value / (n as f64 / d as f64) - 1.0).abs() <= 2f64.powi(-13));
    }
}

#[test]
fn offsets_are_those_of_the_model() {
    let mut storage = Storage::<2, 3>::NEW;
    let mut learner = storage.learner(Forgetting::NEVER).unwrap();
    for row in [[100, 200, -300], [4000, 1, 2], [-700, 900, 32_767]] {
        learner.step(&row).unwrap();
        let model = learner.model();
        for (i, offset) in model.offsets.iter().enumerate() {
            assert_eq!(
                *offset,
                center_offset(model.component(i).unwrap(), model.mean())
            );
        }
    }
}
