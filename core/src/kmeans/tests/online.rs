//! Centroids that follow a stream.

use super::*;

/// Sequential k-means in f64.
fn sequential(centroids: &mut [f64], counts: &mut [f64], x: &[f64], window: f64) {
    let distances = centroids
        .chunks_exact(x.len())
        .map(|c| c.iter().zip(x).map(|(c, x)| (c - x) * (c - x)).sum::<f64>());
    let own = distances
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap()
        .0;
    counts[own] = (counts[own] + 1.0).min(window);
    for (c, x) in centroids[own * x.len()..].iter_mut().zip(x) {
        *c += (x - *c) / counts[own];
    }
}

#[test]
fn sequential_steps_follow_f64_within_a_unit() {
    for (window, tolerance) in [(u16::MAX, 1.0), (200, 1.0), (1, 1.0)] {
        let mut rng = Generator::from_seed(10);
        let (d, k) = (4, 3);
        // Well apart, so that no row is on a border.
        let centres: Vec<i16> = (0..k * d).map(|at| ((at / d) as i16 - 1) * 9000).collect();
        let mut arrays = Arrays::new(k, d);
        arrays.centroids.copy_from_slice(&centres);
        let mut online = Online::new(arrays.online()).unwrap().with_window(window);
        let (mut exact, mut counts) = (float(&centres, 0), vec![0.0; k]);
        for _ in 0..30_000 {
            let centre = below(&mut rng, k as u32) as usize;
            let row: Vec<i16> = centres[centre * d..][..d]
                .iter()
                .map(|c| c + normal(&mut rng) / 4)
                .collect();
            online.step(&row).unwrap();
            sequential(&mut exact, &mut counts, &float(&row, 0), window.into());
        }
        for (found, exact) in online.model().centroids().iter().zip(&exact) {
            assert!(
                (f64::from(*found) - exact).abs() <= tolerance,
                "{found} {exact}"
            );
        }
        let model = online.model();
        assert!(KMeans::new(model.centroids(), model.offsets, d).is_ok());
    }
}

#[test]
fn a_window_follows_a_drift_that_a_mean_does_not() {
    let ends: Vec<i16> = [u16::MAX, 100]
        .into_iter()
        .map(|window| {
            let mut arrays = Arrays::new(1, 1);
            let mut online = Online::new(arrays.online()).unwrap().with_window(window);
            (0..20_000i16).for_each(|t| {
                online.step(&[t]).unwrap();
            });
            online.model().centroids()[0]
        })
        .collect();
    // The mean of all, and a lag of window - 1 behind the last.
    assert_eq!(ends, [10_000, 19_900]);
}

#[test]
fn extremes_neither_overflow_nor_pass_their_row() {
    let mut arrays = Arrays::new(1, 2);
    let mut online = Online::new(arrays.online()).unwrap().with_window(3);
    for t in 0..1000 {
        let row = if t % 7 < 4 {
            [i16::MIN, i16::MAX]
        } else {
            [i16::MAX, i16::MIN]
        };
        online.step(&row).unwrap();
    }
    for _ in 0..100 {
        online.step(&[i16::MIN, i16::MAX]).unwrap();
    }
    assert_eq!(online.model().centroids(), [i16::MIN, i16::MAX]);
}

#[test]
fn dead_centroids_move_to_rows_that_lie_far_out() {
    for patience in [u32::MAX, 200] {
        let mut rng = Generator::from_seed(11);
        let mut arrays = Arrays::new(3, 1);
        // The third lies where nothing is; two blobs share the second.
        arrays.centroids.copy_from_slice(&[0, 10_000, -30_000]);
        arrays.usage.fill(Usage { count: 1, idle: 0 });
        let mut online = Online::new(arrays.online())
            .unwrap()
            .with_window(50)
            .with_patience(patience);
        for _ in 0..3000 {
            let centre = [0, 0, 0, 0, 0, 0, 0, 0, 9_000, 12_000][below(&mut rng, 10) as usize];
            online.step(&[centre + normal(&mut rng) / 64]).unwrap();
        }
        let mut centroids = online.model().centroids().to_vec();
        centroids.sort_unstable();
        let near = |c: i16, place: i16| (c - place).abs() < 200;
        let found =
            near(centroids[0], 0) && near(centroids[1], 9_000) && near(centroids[2], 12_000);
        assert_eq!(found, patience == 200, "{centroids:?}");
    }
}
