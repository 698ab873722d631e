//! The scaler that a model was fitted behind, where the archive holds it.

use anyhow::{Result, bail, ensure};

use super::vector;
use crate::data::{Npz, Standardiser};

/// `z_j = (x_j - mean_j) / scale_j`: what stands between the data and the model.
///
/// | scaler | arrays |
/// |---|---|
/// | `StandardScaler` | `scaler_mean_`, `scaler_scale_` (or `scaler_var_`) |
/// | `RobustScaler` | `scaler_center_`, `scaler_scale_` |
/// | `MinMaxScaler` | `scaler_min_`, `scaler_scale_` |
/// | `MaxAbsScaler` | `scaler_scale_` |
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    /// What becomes 0.
    pub mean: Vec<f64>,
    /// What becomes 1 more than that; positive.
    pub scale: Vec<f64>,
    /// The arrays that it was made of.
    pub arrays: Vec<String>,
}

/// The scaler of an archive for `d` columns. The names of scikit-learn's attributes stand behind `scaler_`; without
/// that only where no other array of the model has the same name (`bare`).
pub(super) fn scaler(archive: &Npz, d: usize, bare: bool) -> Result<Option<Scaler>> {
    let mut arrays = Vec::new();
    let mut read = |name: &str| -> Result<Option<Vec<f64>>> {
        let candidates = [format!("scaler_{name}"), name.to_owned()];
        let mut names = candidates.into_iter().take(1 + usize::from(bare));
        let Some(found) = names.find(|name| archive.contains(name)) else {
            return Ok(None);
        };
        let values = vector(archive, &found, d)?;
        arrays.push(found);
        Ok(Some(values))
    };
    let least = read("min_")?;
    let centre = match read("mean_")? {
        Some(mean) => Some(mean),
        None => read("center_")?,
    };
    let scale = match read("scale_")? {
        Some(scale) => Some(scale),
        None => read("var_")?.map(|variances| variances.iter().map(|v| v.sqrt()).collect()),
    };
    if arrays.is_empty() {
        return Ok(None);
    }
    let scale = scale.unwrap_or_else(|| vec![1.0; d]);
    if let Some(at) = scale
        .iter()
        .position(|scale| scale.is_nan() || *scale <= 0.0)
    {
        bail!(
            "{}: the scaler divides column {} by {}; save it as it was fitted",
            archive.source(),
            at + 1,
            scale[at]
        );
    }
    Ok(Some(match (least, centre) {
        (Some(_), Some(_)) => bail!(
            "{}: the arrays {} are of several scalers; save those of one",
            archive.source(),
            arrays.join(", ")
        ),
        // MinMaxScaler multiplies: z = x * scale + min.
        (Some(least), None) => Scaler {
            mean: least.iter().zip(&scale).map(|(min, s)| -min / s).collect(),
            scale: scale.iter().map(|s| 1.0 / s).collect(),
            arrays,
        },
        (None, centre) => Scaler {
            mean: centre.unwrap_or_else(|| vec![0.0; d]),
            scale,
            arrays,
        },
    }))
}

impl Scaler {
    /// Puts this scaler in the place of one that was fitted to the same columns: what a count is stays.
    ///
    /// # Errors
    ///
    /// Another number of columns.
    pub fn replace(&self, fitted: Standardiser) -> Result<Standardiser> {
        ensure!(
            fitted.width() == self.mean.len(),
            "the scaler of the archive has {} columns where the data has {}; give the data that it was fitted to",
            self.mean.len(),
            fitted.width()
        );
        Ok(Standardiser {
            mean: self.mean.clone(),
            std: self.scale.clone(),
            ..fitted
        })
    }

    /// A row as the model reads it.
    pub(super) fn apply(&self, row: &mut [f64]) {
        for (x, (mean, scale)) in row.iter_mut().zip(self.mean.iter().zip(&self.scale)) {
            *x = (*x - mean) / scale;
        }
    }
}
