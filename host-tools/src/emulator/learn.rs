//! Learning on an emulated core.

use anyhow::{Context, Result, bail};

use super::run::{number, run_in, write};
use super::{Core, Image, RUN_TIMEOUT, build};
use crate::interrupt::Folder;
use crate::learn::Settings;
use crate::verdict::Verdict;

/// What a start or a pass took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassCost {
    /// Rows that were read.
    pub rows: u64,
    /// Instructions of all calls into the learner.
    pub instructions: u64,
    /// Instructions of the longest of them.
    pub longest: u64,
}

/// What came back from a core that learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LearnRun {
    /// The learner's states, at the start and after every pass, as [`decode`](crate::learn::decode) reads them.
    pub results: Vec<u8>,
    /// Taking rows into memory and finding the start.
    pub start: PassCost,
    /// The passes.
    pub passes: Vec<PassCost>,
    /// Memory of the learner itself, in bytes.
    pub learner_bytes: u64,
    /// Memory of the rows that it keeps while it learns.
    pub resident_bytes: u64,
    /// Memory that only its start needs.
    pub starting_bytes: u64,
    /// Deepest stack, in bytes.
    pub stack_bytes: u64,
}

/// Learns from rows of counts on an emulated core; `model` has the scaler and what else the settings name.
///
/// # Errors
///
/// The core has no such image, something is missing, the firmware does not build, or the device reports an error.
pub fn learn(core: Core, model: &[u8], settings: &Settings, counts: &[i16]) -> Result<LearnRun> {
    Image::Learn.require(core)?;
    let machine = core.machine();
    if model.len() > machine.model_window_bytes {
        bail!(Verdict::DoesNotFit(format!(
            "the model is too large for the emulated {core}: it has {} bytes, the window {}",
            model.len(),
            machine.model_window_bytes
        )));
    }
    let elf = build(core, Image::Learn)?;
    let folder = Folder::new().context("a folder for the run cannot be made")?;
    let counts: Vec<u8> = counts.iter().flat_map(|c| c.to_le_bytes()).collect();
    write(folder.path(), "samples.bin", &counts)?;
    write(folder.path(), "settings.bin", &settings.encode())?;
    let (log, results) = run_in(core, &elf, folder.path(), Some(model), RUN_TIMEOUT)?;
    let mut run = parse(&log.lines)?;
    run.results = results;
    run.stack_bytes = log.stack_bytes;
    Ok(run)
}

fn parse(lines: &[String]) -> Result<LearnRun> {
    let mut run = LearnRun::default();
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        let cost = |words: [&str; 3]| -> Result<PassCost> {
            let [rows, instructions, longest] = words;
            Ok(PassCost {
                rows: number(line, rows)?,
                instructions: number(line, instructions)?,
                longest: number(line, longest)?,
            })
        };
        match words[..] {
            ["start", rows, instructions, longest] => {
                run.start = cost([rows, instructions, longest])?;
            }
            ["pass", _, rows, instructions, longest] => {
                run.passes.push(cost([rows, instructions, longest])?);
            }
            ["learner", bytes] => run.learner_bytes = number(line, bytes)?,
            ["resident", bytes] => run.resident_bytes = number(line, bytes)?,
            ["starting", bytes] => run.starting_bytes = number(line, bytes)?,
            _ => {}
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_read() {
        let lines = [
            "start 9 100 40",
            "pass 1 9 900 80",
            "pass 2 9 800 80",
            "learner 64",
        ];
        let run = parse(&lines.map(str::to_owned)).unwrap();
        assert_eq!(run.passes.len(), 2);
        let start = PassCost {
            rows: 9,
            instructions: 100,
            longest: 40,
        };
        assert_eq!((run.start, run.learner_bytes), (start, 64));
        assert_eq!(run.passes[1].instructions, 800);
    }

    #[test]
    fn a_damaged_line_is_quoted() {
        let message = parse(&["pass 1 x 2 3".to_owned()]).unwrap_err().to_string();
        assert!(message.contains("`pass 1 x 2 3`"), "{message}");
    }
}
