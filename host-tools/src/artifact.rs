//! Model files: read whole, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{self, Path, PathBuf};

use anyhow::{Result, anyhow, bail, ensure};
use autodidact::model::Model;

use crate::interrupt::undone_if_interrupted;
use crate::quantize::AlignedBytes;

/// Reads a container's bytes and checks that they load.
///
/// # Errors
///
/// The file cannot be read, or it is no valid container: the sentence names the file.
pub fn read(path: &Path) -> Result<AlignedBytes> {
    let name = path.display();
    ensure!(
        !path.is_dir(),
        "{name} is a folder; give the model that `fit -o` wrote"
    );
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow!("{name} does not exist; check the path"),
        kind => anyhow!("{name} cannot be read: {kind}"),
    })?;
    ensure!(
        !bytes.is_empty(),
        "{name} is empty; give the model that `fit -o` wrote"
    );
    let bytes = AlignedBytes::copy_of(&bytes);
    if let Err(error) = Model::load(&bytes) {
        bail!("{name}: {error}");
    }
    Ok(bytes)
}

/// An output: a file that gets its bytes all at once at the end of the work.
///
/// - A file is replaced when all of the new one is there: nobody ever sees half of it, and an earlier one stays when
///   writing fails. Links are followed, and an earlier file's permissions are kept.
/// - Devices and pipes are written to, and standard output under the name `-`.
/// - What cannot be written shows before the work, not after it.
#[derive(Debug)]
pub struct Unfinished {
    /// As the user gave it.
    path: PathBuf,
    place: Place,
}

/// Where bytes go.
#[derive(Debug, PartialEq)]
enum Place {
    /// Standard output.
    Standard,
    /// A device, a pipe or an open descriptor.
    Stream(PathBuf),
    /// A file, behind all links.
    File(PathBuf),
}

impl Unfinished {
    /// An output at `path` that is made from no file.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn beside(path: &Path) -> Result<Self> {
        Self::of(path, &[])
    }

    /// An output at `path` that is made from the files `inputs`.
    ///
    /// # Errors
    ///
    /// It is one of the inputs, by whatever name; it is a folder; its folder does not exist; it or its folder cannot be
    /// written to.
    pub fn of(path: &Path, inputs: &[&Path]) -> Result<Self> {
        let place = Place::of(path)?;
        if let Place::File(file) = &place {
            let same = |input: &&&Path| same_file_or_name(file, input);
            if let Some(input) = inputs.iter().find(same) {
                bail!(
                    "the output {} is the input {}, which it would replace: give the output another name",
                    path.display(),
                    input.display()
                );
            }
        }
        place.check().map_err(unwritten(path))?;
        let path = path.to_owned();
        Ok(Self { path, place })
    }

    /// Whether the bytes go to standard output, where then nothing else may go.
    #[must_use]
    pub fn is_standard_output(&self) -> bool {
        self.place == Place::Standard
    }

    /// Writes all of `bytes`, and gives a file its name.
    ///
    /// # Errors
    ///
    /// The disk is full, the folder cannot be written to any more, or nobody reads the pipe. Nothing is left behind.
    pub fn finish(self, bytes: &[u8]) -> Result<()> {
        let written = match &self.place {
            Place::Standard => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            Place::Stream(path) => open_stream(path).and_then(|mut file| file.write_all(bytes)),
            Place::File(path) => replace(path, bytes),
        };
        written.map_err(unwritten(&self.path))
    }
}

