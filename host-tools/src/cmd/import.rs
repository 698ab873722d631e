//! `autodidact import`: models that scikit-learn has fitted, from NumPy archives.

use std::path::PathBuf;

use anyhow::{Result, bail};
use autodidact_tools::data::Npz;
use autodidact_tools::evaluate::FloatPart;
use autodidact_tools::quantize::{self, QuantisedPart};
use autodidact_tools::train::import;
use clap::Args;

use super::prepare::Common;

/// Array names are scikit-learn's: `cluster_centers_` of KMeans; `components_`, `mean_` and
/// `explained_variance_` of PCA; `weights_`, `means_` and `covariances_` of GaussianMixture. Write them with
/// `numpy.savez(FILE, cluster_centers_=model.cluster_centers_)` and the like.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A .npz file with the arrays of one fitted model.
    archive: PathBuf,

    #[command(flatten)]
    common: Common,
}

impl Import {
    pub(crate) fn run(self) -> Result<()> {
        let Self { archive, common } = self;
        let output = common.open_output_beside(&[&archive])?;
        let archive = Npz::open(&archive)?;
        let mut prepared = common.prepare()?;
        prepared
            .model
            .note("algorithm", "imported from scikit-learn");
        if archive.contains("cluster_centers_") {
            let model = import::kmeans(&archive)?;
            let model = import::kmeans_in_features(&model, &prepared.standardiser)?;
            let part = quantize::kmeans(&model)?;
            prepared.model.parts.push((common.name("clusters"), part));
            common.finish(&prepared, output, &[FloatPart::KMeans(&model)])
        } else if archive.contains("components_") {
            let model = import::pca(&archive)?;
            let model = import::pca_in_features(&model, &prepared.standardiser)?;
            let part = quantize::pca(&model)?;
            prepared.model.parts.push((common.name("components"), part));
            common.finish(&prepared, output, &[FloatPart::Pca(&model)])
        } else if archive.contains("means_") {
            let model = import::gmm(&archive)?;
            let model = import::gmm_in_features(&model, &prepared.standardiser)?;
            let part = QuantisedPart::Gmm {
                input: None,
                mixture: quantize::gmm(&model)?,
            };
            prepared.model.parts.push((common.name("mixture"), part));
            let density = model.density()?;
            let float = FloatPart::Gmm {
                density: &density,
                whitening: None,
            };
            common.finish(&prepared, output, &[float])
        } else {
            bail!(
                "{} has none of the arrays cluster_centers_ (KMeans), components_ (PCA) and means_ (GaussianMixture), only {}; save them under these names",
                archive.source(),
                archive.names().collect::<Vec<_>>().join(", ")
            )
        }
    }
}
