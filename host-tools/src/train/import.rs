//! Models that scikit-learn has trained, from `numpy.savez`.
//!
//! | model | arrays that must be there | arrays that are used if there |
//! |---|---|---|
//! | `KMeans` | `cluster_centers_` (k, d) | `inertia_` |
//! | `PCA`, `TruncatedSVD` | `components_` (k, d), `explained_variance_` (k) | `mean_` (d), `explained_variance_ratio_` |
//! | `GaussianMixture` | `weights_` (k), `means_` (k, d), `covariances_` | `covariance_type`, `lower_bound_` |
//!
//! `n_features_in_` is checked. A [`Scaler`] that the model was fitted behind comes with it under names such as
//! `scaler_mean_` and `scaler_scale_`; then it is the scaler of the device, and the model is one of features as it is.
//!
//! ```python
//! numpy.savez("mixture.npz", weights_=g.weights_, means_=g.means_, covariances_=g.covariances_,
//!             covariance_type=g.covariance_type)
//! ```
//!
//! The kind of the covariances follows from their shape: (k, d, d) full, (d, d) tied, (k, d) diagonal, (k)
//! spherical, which becomes diagonal. With as many components as columns the two-dimensional kinds look
//! the same, and `covariance_type` must say which it is.
//!
//! What is read is in the units of the data that scikit-learn was given. [`kmeans_in_features`],
//! [`pca_in_features`] and [`gmm_in_features`] turn it into the features that a device computes in:
//!
//! - A mixture is turned exactly, however the columns are scaled: `mu' = (mu - m) / s`,
//!   `Sigma'_ij = Sigma_ij / (s_i s_j)`, and every density grows by the factor `prod_j s_j`.
//! - k-means and principal components are turned only by a scale that all columns share. Scaling columns
//!   apart changes which centroid is nearest, and neither keeps components orthogonal nor their order:
//!   what came out would be another model than was imported. So it is refused; train on data that was scaled
//!   before, or scale uniformly.

mod nearness;
mod scaler;

use anyhow::{Result, anyhow, bail, ensure};

pub use nearness::compare;
pub use scaler::Scaler;

use super::model::{Covariances, GmmModel, KMeansModel, Metric, PcaModel, fix_sign};
use crate::data::{Npz, Standardiser};

/// How far components may be from orthonormal: more than f32 would leave.
const ORTHONORMAL_WITHIN: f64 = 1e-3;

/// How far the sum of weights may be from 1.
const SUM_WITHIN: f64 = 1e-3;

/// A model of an archive.
#[derive(Clone, Debug, PartialEq)]
pub enum Imported {
    /// Centroids.
    KMeans(KMeansModel),
    /// Principal components, or singular vectors.
    Pca(PcaModel),
    /// A mixture.
    Gmm(GmmModel),
}

/// What an archive holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    /// The model, in the units that it was fitted in.
    pub model: Imported,
    /// What was before it.
    pub scaler: Option<Scaler>,
    /// What was left out, taken as given or not looked at, a line each.
    pub remarks: Vec<String>,
}