impl Place {
    fn of(path: &Path) -> Result<Self> {
        if is_standard_output(path) {
            return Ok(Self::Standard);
        }
        // What such a name leads to is open already, wherever its file lies.
        if path == Path::new("/dev/stderr")
            || ["/dev/fd", "/proc/self/fd"]
                .iter()
                .any(|fd| path.starts_with(fd))
        {
            return Ok(Self::Stream(path.to_owned()));
        }
        let failed = unwritten(path);
        match fs::metadata(path) {
            Ok(existing) if existing.is_file() => {
                Ok(Self::File(fs::canonicalize(path).map_err(failed)?))
            }
            Ok(existing) if !existing.is_dir() => Ok(Self::Stream(path.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            Err(_)
                if path.file_name().is_some()
                    && !path.as_os_str().as_encoded_bytes().ends_with(b"/") =>
            {
                Ok(Self::File(behind_links(path)))
            }
            Err(_) => bail!(
                "there is no folder {}: make it, and give the name of a file in it",
                path.display()
            ),
            _ => bail!(
                "{} is a folder: give the name of a file in it",
                path.display()
            ),
        }
    }

    /// Whether it can be written to, as far as that shows without writing.
    fn check(&self) -> io::Result<()> {
        match self {
            Self::Standard => Ok(()),
            // Opening a pipe waits for its reader.
            Self::Stream(path) if is_pipe(path) => Ok(()),
            Self::Stream(path) => open_stream(path).map(drop),
            Self::File(path) => {
                if path.exists() {
                    File::options().append(true).open(path)?;
                }
                // It has no name, so that nothing can leave it behind.
                tempfile::tempfile_in(folder_of(path))
                    .map(drop)
                    .map_err(|error| {
                        if error.kind() == io::ErrorKind::NotFound {
                            let folder = folder_of(path).display();
                            io::Error::new(error.kind(), format!("there is no folder {folder}"))
                        } else {
                            error.kind().into()
                        }
                    })
            }
        }
    }
}

/// Whether two paths lead to one file, or will when there is one.
#[must_use]
pub fn same_file_or_name(a: &Path, b: &Path) -> bool {
    // Opening a pipe would take from what its reader is to get.
    if a.is_file() && b.is_file() {
        return same_file::is_same_file(a, b).unwrap_or(false);
    }
    matches!((path::absolute(a), path::absolute(b)), (Ok(a), Ok(b)) if a == b)
}

/// Where a path leads to that does not exist: to itself, or to what a link names.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // A circle of links is an error of the system's, long before.
    while let Ok(target) = fs::read_link(&path) {
        path = folder_of(&path).join(target);
    }
    path
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Opens what is written to and never cut.
fn open_stream(path: &Path) -> io::Result<File> {
    File::options().append(true).open(path)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    fs::metadata(path).is_ok_and(|existing| existing.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// Puts a file with `bytes` in the place of `path`, all of it or nothing.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, _undone) = undone_if_interrupted(|| {
        let file = tempfile::Builder::new().make_in(folder_of(path), |path| {
            // What any new file gets: read and write, less the user's mask.
            File::options().write(true).create_new(true).open(path)
        })?;
        let name = file.path().to_owned();
        Ok((file, Box::new(move || drop(fs::remove_file(name)))))
    })?;
    let written = file.as_file_mut().write_all(bytes);
    written
        .and_then(|()| like(path, file.as_file()))
        // Some systems say only here that a disk is full.
        .and_then(|()| file.as_file().sync_all())
        .and_then(|()| file.persist(path).map_err(|error| error.error))
        .map(drop)
}

/// Gives `file` the permissions of the file at `path`, if there is one, and its owner as far as the user may.
fn like(path: &Path, file: &File) -> io::Result<()> {
    let Ok(existing) = fs::metadata(path) else {
        return Ok(());
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        let _ = fchown(file, Some(existing.uid()), Some(existing.gid()));
    }
    file.set_permissions(existing.permissions())
}

/// The reason why an output at `path` cannot be written, in one sentence.
fn unwritten(path: &Path) -> impl FnOnce(io::Error) -> anyhow::Error {
    move |error| {
        let reason = match error.raw_os_error() {
            Some(_) => error.kind().into(),
            None => error,
        };
        anyhow::Error::new(reason).context(format!("{} cannot be written", shown(path)))
    }
}

/// An output as it is called in a sentence.
#[must_use]
pub fn shown(path: &Path) -> String {
    match is_standard_output(path) {
        true => "standard output".into(),
        false => path.display().to_string(),
    }
}

/// Whether a path is a name of standard output.
fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .map(Path::new)
        .contains(&path)
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
        assert_eq!(message, "no-such.adm does not exist; check the path");
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
        let message = format!("{:#}", write(&path, b"x").unwrap_err());
        let missing = folder.path().join("missing");
        assert_eq!(
            message,
            format!(
                "{} cannot be written: there is no folder {}",
                path.display(),
                missing.display()
            )
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

    #[test]
    fn an_input_is_no_output_by_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data.csv");
        write(&data, b"1,2").unwrap();
        let hard = folder.path().join("hard.csv");
        fs::hard_link(&data, &hard).unwrap();
        let detour = folder
            .path()
            .join("../")
            .join(folder.path().file_name().unwrap());
        for output in [data.clone(), hard, detour.join("data.csv")] {
            let message = Unfinished::of(&output, &[Path::new("other"), &data]).unwrap_err();
            assert!(
                message
                    .to_string()
                    .ends_with("give the output another name"),
                "{message}"
            );
        }
        assert_eq!(fs::read(&data).unwrap(), b"1,2");
        Unfinished::of(&folder.path().join("new.adm"), &[&data]).unwrap();
    }

    #[test]
    fn folders_are_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let slash = folder.path().join("new/");
        let message = Unfinished::beside(&slash).unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "there is no folder {}: make it, and give the name of a file in it",
                slash.display()
            )
        );
        for path in [folder.path(), Path::new("/"), Path::new("..")] {
            let message = Unfinished::beside(path).unwrap_err().to_string();
            assert_eq!(
                message,
                format!(
                    "{} is a folder: give the name of a file in it",
                    path.display()
                )
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("models")).unwrap();
        let (link, target) = (
            folder.path().join("link.adm"),
            folder.path().join("models/a.adm"),
        );
        symlink("models/a.adm", &link).unwrap();
        // First to a file that is not there yet.
        for bytes in [b"first".as_slice(), b"second"] {
            write(&link, bytes).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&target).unwrap(), bytes);
            fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        }
        write(&link, b"third").unwrap();
        let mode = fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        symlink("circle", folder.path().join("circle")).unwrap();
        assert!(write(&folder.path().join("circle"), b"x").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_are_written_to_and_a_full_one_is_a_sentence() {
        write(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let message = format!("{:#}", write(Path::new("/dev/full"), b"x").unwrap_err());
        assert_eq!(message, "/dev/full cannot be written: no storage space");
    }
}
