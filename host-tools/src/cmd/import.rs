//! `autodidact import`: models that scikit-learn has fitted, from NumPy archives.

use std::path::PathBuf;

use anyhow::Result;
use autodidact_tools::data::{Npz, Scaling};
use autodidact_tools::evaluate::FloatPart;
use autodidact_tools::quantize::{self, QuantisedPart};
use autodidact_tools::say;
use autodidact_tools::train::import::{self, Imported};
use clap::Args;

use super::prepare::{Common, ScaleChoice};

/// Array names are scikit-learn's: `cluster_centers_` of KMeans; `components_`, `mean_` and
/// `explained_variance_` of PCA; `weights_`, `means_` and `covariances_` of GaussianMixture. Write them with
/// `numpy.savez(FILE, cluster_centers_=model.cluster_centers_)` and the like. A scaler that the model was fitted
/// behind goes in the same file: `scaler_mean_=scaler.mean_, scaler_scale_=scaler.scale_`.
#[derive(Debug, Args)]
#[command(mut_args(|arg| if OF_A_FIT.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg }))]
pub(crate) struct Import {
    /// A .npz file with the arrays of one fitted model.
    archive: PathBuf,

    #[command(flatten)]
    common: Common,
}

/// Flags of a fit that mean nothing for a model which is fitted already.
pub(super) const OF_A_FIT: [&str; 4] = ["hold_out", "offset", "seed", "device"];

impl Import {
    pub(crate) fn run(self) -> Result<()> {
        let Self { archive, common } = self;
        let output = common.open_output_beside(&[&archive])?;
        let found = import::read(&Npz::open(&archive)?)?;
        for remark in &found.remarks {
            say!("{remark}");
        }
        let scaling = match (&found.model, common.scale) {
            // Of it only what a count is worth remains.
            _ if found.scaler.is_some() => Scaling::Standard {
                ignore_constant: true,
            },
            (Imported::KMeans(_) | Imported::Pca(_), ScaleChoice::Standard) => {
                say!("all columns share one scale (--scale uniform), as the imported model needs");
                Scaling::Uniform
            }
            _ => common.scaling(),
        };
        let mut prepared = common.prepare_imported(scaling, found.scaler.as_ref())?;
        for line in import::compare(&found.model, found.scaler.as_ref(), &prepared.held_out) {
            say!("{line}");
        }
        let model = match &found.scaler {
            Some(scaler) => {
                let arrays = scaler.arrays.join(" and ");
                say!("the scaler of the archive ({arrays}) takes the place of --scale");
                found.model
            }
            None => found.model.in_features(&prepared.standardiser)?,
        };
        prepared
            .model
            .note("algorithm", "imported from scikit-learn");
        let mut push = |name: &str, part| prepared.model.parts.push((common.name(name), part));
        match model {
            Imported::KMeans(model) => {
                push("clusters", quantize::kmeans(&model)?);
                common.finish(&prepared, output, &[FloatPart::KMeans(&model)])
            }
            Imported::Pca(model) => {
                push("components", quantize::pca(&model)?);
                common.finish(&prepared, output, &[FloatPart::Pca(&model)])
            }
            Imported::Gmm(model) => {
                let mixture = quantize::gmm(&model)?;
                let input = None;
                push("mixture", QuantisedPart::Gmm { input, mixture });
                let density = model.density()?;
                let float = FloatPart::Gmm {
                    density: &density,
                    whitening: None,
                };
                common.finish(&prepared, output, &[float])
            }
        }
    }
}
