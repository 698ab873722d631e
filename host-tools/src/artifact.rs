//! Model files: read whole, written whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use autodidact::model::Model;

use crate::quantize::AlignedBytes;

/// Reads a container's bytes and checks that they load.
///
/// # Errors
///
/// The file cannot be read, or it is no valid container: the sentence names the file.
pub fn read(path: &Path) -> Result<AlignedBytes> {
    let bytes = fs::read(path).with_context(|| match path.exists() {
        true => format!("{} cannot be read", path.display()),
        false => format!(
            "there is no file {}: give the model that `fit -o` wrote",
            path.display()
        ),
    })?;
    let bytes = AlignedBytes::copy_of(&bytes);
    if let Err(error) = Model::load(&bytes) {
        bail!("{}: {error}", path.display());
    }
    Ok(bytes)
}

/// Writes a file under a temporary name beside it and renames it, so that nobody ever sees half of
/// it and an earlier file stays when writing fails.
///
/// # Errors
///
/// The folder does not exist or cannot be written to.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = || format!("{} cannot be written", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
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
        assert!(write(&folder.path().join("missing/x.adm"), b"x").is_err());
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