/// Reads the model of an archive, and the scaler before it.
///
/// # Errors
///
/// No model or several; what [`kmeans`], [`pca`] and [`gmm`] refuse; a scaler that does not fit the model.
pub fn read(archive: &Npz) -> Result<Archive> {
    let source = archive.source();
    let kinds = ["cluster_centers_", "components_", "means_"];
    let held: Vec<&str> = kinds
        .into_iter()
        .filter(|name| archive.contains(name))
        .collect();
    let mut remarks = Vec::new();
    let (model, d, looked_at): (_, _, &[&str]) = match held[..] {
        ["cluster_centers_"] => {
            let model = kmeans(archive)?;
            let d = model.d;
            (
                Imported::KMeans(model),
                d,
                &["cluster_centers_", "inertia_"],
            )
        }
        ["components_"] => {
            let model = pca(archive)?;
            if !archive.contains("mean_") {
                remarks.push(format!(
                    "{source} has no mean_, as of TruncatedSVD: read with the mean 0"
                ));
            }
            let d = model.d;
            let looked_at = &[
                "components_",
                "mean_",
                "explained_variance_",
                "explained_variance_ratio_",
            ];
            (Imported::Pca(model), d, looked_at)
        }
        ["means_"] => {
            let model = gmm(archive)?;
            for component in without_weight(archive)? {
                remarks.push(format!(
                    "component {} of {source} has the weight 0 and is left out",
                    component + 1
                ));
            }
            let d = model.d;
            let looked_at = &[
                "weights_",
                "means_",
                "covariances_",
                "covariance_type",
                "lower_bound_",
            ];
            (Imported::Gmm(model), d, looked_at)
        }
        [] => bail!(
            "{source} has none of the arrays cluster_centers_ (KMeans), components_ (PCA) and means_ (GaussianMixture), only {}; save them under these names",
            archive.names().collect::<Vec<_>>().join(", ")
        ),
        _ => bail!(
            "{source} holds {}, of several models; save one in an archive, fitted to the data or behind a scaler",
            held.join(" and ")
        ),
    };
    let features = scalar(archive, "n_features_in_")?;
    ensure!(
        features.is_nan() || features == d as f64,
        "{source}: n_features_in_ is {features} where the model has {d} columns; save both of one model"
    );
    let bare = !matches!(model, Imported::Pca(_));
    let scaler = scaler::scaler(archive, d, bare)?;
    let of_scaler = scaler.as_ref().map_or(&[][..], |scaler| &scaler.arrays);
    let others: Vec<&str> = archive
        .names()
        .filter(|name| {
            !looked_at.contains(name)
                && *name != "n_features_in_"
                && !of_scaler.iter().any(|array| array == name)
        })
        .collect();
    if !others.is_empty() {
        remarks.push(format!("not looked at in {source}: {}", others.join(", ")));
    }
    Ok(Archive {
        model,
        scaler,
        remarks,
    })
}

/// The centroids of a `KMeans`, metric L2.
///
/// # Errors
///
/// An array that is missing or of the wrong shape.
pub fn kmeans(archive: &Npz) -> Result<KMeansModel> {
    let (centroids, k, d) = matrix(archive, "cluster_centers_")?;
    Ok(KMeansModel {
        metric: Metric::L2,
        centroids: centroids.iter().map(|&value| value as f32).collect(),
        k,
        d,
        inertia: scalar(archive, "inertia_")?,
        rounds: 0,
    })
}

/// The components of a `PCA`, turned so that the loading of largest magnitude is positive in each; of a
/// `TruncatedSVD`, which has no mean, around 0.
///
/// # Errors
///
/// An array that is missing or of the wrong shape; components that are not orthonormal.
pub fn pca(archive: &Npz) -> Result<PcaModel> {
    let (mut components, k, d) = matrix(archive, "components_")?;
    let mean = if archive.contains("mean_") {
        vector(archive, "mean_", d)?
    } else {
        vec![0.0; d]
    };
    let explained_variance = vector(archive, "explained_variance_", k)?;
    let kept: f64 = explained_variance.iter().sum();
    let source = archive.source();
    ensure!(
        explained_variance.iter().all(|variance| *variance >= 0.0) && kept > 0.0,
        "{source}, array `explained_variance_`: {}; fit it to rows that vary",
        if kept > 0.0 {
            "a variance is below 0"
        } else {
            "no component has any variance"
        }
    );
    let total_variance = if archive.contains("explained_variance_ratio_") {
        let share: f64 = vector(archive, "explained_variance_ratio_", k)?
            .iter()
            .sum();
        ensure!(
            share > 0.0 && share < 1.0 + SUM_WITHIN,
            "{source}, array `explained_variance_ratio_`: the shares sum to {share}; save them as fitted"
        );
        kept / share
    } else {
        kept
    };
    for i in 0..k {
        for j in 0..=i {
            let dot: f64 = components[i * d..][..d]
                .iter()
                .zip(&components[j * d..])
                .map(|(a, b)| a * b)
                .sum();
            ensure!(
                (dot - f64::from(u8::from(i == j))).abs() < ORTHONORMAL_WITHIN,
                "{}: components {} and {} are not orthonormal (their product is {dot:.4}); save `components_` as fitted",
                archive.source(),
                j + 1,
                i + 1
            );
        }
    }
    components.chunks_exact_mut(d).for_each(fix_sign);
    Ok(PcaModel {
        mean: mean.iter().map(|&value| value as f32).collect(),
        components: components.iter().map(|&value| value as f32).collect(),
        explained_variance,
        total_variance,
        k,
        d,
    })
}

