//! What the docs quote, measured.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use autodidact::model::Model;
use autodidact_tools::data;
use autodidact_tools::emulator::{self, Core, Image};
use autodidact_tools::learn::{self, Config, Problem};
use autodidact_tools::say;
use serde_json::Value;

use super::Figures;
use crate::cargo;
use crate::cmd::setup;

/// What is measured over a model that was trained for it, and depends on what training ended with.
const TRAINED: &str = "demo.";

/// Files of `examples/learn` whose costs are quoted outside of a transcript.
const LEARNERS: [&str; 2] = ["autoencoder", "denoiser"];

/// Whether a figure may move a little with the machine that trains.
pub(super) fn is_trained(name: &str) -> bool {
    name.starts_with(TRAINED)
}

/// Measures everything; a minute or two once the images are built.
pub(super) fn everything() -> Result<Figures> {
    setup::prepare(&Core::ALL)?;
    let mut figures = BTreeMap::new();
    for core in Image::Bench.cores() {
        say!("counting the kernels' instructions on {core}");
        for row in emulator::bench(core)? {
            let name = format!("{core}.{}", row.name);
            figures.insert(format!("{name}.operations"), row.macs);
            figures.insert(name, row.instructions);
        }
    }
    say!("measuring the learners' RAM");
    ram(&mut figures)?;
    for name in LEARNERS {
        say!("learning examples/learn/{name}.toml on {}", Core::M4);
        learner(name, &mut figures)?;
    }
    say!("measuring the smallest part's image");
    let replay = emulator::measure_image(&emulator::build(Core::M0, Image::Replay)?)?;
    figures.insert("m0.replay.flash".to_owned(), replay.flash_code_bytes);
    say!("running the demonstration");
    demo(&mut figures)?;
    Ok(Figures {
        compiler: emulator::compiler(Core::M4)?,
        figures,
    })
}

/// The learners' memory, which has to be the same on every core.
fn ram(figures: &mut BTreeMap<String, u64>) -> Result<()> {
    let first = emulator::ram(Core::M4)?;
    for core in Image::Learners.cores() {
        for (row, first) in emulator::ram(core)?.iter().zip(&first) {
            let same =
                (row.memory_bytes, row.struct_bytes) == (first.memory_bytes, first.struct_bytes);
            ensure!(
                same,
                "{}, {}, takes other bytes on {core} than on {}",
                row.learner,
                row.shape,
                Core::M4
            );
        }
    }
    for row in first {
        let name = format!("ram.{}.{}", slug(row.learner), slug(row.shape));
        figures.insert(format!("{name}.memory"), row.memory_bytes);
        figures.insert(format!("{name}.struct"), row.struct_bytes);
        if row.row_bytes > 0 {
            figures.insert(format!("{name}.row"), row.row_bytes);
        }
        figures.insert(name, row.total_bytes());
    }
    Ok(())
}

fn slug(words: &str) -> String {
    let apart = words
        .to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), " ");
    apart.split_whitespace().collect::<Vec<_>>().join("-")
}

/// What the M4 takes to learn from the digits.
fn learner(name: &str, figures: &mut BTreeMap<String, u64>) -> Result<()> {
    let file = cargo::root()
        .join("examples/learn")
        .join(format!("{name}.toml"));
    let config =
        fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let config = Config::parse(&config, name)?;
    let digits = data::digits()?.scaled(1.0 / data::DIGIT_MAX)?;
    let problem = Problem::new(&config, &digits)?;
    let host = learn::learn(
        &Model::load(&problem.container)?,
        &problem.settings,
        &problem.counts,
    )?;
    let run = emulator::learn(
        Core::M4,
        &problem.container,
        &problem.settings,
        &problem.counts,
    )?;
    ensure!(
        run.results == host,
        "{name}: host and {} learnt different bytes",
        Core::M4
    );
    let longest = run
        .passes
        .iter()
        .map(|pass| pass.longest)
        .max()
        .unwrap_or(0);
    for (figure, value) in [
        ("memory", run.learner_bytes),
        ("stack", run.stack_bytes),
        ("longest", longest),
    ] {
        figures.insert(format!("learn.{name}.{figure}"), value);
    }
    Ok(())
}

/// The whole numbers among the demonstration's figures.
fn demo(figures: &mut BTreeMap<String, u64>) -> Result<()> {
    let folder = cargo::target_folder().join("figures");
    let folder = folder
        .to_str()
        .context("the target folder has a name that is no text")?;
    let demo = ["demo", "--output", folder];
    cargo::run_silently(cargo::quiet_autodidact(demo))?;
    let summary = fs::read_to_string(format!("{folder}/summary.json"))?;
    let summary: Value = serde_json::from_str(&summary)?;
    for (name, value) in summary.as_object().context("the summary has no figures")? {
        if let Some(value) = value.as_u64() {
            figures.insert(format!("{TRAINED}{name}"), value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_spaces() {
        assert_eq!(slug("k-means, Lloyd"), "k-means-lloyd");
        assert_eq!(slug("3, users.csv"), "3-users-csv");
    }
}
