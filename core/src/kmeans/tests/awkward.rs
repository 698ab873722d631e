//! Equal rows, extremes, more centroids than rows; streams from weights and places that nobody has.

use super::*;
use crate::awkward;
use rand_core::Rng;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn seeds_are_as_many_as_there_are_rows_and_rounds_end_at_the_nearest(
        seed: u64, n in 1usize..=12, d in 1usize..=4, k in 1usize..=8,
        metric in prop::sample::select(METRICS.to_vec()), seeding in 0u8..3
    ) {
        let mut rng = Generator::from_seed(seed);
        let rows = awkward::rows(&mut rng, n, d);
        let (mut arrays, mut assignments) = (Arrays::new(k, d), vec![0; n]);
        let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
        match seeding {
            0 => {
                let found = lloyd.seed_plus_plus(&mut rng);
                let different: BTreeSet<&[i16]> = rows.chunks(d).collect();
                let placed: BTreeSet<&[i16]> = lloyd.model().centroids().chunks(d).collect();
                prop_assert!(placed.len() >= found);
                prop_assert!(metric == Metric::Cosine || found == different.len().min(k));
            }
            1 => {
                lloyd.seed_random(&mut rng);
            }
            _ => lloyd.seed_best_of(3, 2, &mut vec![0; k * d], &mut rng).unwrap(),
        }
        let last = checked_fit(&mut lloyd, 200);
        let model = lloyd.model();
        prop_assert!(KMeans::with_metric(metric, model.centroids(), model.offsets(), d).is_ok());
        let (mut sum, mut distances) = (0u64, vec![0; k]);
        for (row, own) in rows.chunks(d).zip(lloyd.assignments()) {
            model.distances_into(row, &mut distances).unwrap();
            let nearest = model.nearest(row).unwrap();
            prop_assert_eq!(nearest.distance, distances[nearest.index as usize]);
            // A cosine distance is rounded up: products that differ may have the same.
            let slack = if metric == Metric::Cosine { 4 } else { 0 };
            let least = distances.iter().min().unwrap();
            prop_assert!(distances[usize::from(*own)] <= least + slack, "{:?} {}", distances, own);
            sum += distances[usize::from(*own)];
            // By definition, in f64.
            let unit = f64::from(metric.distance_bits()).exp2();
            for (distance, c) in distances.iter().zip(model.centroids().chunks(d)) {
                let exact = super::distance(metric, row, c);
                let error = (*distance as f64 / unit - exact).abs();
                // Directions are rounded to I1F15; the others are exact.
                let bound = if metric == Metric::Cosine { 2f64.powi(-14) * (d as f64).sqrt() } else { 1e-12 * exact };
                prop_assert!(error <= bound + 1e-12, "{} {}", distance, exact);
            }
        }
        prop_assert!(metric == Metric::Cosine || sum == last.potential, "{} {}", sum, last.potential);
    }

    #[test]
    fn a_step_moves_the_winner_alone_and_only_towards_its_row(
        seed: u64, n in 1usize..=12, d in 1usize..=4, k in 1usize..=8,
        window in prop::sample::select(vec![0u16, 1, 2, 100, u16::MAX]),
        patience in prop::sample::select(vec![0u32, 1, 5, u32::MAX])
    ) {
        let mut rng = Generator::from_seed(seed);
        let rows = awkward::rows(&mut rng, n, d);
        let mut arrays = Arrays::new(k, d);
        let style = rng.next_u32() % awkward::STYLES;
        for c in &mut arrays.centroids {
            *c = awkward::value(&mut rng, style);
        }
        for usage in &mut arrays.usage {
            usage.count = [0, 1, 100, u32::MAX][(rng.next_u32() % 4) as usize];
            usage.idle = [0, u32::MAX][(rng.next_u32() % 2) as usize];
        }
        let mut online = Online::new(arrays.online()).unwrap().with_window(window).with_patience(patience);
        for row in rows.chunks(d).cycle().take(5 * n) {
            let before = online.model().centroids().to_vec();
            let nearest = online.step(row).unwrap();
            let model = online.model();
            prop_assert!(KMeans::new(model.centroids(), model.offsets(), d).is_ok());
            for (index, (old, new)) in before.chunks(d).zip(model.centroids().chunks(d)).enumerate() {
                if index != nearest.index as usize {
                    prop_assert_eq!(old, new);
                    continue;
                }
                for ((old, new), x) in old.iter().zip(new).zip(row) {
                    prop_assert!((*old.min(x)..=*old.max(x)).contains(new), "{} {} {}", old, new, x);
                }
            }
            let counts = online.usage().iter().map(|usage| usage.count);
            prop_assert!(counts.clone().nth(nearest.index as usize).unwrap() <= u32::from(window.max(1)));
        }
    }
}