/// The mixture of a `GaussianMixture`; components of the weight 0 are left out.
///
/// # Errors
///
/// An array that is missing or of the wrong shape; as many components as columns and no `covariance_type`;
/// weights that are negative or do not sum to 1; a covariance that is not positive definite.
pub fn gmm(archive: &Npz) -> Result<GmmModel> {
    let source = archive.source();
    let (means, k, d) = matrix(archive, "means_")?;
    let mut weights = vector(archive, "weights_", k)?;
    let sum: f64 = weights.iter().sum();
    if let Some(at) = weights.iter().position(|weight| *weight < 0.0) {
        bail!(
            "{source}, array `weights_`: component {} has the weight {}; save it as fitted",
            at + 1,
            weights[at]
        );
    }
    ensure!(
        (sum - 1.0).abs() < SUM_WITHIN,
        "{source}, array `weights_`: the weights sum to {sum}, not to 1; save them as fitted"
    );
    weights.iter_mut().for_each(|weight| *weight /= sum);
    let mut model = GmmModel {
        weights,
        means,
        covariances: covariances(archive, k, d)?,
        k,
        d,
        log_likelihood: scalar(archive, "lower_bound_")?,
        rounds: 0,
    };
    if let Covariances::Full(values) | Covariances::Tied(values) = &model.covariances {
        for (component, matrix) in values.chunks_exact(d * d).enumerate() {
            let largest = matrix
                .iter()
                .fold(0.0_f64, |largest, x| largest.max(x.abs()));
            let symmetric = (0..d * d)
                .all(|at| (matrix[at] - matrix[at % d * d + at / d]).abs() <= 1e-6 * largest);
            ensure!(
                symmetric,
                "{source}, array `covariances_`: the covariance of component {} is not symmetric; save it as fitted",
                component + 1
            );
        }
    }
    let kept: Vec<usize> = (0..k).filter(|&at| model.weights[at] > 0.0).collect();
    for &component in &kept {
        only(&model, &[component]).density().map_err(|_| {
            anyhow!(
                "{source}, array `covariances_`: the covariance of component {} is not positive definite; save it as fitted, or fit with a larger reg_covar",
                component + 1
            )
        })?;
    }
    if kept.len() < k {
        model = only(&model, &kept);
    }
    Ok(model)
}

/// The components of an archive's mixture that have the weight 0.
fn without_weight(archive: &Npz) -> Result<Vec<usize>> {
    let weights = archive.array("weights_")?.values;
    let numbered = weights.iter().enumerate();
    Ok(numbered
        .filter(|(_, weight)| **weight == 0.0)
        .map(|(at, _)| at)
        .collect())
}

