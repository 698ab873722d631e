//! Whether an imported model and the rows given with it belong together.

use super::{Imported, Scaler};
use crate::{
    data::Table,
    oracle,
    train::model::{Covariances, GmmModel, KMeansModel, PcaModel},
};

/// How many times as much as expected rows may cost: other rows of the same data stay below.
const FAR: f64 = 10.0;

/// How many times their own spread rows may lie from where the model has them: rows that a model was fitted to never
/// lie further than once.
const APART: f64 = 3.0;

/// What to do about a model that lies nowhere near the rows.
const REMEDY: &str = "as when it was fitted behind a scaler that is not in the archive; save scaler_mean_ and scaler_scale_ with it, or give the data that it was fitted to";

/// Compares a model with rows of data, in the model's own units, and says what was found, a line each.
#[must_use]
pub fn compare(model: &Imported, scaler: Option<&Scaler>, table: &Table) -> Vec<String> {
    let rows: Vec<Vec<f64>> = table
        .iter_rows()
        .map(|row| {
            let mut row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            if let Some(scaler) = scaler {
                scaler.apply(&mut row);
            }
            row
        })
        .collect();
    let spread = Spread::of(&rows);
    match model {
        Imported::KMeans(model) => kmeans(model, &rows, &spread),
        Imported::Pca(model) => pca(model, &spread),
        Imported::Gmm(model) => gmm(model, &spread),
    }
}

/// Mean and variance of each column.
struct Spread {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Spread {
    fn of(rows: &[Vec<f64>]) -> Self {
        let count = rows.len() as f64;
        let width = rows.first().map_or(0, Vec::len);
        let mean: Vec<f64> = (0..width)
            .map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / count)
            .collect();
        let variance = (0..width)
            .map(|at| {
                rows.iter()
                    .map(|row| (row[at] - mean[at]).powi(2))
                    .sum::<f64>()
                    / count
            })
            .collect();
        Self { mean, variance }
    }
}

fn kmeans(model: &KMeansModel, rows: &[Vec<f64>], spread: &Spread) -> Vec<String> {
    let centroids: Vec<f64> = model.centroids.iter().map(|&c| f64::from(c)).collect();
    let inertia: f64 = rows
        .iter()
        .map(|row| oracle::nearest(&centroids, row).squared_distance)
        .sum();
    let count = rows.len();
    // No centroid at all would cost no more than the total sum of squares.
    let total = spread.variance.iter().sum::<f64>() * count as f64;
    let known = !model.inertia.is_nan();
    let mut lines = Vec::new();
    if known {
        lines.push(format!(
            "inertia_ of the archive is {:.6}; the {count} rows given cost {inertia:.6}",
            model.inertia
        ));
    }
    let far = if known {
        // Many more rows cost more as well, but not more than without centres.
        inertia > (FAR * model.inertia).max(total)
    } else {
        inertia > APART * total
    };
    if far {
        lines.push(format!("the centres lie nowhere near the rows, {REMEDY}"));
    }
    lines
}

fn pca(model: &PcaModel, spread: &Spread) -> Vec<String> {
    let between: f64 = spread
        .mean
        .iter()
        .zip(&model.mean)
        .map(|(a, b)| (a - f64::from(*b)).powi(2))
        .sum();
    let total: f64 = spread.variance.iter().sum();
    let centred = model.mean.iter().any(|mean| *mean != 0.0);
    let far = centred && between > APART * total.max(model.total_variance);
    let other = total > FAR * FAR * model.total_variance;
    let told = |what: &str| vec![format!("{what}, {REMEDY}")];
    match (far, other) {
        (true, _) => told("mean_ lies nowhere near the rows"),
        (_, true) => told("the rows vary much more than explained_variance_ says"),
        _ => Vec::new(),
    }
}

fn gmm(model: &GmmModel, spread: &Spread) -> Vec<String> {
    let (k, d) = (model.k, model.d);
    let variance = |component: usize, at: usize| match &model.covariances {
        Covariances::Diagonal(values) => values[component * d + at],
        Covariances::Tied(values) => values[at * d + at],
        Covariances::Full(values) => values[(component * d + at) * d + at],
    };
    let far = (0..d).any(|at| {
        let mean: f64 = (0..k)
            .map(|c| model.weights[c] * model.means[c * d + at])
            .sum();
        let own: f64 = (0..k)
            .map(|c| {
                let apart = model.means[c * d + at] - mean;
                model.weights[c] * (variance(c, at) + apart * apart)
            })
            .sum();
        let apart = (spread.mean[at] - mean).powi(2);
        apart > FAR * FAR * own.max(spread.variance[at]) || spread.variance[at] > FAR * FAR * own
    });
    if far {
        vec![format!("the mixture lies nowhere near the rows, {REMEDY}")]
    } else {
        Vec::new()
    }
}
