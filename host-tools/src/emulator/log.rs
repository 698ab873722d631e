//! Turns the guest's `defmt` frames into lines of text, with the strings that its ELF file keeps.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use defmt_decoder::{DecodeError, Table};

/// Decodes the log of one image.
pub struct LogDecoder {
    table: Table,
}

impl LogDecoder {
    /// Reads the image's strings.
    ///
    /// # Errors
    ///
    /// The file cannot be read or has no `defmt` strings.
    pub fn open(elf: &Path) -> Result<Self> {
        let bytes = fs::read(elf)
            .with_context(|| format!("the firmware image {} cannot be read", elf.display()))?;
        let table = Table::parse(&bytes)?
            .with_context(|| format!("the firmware image {} has no log strings", elf.display()))?;
        Ok(Self { table })
    }

    /// The lines of a whole console output.
    ///
    /// # Errors
    ///
    /// A frame is malformed: the image and the output do not belong together.
    pub fn lines(&self, console: &[u8]) -> Result<Vec<String>> {
        let mut decoder = self.table.new_stream_decoder();
        decoder.received(console);
        let mut lines = Vec::new();
        loop {
            match decoder.decode() {
                Ok(frame) => {
                    let message = frame.display_message().to_string();
                    lines.push(match frame.level() {
                        Some(level) => format!("{}: {message}", level.as_str()),
                        None => message,
                    });
                }
                Err(DecodeError::UnexpectedEof) => return Ok(lines),
                Err(DecodeError::Malformed) => {
                    bail!(
                        "the device's log has a malformed frame after {} lines",
                        lines.len()
                    )
                }
            }
        }
    }
}
