//! The view and the learners against definitions in f64 and wide integers.

use super::direction::{Length, Normaliser};
use super::*;
use crate::rng::{Generator, below, normal};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

mod awkward;
mod online;

const METRICS: [Metric; 3] = [Metric::SquaredEuclidean, Metric::Manhattan, Metric::Cosine];

/// Memory on the heap.
struct Arrays {
    centroids: Vec<i16>,
    offsets: Vec<i64>,
    sums: Vec<i64>,
    fine: Vec<i32>,
    usage: Vec<Usage>,
}

impl Arrays {
    fn new(k: usize, d: usize) -> Self {
        Self {
            centroids: vec![0; k * d],
            offsets: vec![0; k],
            sums: vec![0; k * d],
            fine: vec![0; k * d],
            usage: vec![Usage::default(); k],
        }
    }

    fn batch(&mut self) -> Memory<'_, i64> {
        Memory {
            centroids: &mut self.centroids,
            offsets: &mut self.offsets,
            accumulators: &mut self.sums,
            usage: &mut self.usage,
        }
    }

    fn online(&mut self) -> Memory<'_, i32> {
        Memory {
            centroids: &mut self.centroids,
            offsets: &mut self.offsets,
            accumulators: &mut self.fine,
            usage: &mut self.usage,
        }
    }
}

fn float(vector: &[i16], bits: i32) -> Vec<f64> {
    vector
        .iter()
        .map(|x| f64::from(*x) / 2f64.powi(bits))
        .collect()
}

/// The distance by its definition; the cosine's to a centroid as stored.
fn distance(metric: Metric, x: &[i16], c: &[i16]) -> f64 {
    let (x, c) = (float(x, 12), float(c, metric.centroid_bits() as i32));
    let pairs = || x.iter().zip(&c);
    match metric {
        Metric::SquaredEuclidean => pairs().map(|(x, c)| (x - c) * (x - c)).sum(),
        Metric::Manhattan => pairs().map(|(x, c)| (x - c).abs()).sum(),
        Metric::Cosine => {
            let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let product = pairs().map(|(x, c)| x * c).sum::<f64>();
            if length == 0.0 {
                1.0
            } else {
                (1.0 - product / length).clamp(0.0, 2.0)
            }
        }
    }
}

