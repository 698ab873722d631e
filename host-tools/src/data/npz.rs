//! NumPy's archives of named arrays.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use anyhow::{Error, Result, anyhow, bail, ensure};
use zip::ZipArchive;

use super::{
    npy::{self, Array},
    open::explain_open,
};

/// The arrays of a `.npz` file, by name.
#[derive(Clone, Debug)]
pub struct Npz {
    source: String,
    /// NPY files.
    arrays: BTreeMap<String, Vec<u8>>,
}

impl Npz {
    /// Reads a file that `numpy.savez` or `numpy.savez_compressed` wrote.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is no archive of arrays.
    pub fn open(path: &Path) -> Result<Self> {
        let source = path.display().to_string();
        let file = File::open(path).map_err(|error| explain_open(&source, &error))?;
        ensure!(!path.is_dir(), "{source} is a folder; give a file in it");
        Self::read(&source, BufReader::new(file))
    }

    /// Reads an archive; `source` names it in messages.
    ///
    /// # Errors
    ///
    /// As [`Npz::open`].
    pub fn read(source: &str, reader: impl Read + Seek) -> Result<Self> {
        let no_archive = || anyhow!("{source} is no valid NPZ archive; save it with numpy.savez");
        let mut archive = ZipArchive::new(reader).map_err(|_| no_archive())?;
        let mut arrays = BTreeMap::new();
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).map_err(|_| no_archive())?;
            let Some(name) = entry.name().strip_suffix(".npy").map(str::to_owned) else {
                continue;
            };
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|_| no_archive())?;
            arrays.insert(name, bytes);
        }
        ensure!(
            !arrays.is_empty(),
            "{source} holds no array; save it with numpy.savez"
        );
        Ok(Self {
            source: source.to_owned(),
            arrays,
        })
    }

    /// Where it was read from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names of its arrays, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Whether there is an array of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    /// An array of numbers of any type, in either memory order; all values are finite.
    ///
    /// # Errors
    ///
    /// No such array, with the names of those there are; elements that are no numbers; a value that is not
    /// finite.
    pub fn array(&self, name: &str) -> Result<Array> {
        let bytes = self.arrays.get(name).ok_or_else(|| {
            anyhow!(
                "{} has no array `{name}`; it holds {}",
                self.source,
                self.describe()
            )
        })?;
        let array = npy::array(&self.place(name), bytes)?;
        if let Some(value) = array.values.iter().find(|value| !value.is_finite()) {
            bail!(
                "{} holds {value}, which is not a finite number",
                self.place(name)
            );
        }
        Ok(array)
    }

    /// A string, if there is an array of that name.
    ///
    /// # Errors
    ///
    /// The array holds no string.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(bytes) = self.arrays.get(name) else {
            return Ok(None);
        };
        let mut rest = &bytes[..];
        let header = npy::header(&self.place(name), &mut rest)?;
        let no_text = || anyhow!("{} holds no text; save one string", self.place(name));
        ensure!(header.count() == Some(1), no_text());
        let descriptor = header.descriptor.unwrap_or_default();
        let characters: Vec<char> = match descriptor.get(..2) {
            Some("<U") => rest
                .as_chunks()
                .0
                .iter()
                .filter_map(|&bytes| char::from_u32(u32::from_le_bytes(bytes)))
                .collect(),
            Some(">U") => rest
                .as_chunks()
                .0
                .iter()
                .filter_map(|&bytes| char::from_u32(u32::from_be_bytes(bytes)))
                .collect(),
            Some("|S") => rest.iter().map(|&byte| char::from(byte)).collect(),
            _ => return Err(no_text()),
        };
        // NumPy fills up with zeros.
        let end = characters.iter().take_while(|&&c| c != '\0');
        Ok(Some(end.collect()))
    }

    fn place(&self, name: &str) -> String {
        format!("{}, array `{name}`", self.source)
    }

    /// `a`, `b` and 3 more.
    fn describe(&self) -> String {
        const SHOWN: usize = 8;
        let shown: Vec<String> = self
            .names()
            .take(SHOWN)
            .map(|name| format!("`{name}`"))
            .collect();
        let more = match self.arrays.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        shown.join(", ") + &more
    }
}

/// Why an archive is no table, with the names of its arrays.
pub(super) fn no_table(path: &Path) -> Error {
    let source = path.display();
    match Npz::open(path) {
        Ok(archive) => {
            let first = archive.names().next().unwrap_or_default();
            anyhow!(
                "{source} is an archive of arrays ({}); save the one that holds the rows: numpy.save(\"{first}.npy\", numpy.load(\"{source}\")[\"{first}\"])",
                archive.describe()
            )
        }
        Err(error) => error,
    }
}