/// A mixture of some of the components.
fn only(model: &GmmModel, components: &[usize]) -> GmmModel {
    let d = model.d;
    let pick = |values: &[f64], size: usize| -> Vec<f64> {
        let of = |&at: &usize| values[at * size..][..size].iter().copied();
        components.iter().flat_map(of).collect()
    };
    GmmModel {
        weights: pick(&model.weights, 1),
        means: pick(&model.means, d),
        covariances: match &model.covariances {
            Covariances::Diagonal(values) => Covariances::Diagonal(pick(values, d)),
            Covariances::Tied(values) => Covariances::Tied(values.clone()),
            Covariances::Full(values) => Covariances::Full(pick(values, d * d)),
        },
        k: components.len(),
        ..*model
    }
}

fn covariances(archive: &Npz, k: usize, d: usize) -> Result<Covariances> {
    let source = archive.source();
    let array = archive.array("covariances_")?;
    let shape = array.shape;
    let told = archive.text("covariance_type")?;
    let fits = |kind: &str| match kind {
        "full" => shape == [k, d, d],
        "tied" => shape == [d, d],
        "diag" => shape == [k, d],
        "spherical" => shape == [k],
        _ => false,
    };
    let kind = match &told {
        Some(told) => {
            ensure!(
                fits(told),
                "{source}: `covariances_` has the shape {shape:?}, which covariance_type `{told}` has not for {k} components of {d} columns"
            );
            told.as_str()
        }
        None => {
            let fitting: Vec<&str> = ["full", "tied", "diag", "spherical"]
                .into_iter()
                .filter(|kind| fits(kind))
                .collect();
            match fitting[..] {
                [kind] => kind,
                [] => bail!(
                    "{source}: `covariances_` has the shape {shape:?}; for {k} components of {d} columns it should be [{k}, {d}, {d}] (full), [{d}, {d}] (tied), [{k}, {d}] (diag) or [{k}] (spherical)"
                ),
                // One number is the same whichever it is.
                _ if k == 1 && d == 1 => "diag",
                _ => bail!(
                    "{source}: with as many components as columns ({k}) `covariances_` may be tied or diag; save covariance_type=model.covariance_type as well"
                ),
            }
        }
    };
    let values = array.values;
    Ok(match kind {
        "full" => Covariances::Full(values),
        "tied" => Covariances::Tied(values),
        "spherical" => Covariances::Diagonal(
            values
                .iter()
                .flat_map(|&variance| std::iter::repeat_n(variance, d))
                .collect(),
        ),
        _ => Covariances::Diagonal(values),
    })
}

impl Imported {
    /// The model among features, where the archive has no scaler.
    ///
    /// # Errors
    ///
    /// As [`kmeans_in_features`], [`pca_in_features`] and [`gmm_in_features`].
    pub fn in_features(&self, standardiser: &Standardiser) -> Result<Self> {
        Ok(match self {
            Self::KMeans(model) => Self::KMeans(kmeans_in_features(model, standardiser)?),
            Self::Pca(model) => Self::Pca(pca_in_features(model, standardiser)?),
            Self::Gmm(model) => Self::Gmm(gmm_in_features(model, standardiser)?),
        })
    }
}

/// Centroids among features. The metric must be L1 or L2, and the scale one for all columns.
///
/// # Errors
///
/// Another number of columns; columns scaled apart; the metric is the cosine, which a shifted origin
/// changes.
pub fn kmeans_in_features(model: &KMeansModel, standardiser: &Standardiser) -> Result<KMeansModel> {
    let std = common_std(standardiser, model.d, "the nearest centroid")?;
    let unit = match model.metric {
        Metric::L2 => std * std,
        Metric::L1 => std,
        Metric::Cosine => bail!(
            "centroids of the metric cosine cannot be turned into features, because features have another origin; train on features"
        ),
    };
    Ok(KMeansModel {
        centroids: shifted(&model.centroids, standardiser),
        inertia: model.inertia / unit,
        ..model.clone()
    })
}

