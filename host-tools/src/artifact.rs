//! Model files: read whole, written whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use autodidact::model::Model;
use tempfile::NamedTempFile;

use crate::quantize::AlignedBytes;

/// Reads a container's bytes and checks that they load.
///
/// # Errors
///
/// The file cannot be read, or it is no valid container: the sentence names the file.
pub fn read(path: &Path) -> Result<AlignedBytes> {
    if !path.exists() {
        bail!(
            "there is no file {}: give the model that `fit -o` wrote",
            path.display()
        );
    }
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let bytes = AlignedBytes::copy_of(&bytes);
    if let Err(error) = Model::load(&bytes) {
        bail!("{}: {error}", path.display());
    }
    Ok(bytes)
}

/// A file that gets its name when it is complete: nobody ever sees half of it, an earlier file stays
/// when writing fails, and a folder that cannot be written to shows before the work, not after it.
#[derive(Debug)]
pub struct Unfinished<'a> {
    file: NamedTempFile,
    path: &'a Path,
}

impl<'a> Unfinished<'a> {
    /// Opens a file under a temporary name beside `path`.
    ///
    /// # Errors
    ///
    /// The folder does not exist or cannot be written to.
    pub fn beside(path: &'a Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        // What any new file gets: read and write, less the user's mask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(folder)
            .map_err(|error| anyhow!("{} cannot be written: {}", path.display(), error.kind()))?;
        Ok(Self { file, path })
    }

    /// Writes all of `bytes` and gives the file its name.
    ///
    /// # Errors
    ///
    /// The disk is full or the folder cannot be written to any more.
    pub fn finish(self, bytes: &[u8]) -> Result<()> {
        let Self { mut file, path } = self;
        let failed = || format!("{} cannot be written", path.display());
        file.write_all(bytes).with_context(failed)?;
        file.persist(path).with_context(failed)?;
        Ok(())
    }
}

/// Writes a file whole or not at all, see [`Unfinished`].
///
/// # Errors
///
/// As [`Unfinished::beside`] and [`Unfinished::finish`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Unfinished::beside(path)?.finish(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_model_is_named() {
        let message = read(Path::new("no-such.adm")).unwrap_err().to_string();
        assert_eq!(
            message,
            "there is no file no-such.adm: give the model that `fit -o` wrote"
        );
    }

    #[test]
    fn a_damaged_model_is_named_with_its_defect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.adm");
        write(&path, b"not a container, but long enough for a header").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(
            message.ends_with("no autodidact container: it does not start with ADM"),
            "{message}"
        );
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/x.adm");
        let message = write(&path, b"x").unwrap_err().to_string();
        assert_eq!(
            message,
            format!("{} cannot be written: entity not found", path.display())
        );
        let path = folder.path().join("y.adm");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }
}
