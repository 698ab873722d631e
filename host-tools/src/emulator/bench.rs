//! Counts the instructions of the kernels on an emulated core, and knows what they should be.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use super::run::number;
use super::{Core, Image, build, run_image};

/// One workload, measured whole: input preparation and requantisation included.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchRow {
    /// The core it ran on.
    pub core: &'static str,
    /// Name of the workload.
    pub name: String,
    /// Instructions for one call; of the longest for a learner's step (`_longest_`). Instructions, not cycles: the
    /// emulator knows no wait states.
    pub instructions: u64,
    /// Multiply-accumulates that the workload needs in theory; for a learner's longest step the bound that its
    /// documentation states, in operations ([`autodidact::work`]); for loading, bytes of the container.
    pub macs: u64,
    /// Instructions for each of them.
    pub per_mac: f64,
}

/// What a workload should cost on a core, in instructions per multiply-accumulate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// To be reached or bettered.
    pub at_most: f64,
    /// What has been reached so far, where that is more: it must not grow.
    pub held: f64,
    /// What the best known library takes (CMSIS-NN of July 2026, GCC 12 -O3; CMSIS-DSP in f32 for distances), if
    /// measured.
    pub reference: Option<f64>,
}

/// Runs every workload on an emulated core.
///
/// # Errors
///
/// Something is missing, the firmware does not build, or the device reports an error.
pub fn bench(core: Core) -> Result<Vec<BenchRow>> {
    let elf = build(core, Image::Bench)?;
    let (log, _) = run_image(core, &elf, &[], Duration::from_secs(300))?;
    let rows = parse(core, &log.lines)?;
    if rows.is_empty() {
        bail!(
            "the bench image for {core} measured nothing; its log says: {}",
            log.lines.join("; ")
        );
    }
    Ok(rows)
}

/// Reads `bench <name> <instructions> <macs>`.
fn parse(core: Core, lines: &[String]) -> Result<Vec<BenchRow>> {
    let mut rows = Vec::new();
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["bench", name, instructions, macs] = words[..] {
            let instructions = number(line, instructions)?;
            let macs = number(line, macs)?;
            let per_mac = instructions as f64 / macs as f64;
            rows.push(BenchRow {
                core: core.name(),
                name: name.to_owned(),
                instructions,
                macs,
                // Finer digits are below the granularity of the counter.
                per_mac: (per_mac * 1e4).round() / 1e4,
            });
        }
    }
    Ok(rows)
}

/// The goal for a workload on a core, if there is one.
pub fn goal(core: Core, name: &str) -> Option<Goal> {
    // The M33 runs the M4's kernels.
    let core = match core {
        Core::M33 => Core::M4,
        core => core,
    };
    let (at_most, reference) = match (core, name) {
        (Core::M4, "dense_i8_640x128") => (1.28, Some(1.97)),
        (Core::M4, "dense_i8_128x128") => (1.42, Some(2.33)),
        (Core::M4, "dense_i8_64x128") => (1.60, Some(2.79)),
        (Core::M4, "dense_i16_640x128") => (1.30, Some(2.69)),
        (Core::M4, "conv3x3_i8_8x8x16_16") => (1.70, Some(2.33)),
        (Core::M4, "conv3x3_i8_8x8x32_32") => (1.50, Some(1.93)),
        (Core::M4, "nearest_l2_10x64") => (1.3, Some(6.31)),
        (Core::M4, "autoencoder_mlperf_ad") => (1.35, None),
        // 3,500 instructions for 1,088 products; emlearn in f32 takes 10,760, without the log-sum-exp.
        (Core::M4, "gmm_full_8x16") => (3.217, Some(9.89)),
        // For each weight, which a step uses twice, sampling included.
        (Core::M4, "gibbs_64x64_half" | "gibbs_784x128_half") => (1.2, None),
        // 20 million instructions for 81 evaluations of 163,840 products, noise included.
        (Core::M4, "walk_digit") => (1.507, None),
        (Core::M55, "dense_i8_640x128") => (0.36, Some(0.50)),
        (Core::M55, "dense_i8_128x128") => (0.45, Some(0.60)),
        (Core::M55, "dense_i8_64x128") => (0.55, Some(0.74)),
        (Core::M55, "dense_i16_640x128") => (0.60, Some(1.51)),
        (Core::M55, "conv3x3_i8_8x8x16_16") => (0.39, Some(0.39)),
        (Core::M55, "conv3x3_i8_8x8x32_32") => (0.25, Some(0.25)),
        (Core::M0Plus, "dense_i8_640x128") => (3.6, Some(5.55)),
        (Core::M0Plus, "dense_i8_128x128") => (4.0, Some(6.24)),
        (Core::M0Plus, "dense_i8_64x128") => (4.5, Some(7.10)),
        (Core::M0Plus, "dense_i16_640x128") => (5.0, Some(54.2)),
        (Core::M0Plus, "conv3x3_i8_8x8x16_16") => (5.0, Some(7.56)),
        (Core::M0Plus, "conv3x3_i8_8x8x32_32") => (5.0, Some(6.70)),
        _ => (
            loading(core, name).or_else(|| longest_step(core, name))?,
            None,
        ),
    };
    // Missed so far; see the table in the docs of `rbm::Gibbs`.
    let held = match (core, name) {
        (Core::M4, "gibbs_64x64_half") => 1.4,
        _ => at_most,
    };
    Some(Goal {
        at_most,
        held,
        reference,
    })
}