/// Components among features. The scale must be one for all columns.
///
/// # Errors
///
/// Another number of columns; columns scaled apart.
pub fn pca_in_features(model: &PcaModel, standardiser: &Standardiser) -> Result<PcaModel> {
    let std = common_std(standardiser, model.d, "the components")?;
    let unit = std * std;
    Ok(PcaModel {
        mean: shifted(&model.mean, standardiser),
        explained_variance: model.explained_variance.iter().map(|v| v / unit).collect(),
        total_variance: model.total_variance / unit,
        ..model.clone()
    })
}

/// The same mixture among features, however the columns are scaled.
///
/// # Errors
///
/// Another number of columns.
pub fn gmm_in_features(model: &GmmModel, standardiser: &Standardiser) -> Result<GmmModel> {
    check_width(standardiser, model.d)?;
    let (d, std) = (model.d, &standardiser.std);
    let matrices = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .enumerate()
            .map(|(at, value)| value / (std[at / d % d] * std[at % d]))
            .collect()
    };
    Ok(GmmModel {
        means: model
            .means
            .iter()
            .enumerate()
            .map(|(at, mean)| (mean - standardiser.mean[at % d]) / std[at % d])
            .collect(),
        covariances: match &model.covariances {
            Covariances::Diagonal(values) => Covariances::Diagonal(
                values
                    .iter()
                    .enumerate()
                    .map(|(at, value)| value / (std[at % d] * std[at % d]))
                    .collect(),
            ),
            Covariances::Tied(values) => Covariances::Tied(matrices(values)),
            Covariances::Full(values) => Covariances::Full(matrices(values)),
        },
        log_likelihood: model.log_likelihood + std.iter().map(|s| s.ln()).sum::<f64>(),
        ..model.clone()
    })
}

fn check_width(standardiser: &Standardiser, d: usize) -> Result<()> {
    ensure!(
        standardiser.width() == d,
        "the imported model has {d} columns where the data has {}; give the data that it was trained on",
        standardiser.width()
    );
    Ok(())
}

/// The one scale of all columns.
fn common_std(standardiser: &Standardiser, d: usize, what: &str) -> Result<f64> {
    check_width(standardiser, d)?;
    let first = standardiser.std.first().copied().unwrap_or(1.0);
    ensure!(
        standardiser.std.iter().all(|std| *std == first),
        "scaling every column by itself would change {what} of the imported model; import it with --scale uniform"
    );
    Ok(first)
}

fn shifted(rows: &[f32], standardiser: &Standardiser) -> Vec<f32> {
    let columns = || standardiser.mean.iter().zip(&standardiser.std);
    rows.chunks_exact(standardiser.width())
        .flat_map(|row| row.iter().zip(columns()))
        .map(|(&value, (mean, std))| ((f64::from(value) - mean) / std) as f32)
        .collect()
}

/// Values, rows and columns of a matrix with at least one of each.
fn matrix(archive: &Npz, name: &str) -> Result<(Vec<f64>, usize, usize)> {
    let array = archive.array(name)?;
    match *array.shape {
        [rows, columns] if rows > 0 && columns > 0 => Ok((array.values, rows, columns)),
        ref shape => bail!(
            "{}, array `{name}`: the shape {shape:?} is none of rows and columns; save it as fitted",
            archive.source()
        ),
    }
}

fn vector(archive: &Npz, name: &str, length: usize) -> Result<Vec<f64>> {
    let array = archive.array(name)?;
    ensure!(
        array.shape == [length],
        "{}, array `{name}`: the shape is {:?} where [{length}] would fit the other arrays",
        archive.source(),
        array.shape
    );
    Ok(array.values)
}

/// An optional single number; NaN if it is not there.
fn scalar(archive: &Npz, name: &str) -> Result<f64> {
    if !archive.contains(name) {
        return Ok(f64::NAN);
    }
    let array = archive.array(name)?;
    match array.values[..] {
        [value] => Ok(value),
        _ => bail!("{}, array `{name}` is not one number", archive.source()),
    }
}

#[cfg(test)]
mod tests;