/// Blobs of normal numbers, `n · d`, some of them far out.
fn blobs(rng: &mut Generator, n: usize, d: usize, blobs: usize) -> Vec<i16> {
    let centres: Vec<i16> = (0..blobs * d)
        .map(|_| normal(rng).saturating_mul(3))
        .collect();
    (0..n)
        .flat_map(|_| {
            let centre = below(rng, blobs as u32) as usize;
            centres[centre * d..][..d]
                .iter()
                .map(|c| c.saturating_add(normal(rng) / 4))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_metric_s_distance_is_its_definition() {
    let mut rng = Generator::from_seed(1);
    for d in [1, 2, 3, 16, 64, 257] {
        for case in 0..20 {
            let rows = blobs(&mut rng, 6, d, 3);
            let mut x = blobs(&mut rng, 1, d, 1);
            match case {
                0 => x.fill(i16::MIN),
                1 => x.fill(i16::MAX),
                2 => x.fill(0),
                3 => x.iter_mut().for_each(|x| *x = x.signum()),
                _ => {}
            }
            for metric in METRICS {
                let mut centroids = rows.clone();
                if metric == Metric::Cosine {
                    for c in centroids.chunks_exact_mut(d) {
                        let row: Vec<i64> = c.iter().map(|c| i64::from(*c)).collect();
                        if !direction::normalise(row.iter().copied(), c) {
                            c[0] = i16::MAX;
                        }
                    }
                }
                let offsets: Vec<i64> = centroids
                    .chunks_exact(d)
                    .map(|c| metric.offset(c))
                    .collect();
                let kmeans = KMeans::with_metric(metric, &centroids, &offsets, d).unwrap();
                let mut found = [0; 6];
                kmeans.distances_into(&x, &mut found).unwrap();
                let unit = 2f64.powi(-(metric.distance_bits() as i32));
                let tolerance = if metric == Metric::Cosine {
                    2.0 * unit
                } else {
                    0.0
                };
                for (found, c) in found.iter().zip(centroids.chunks_exact(d)) {
                    let expected = distance(metric, &x, c);
                    let error = (*found as f64 * unit - expected).abs();
                    assert!(
                        error <= tolerance,
                        "{metric:?} {d}: {expected}, off by {error}"
                    );
                }
                let nearest = kmeans.nearest(&x).unwrap();
                // Rounded cosines may tie where the products do not, never the other way round.
                assert_eq!(nearest.distance, *found.iter().min().unwrap());
                assert_eq!(found[nearest.index as usize], nearest.distance);
                if metric != Metric::Cosine {
                    let first = found.iter().position(|d| *d == nearest.distance);
                    assert_eq!(first, Some(nearest.index as usize));
                }
            }
        }
    }
}

#[test]
fn a_sample_of_zeros_is_at_cosine_distance_one_from_all() {
    let centroids = [32_767, 0, -32_768, 0];
    let kmeans = KMeans::with_metric(Metric::Cosine, &centroids, &[0; 2], 2).unwrap();
    let nearest = kmeans.nearest(&[0, 0]).unwrap();
    assert_eq!((nearest.index, nearest.distance), (0, 1 << 30));
    let opposite = kmeans.nearest(&[-1, 0]).unwrap();
    assert_eq!((opposite.index, opposite.distance), (1, 0));
}

#[test]
fn views_refuse_what_does_not_fit() {
    let view = |metric, offsets: &[i64]| {
        KMeans::with_metric(metric, &[3, 4, -5, 6], offsets, 2).map(|view| view.k())
    };
    assert_eq!(view(Metric::SquaredEuclidean, &[25, 61]), Ok(2));
    assert_eq!(view(Metric::Manhattan, &[7, 1]), Ok(2));
    assert_eq!(
        view(Metric::Manhattan, &[7, 2]),
        Err(Defect::Derived { index: 1 })
    );
    assert_eq!(
        view(Metric::Cosine, &[0, 1]),
        Err(Defect::Scale { index: 0 })
    );
    assert_eq!(view(Metric::Manhattan, &[7]), Err(Defect::Shape));
    assert_eq!(view(Metric::Manhattan, &[]), Err(Defect::Shape));
}

#[test]
fn lengths_and_directions_are_within_their_bounds() {
    let mut rng = Generator::from_seed(2);
    for square in (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) + 1, (1 << bit) - 1]) {
        let Some(length) = Length::new(square) else {
            assert_eq!(square, 0);
            continue;
        };
        let exact = 2f64.powi(40) / (square as f64).sqrt();
        let error = length.reciprocal() as f64 - exact;
        assert!(
            error.abs() <= 1.0 + exact * 2f64.powi(-30),
            "{square}: {error}"
        );
    }
    for case in 0..2000u32 {
        let d = 1 + case as usize % 40;
        let scale = 1i64 << (case % 46);
        let vector: Vec<i64> = (0..d)
            .map(|_| i64::from(normal(&mut rng)) * scale)
            .collect();
        let Some(by) = Normaliser::new(vector.iter().copied()) else {
            assert!(vector.iter().all(|v| *v == 0));
            continue;
        };
        let length = vector
            .iter()
            .map(|v| (*v as f64).powi(2))
            .sum::<f64>()
            .sqrt();
        for v in &vector {
            let exact = (*v as f64 / length * 32_768.0).min(32_767.0);
            let error = f64::from(by.coordinate(*v)) - exact;
            assert!(error.abs() <= 0.51, "{error}");
        }
    }
}

/// Runs rounds and checks what must hold in each; the last round.
fn checked_fit(lloyd: &mut Lloyd<'_>, limit: u32) -> Round {
    let mut before = u64::MAX;
    for _ in 0..limit {
        let round = lloyd.round();
        assert!(
            round.potential <= before,
            "{} after {before}",
            round.potential
        );
        before = round.potential;
        if round.converged() {
            return round;
        }
    }
    panic!("no convergence in {limit} rounds");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_potential_never_rises_and_rounds_converge(
        seed in any::<u64>(),
        n in 1usize..60,
        d in 1usize..5,
        k in 1usize..9,
        spread in 0u32..4,
        metric in prop::sample::select(METRICS.to_vec()),
        plus_plus in any::<bool>(),
    ) {
        let mut rng = Generator::from_seed(seed);
        // Few values make ties, duplicates and zeros; the extremes saturate.
        let one = |rng: &mut Generator| match spread {
            0 => below(rng, 3) as i16 - 1,
            1 => below(rng, 21) as i16 - 10,
            2 => [i16::MIN, i16::MAX, 0][below(rng, 3) as usize],
            _ => normal(rng),
        };
        let rows: Vec<i16> = (0..n * d).map(|_| one(&mut rng)).collect();
        let (mut arrays, mut assignments) = (Arrays::new(k, d), vec![0; n]);
        let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
        if plus_plus {
            lloyd.seed_plus_plus(&mut rng);
        } else {
            lloyd.seed_random(&mut rng);
        }
        let last = checked_fit(&mut lloyd, 200);
        // The potential is the sum of the distances that inference reports, and a fixed point.
        let mut sum = 0;
        for (row, own) in rows.chunks_exact(d).zip(lloyd.assignments()) {
            let nearest = lloyd.model().nearest(row).unwrap();
            prop_assert_eq!(nearest.index, u32::from(*own));
            sum += nearest.distance;
        }
        // A direction's rounding makes its length differ from 1, which inference clamps.
        let tolerance = if metric == Metric::Cosine { (n as u64) << 16 } else { 0 };
        prop_assert!(sum.abs_diff(last.potential) <= tolerance, "{} {}", sum, last.potential);
        // No centroid is without rows while some row lies off its centroid.
        if metric != Metric::Cosine && last.potential > 0 {
            prop_assert!(lloyd.usage().iter().all(|usage| usage.count > 0));
        }
        let model = lloyd.model();
        let (centroids, offsets) = (model.centroids().to_vec(), model.offsets.to_vec());
        prop_assert!(KMeans::with_metric(metric, &centroids, &offsets, d).is_ok());
    }
}

#[test]
fn fixed_points_are_means_medians_and_directions() {
    let mut rng = Generator::from_seed(3);
    for metric in METRICS {
        for d in [1, 3, 16] {
            let (n, k) = (301, 5);
            let rows = blobs(&mut rng, n, d, 5);
            let (mut arrays, mut assignments) = (Arrays::new(k, d), vec![0; n]);
            let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
            let different = if metric == Metric::Cosine && d == 1 {
                2
            } else {
                k
            };
            assert_eq!(lloyd.seed_plus_plus(&mut rng), different);
            checked_fit(&mut lloyd, 200);
            for cluster in 0..k {
                let own: Vec<&[i16]> = rows
                    .chunks_exact(d)
                    .zip(lloyd.assignments())
                    .filter(|(_, a)| usize::from(**a) == cluster)
                    .map(|(row, _)| row)
                    .collect();
                let centroid = lloyd.model().centroid(cluster).unwrap();
                let count = own.len() as f64;
                assert_eq!(lloyd.usage()[cluster].count as usize, own.len());
                let lengths: Vec<f64> = own
                    .iter()
                    .map(|row| float(row, 0).iter().map(|x| x * x).sum::<f64>().sqrt())
                    .collect();
                let mean: Vec<f64> = (0..d)
                    .map(|c| {
                        let of = |(row, length): (&&[i16], &f64)| match metric {
                            Metric::Cosine => f64::from(row[c]) / length.max(1.0),
                            _ => f64::from(row[c]),
                        };
                        own.iter().zip(&lengths).map(of).sum::<f64>() / count
                    })
                    .collect();
                let length = mean.iter().map(|m| m * m).sum::<f64>().sqrt();
                if metric == Metric::Cosine && (own.is_empty() || length == 0.0) {
                    // One dimension has two directions, and rows of zeros have none.
                    continue;
                }
                for (c, value) in centroid.iter().enumerate() {
                    match metric {
                        Metric::SquaredEuclidean => {
                            assert!((f64::from(*value) - mean[c]).abs() <= 0.5 + 1e-9);
                        }
                        Metric::Manhattan => {
                            let below = own.iter().filter(|row| row[c] < *value).count();
                            let above = own.iter().filter(|row| row[c] > *value).count();
                            assert!(2 * below <= own.len() && 2 * above <= own.len());
                        }
                        Metric::Cosine => {
                            // A step that gains nothing is not taken: it may lack the last rounding.
                            let exact = mean[c] / length * 32_768.0;
                            assert!((f64::from(*value) - exact).abs() <= 3.0, "{value} {exact}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn rounds_follow_lloyd_s_algorithm_in_f64() {
    let mut rng = Generator::from_seed(4);
    let (n, d, k) = (2000, 8, 6);
    let rows = blobs(&mut rng, n, d, 9);
    let (mut arrays, mut assignments) = (Arrays::new(k, d), vec![0; n]);
    let metric = Metric::SquaredEuclidean;
    let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
    lloyd.seed_plus_plus(&mut rng);
    let mut centroids = float(lloyd.model().centroids(), 12);
    let float_rows = float(&rows, 12);
    for _ in 0..30 {
        let round = lloyd.round();
        let (mut sums, mut counts) = (vec![0.0; k * d], vec![0.0; k]);
        let mut potential = 0.0;
        for x in float_rows.chunks_exact(d) {
            let distances = centroids
                .chunks_exact(d)
                .map(|c| c.iter().zip(x).map(|(c, x)| (c - x) * (c - x)).sum::<f64>());
            let (own, distance) = distances
                .enumerate()
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap();
            potential += distance;
            counts[own] += 1.0;
            sums[own * d..][..d]
                .iter_mut()
                .zip(x)
                .for_each(|(sum, x)| *sum += x);
        }
        for (c, (sum, at)) in centroids.iter_mut().zip(sums.iter().zip(0..)) {
            *c = sum / counts[at / d];
        }
        let found = round.potential as f64 / 2f64.powi(24);
        // A row on the border may change sides a round later for the rounding of the centroids.
        assert!(
            (found / potential - 1.0).abs() < 1e-4,
            "{found} {potential}"
        );
    }
}

#[test]
fn empty_clusters_take_the_furthest_rows_in_turn() {
    // Three centroids on one spot: two are empty, and take 90 and then 50.
    let rows = [0, 1, 2, 50, 90];
    let mut arrays = Arrays::new(3, 1);
    let mut assignments = [0; 5];
    let mut lloyd = Lloyd::new(
        Metric::SquaredEuclidean,
        &rows,
        arrays.batch(),
        &mut assignments,
    )
    .unwrap();
    let round = lloyd.round();
    assert_eq!((round.moved, round.reseeded), (1, 2));
    // The mean is 29: 90 is furthest by 61, then 0 by 29.
    assert_eq!(lloyd.model().centroids(), [29, 90, 0]);
    assert_eq!(lloyd.assignments(), [2, 0, 0, 0, 1]);
    checked_fit(&mut lloyd, 10);
}

#[test]
fn more_centroids_than_rows_and_rows_of_zeros_are_no_trouble() {
    for metric in METRICS {
        let rows = [7, 7, 7, 7, 0, 0];
        let mut arrays = Arrays::new(5, 2);
        let mut assignments = [0; 3];
        let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
        let mut rng = Generator::from_seed(1);
        let different = lloyd.seed_plus_plus(&mut rng);
        assert_eq!(different, if metric == Metric::Cosine { 1 } else { 2 });
        assert!(lloyd.fit(5).converged);
        assert_eq!(
            lloyd.seed_random(&mut rng),
            if metric == Metric::Cosine { 2 } else { 3 }
        );
        assert!(lloyd.fit(5).converged);
        let zeros = [0; 6];
        let mut lloyd = Lloyd::new(metric, &zeros, arrays.batch(), &mut assignments).unwrap();
        lloyd.seed_plus_plus(&mut rng);
        assert!(lloyd.fit(5).converged);
    }
}

#[test]
fn learners_refuse_lengths_that_do_not_fit() {
    let mut arrays = Arrays::new(2, 3);
    let metric = Metric::Manhattan;
    for (rows, assignments) in [(0, 0), (7, 2), (6, 3), (6, 1)] {
        let (rows, mut assignments) = (vec![0; rows], vec![0; assignments]);
        let lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments);
        assert_eq!(lloyd.err(), Some(Defect::Shape));
    }
    arrays.centroids.pop();
    assert_eq!(Online::new(arrays.online()).err(), Some(Defect::Shape));
    assert!(Reservoir::new(&mut [0; 5], 2).is_err());
    assert!(Reservoir::new(&mut [0; 4], 0).is_err());
    let mut storage = Storage::<2, 3>::NEW;
    assert!(storage.online().unwrap().step(&[1, 2]).is_err());
    let norms = [0];
    let other = KMeans::new(&[0, 0, 0], &norms, 3).unwrap();
    let fewer = storage.online_from_model(&other, 1).map(|_| ());
    assert_eq!(fewer, Err(Defect::Shape));
    let (rows, mut assignments) = ([0; 3], [0]);
    let fewer = storage.lloyd_from_model(&other, &rows, &mut assignments);
    assert_eq!(fewer.map(|_| ()), Err(Defect::Shape));
}

#[test]
fn steps_of_one_row_make_a_round() {
    let rows = [1, 2, 30, 40, 41];
    let mut arrays = Arrays::new(2, 1);
    let mut assignments = [0; 5];
    let mut lloyd = Lloyd::new(
        Metric::SquaredEuclidean,
        &rows,
        arrays.batch(),
        &mut assignments,
    )
    .unwrap();
    lloyd.seed_random(&mut Generator::from_seed(9));
    for _ in 0..4 {
        assert_eq!(lloyd.step(), None);
    }
    assert!(lloyd.step().is_some());
}

#[test]
fn seeding_draws_rows_in_proportion_to_their_distance() {
    // From 0 the weights of 0, 1, 3 are 0, 1, 9 squared and 0, 1, 3 plain; and so on.
    let rows = [0i16, 1, 3];
    for (metric, weights) in [
        (
            Metric::SquaredEuclidean,
            [[0.0, 1.0, 9.0], [1.0, 0.0, 4.0], [9.0, 4.0, 0.0]],
        ),
        (
            Metric::Manhattan,
            [[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]],
        ),
    ] {
        let mut counts = [[0f64; 3]; 3];
        let mut rng = Generator::from_seed(6);
        let draws = 30_000;
        for _ in 0..draws {
            let mut arrays = Arrays::new(2, 1);
            let mut assignments = [0; 3];
            let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
            assert_eq!(lloyd.seed_plus_plus(&mut rng), 2);
            let place = |c: i16| rows.iter().position(|x| *x == c).unwrap();
            counts[place(arrays.centroids[0])][place(arrays.centroids[1])] += 1.0;
        }
        for (counts, weights) in counts.iter().zip(weights) {
            let total: f64 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(weights) {
                let expected = f64::from(draws) / 3.0 * weight / total;
                assert!(
                    (count - expected).abs() <= 4.5 * expected.sqrt(),
                    "{count} {expected}"
                );
            }
        }
    }
}

#[test]
fn random_seeds_are_every_row_equally_often_and_never_one_twice() {
    let rows = [10i16, 11, 12, 13, 14];
    let mut counts = [0f64; 5];
    let mut rng = Generator::from_seed(7);
    for _ in 0..20_000 {
        let mut arrays = Arrays::new(3, 1);
        let mut assignments = [0; 5];
        let mut lloyd =
            Lloyd::new(Metric::Manhattan, &rows, arrays.batch(), &mut assignments).unwrap();
        assert_eq!(lloyd.seed_random(&mut rng), 3);
        assert!(arrays.centroids.windows(2).all(|pair| pair[0] < pair[1]));
        for c in &arrays.centroids {
            counts[(c - 10) as usize] += 1.0;
        }
    }
    assert!(
        counts
            .iter()
            .all(|count| (count - 12_000.0).abs() < 4.5 * 70.0),
        "{counts:?}"
    );
}

#[test]
fn a_reservoir_holds_every_row_with_the_same_probability() {
    let mut counts = [0f64; 40];
    let mut rng = Generator::from_seed(8);
    for _ in 0..20_000 {
        let mut buffer = [0; 5];
        let mut reservoir = Reservoir::new(&mut buffer, 1).unwrap();
        for t in 0..40 {
            assert_eq!(reservoir.rows().len(), 5.min(t as usize));
            reservoir.step(&[t], &mut rng).unwrap();
        }
        for t in reservoir.rows() {
            counts[*t as usize] += 1.0;
        }
    }
    // 20000 · 5 / 40 each.
    assert!(
        counts
            .iter()
            .all(|count| (count - 2500.0).abs() < 4.5 * 50.0),
        "{counts:?}"
    );
}

#[test]
fn seeding_in_steps_is_the_textbook_s_with_the_same_draws() {
    let mut source = Generator::from_seed(3);
    for seed in 0..40u64 {
        let (n, d, k) = (30, 3, 6);
        let mut rows: Vec<i16> = (0..n * d).map(|_| normal(&mut source)).collect();
        let (first, rest) = rows.split_at_mut(4 * d);
        first.copy_from_slice(&rest[..4 * d]); // duplicates
        let mut oracle = Generator::from_seed(seed);
        let wide = |rng: &mut Generator, bound: u64| {
            use rand_core::Rng;
            ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
        };
        let squared = |a: usize, b: usize| -> u64 {
            let pairs = rows[a * d..][..d].iter().zip(&rows[b * d..][..d]);
            pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
        };
        let mut chosen = vec![wide(&mut oracle, n as u64) as usize];
        while chosen.len() < k {
            let least = |row| chosen.iter().map(|c| squared(row, *c)).min().unwrap();
            let weights: Vec<u64> = (0..n).map(least).collect();
            let mut left = wide(&mut oracle, weights.iter().sum());
            let drawn = weights.iter().position(|weight| {
                let found = left < *weight;
                left = left.saturating_sub(*weight);
                found
            });
            chosen.push(drawn.unwrap());
        }

        let mut arrays = Arrays::new(k, d);
        let mut assignments = vec![0; n];
        let metric = Metric::SquaredEuclidean;
        let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
        let (mut seeding, mut rng) = (PlusPlus::NEW, Generator::from_seed(seed));
        let mut steps = 1;
        while lloyd.seed_step(&mut seeding, &mut rng).is_none() {
            steps += 1;
        }
        assert!(steps <= 2 * n * k + n, "{steps}");
        assert_eq!(rng, oracle);
        for (cluster, row) in chosen.into_iter().enumerate() {
            assert_eq!(lloyd.model().centroid(cluster), Some(&rows[row * d..][..d]));
        }
    }
}

#[test]
fn the_best_of_several_starts_is_the_best() {
    let mut source = Generator::from_seed(5);
    let rows: Vec<i16> = (0..80 * 2)
        .map(|i| normal(&mut source) / 8 + (i / 2 % 9 * 3000) as i16)
        .collect();
    let (mut arrays, mut assignments, mut best) = (Arrays::new(9, 2), vec![0; 80], vec![0; 18]);
    let metric = Metric::SquaredEuclidean;
    let mut lloyd = Lloyd::new(metric, &rows, arrays.batch(), &mut assignments).unwrap();
    let mut single = Vec::new();
    let mut rng = Generator::from_seed(1);
    for _ in 0..10 {
        lloyd.seed_plus_plus(&mut rng);
        single.push(lloyd.fit(50).potential);
    }
    let mut rng = Generator::from_seed(1);
    lloyd.seed_best_of(10, 50, &mut best, &mut rng).unwrap();
    assert_eq!(lloyd.model().centroids(), best);
    let (least, most) = (single.iter().min().unwrap(), single.iter().max().unwrap());
    assert!(least < most, "{single:?}");
    assert_eq!(lloyd.round().potential, *least);
    assert!(lloyd.seed_best_of(1, 1, &mut best[1..], &mut rng).is_err());
    assert!(lloyd.start_from(&best[1..]).is_err());
}

#[test]
fn a_learner_goes_on_from_a_model_of_its_metric_and_from_no_other() {
    // Directions (1, 0) and (0.6, 0.8); as features they are corners of the cube.
    let directions = [32_767i16, 0, 19_661, 26_214];
    let features = [8_000i16, 0, 100, 100];
    let offsets = |metric: Metric, centroids: &[i16]| {
        let offsets = centroids.chunks_exact(2).map(|c| metric.offset(c));
        offsets.collect::<Vec<_>>()
    };
    let rows = [300i16, 30, 100, 400, 0, -7];
    let differs = Err(Defect::Differs(crate::Difference::Metric));
    for metric in [Metric::SquaredEuclidean, Metric::Manhattan, Metric::Cosine] {
        let directed = metric == Metric::Cosine;
        let centroids = if directed { directions } else { features };
        let offsets = offsets(metric, &centroids);
        let model = KMeans::with_metric(metric, &centroids, &offsets, 2).unwrap();
        let mut storage = Storage::<2, 2>::NEW;

        let online = storage.online_from_model(&model, 10);
        if metric == Metric::SquaredEuclidean {
            let online = online.unwrap();
            let view = online.model();
            assert_eq!((view.metric(), view.centroids()), (metric, &centroids[..]));
            assert!(KMeans::new(view.centroids(), view.offsets(), 2).is_ok());
            let counts: Vec<_> = online.usage().iter().map(|usage| usage.count).collect();
            assert_eq!(counts, [10, 10]);
        } else {
            assert_eq!(online.map(|_| ()), differs);
        }

        let mut assignments = [0; 3];
        {
            let mut lloyd = storage
                .lloyd_from_model(&model, &rows, &mut assignments)
                .unwrap();
            assert_eq!(lloyd.model().metric(), metric);
            assert_eq!(lloyd.model().centroids(), centroids);
            lloyd.round();
            let view = lloyd.model();
            KMeans::with_metric(metric, view.centroids(), view.offsets(), 2).unwrap();
        }
        // What is in the memory now is a learner's of the same format, or nobody's.
        let taken = storage.online().map(|_| ());
        assert_eq!(taken, if directed { differs } else { Ok(()) });
        for other in [Metric::SquaredEuclidean, Metric::Manhattan] {
            let taken = storage.lloyd(other, &rows, &mut assignments).map(|_| ());
            assert_eq!(taken, if directed { differs } else { Ok(()) });
        }
        // Features give directions, and then there are no features left.
        let lloyd = storage
            .lloyd(Metric::Cosine, &rows, &mut assignments)
            .unwrap();
        let view = lloyd.model();
        KMeans::with_metric(Metric::Cosine, view.centroids(), view.offsets(), 2).unwrap();
        assert_eq!(storage.online().map(|_| ()), differs);
    }
}
