//! RAM of the learners, as the symbols of an image say.

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::Core;
use super::firmware::{Image, build};
use super::image::variables;

/// What one learner occupies on a core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RamRow {
    /// Name of the core.
    pub core: &'static str,
    /// The learner.
    pub learner: &'static str,
    /// What it is dimensioned for.
    pub shape: &'static str,
    /// Bytes of the memory that the caller hands to it.
    pub memory_bytes: u64,
    /// Bytes of the struct that borrows that memory.
    pub struct_bytes: u64,
    /// Bytes for each row that a batch learner keeps; 0 for those that follow a stream.
    pub row_bytes: u64,
}

impl RamRow {
    /// Memory and struct together.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.memory_bytes + self.struct_bytes
    }
}

/// How the image names a learner, and how a reader does.
struct Entry {
    symbol: &'static str,
    learner: &'static str,
    shape: &'static str,
    row_bytes: u64,
}

const fn entry(
    symbol: &'static str,
    learner: &'static str,
    shape: &'static str,
    row_bytes: u64,
) -> Entry {
    Entry {
        symbol,
        learner,
        shape,
        row_bytes,
    }
}

/// Every learner of the image `learners`. Rows are features of 16 bits; k-means keeps an assignment for each.
const ENTRIES: [Entry; 15] = [
    entry("KMEANS_ONLINE", "k-means, sequential", "8 x 16", 0),
    entry("KMEANS_LLOYD", "k-means, Lloyd", "8 x 16", 2 * 16 + 2),
    entry("PCA_4X16", "incremental PCA", "4 x 16", 0),
    entry("PCA_16X64", "incremental PCA", "16 x 64", 0),
    entry("GMM_STEPWISE", "mixture, stepwise, diagonal", "4 x 8", 0),
    entry("GMM_DIAGONAL", "mixture, batch, diagonal", "4 x 8", 2 * 8),
    entry("GMM_TIED", "mixture, batch, tied", "4 x 8", 2 * 8),
    entry("GMM_FULL", "mixture, batch, full", "4 x 8", 2 * 8),
    entry("LATENT_CLASS", "latent classes", "3, users.csv", 0),
    entry("RBM", "Boltzmann machine", "64 x 32", 0),
    entry("BACKPROP", "back-propagation", "64-16-64", 0),
    entry("RESERVOIR", "reservoir", "64 rows x 16", 0),
    entry("DETECTOR", "anomaly detector", "any model", 0),
    entry("SKETCH", "quantile sketch alone", "any model", 0),
    entry("KLL", "sketch for any stream", "any model", 0),
];

/// Builds the image in which every learner has statics of its own, and reads their sizes from its symbols.
///
/// # Errors
///
/// The toolchain is missing, the build fails, or the image lacks a learner.
pub fn ram(core: Core) -> Result<Vec<RamRow>> {
    let elf = build(core, Image::Learners)?;
    let variables = variables(&elf)?;
    let size = |prefix: &str, symbol: &str| {
        let name = format!("::learners::{prefix}_{symbol}");
        let found = variables.iter().find(|(path, _)| path.ends_with(&name));
        found.map(|&(_, bytes)| bytes)
    };
    for (path, _) in &variables {
        let Some((_, name)) = path.split_once("::learners::") else {
            continue;
        };
        let symbol = name
            .strip_prefix("MEMORY_")
            .or_else(|| name.strip_prefix("LEARNER_"));
        if symbol.is_some_and(|symbol| ENTRIES.iter().all(|entry| entry.symbol != symbol)) {
            bail!(
                "the image {} has the learner `{name}`, which the table does not know",
                elf.display()
            );
        }
    }
    let row = |entry: &Entry| {
        let struct_bytes = size("LEARNER", entry.symbol).with_context(|| {
            format!(
                "the image {} has no learner `{}`",
                elf.display(),
                entry.symbol
            )
        })?;
        Ok(RamRow {
            core: core.name(),
            learner: entry.learner,
            shape: entry.shape,
            // The detector and its sketch own what they work in.
            memory_bytes: size("MEMORY", entry.symbol).unwrap_or(0),
            struct_bytes,
            row_bytes: entry.row_bytes,
        })
    };
    ENTRIES.iter().map(row).collect()
}
