//! The best linear estimate of a row from what was seen of it.

/// The estimator of least mean squared error among the linear ones, of x from `y = K x + n`: with the rows' mean m and
/// covariance C, `x^ = m + C K^T (K C K^T + sigma^2 I)^-1 (y - K m)` (S. Kay, *Fundamentals of statistical signal
/// processing: estimation theory*, theorem 12.1).
#[derive(Clone, Debug, PartialEq)]
pub struct LinearEstimator {
    mean: Vec<f64>,
    /// `K m`.
    seen_mean: Vec<f64>,
    /// `C K^T (K C K^T + sigma^2 I)^-1`, a row an element of x.
    gain: Vec<Vec<f64>>,
}

impl LinearEstimator {
    /// The estimator for rows like `rows`, seen through `damage` (a row an element of y) with white noise of standard
    /// deviation `noise`. `None` when the matrix cannot be inverted, which noise prevents.
    #[must_use]
    pub fn new(rows: &[Vec<f64>], damage: &[Vec<f64>], noise: f64) -> Option<Self> {
        let d = rows.first()?.len();
        let n = rows.len() as f64;
        let mean: Vec<f64> = (0..d)
            .map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / n)
            .collect();
        // C K^T by way of the damaged rows: the covariance of x and K x.
        let apply = |x: &[f64]| -> Vec<f64> {
            let product = |line: &Vec<f64>| line.iter().zip(x).map(|(k, x)| k * x).sum();
            damage.iter().map(product).collect()
        };
        let m = damage.len();
        let mut cross = vec![vec![0.0; m]; d];
        let mut seen = vec![vec![0.0; m]; m];
        for row in rows {
            let x: Vec<f64> = row.iter().zip(&mean).map(|(x, mean)| x - mean).collect();
            let y = apply(&x);
            let add = |sums: &mut [Vec<f64>], left: &[f64]| {
                for (line, a) in sums.iter_mut().zip(left) {
                    for (sum, b) in line.iter_mut().zip(&y) {
                        *sum += a * b;
                    }
                }
            };
            add(&mut cross, &x);
            add(&mut seen, &y);
        }
        for sum in cross.iter_mut().chain(&mut seen).flatten() {
            *sum /= n - 1.0;
        }
        for (at, line) in seen.iter_mut().enumerate() {
            line[at] += noise * noise;
        }
        let factor = cholesky(seen)?;
        Some(Self {
            seen_mean: apply(&mean),
            gain: cross.iter().map(|line| solve(&factor, line)).collect(),
            mean,
        })
    }

    /// The estimate of x for what was seen.
    #[must_use]
    pub fn estimate(&self, y: &[f64]) -> Vec<f64> {
        let surprise: Vec<f64> = y.iter().zip(&self.seen_mean).map(|(y, m)| y - m).collect();
        let lines = self.gain.iter().zip(&self.mean);
        lines
            .map(|(line, mean)| mean + line.iter().zip(&surprise).map(|(g, s)| g * s).sum::<f64>())
            .collect()
    }
}

/// The lower triangle L of `L L^T`; `None` unless the matrix is positive definite.
fn cholesky(mut a: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    for i in 0..a.len() {
        for j in 0..=i {
            let product: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            let rest = a[i][j] - product;
            if i == j {
                if rest <= 0.0 {
                    return None;
                }
                a[i][i] = rest.sqrt();
            } else {
                a[i][j] = rest / a[j][j];
            }
        }
    }
    Some(a)
}

/// `(L L^T)^-1 b`.
fn solve(l: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut x = b.to_vec();
    for i in 0..n {
        let known: f64 = (0..i).map(|k| l[i][k] * x[k]).sum();
        x[i] = (x[i] - known) / l[i][i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| l[k][i] * x[k]).sum();
        x[i] = (x[i] - known) / l[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_column_is_the_textbook_shrinkage() {
        // Variance 4, noise 1: x^ = m + 4 / 5 (y - m).
        let rows = [vec![1.0], vec![3.0], vec![5.0]];
        let linear = LinearEstimator::new(&rows, &[vec![1.0]], 1.0).unwrap();
        assert!((linear.estimate(&[8.0])[0] - 7.0).abs() < 1e-12);
    }

    #[test]
    fn what_was_not_seen_follows_what_was() {
        // x2 = 2 x1 - 1; only x1 was seen, all but exactly.
        let rows: Vec<Vec<f64>> = (0..9)
            .map(|i| f64::from(i).sin())
            .map(|x| vec![x, 2.0 * x - 1.0])
            .collect();
        let linear = LinearEstimator::new(&rows, &[vec![1.0, 0.0]], 1e-9).unwrap();
        let estimate = linear.estimate(&[0.3]);
        assert!((estimate[0] - 0.3).abs() < 1e-6 && (estimate[1] + 0.4).abs() < 1e-6);
        let blind = LinearEstimator::new(&rows, &[vec![0.0, 0.0]], 0.0);
        assert!(blind.is_none());
    }

    #[test]
    fn no_other_gain_has_a_smaller_error() {
        let rows: Vec<Vec<f64>> = (0..50)
            .map(|i| {
                let t = f64::from(i);
                vec![t.sin(), (1.3 * t).cos() + t.sin(), (0.7 * t).sin()]
            })
            .collect();
        let damage = [vec![0.5, 0.5, 0.0], vec![0.0, 1.0, -1.0]];
        let noise = 0.2;
        let best = LinearEstimator::new(&rows, &damage, noise).unwrap();
        // Mean squared error: of the bias over the rows, and of the noise through the gain.
        let error = |linear: &LinearEstimator| {
            let bias: f64 = rows
                .iter()
                .map(|row| {
                    let y: Vec<f64> = damage
                        .iter()
                        .map(|line| line.iter().zip(row).map(|(k, x)| k * x).sum())
                        .collect();
                    let x = linear.estimate(&y);
                    x.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
                })
                .sum();
            let gains: f64 = linear.gain.iter().flatten().map(|g| g * g).sum();
            bias / (rows.len() as f64 - 1.0) + noise * noise * gains
        };
        let least = error(&best);
        for i in 0..3 {
            for j in 0..2 {
                for step in [-0.01, 0.01] {
                    let mut other = best.clone();
                    other.gain[i][j] += step;
                    assert!(error(&other) > least);
                }
            }
        }
    }
}
