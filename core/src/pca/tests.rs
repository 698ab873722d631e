use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// A model of d features from random entries, small enough to be valid.
fn models() -> impl Strategy<Value = (usize, Vec<i16>, Vec<i16>)> {
    (1usize..20)
        .prop_flat_map(|d| (Just(d), 1..=d))
        .prop_flat_map(|(d, k)| {
            let entry = -14_000i16..=14_000;
            let mean = prop::collection::vec(any::<i16>(), d);
            (Just(d), mean, prop::collection::vec(entry, k * d))
        })
}

fn offsets(mean: &[i16], components: &[i16]) -> Vec<i64> {
    let rows = components.chunks_exact(mean.len());
    rows.map(|row| center_offset(row, mean)).collect()
}

/// `clamp(mu + floor(sum u y / 2^15 + 1/2))`, a column at a time, in i128.
fn restored_by_definition(mean: &[i16], components: &[i16], scores: &[i32]) -> Vec<i16> {
    let d = mean.len();
    (0..d)
        .map(|column| {
            let products = scores.iter().enumerate();
            let sum: i128 = products
                .map(|(row, y)| i128::from(components[row * d + column]) * i128::from(*y))
                .sum();
            let offset = (sum + (1 << 14)).div_euclid(1 << 15);
            let offset = offset.clamp(i32::MIN.into(), i32::MAX.into());
            let x = (offset + i128::from(mean[column])).clamp(i16::MIN.into(), i16::MAX.into());
            x as i16
        })
        .collect()
}

proptest! {
    #[test]
    fn reconstruction_and_residual_are_their_definitions(
        (d, mean, components) in models(), seed in prop::collection::vec(any::<i32>(), 20),
        shift in 0u32..20, sample in prop::collection::vec(any::<i16>(), 20)
    ) {
        let offsets = offsets(&mean, &components);
        let pca = Pca::from_trusted(&mean, &components, &offsets).unwrap();
        let scores: Vec<i32> = seed[..pca.k()].iter().map(|y| y >> shift).collect();
        let expected = restored_by_definition(&mean, &components, &scores);
        let mut restored = vec![0; d];
        pca.reconstruct_into(&scores, &mut restored).unwrap();
        prop_assert_eq!(&restored, &expected);
        let squares = sample.iter().zip(&expected).map(|(x, y)| (i64::from(*x) - i64::from(*y)).pow(2));
        let q: i64 = squares.sum();
        prop_assert_eq!(pca.residual(&sample[..d], &scores).unwrap(), q.cast_unsigned());
    }

    #[test]
    fn two_short_multiplications_make_a_long_one(a in any::<i32>(), b in any::<i16>()) {
        prop_assert_eq!(split_product(a, b), i64::from(a) * i64::from(b));
        prop_assert_eq!(wide_product(a, b), i64::from(a) * i64::from(b));
    }

    #[test]
    fn whitening_and_t2_are_within_their_bounds(
        terms in prop::collection::vec((any::<i32>(), 0u32..32, 1u64..1 << 24, 0u32..24), 1..8)
    ) {
        let scores: Vec<i32> = terms.iter().map(|(y, shift, ..)| y >> shift).collect();
        let variances: Vec<u64> = terms.iter().map(|(_, _, v, shift)| v << shift).collect();
        let inverses: Vec<u64> = variances.iter().map(|v| inverse_deviation(*v)).collect();
        let total = variances.iter().sum();
        let spectrum = Spectrum::new(&variances, &inverses, total).unwrap();
        let mut whitened = vec![0; scores.len()];
        spectrum.whiten_into(&scores, &mut whitened).unwrap();
        let (mut t2, mut slack) = (0.0, 2f64.powi(-24));
        for ((y, v), z) in scores.iter().zip(&variances).zip(&whitened) {
            let exact = f64::from(*y) / 4096.0 / (*v as f64 / 2f64.powi(24)).sqrt();
            let bound = 2f64.powi(-13) + exact.abs() * 2f64.powi(-20);
            let stored = exact.clamp(-8.0, 8.0 - 1.0 / 4096.0);
            prop_assert!((f64::from(*z) / 4096.0 - stored).abs() <= bound * 1.001);
            let bounded = exact.abs().min(2f64.powi(15));
            let error = 2f64.powi(-17) + bounded * 2f64.powi(-20);
            t2 += bounded * bounded;
            slack += 2.0 * bounded * error + error * error;
        }
        let found = spectrum.hotelling_t2(&scores).unwrap() as f64 / 2f64.powi(24);
        prop_assert!((found - t2.min(2f64.powi(32))).abs() <= slack * 1.001, "{} {}", found, t2);
    }

    #[test]
    fn an_inverse_deviation_is_the_floor(variance in 1u64..) {
        let inverse = u128::from(inverse_deviation(variance));
        let square = (1u128 << 88) / u128::from(variance);
        prop_assert!(inverse * inverse <= square && square < (inverse + 1) * (inverse + 1));
    }
}

