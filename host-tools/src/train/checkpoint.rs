//! Checkpoints: files that a training run goes on from after an interruption, to the same bits as without one.
//!
//! | bytes | what, little-endian |
//! |---|---|
//! | 24 | `autodidact checkpoint 2` and a line feed |
//! | 4 | CRC-32 of all that follows |
//! | 4, 4 | CRC-32 of the options, with the kind of the run, and of the data |
//! | 8 | steps done |
//! | 4, 8 a word | how many words, and the words: places in streams of chance, sums |
//! | 4 a number | parameters and what the optimiser keeps of them, to the end |

use std::{
    fmt::Debug,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::Crc;
use rand_chacha::ChaCha8Rng;

use super::epochs::Resumed;
use crate::{artifact, data::Table};

/// First line of every checkpoint.
const MAGIC: &[u8] = b"autodidact checkpoint ";

/// The rest of that line: another format has another number.
const VERSION: &[u8] = b"2\n";

/// A run spends at most one part in this many of its time on checkpoints.
const SHARE: u32 = 20;

/// What a run goes on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Saved {
    /// Steps of the optimiser that are done.
    pub(super) steps: usize,
    /// Whole numbers that the trainer keeps.
    pub(super) words: Vec<u64>,
    /// Its parameters.
    pub(super) numbers: Vec<f32>,
}

/// The checkpoint of a run.
pub(super) struct Checkpoint {
    path: PathBuf,
    options: u32,
    data: u32,
    /// When the last one was written, and how long that took.
    last: Option<(Instant, Duration)>,
}

impl Checkpoint {
    /// The checkpoint at `path` of a run of some kind, with these options over these rows.
    pub(super) fn new(path: &Path, kind: &str, options: &impl Debug, rows: &Table) -> Self {
        let mut data = Crc::new();
        data.update(format!("{} ", rows.width()).as_bytes());
        for value in rows.values() {
            data.update(&value.to_le_bytes());
        }
        Self {
            path: path.to_owned(),
            options: checksum(format!("{kind} {options:?}").as_bytes()),
            data: data.sum(),
            last: None,
        }
    }

    /// What an earlier run has left, if there is such a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is none, is damaged, or is of another run.
    pub(super) fn load(&self) -> Result<Option<Saved>> {
        let name = self.path.display();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => bail!("the checkpoint {name} cannot be read: {}", error.kind()),
        };
        ensure!(
            !bytes.is_empty(),
            "the checkpoint {name} is empty; delete it to start afresh"
        );
        let rest = bytes
            .strip_prefix(MAGIC)
            .with_context(|| format!("{name} is no checkpoint; give the name of another file"))?;
        let rest = rest.strip_prefix(VERSION).with_context(|| {
            format!(
                "{name} is a checkpoint of another version of this tool; delete it to start afresh"
            )
        })?;
        let damaged = || self.damaged();
        let mut rest = Rest(rest);
        let sum = rest.u32().ok_or_else(damaged)?;
        ensure!(checksum(rest.0) == sum, damaged());
        let (options, data) = (
            rest.u32().ok_or_else(damaged)?,
            rest.u32().ok_or_else(damaged)?,
        );
        let other = match (options == self.options, data == self.data) {
            (true, true) => None,
            (true, false) => Some(("of other data", "that data")),
            (false, true) => Some(("of a run with other options", "those options")),
            (false, false) => Some(("of another training run", "its options and data")),
        };
        if let Some((whose, remedy)) = other {
            bail!("the checkpoint {name} is {whose}; give {remedy}, or delete it to start afresh");
        }
        rest.saved().ok_or_else(damaged).map(Some)
    }

    /// The words of a place in a stream of chance and whatever else a trainer keeps.
    ///
    /// # Errors
    ///
    /// There are others.
    pub(super) fn words<const N: usize>(&self, saved: &Saved) -> Result<[u64; N]> {
        let words = saved.words.as_slice().try_into();
        words.map_err(|_| self.damaged())
    }

    /// Puts a network where it was.
    ///
    /// # Errors
    ///
    /// It has another number of parameters.
    pub(super) fn resume(&self, net: &mut impl Resumed, saved: &Saved) -> Result<()> {
        let resumed = net.resume(saved.steps, &saved.numbers);
        resumed.ok_or_else(|| self.damaged())
    }

    /// Writes a network after so many steps, with the words that its trainer keeps.
    ///
    /// # Errors
    ///
    /// The file cannot be written; the training device fails.
    pub(super) fn save_of(
        &mut self,
        net: &impl Resumed,
        steps: usize,
        words: Vec<u64>,
    ) -> Result<()> {
        let numbers = net.numbers()?;
        self.save(&Saved {
            steps,
            words,
            numbers,
        })
    }

    fn damaged(&self) -> Error {
        anyhow!(
            "the checkpoint {} is damaged; delete it to start afresh",
            self.path.display()
        )
    }

    /// Whether it is time for another one.
    pub(super) fn is_due(&self) -> bool {
        self.last
            .is_none_or(|(at, took)| at.elapsed() >= took * SHARE)
    }

    /// Writes what a run goes on from: whole, or not at all.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn save(&mut self, saved: &Saved) -> Result<()> {
        let start = Instant::now();
        let mut content = Vec::with_capacity(20 + 8 * saved.words.len() + 4 * saved.numbers.len());
        content.extend(self.options.to_le_bytes());
        content.extend(self.data.to_le_bytes());
        content.extend((saved.steps as u64).to_le_bytes());
        content.extend((saved.words.len() as u32).to_le_bytes());
        content.extend(saved.words.iter().flat_map(|word| word.to_le_bytes()));
        content.extend(saved.numbers.iter().flat_map(|x| x.to_le_bytes()));
        let sum = checksum(&content).to_le_bytes();
        let bytes = [MAGIC, VERSION, &sum, &content].concat();
        artifact::write(&self.path, &bytes).context("no checkpoint")?;
        self.last = Some((Instant::now(), start.elapsed()));
        Ok(())
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// Bytes that are still to be read.
struct Rest<'b>(&'b [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn saved(&mut self) -> Option<Saved> {
        let steps = usize::try_from(u64::from_le_bytes(self.take()?)).ok()?;
        let count = self.u32()?;
        let mut words = Vec::new();
        for _ in 0..count {
            words.push(u64::from_le_bytes(self.take()?));
        }
        let (numbers, crumb) = self.0.as_chunks();
        crumb.is_empty().then(|| Saved {
            steps,
            words,
            numbers: numbers.iter().map(|&x| f32::from_le_bytes(x)).collect(),
        })
    }
}

