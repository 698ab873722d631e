//! Equal rows, rank one, extremes, outliers, any forgetting.

use super::*;
use crate::awkward;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn awkward_rows_leave_orthonormal_components_and_no_more_variance_than_there_is(
        seed: u64, (d, k) in (1usize..=9).prop_flat_map(|d| (Just(d), 1..=d)), n in 1usize..=60,
        amnesia in prop::sample::select(vec![0u8, 2, 4, 255]),
        window in prop::sample::select(vec![1u32, 2, 100, u32::MAX]), refresh: bool
    ) {
        let mut rng = Generator::from_seed(seed);
        let rows = awkward::rows(&mut rng, n, d);
        let (mut components, mut variances, mut mean, mut row) = (vec![0; k * d], vec![0; k], vec![0; d], vec![0; d]);
        let (mut draft, mut model_components, mut model_mean) = (vec![0; k * d], vec![0; k * d], vec![0; d]);
        let (mut offsets, mut model_variances, mut inverses) = (vec![0; k], vec![0; k], vec![0; k]);
        let buffers = Buffers {
            components: &mut components,
            variances: &mut variances,
            mean: &mut mean,
            row: &mut row,
            draft: &mut draft,
            model_components: &mut model_components,
            model_mean: &mut model_mean,
            model_offsets: &mut offsets,
            model_variances: &mut model_variances,
            model_inverses: &mut inverses,
        };
        let forgetting = Forgetting { amnesia, window: NonZeroU32::new(window).unwrap() };
        let mut learner = IncrementalPca::new(buffers, forgetting).unwrap();
        // As documented: lengths to 2^-12, roundings of I1F15 beside that.
        let bound = 2f64.powi(-12) + 2f64.powi(-13) * (d as f64).sqrt();
        let (least, most) = (rows.iter().min().unwrap(), rows.iter().max().unwrap());
        for row in rows.chunks(d) {
            learner.step(row).unwrap();
            if refresh {
                learner.refresh();
            }
            check(&learner);
            let model = learner.model();
            prop_assert!(orthonormality(&model) <= bound, "{} {}", orthonormality(&model), bound);
            // A mean of values is among them; their spread bounds every variance.
            let range = i32::from(*least.min(&0)) - 1..=i32::from(*most.max(&0)) + 1;
            prop_assert!(model.mean().iter().all(|m| range.contains(&i32::from(*m))));
            let total = model.spectrum().unwrap().total() as f64 / 16_777_216.0;
            let spread = (f64::from(*most.max(&0)) - f64::from(*least.min(&0))) / 4096.0;
            prop_assert!(total <= d as f64 * spread.powi(2) * 1.001 + 1e-6, "{} {}", total, spread);
        }
    }
}
