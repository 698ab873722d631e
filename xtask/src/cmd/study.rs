//! `cargo xtask study`

use std::io::{self, Write as _};
use std::path::{PathBuf, absolute};

use anyhow::{Context, Result};

use crate::cargo;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder with `spambase/` and `nab/`
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // The commands run in the repository's root.
    let data = absolute(&arguments.data)?;
    let data = data
        .to_str()
        .context("the data folder has a name that is no text")?;
    for study in ["seeding", "mixtures", "anomaly", "sketch"] {
        writeln!(io::stdout(), "\n== {study} ==")?;
        let study = ["study", study, "--data", data];
        cargo::run(cargo::quiet_autodidact(study))?;
    }
    Ok(())
}
