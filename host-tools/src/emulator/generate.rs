//! Drawing, filling in and restoring on an emulated core.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::run::{number, run_in, write};
use super::{Core, Image, PartCost, RUN_TIMEOUT, ReplayLog, build, run_image};
use crate::generate::Request;
use crate::interrupt::Folder;
use crate::verdict::Verdict;

/// What came back from a core that drew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateRun {
    /// The rows, as [`Request::on_host`] gives them.
    pub rows: Vec<i16>,
    /// Instructions of the samples, whole.
    pub samples: PartCost,
    /// Runs of the network, or Gibbs steps, those before the first sample included.
    pub evaluations: u64,
    /// Instructions of these alone.
    pub evaluation_instructions: u64,
    /// Memory that the part was given, in bytes.
    pub memory_bytes: u64,
    /// Deepest stack, in bytes.
    pub stack_bytes: u64,
}

impl GenerateRun {
    /// Instructions of one evaluation, rounded.
    #[must_use]
    pub const fn instructions_per_evaluation(&self) -> u64 {
        let half = self.evaluations / 2;
        match (self.evaluation_instructions + half).checked_div(self.evaluations) {
            Some(each) => each,
            None => 0,
        }
    }
}

/// Has an emulated core do what a request says, with a part of `model`.
///
/// # Errors
///
/// The core has no such image, the model is too large for the machine, something is missing, the firmware does not
/// build, or the device reports an error.
pub fn generate(core: Core, model: &[u8], request: &Request) -> Result<GenerateRun> {
    Image::Generate.require(core)?;
    let machine = core.machine();
    if model.len() > machine.model_window_bytes {
        bail!(Verdict::DoesNotFit(format!(
            "the model is too large for the emulated {core}: it has {} bytes, the window {}; fit a smaller one",
            model.len(),
            machine.model_window_bytes
        )));
    }
    let elf = build(core, Image::Generate)?;
    let folder = Folder::new().context("a folder for the run cannot be made")?;
    for (name, bytes) in files(request)? {
        write(folder.path(), name, &bytes)?;
    }
    parse(run_in(core, &elf, folder.path(), Some(model), RUN_TIMEOUT)?)
}

/// Has an image that brings its own model along ([`build_draw`](super::build_draw)) do what a request says.
///
/// # Errors
///
/// QEMU is missing, or the device reports an error.
pub fn draw(core: Core, elf: &Path, request: &Request) -> Result<GenerateRun> {
    let files = files(request)?;
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (*name, &**bytes))
        .collect();
    parse(run_image(core, elf, &files, RUN_TIMEOUT)?)
}

/// What the device reads.
fn files(request: &Request) -> Result<[(&'static str, Vec<u8>); 2]> {
    let rows = request.rows();
    let rows = rows
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    Ok([
        ("settings.bin", request.encode()?.to_vec()),
        ("samples.bin", rows),
    ])
}

fn parse((log, results): (ReplayLog, Vec<u8>)) -> Result<GenerateRun> {
    let said = |what: &str| format!("the device did not log {what}");
    let mut evaluations = None;
    for line in &log.lines {
        if let ["evaluations", count, instructions] =
            line.split_whitespace().collect::<Vec<_>>()[..]
        {
            evaluations = Some((number(line, count)?, number(line, instructions)?));
        }
    }
    let (evaluations, evaluation_instructions) =
        evaluations.with_context(|| said("its evaluations"))?;
    let memory = log.buffers.with_context(|| said("what its buffers take"))?;
    let samples = log.parts.into_iter().next();
    Ok(GenerateRun {
        rows: results
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair))
            .collect(),
        samples: samples.with_context(|| said("what its samples took"))?,
        evaluations,
        evaluation_instructions,
        memory_bytes: memory.needed,
        stack_bytes: log.stack_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::BufferBytes;

    fn log(lines: &[&str]) -> ReplayLog {
        ReplayLog {
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
            parts: vec![PartCost {
                name: "score".into(),
                kind: "score".into(),
                rows: 2,
                instructions: 9000,
            }],
            buffers: Some(BufferBytes {
                needed: 100,
                given: 200,
            }),
            stack_bytes: 50,
        }
    }

    #[test]
    fn rows_and_costs_are_read() {
        let run = parse((log(&["evaluations 4 8002"]), vec![1, 0, 255, 255])).unwrap();
        assert_eq!(run.rows, [1, -1]);
        assert_eq!(run.samples.instructions_per_row(), 4500);
        assert_eq!(run.instructions_per_evaluation(), 2001);
        assert_eq!((run.memory_bytes, run.stack_bytes), (100, 50));
    }

    #[test]
    fn what_the_device_did_not_say_is_named() {
        let message = parse((log(&[]), Vec::new())).unwrap_err().to_string();
        assert_eq!(message, "the device did not log its evaluations");
        let damaged = parse((log(&["evaluations x 1"]), Vec::new())).unwrap_err();
        assert!(damaged.to_string().contains("`evaluations x 1`"));
    }
}