#[test]
fn inverse_deviations_reach_from_the_least_variance_to_the_largest() {
    assert_eq!(inverse_deviation(0), 0);
    assert_eq!(inverse_deviation(1), 1 << 44);
    assert_eq!(inverse_deviation(1 << 24), 1 << 32);
    assert_eq!(inverse_deviation(1 << 48), 1 << 20);
}

#[test]
fn t2_saturates_and_zero_variance_adds_nothing() {
    let variances = [1, 1, 1, 1, 1, 0];
    let inverses = variances.map(inverse_deviation);
    let spectrum = Spectrum::new(&variances, &inverses, 5).unwrap();
    let mut whitened = [1; 6];
    let scores = [i32::MAX, i32::MIN, i32::MAX, i32::MAX, i32::MAX, i32::MAX];
    spectrum.whiten_into(&scores, &mut whitened).unwrap();
    let (max, min) = (i16::MAX, i16::MIN);
    assert_eq!(whitened, [max, min, max, max, max, 0]);
    // Each adds 2^30 of 2^32: the fifth is one too many.
    assert_eq!(spectrum.hotelling_t2(&scores).unwrap(), 1 << 56);
    assert_eq!(
        spectrum.hotelling_t2(&[0, 0, 0, 0, 0, i32::MAX]).unwrap(),
        0
    );
    assert!(spectrum.hotelling_t2(&[0]).is_err());
}

#[test]
fn a_spectrum_that_does_not_follow_is_refused() {
    let variances = [4 << 24, 1 << 24];
    let inverses = variances.map(inverse_deviation);
    let total = 5 << 24;
    assert!(Spectrum::new(&variances, &inverses, total).is_ok());
    let more = Spectrum::new(&variances, &inverses, total - 1);
    assert_eq!(more.unwrap_err(), Defect::Scale { index: 2 });
    let other = [inverses[0], 7];
    let wrong = Spectrum::new(&variances, &other, total);
    assert_eq!(wrong.unwrap_err(), Defect::Derived { index: 1 });
    let short = Spectrum::new(&variances, &inverses[..1], total);
    assert_eq!(short.unwrap_err(), Defect::Shape);
    let huge = [u64::MAX, u64::MAX];
    let inverses_of_huge = huge.map(inverse_deviation);
    let overflow = Spectrum::new(&huge, &inverses_of_huge, u64::MAX);
    assert_eq!(overflow.unwrap_err(), Defect::Scale { index: 2 });
    let (mean, component) = ([0; 2], [i16::MAX, 0]);
    let pca = Pca::new(&mean, &component, &[0]).unwrap();
    let spectrum = Spectrum::new(&variances, &inverses, total).unwrap();
    assert_eq!(pca.with_spectrum(spectrum).unwrap_err(), Defect::Shape);
}

#[test]
fn only_components_with_variances_whiten_and_lengths_are_checked_before_anything_is_written() {
    let (mean, components) = ([0i16; 2], [32_767i16, 0, 0, 32_767]);
    let offsets = [0; 2];
    let pca = Pca::new(&mean, &components, &offsets).unwrap();
    assert!(pca.whitening().is_none());
    let variances = [4u64 << 24, 1 << 24];
    let inverses = variances.map(inverse_deviation);
    let spectrum = Spectrum::new(&variances, &inverses, 5 << 24).unwrap();
    let whitening = pca.with_spectrum(spectrum).unwrap().whitening().unwrap();
    let input = crate::model::Input::Whitened(whitening);
    assert_eq!(input.scores(), 2);
    let features = [4096, -2048];
    for (features, scores, whitened, operand) in [
        (1, 2, 2, Operand::Input),
        (2, 1, 2, Operand::Output),
        (2, 3, 2, Operand::Output),
        (2, 2, 1, Operand::Output),
        (2, 2, 5, Operand::Output),
    ]
    .map(|(n, scores, whitened, operand)| {
        (
            &features[..n],
            vec![77; scores],
            vec![1234; whitened],
            operand,
        )
    }) {
        let (mut scores, mut whitened) = (scores, whitened);
        let refused = input.prepare(features, &mut scores, &mut whitened);
        assert_eq!(refused.map_err(|error| error.operand), Err(operand));
        assert!(scores.iter().all(|y| *y == 77));
        assert!(whitened.iter().all(|y| *y == 1234));
    }
    let (mut scores, mut whitened) = ([77; 2], [1234; 2]);
    let given = input
        .prepare(&features, &mut scores, &mut whitened)
        .unwrap();
    // 1 and -1/2, a deviation of 2 and of 1.
    assert_eq!(given, [2048, -2048]);
    assert_eq!(scores, [4096, -2048]);
}