/// Where a generator stands in its stream.
pub(super) fn place(generator: &ChaCha8Rng) -> [u64; 2] {
    let at = generator.get_word_pos();
    [at as u64, (at >> 64) as u64]
}

/// Sets a generator to a place in its stream.
pub(super) fn go_to(generator: &mut ChaCha8Rng, [low, high]: [u64; 2]) {
    generator.set_word_pos(u128::from(low) | u128::from(high) << 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{
        Progress,
        autoencoder::{self, AutoencoderOptions},
        corruption::{Corruption, CorruptionKind},
        dae::{self, DaeOptions},
        device::TrainingDevice,
        gan::{self, GanOptions},
        random::{generator, normal},
        residual::{self, ResidualOptions, ResidualShape},
    };

    fn rows(last: f32) -> Table {
        Table::new(
            "made",
            Table::numbered_columns(2),
            vec![0.0, 1.0, 2.0, last],
        )
        .unwrap()
    }

    fn saved() -> Saved {
        Saved {
            steps: 7,
            words: vec![1, u64::MAX],
            numbers: vec![1.5, f32::MIN_POSITIVE, -0.0],
        }
    }

    #[test]
    fn what_is_saved_is_loaded_by_the_same_run_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let of = |kind: &str, options: f64, last: f32| {
            Checkpoint::new(&path, kind, &options, &rows(last))
        };
        let mut own = of("gan", 0.5, 3.0);
        assert_eq!(own.load().unwrap(), None);
        assert!(own.is_due());
        own.save(&saved()).unwrap();
        assert_eq!(of("gan", 0.5, 3.0).load().unwrap(), Some(saved()));
        for (other, whose) in [
            (
                of("dae", 0.5, 3.0),
                "of a run with other options; give those options",
            ),
            (
                of("gan", 0.25, 3.0),
                "of a run with other options; give those options",
            ),
            (of("gan", 0.5, 4.0), "of other data; give that data"),
            (
                of("gan", 0.25, 4.0),
                "of another training run; give its options and data",
            ),
        ] {
            assert_eq!(
                other.load().unwrap_err().to_string(),
                format!(
                    "the checkpoint {} is {whose}, or delete it to start afresh",
                    path.display()
                )
            );
        }
    }

    #[test]
    fn every_damage_is_one_clear_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let mut own = Checkpoint::new(&path, "gan", &1, &rows(3.0));
        own.save(&saved()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let message = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let message = own.load().unwrap_err().to_string();
            message.replace(&path.display().to_string(), "x")
        };
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 16;
            let expected = match at {
                0..22 => "x is no checkpoint; give the name of another file",
                22..24 => {
                    "x is a checkpoint of another version of this tool; delete it to start afresh"
                }
                _ => "the checkpoint x is damaged; delete it to start afresh",
            };
            assert_eq!(message(&changed), expected);
            let cut = message(&bytes[..at]);
            let fitting = match at {
                0 => "the checkpoint x is empty; delete it to start afresh",
                1..24 => "x is ",
                _ => "the checkpoint x is damaged",
            };
            assert!(cut.starts_with(fitting), "{cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(
            message(&longer),
            "the checkpoint x is damaged; delete it to start afresh"
        );
    }

    /// Training with a checkpoint or without, and somebody who is told of its progress.
    type Train<'t, T> = &'t dyn Fn(Option<PathBuf>, &mut dyn FnMut(Progress)) -> Result<T>;

    /// Trains to the end, and again from the checkpoint that it had at the third report.
    fn interrupted<T: PartialEq + Debug>(train: Train<'_, T>) {
        let folder = tempfile::tempdir().unwrap();
        let [path, early] = ["run", "early"].map(|name| folder.path().join(name));
        let whole = train(None, &mut |_| {}).unwrap();
        let mut reports = 0;
        let kept = train(Some(path.clone()), &mut |_| {
            reports += 1;
            if reports == 3 {
                fs::copy(&path, &early).unwrap();
            }
        });
        assert_eq!(kept.unwrap(), whole);
        let mut left = 0;
        let resumed = train(Some(early), &mut |_| left += 1).unwrap();
        assert_eq!(resumed, whole);
        assert!(left < reports && left > 0, "{left} of {reports}");
        // Everything is there: nothing is left to do.
        let finished = train(Some(path), &mut |_| panic!("a step was repeated"));
        assert_eq!(finished.unwrap(), whole);
    }

    fn wave() -> Table {
        let values = (0..60 * 4).map(|at| (at as f32 * 0.37).sin());
        Table::new("made", Table::numbered_columns(4), values.collect()).unwrap()
    }

    #[test]
    fn an_interrupted_run_of_every_trainer_ends_in_the_same_bits() {
        let (data, cpu) = (wave(), TrainingDevice::cpu());
        let corruption = Corruption::Gaussian {
            sigma: vec![0.3; 4],
        };
        for tied in [false, true] {
            interrupted(&|checkpoint, progress| {
                let options = AutoencoderOptions {
                    encoder: vec![6, 2],
                    tied,
                    corruption: CorruptionKind::Gaussian(0.1),
                    epochs: 8,
                    batch: 16,
                    checkpoint,
                    ..AutoencoderOptions::default()
                };
                autoencoder::fit(&options.check()?, &data, &cpu, progress)
            });
        }
        interrupted(&|checkpoint, progress| {
            let options = DaeOptions {
                hidden: vec![7],
                corruption: corruption.clone(),
                epochs: 8,
                batch: 16,
                gain: 0.5,
                checkpoint,
                ..DaeOptions::default()
            };
            dae::fit(&options.check()?, &data, &cpu, progress)
        });
        interrupted(&|checkpoint, progress| {
            let options = ResidualOptions {
                shape: ResidualShape::Dense(vec![7]),
                corruption: corruption.clone(),
                epochs: 8,
                batch: 16,
                average: 0.9,
                checkpoint,
                ..ResidualOptions::default()
            };
            residual::fit(&options.check()?, &data, &cpu, progress)
        });
        interrupted(&|checkpoint, progress| {
            let options = GanOptions {
                generator: vec![8],
                discriminator: vec![8],
                steps: 650,
                batch: 8,
                checkpoint,
                ..GanOptions::default()
            };
            gan::fit(&options.check()?, &data, &cpu, progress)
        });
    }

    #[test]
    fn a_generator_goes_on_where_it_stood() {
        let mut first = generator(3, 1);
        for _ in 0..101 {
            normal(&mut first);
        }
        let mut second = generator(3, 1);
        go_to(&mut second, place(&first));
        let ten = |generator: &mut ChaCha8Rng| -> Vec<f32> {
            (0..10).map(|_| normal(generator)).collect()
        };
        assert_eq!(ten(&mut first), ten(&mut second));
    }
}
