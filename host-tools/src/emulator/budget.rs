//! What a model occupies on a device, and whether a board has that much.

use std::str::FromStr;

use anyhow::{Context, Result, bail};

use super::firmware::build_for_size;
use super::{Core, Image, Replay, measure_image};
use crate::verdict::Verdict;

/// An amount of memory: bytes, or a number with `K` (1024) or `M` (1024 K).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize(
    /// In bytes.
    pub u64,
);

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" => Some(1),
            "k" | "kib" => Some(1 << 10),
            "m" | "mib" => Some(1 << 20),
            _ => None,
        };
        number
            .parse::<u64>()
            .ok()
            .zip(unit)
            .and_then(|(number, unit)| number.checked_mul(unit))
            .map(Self)
            .ok_or_else(|| {
                format!("`{text}` is not a size: give bytes, or a number with K or M, such as 64K")
            })
    }
}

/// The memory of a board; `None` where nobody asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Board {
    /// Flash.
    pub flash: Option<MemorySize>,
    /// RAM.
    pub ram: Option<MemorySize>,
}

/// What an application that runs every part of a model occupies, in bytes.
///
/// The application is the replay image, with buffers of exactly the model's size, optimised for size where that
/// suits the core, as the demonstration is. It holds the code of every family of models and of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Flash of code, constants and initial values of variables.
    pub code: u64,
    /// Flash of the model.
    pub model: u64,
    /// RAM of the model's buffers, workspace included.
    pub buffers: u64,
    /// RAM of other variables.
    pub variables: u64,
    /// RAM of the stack at its deepest in the run that was measured.
    pub stack: u64,
}

impl Footprint {
    /// Of a model of `model_bytes` bytes that `replay` ran on `core`.
    ///
    /// # Errors
    ///
    /// The toolchain is missing, the image does not build, or the device did not say what
    /// the model's buffers take.
    pub fn measure(core: Core, model_bytes: usize, replay: &Replay) -> Result<Self> {
        let size = measure_image(&build_for_size(core, Image::Replay)?)?;
        let buffers = replay
            .log
            .buffers
            .context("the device did not log what the model's buffers take")?;
        Ok(Self {
            code: size.flash_code_bytes,
            model: model_bytes as u64,
            buffers: buffers.needed,
            variables: size.ram_static_bytes.saturating_sub(buffers.given),
            stack: replay.log.stack_bytes,
        })
    }

    /// All of the flash.
    pub const fn flash(&self) -> u64 {
        self.code + self.model
    }

    /// All of the RAM.
    pub const fn ram(&self) -> u64 {
        self.buffers + self.variables + self.stack
    }
}

impl Board {
    /// Whether the board holds `footprint`.
    ///
    /// # Errors
    ///
    /// It does not: the message says how much is needed, how much there is, and what to do.
    pub fn check(&self, footprint: &Footprint) -> Result<()> {
        let Footprint {
            code,
            model,
            buffers,
            variables,
            stack,
        } = footprint;
        let flash = Need {
            memory: "flash",
            available: self.flash,
            bytes: footprint.flash(),
            without_model: *code,
            made_of: format!("{code} of code and {model} of model"),
            smaller: "fewer clusters, fewer components or narrower hidden layers",
        };
        let ram = Need {
            memory: "RAM",
            available: self.ram,
            bytes: footprint.ram(),
            without_model: variables + stack,
            made_of: format!("{buffers} of buffers, {variables} of variables and {stack} of stack"),
            // Centroids are read in place, from flash.
            smaller: "fewer components or narrower hidden layers",
        };
        flash.check()?;
        ram.check()
    }
}

/// One kind of memory.
struct Need {
    memory: &'static str,
    available: Option<MemorySize>,
    bytes: u64,
    /// What is left of `bytes` with the smallest of models.
    without_model: u64,
    made_of: String,
    /// How a model comes to need less.
    smaller: &'static str,
}

impl Need {
    fn check(&self) -> Result<()> {
        let Self {
            memory,
            bytes,
            made_of,
            ..
        } = self;
        let Some(MemorySize(available)) = self.available else {
            return Ok(());
        };
        if *bytes <= available {
            return Ok(());
        }
        let advice = if self.without_model < available {
            format!("fit one with {}, or choose a part", self.smaller)
        } else {
            "no model is small enough for that: choose a part".into()
        };
        bail!(Verdict::DoesNotFit(format!(
            "the model is too large for the board: it needs {bytes} bytes of {memory} ({made_of}), the board has \
             {available}; {advice} with more {memory}"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_bytes_kibibytes_and_mebibytes() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("64K", 65_536),
            ("64k", 65_536),
            ("64KiB", 65_536),
            ("64 KiB", 65_536),
            ("1M", 1 << 20),
            ("2MiB", 2 << 20),
        ] {
            assert_eq!(text.parse(), Ok(MemorySize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_quoted() {
        for text in [
            "",
            "K",
            "64X",
            "-1",
            "1.5M",
            "64KK",
            "18446744073709551615K",
        ] {
            let message = text.parse::<MemorySize>().unwrap_err();
            assert_eq!(
                message,
                format!("`{text}` is not a size: give bytes, or a number with K or M, such as 64K")
            );
        }
    }

    const FOOTPRINT: Footprint = Footprint {
        code: 20_000,
        model: 10_000,
        buffers: 1_000,
        variables: 200,
        stack: 800,
    };

    #[test]
    fn a_board_holds_what_it_just_holds() {
        let board = |flash, ram| Board {
            flash: Some(MemorySize(flash)),
            ram: Some(MemorySize(ram)),
        };
        assert!(Board::default().check(&FOOTPRINT).is_ok());
        assert!(board(30_000, 2_000).check(&FOOTPRINT).is_ok());
        let flash = board(29_999, 2_000).check(&FOOTPRINT).unwrap_err();
        assert_eq!(
            flash.to_string(),
            "the model is too large for the board: it needs 30000 bytes of flash (20000 of code and 10000 of \
             model), the board has 29999; fit one with fewer clusters, fewer components or narrower hidden layers, \
             or choose a part with more flash"
        );
        let ram = board(30_000, 1_999).check(&FOOTPRINT).unwrap_err();
        assert_eq!(
            ram.to_string(),
            "the model is too large for the board: it needs 2000 bytes of RAM (1000 of buffers, 200 of variables and \
             800 of stack), the board has 1999; fit one with fewer components or narrower hidden layers, or choose a \
             part with more RAM"
        );
        let no_model = board(20_000, 2_000).check(&FOOTPRINT).unwrap_err();
        assert_eq!(
            no_model.to_string(),
            "the model is too large for the board: it needs 30000 bytes of flash (20000 of code and 10000 of \
             model), the board has 20000; no model is small enough for that: choose a part with more flash"
        );
    }
}
