//! What a metric means for rows, distances and centroids.

use super::super::model::Metric;

/// Below this the directions of two rows, each rounded to f32, count as equal.
const EQUAL_DIRECTIONS: f64 = 1e-12;

impl Metric {
    /// What a row adds to the inertia when it lies at `b` from its centroid at `a`: `sum_j (a_j - b_j)^2`,
    /// `sum_j |a_j - b_j|` or `1 - cos(a, b)`, in f64.
    pub(super) fn cost(self, a: &[f32], b: &[f32]) -> f64 {
        let pairs = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
        match self {
            Self::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
            Self::L1 => pairs().map(|(a, b)| (a - b).abs()).sum(),
            Self::Cosine => {
                let (aa, bb) =
                    pairs().fold((0.0, 0.0), |(aa, bb), (a, b)| (aa + a * a, bb + b * b));
                if aa == 0.0 || bb == 0.0 {
                    return 1.0;
                }
                // 1 - cos = |u - v|^2 / 2 for unit vectors, without cancellation where they are close.
                let (a_norm, b_norm) = (aa.sqrt(), bb.sqrt());
                let squares: f64 = pairs()
                    .map(|(a, b)| (a / a_norm - b / b_norm).powi(2))
                    .sum();
                let cost = squares / 2.0;
                if cost < EQUAL_DIRECTIONS { 0.0 } else { cost }
            }
        }
    }
}

/// Scales a row to length one; a row of zeros, which has no direction, stays what it is.
pub(super) fn normalise(row: &mut [f32]) {
    let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if squares > 0.0 {
        let norm = squares.sqrt();
        row.iter_mut()
            .for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
}

/// The median of some numbers: of an even count the mean of the middle two; 0 of none.
pub(super) fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    if odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    ((f64::from(lower) + f64::from(upper)) / 2.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_their_textbook_values() {
        let (a, b) = ([3.0, 0.0], [0.0, 4.0]);
        assert_eq!(Metric::L2.cost(&a, &b), 25.0);
        assert_eq!(Metric::L1.cost(&a, &b), 7.0);
        assert!((Metric::Cosine.cost(&a, &b) - 1.0).abs() < 1e-15);
        assert_eq!(Metric::Cosine.cost(&a, &[7.0, 0.0]), 0.0);
        assert!((Metric::Cosine.cost(&a, &[-1.0, 0.0]) - 2.0).abs() < 1e-15);
        assert_eq!(Metric::Cosine.cost(&a, &[0.0, 0.0]), 1.0);
    }

    #[test]
    fn the_median_leaves_half_on_either_side() {
        assert_eq!(median(&mut [3.0, 9.0, -1.0]), 3.0);
        assert_eq!(median(&mut [4.0, 9.0, -1.0, 3.0]), 3.5);
        assert_eq!(median(&mut [2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
