//! Dot products and distances.

use super::*;

#[test]
fn distances_and_dot_products_are_exact_at_any_length_and_extreme() {
    let mut random = Random(5);
    for d in 1..=70 {
        for _ in 0..4 {
            let k = 1 + random.below(11);
            let (pattern, opposite) = (random.below(4), random.below(4));
            let centroids = wide(&random.values(k * d, pattern, -32_768, 32_767));
            let x = wide(&random.values(d, opposite, -32_768, 32_767));
            let mut norms = Vec::new();
            let mut distances = Vec::new();
            for c in centroids.chunks_exact(d) {
                let pairs = || {
                    c.iter()
                        .zip(&x)
                        .map(|(c, x)| (i128::from(*c), i128::from(*x)))
                };
                let product: i128 = pairs().map(|(c, x)| c * x).sum();
                let distance: i128 = pairs().map(|(c, x)| (c - x) * (c - x)).sum();
                assert_eq!(i128::from(dot(c, &x).unwrap()), product);
                assert_eq!(i128::from(squared_distance(c, &x).unwrap()), distance);
                assert_eq!(i128::from(reference::dot(c, &x)), product);
                assert_eq!(i128::from(reference::squared_distance(c, &x)), distance);
                norms.push(dot(c, c).unwrap());
                distances.push(distance);
            }
            let least = *distances.iter().min().unwrap();
            // With one extreme everywhere all distances are equal: the first must win.
            let index = distances
                .iter()
                .position(|distance| *distance == least)
                .unwrap();
            let expected = Nearest {
                index: index as u32,
                distance: least as u64,
            };
            assert_eq!(nearest_l2(&centroids, &norms, &x), Ok(expected));
            assert_eq!(reference::nearest_l2(&centroids, &x), expected);
        }
    }
}

#[test]
fn distances_refuse_wrong_lengths() {
    assert!(dot(&[1, 2], &[1]).is_err());
    assert!(squared_distance(&[1], &[1, 2]).is_err());
    assert!(nearest_l2(&[1, 2, 3], &[1, 2], &[1, 2]).is_err());
    assert!(nearest_l2(&[], &[], &[1]).is_err());
    assert!(nearest_l2(&[], &[1], &[]).is_err());
}

#[test]
fn manhattan_distances_are_exact_at_any_length_and_extreme() {
    let mut random = Random(6);
    for d in (1..=70).chain([65_536, 65_537]) {
        for pattern in 0..16 {
            let k = 1 + random.below(3);
            let centroids = wide(&random.values(k * d, pattern / 4, -32_768, 32_767));
            let x = wide(&random.values(d, pattern % 4, -32_768, 32_767));
            let rows = || centroids.chunks_exact(d);
            let sums: Vec<i64> = rows()
                .map(|c| c.iter().map(|c| i64::from(*c)).sum())
                .collect();
            let distances: Vec<i64> = rows()
                .map(|c| {
                    let pairs = c.iter().zip(&x);
                    pairs
                        .map(|(c, x)| (i64::from(*c) - i64::from(*x)).abs())
                        .sum()
                })
                .collect();
            for (c, distance) in rows().zip(&distances) {
                assert_eq!(manhattan_distance(c, &x), Ok(*distance as u64));
                assert_eq!(reference::manhattan_distance(c, &x), *distance as u64);
            }
            let least = *distances.iter().min().unwrap();
            let index = distances.iter().position(|distance| *distance == least);
            let expected = Nearest {
                index: index.unwrap() as u32,
                distance: least as u64,
            };
            assert_eq!(nearest_l1(&centroids, &sums, &x), Ok(expected));
            assert_eq!(reference::nearest_l1(&centroids, &x), expected);
        }
    }
    assert!(manhattan_distance(&[1], &[1, 2]).is_err());
    assert!(nearest_l1(&[1, 2, 3], &[1, 2], &[1, 2]).is_err());
}
