//! What to draw and how, as the host says it.

use autodidact::restore::{self, Blur, Degradation, Noise};
use autodidact::score::Schedule;

/// Bytes of a record of settings.
pub const SETTINGS_BYTES: usize = 128;

/// Weights of a blur's kernel.
const KERNEL: usize = 25;

/// The version of the record that this code reads.
const VERSION: u32 = 1;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
pub enum Task {
    /// Samples, out of nothing.
    Sample,
    /// Samples of which something is known: a row of the link has it.
    FillIn,
    /// Restorations of what was seen: a row of the link has it.
    Restore,
}

/// A record of settings: sixteen little-endian words of 32 bits, then the 25 weights (`i16`) of a blur's kernel,
/// row-major, then zeros.
///
/// | word | field |
/// |---|---|
/// | 0 | version, 1 |
/// | 1 | task: 0 samples, 1 filling in, 2 restoring |
/// | 2 | index of the part in the directory |
/// | 3 | samples in all; of each row where rows are filled in |
/// | 4, 5 | seed, low word first |
/// | 6 | steps: of a walk at each level, of a chain between samples, of a descent |
/// | 7 | step size: `gamma` of a walk, `U2F30`; of a descent, `U1F30` |
/// | 8 | of a walk 1 if it ends with a whole residual, and 2 more if its noise keeps to the levels; steps of a chain before its first sample; momentum of a descent, `U1F30` |
/// | 9 | noise level of the prior in a descent |
/// | 10 | standard deviation of the noise on the prior's input, `U12F20` |
/// | 11 | standard deviation of the noise on what was seen, `U12F20`; 2^32 - 1 for unknown |
/// | 12 | standard deviation of the noise that a denoiser was trained for, `U12F20` |
/// | 13 | what happened to what was seen: 0 noise alone, 1 some was lost, 2 a blur |
/// | 14, 15 | height and width of a blurred image |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub(super) task: Task,
    pub(super) part: usize,
    pub(super) samples: u32,
    pub(super) seed: u64,
    pub(super) steps: u32,
    rate: u32,
    pub(super) start: u32,
    level: u32,
    eta: u32,
    noise: u32,
    pub(super) sigma: u32,
    damage: u32,
    image: [u32; 2],
    kernel: [i16; KERNEL],
}

impl Settings {
    /// Reads a record; `None` where a word has a value that means nothing.
    pub fn from_bytes(bytes: &[u8; SETTINGS_BYTES]) -> Option<Self> {
        let (words, rest) = bytes.split_first_chunk::<64>()?;
        let mut record = [0_u32; 16];
        for (word, bytes) in record.iter_mut().zip(words.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let mut kernel = [0; KERNEL];
        for (weight, bytes) in kernel.iter_mut().zip(rest.as_chunks::<2>().0) {
            *weight = i16::from_le_bytes(*bytes);
        }
        let [
            VERSION,
            task,
            part,
            samples,
            seed_low,
            seed_high,
            steps,
            rate,
            start,
            level,
            eta,
            noise,
            sigma,
            damage,
            height,
            width,
        ] = record
        else {
            return None;
        };
        Some(Self {
            task: match task {
                0 => Task::Sample,
                1 => Task::FillIn,
                2 => Task::Restore,
                _ => return None,
            },
            part: part as usize,
            samples,
            seed: (u64::from(seed_high) << 32) | u64::from(seed_low),
            steps,
            rate,
            start,
            level,
            eta,
            noise,
            sigma,
            damage,
            image: [height, width],
            kernel,
        })
    }

    /// The walk of a score network; `None` where it is none.
    pub(super) fn schedule(&self) -> Option<Schedule> {
        let denoise = self.start & 1 == 1;
        let schedule = Schedule::new(self.rate, u16::try_from(self.steps).ok()?, denoise).ok()?;
        Some(if self.start & 2 == 2 {
            schedule.consistent()
        } else {
            schedule
        })
    }

    /// How a descent goes.
    pub(super) fn descent(&self) -> Option<restore::Settings> {
        Some(restore::Settings {
            level: u16::try_from(self.level).ok()?,
            eta: self.eta,
            rate: self.rate,
            momentum: self.start,
            steps: u16::try_from(self.steps).ok()?,
        })
    }

    /// What is known of the noise on what was seen.
    pub(super) const fn noise(&self) -> Noise {
        match self.noise {
            u32::MAX => Noise::Blind,
            sd => Noise::Known(sd),
        }
    }

    /// Whether the link's first row says what is known of those that follow.
    pub(super) const fn has_mask(&self) -> bool {
        matches!(
            (self.task, self.damage),
            (Task::FillIn, _) | (Task::Restore, 1)
        )
    }

    /// What happened to what was seen; `seen` where some of it was lost.
    pub(super) fn degradation<'m>(&self, seen: &'m [bool]) -> Option<Degradation<'m>> {
        let [height, width] = self.image.map(|side| side as usize);
        match self.damage {
            0 => Some(Degradation::Identity),
            1 => Some(Degradation::Mask(seen)),
            2 => Blur::new([height, width, 1], self.kernel, 0).map(Degradation::Blur),
            _ => None,
        }
    }
}
