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
                distance_sq: least as u64,
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
