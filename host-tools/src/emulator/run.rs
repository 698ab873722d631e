//! Runs images on an emulated core and understands what they say.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Core, Image, LogDecoder, RUN_TIMEOUT, build, qemu};
use crate::interrupt::Folder;
use crate::verdict::Verdict;

/// What an image said in its log, in terms that the host understands, beside the lines themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayLog {
    /// Every line.
    pub lines: Vec<String>,
    /// What each part of the model cost, in directory order.
    pub parts: Vec<PartCost>,
    /// What the model's buffers take, if the image ran a model.
    pub buffers: Option<BufferBytes>,
    /// Deepest stack, in bytes.
    pub stack_bytes: u64,
}

/// What the buffers take that a model runs in, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferBytes {
    /// What the model needs.
    pub needed: u64,
    /// What the image has.
    pub given: u64,
}

/// What running one part of a model cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartCost {
    /// Name of the part; `scaler` for the scaler, which comes first.
    pub name: String,
    /// `scaler`, `kmeans`, `pca` or `network`.
    pub kind: String,
    /// Rows that were run.
    pub rows: u64,
    /// Instructions for all of them.
    pub instructions: u64,
}

impl PartCost {
    /// Instructions for one row, rounded.
    pub const fn instructions_per_row(&self) -> u64 {
        match (self.instructions + self.rows / 2).checked_div(self.rows) {
            Some(each) => each,
            None => 0,
        }
    }
}

/// What came back from an emulated core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// For every row and every part in directory order its results, packed, little-endian. k-means: index `u32`,
    /// squared distance `u64`. PCA: scores `i32`, reconstruction `i16`, residual `u64`. Network: outputs `i16`.
    pub results: Vec<u8>,
    /// What the device logged.
    pub log: ReplayLog,
}

/// Runs rows of counts through every part of a model on an emulated core.
///
/// `samples` holds whole rows, one count per feature of the model.
///
/// # Errors
///
/// The model is too large for the machine, something is missing, the firmware does not
/// build, or the device reports an error.
pub fn replay(core: Core, model: &[u8], samples: &[i16]) -> Result<Replay> {
    let machine = core.machine();
    if model.len() > machine.model_window_bytes {
        bail!(Verdict::DoesNotFit(format!(
            "the model is too large for the emulated {core}: it has {} bytes, the window {}; fit a smaller one",
            model.len(),
            machine.model_window_bytes
        )));
    }
    let elf = build(core, Image::Replay)?;
    let folder = Folder::new().context("a folder for the run cannot be made")?;
    let counts: Vec<u8> = samples
        .iter()
        .flat_map(|count| count.to_le_bytes())
        .collect();
    write(folder.path(), "samples.bin", &counts)?;
    let (log, results) = run_in(core, &elf, folder.path(), Some(model), RUN_TIMEOUT)?;
    Ok(Replay { results, log })
}

/// Runs an image that brings its own model and data, in a fresh folder that holds `files`. Returns its log and
/// what it wrote to `results.bin`.
///
/// # Errors
///
/// QEMU is missing, the run takes longer than `limit`, or the device reports an error.
pub fn run_image(
    core: Core,
    elf: &Path,
    files: &[(&str, &[u8])],
    limit: Duration,
) -> Result<(ReplayLog, Vec<u8>)> {
    let folder = Folder::new().context("a folder for the run cannot be made")?;
    for (name, bytes) in files {
        write(folder.path(), name, bytes)?;
    }
    run_in(core, elf, folder.path(), None, limit)
}

/// What the image for replay logs of a model that its buffers do not hold.
const WANTS_MORE: &str = "the model needs a buffer of";

pub(super) fn run_in(
    core: Core,
    elf: &Path,
    folder: &Path,
    model: Option<&[u8]>,
    limit: Duration,
) -> Result<(ReplayLog, Vec<u8>)> {
    const MODEL: &str = "model.adm";
    if let Some(model) = model {
        write(folder, MODEL, model)?;
    }
    // QEMU runs in the folder, not here.
    let elf = &std::path::absolute(elf)?;
    let decoder = LogDecoder::open(elf)?;
    let run = qemu::run(&core.machine(), elf, folder, model.map(|_| MODEL), limit)?;
    let lines = decoder.lines(&run.console)?;
    if run.status != 0 {
        let said = lines.last().map_or(run.complaints.as_str(), String::as_str);
        let sentence = format!(
            "the emulated {core} ended with status {}: {said}",
            run.status
        );
        if said.contains(WANTS_MORE) {
            bail!(Verdict::DoesNotFit(sentence));
        }
        bail!("{sentence}");
    }
    // An image that writes no results makes no file.
    let results = fs::read(folder.join("results.bin")).unwrap_or_default();
    Ok((parse(lines)?, results))
}

pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// Reads `part <name> <kind> <rows> <instructions>`, `buffers <needed> <given>` and `stack <bytes>`; other lines are
/// for people.
fn parse(lines: Vec<String>) -> Result<ReplayLog> {
    let mut log = ReplayLog::default();
    for line in &lines {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["part", name, kind, rows, instructions] => log.parts.push(PartCost {
                name: name.to_owned(),
                kind: kind.to_owned(),
                rows: number(line, rows)?,
                instructions: number(line, instructions)?,
            }),
            ["buffers", needed, given] => {
                log.buffers = Some(BufferBytes {
                    needed: number(line, needed)?,
                    given: number(line, given)?,
                });
            }
            ["stack", bytes] => log.stack_bytes = number(line, bytes)?,
            _ => {}
        }
    }
    log.lines = lines;
    Ok(log)
}

pub(super) fn number(line: &str, word: &str) -> Result<u64> {
    word.parse()
        .with_context(|| format!("the device's log line `{line}` has no number where one belongs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_from_the_log() {
        let lines = [
            "hello",
            "part a kmeans 449 898000",
            "part b pca 0 0",
            "buffers 640 94208",
            "stack 1234",
        ];
        let log = parse(lines.map(str::to_owned).to_vec()).unwrap();
        assert_eq!(log.stack_bytes, 1234);
        assert_eq!(log.lines.len(), 5);
        let buffers = BufferBytes {
            needed: 640,
            given: 94_208,
        };
        assert_eq!(log.buffers, Some(buffers));
        assert_eq!(log.parts[0].instructions_per_row(), 2000);
        assert_eq!(log.parts[1].instructions_per_row(), 0);
    }

    #[test]
    fn a_damaged_line_is_quoted() {
        let message = parse(vec!["stack x".to_owned()]).unwrap_err().to_string();
        assert!(message.contains("`stack x`"), "{message}");
    }
}
