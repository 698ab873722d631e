//! The run folder on the host, through semihosting: samples come from one file, results go to another.

use autodidact_app::{Counter, Link};

use crate::InstructionCounter;
use crate::host::HostFile;

/// What can go wrong with a file of the run folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
#[non_exhaustive]
pub enum FileError {
    /// The model file cannot be opened or measured.
    Model,
    /// The settings file cannot be read or has another length.
    Settings,
    /// The samples file cannot be opened or read.
    Samples,
    /// The last row of the samples file is incomplete.
    IncompleteRow,
    /// The results file cannot be created or written.
    Results,
}

/// The link of an emulated machine: two files in QEMU's working directory.
#[derive(Debug)]
pub struct Files {
    samples: HostFile,
    results: HostFile,
    counter: InstructionCounter,
}

/// Bytes moved by one semihosting call at most.
const CHUNK_BYTES: usize = 256;

impl Files {
    /// Opens `samples.bin` and creates `results.bin`.
    ///
    /// # Errors
    ///
    /// [`FileError::Samples`] or [`FileError::Results`].
    pub fn open(counter: InstructionCounter) -> Result<Self, FileError> {
        Ok(Self {
            samples: HostFile::open(c"samples.bin").map_err(|_| FileError::Samples)?,
            results: HostFile::create(c"results.bin").map_err(|_| FileError::Results)?,
            counter,
        })
    }

    /// Length in bytes of the model that the emulator placed in the model window.
    ///
    /// # Errors
    ///
    /// [`FileError::Model`].
    pub fn model_bytes() -> Result<usize, FileError> {
        HostFile::open(c"model.adm")
            .and_then(|file| file.len())
            .map_err(|_| FileError::Model)
    }

    /// The record of `settings.bin`, `BYTES` bytes long.
    ///
    /// # Errors
    ///
    /// [`FileError::Settings`].
    pub fn settings<const BYTES: usize>() -> Result<[u8; BYTES], FileError> {
        let mut record = [0; BYTES];
        let read = HostFile::open(c"settings.bin").and_then(|mut file| file.read(&mut record));
        if read == Ok(BYTES) {
            Ok(record)
        } else {
            Err(FileError::Settings)
        }
    }
}

impl Counter for Files {
    fn instructions(&self) -> u64 {
        self.counter.instructions()
    }
}

impl Link for Files {
    type Error = FileError;

    fn read_row(&mut self, counts: &mut [i16]) -> Result<bool, FileError> {
        let mut buffer = [0_u8; CHUNK_BYTES];
        let mut started = false;
        for part in counts.chunks_mut(CHUNK_BYTES / 2) {
            let bytes = buffer.get_mut(..part.len() * 2).ok_or(FileError::Samples)?;
            let filled = self.samples.read(bytes).map_err(|_| FileError::Samples)?;
            if filled == 0 && !started {
                return Ok(false);
            }
            if filled < bytes.len() {
                return Err(FileError::IncompleteRow);
            }
            started = true;
            for (count, pair) in part.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *count = i16::from_le_bytes(*pair);
            }
        }
        Ok(started)
    }

    fn rewind(&mut self) -> Result<(), FileError> {
        self.samples.rewind().map_err(|_| FileError::Samples)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.results.write(bytes).map_err(|_| FileError::Results)
    }
}