/// Most instructions that a core may take to load a container, for each of its bytes: a quarter more than measured on
/// the M4.
fn loading(core: Core, name: &str) -> Option<f64> {
    let checked = name.starts_with("load_") && !name.starts_with("load_trusted_");
    checked.then(|| 30.0 * pieces(core))
}

/// Most instructions that a core may take for an operation of the bound that a learner's documentation states: a
/// quarter more than measured on the M4. Both sizes of a learner have the same figure, which holds the law of the
/// bound: work that grew faster than it would miss the figure at the larger one.
fn longest_step(core: Core, name: &str) -> Option<f64> {
    let (learner, _size) = name.split_once("_longest")?;
    let on_m4 = match learner {
        "online_kmeans" => 6.0,
        "reservoir" => 1.0,
        "lloyd_l2" => 3.2,
        "lloyd_l1" => 3.0,
        "lloyd_cosine" => 11.0,
        "seeding_l2" => 3.0,
        "seeding_l1" => 3.0,
        "seeding_cosine" => 4.6,
        "incremental_pca" => 6.0,
        "stepwise_em_diagonal" => 7.0,
        "em_row_diagonal" => 4.6,
        "em_update_diagonal" => 7.0,
        "stepwise_em_tied" => 2.7,
        "em_row_tied" => 2.8,
        "em_update_tied" => 8.0,
        "stepwise_em_full" => 14.0,
        "em_row_full" => 5.5,
        "em_update_full" => 10.5,
        "latent_class" => 2.6,
        "backprop" => 1.4,
        "detector" => 2.0,
        "sketch" => 2.4,
        "kll" => 4.9,
        _ => return None,
    };
    Some(on_m4 * pieces(core))
}

/// Products and quotients of 64 bits: in how many pieces a core works them out.
fn pieces(core: Core) -> f64 {
    match core {
        Core::M4 | Core::M33 => 1.0,
        Core::M55 => 1.5,
        Core::Rv32 => 2.5,
        Core::M0Plus | Core::M0 => 4.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sizes_of_a_learner_have_the_same_goal() {
        let at_most = |name| goal(Core::M0Plus, name).map(|goal| goal.at_most);
        assert_eq!(at_most("incremental_pca_longest_4x16"), Some(24.0));
        assert_eq!(at_most("incremental_pca_longest_16x64"), Some(24.0));
        assert_eq!(at_most("detector_longest"), Some(8.0));
        assert_eq!(at_most("load_graphs"), Some(120.0));
        assert_eq!(at_most("load_trusted_graphs"), None);
        assert_eq!(at_most("incremental_pca_step_4x16"), None);
    }

    #[test]
    fn log_lines_become_rows() {
        let lines = [
            "bench dense_i8_64x128 12288 8192".to_owned(),
            "stack 80".to_owned(),
        ];
        let rows = parse(Core::M4, &lines).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].name, "dense_i8_64x128");
        assert!((rows[0].per_mac - 1.5).abs() < 1e-9);
    }
}
