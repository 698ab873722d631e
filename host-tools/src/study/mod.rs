//! Studies: figures of the literature and of these docs, measured again with this crate.
//!
//! Each study returns rows of figures that print as a line; `autodidact study` shows them and tests hold
//! them to the published ones.

pub mod anomaly;
pub mod autoencoders;
pub mod chart;
pub mod denoisers;
pub mod drawn;
pub mod energy;
pub mod gan;
pub mod generated;
pub mod mixtures;
pub mod recipe;
pub mod restoration;
pub mod score_identity;
pub mod scores;
pub mod seeding;
pub mod sketch;
pub mod two_modes;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// A file of the data folder, known to be there.
///
/// # Errors
///
/// One sentence that names the missing file and what it should be.
pub fn data_file(folder: &Path, name: &str, what: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "there is no file {}: it should be {what}",
        path.display()
    );
    Ok(path)
}
