//! Where the firmware's sources are, and where they are built.
//!
//! The program has its sources inside it. In the repository that it was built from it takes those there, as long as they
//! are still the same; anywhere else it unpacks its own into a cache folder, and builds there.

use std::path::{self, Path, PathBuf};
use std::{env, fs, io};

use anyhow::{Context, Result, bail};

use crate::say;

/// What the build script has packed: for each file a line of its length and its path, its bytes and a line break.
static PACK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/firmware.pack"));

/// Names another firmware workspace; empty, it stands for the program's own sources.
const WORKSPACE_VARIABLE: &str = "AUTODIDACT_FIRMWARE";

/// The firmware workspace, and the folder of its builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    /// The folder of the workspace's manifest.
    pub(super) workspace: PathBuf,
    /// The folder that cargo builds into.
    pub(super) target: PathBuf,
    /// The environment variable that moves `target`.
    pub(super) variable: &'static str,
}

/// The sources of the firmware, as the program's package has to hold them.
pub const fn firmware_pack() -> &'static [u8] {
    PACK
}

/// Finds the workspace that `AUTODIDACT_FIRMWARE` names, or the repository's, or unpacks the program's own.
///
/// # Errors
///
/// The variable names no workspace, or there is no folder to unpack into.
pub(super) fn find() -> Result<Sources> {
    let named = env::var_os(WORKSPACE_VARIABLE);
    if let Some(folder) = named.as_ref().filter(|name| !name.is_empty()) {
        let folder = PathBuf::from(folder);
        if !folder.join("Cargo.toml").is_file() {
            bail!(
                "there is no firmware at {}: let {WORKSPACE_VARIABLE} name the repository's firmware folder, or unset it \
                 for the firmware that this program brings along",
                folder.display()
            );
        }
        return in_repository(&folder.canonicalize()?);
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if named.is_none()
        && files(PACK).all(|file| file.path == "Cargo.toml" || file.is_in(&repository))
    {
        return in_repository(&repository.canonicalize()?.join("firmware"));
    }
    let folder = cache_folder(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))?.join(name(PACK));
    unpack(PACK, &folder)?;
    Ok(Sources {
        workspace: folder.join("firmware"),
        target: folder.join("target"),
        variable: "XDG_CACHE_HOME",
    })
}

/// A workspace that lies in a repository is built where the repository is.
fn in_repository(workspace: &Path) -> Result<Sources> {
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => path::absolute(folder)?,
        None => workspace.with_file_name("target"),
    };
    Ok(Sources {
        workspace: workspace.to_path_buf(),
        target,
        variable: "CARGO_TARGET_DIR",
    })
}

/// `autodidact` in the user's folder for what can be made again.
fn cache_folder(
    cache: Option<std::ffi::OsString>,
    home: Option<std::ffi::OsString>,
) -> Result<PathBuf> {
    // The specification has relative paths ignored.
    let absolute = |folder: Option<std::ffi::OsString>| {
        folder
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
    };
    absolute(cache)
        .or_else(|| absolute(home).map(|home| home.join(".cache")))
        .map(|folder| folder.join("autodidact"))
        .context(
            "there is no folder to build firmware in: let HOME or XDG_CACHE_HOME name one by its absolute path",
        )
}

/// The name of the folder for these sources: other sources have another.
fn name(pack: &[u8]) -> String {
    // FNV-1a. Nothing depends on it but that two versions of this program do not meet.
    let hash = pack.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("firmware-{}-{hash:016x}", env!("CARGO_PKG_VERSION"))
}

/// Makes the folder hold the packed files. Those that are there and right are left alone, so that nothing is built
/// again; every other appears whole or not at all, so that several processes may do this at once.
fn unpack(pack: &[u8], folder: &Path) -> Result<()> {
    if !folder.exists() {
        say!(
            "setup: unpacking the firmware's sources into {}: images are built there, once for each core",
            folder.display()
        );
    }
    files(pack)
        .filter(|file| !file.is_in(folder))
        .try_for_each(|file| file.write_into(folder))
        .with_context(|| {
            format!(
                "the firmware's sources cannot be unpacked into {}: make room there, or let XDG_CACHE_HOME name a \
                 folder that can be written to",
                folder.display()
            )
        })
}

/// One packed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct File<'a> {
    path: &'a str,
    content: &'a [u8],
}

impl File<'_> {
    fn is_in(&self, folder: &Path) -> bool {
        fs::read(folder.join(self.path)).is_ok_and(|content| content == self.content)
    }

    fn write_into(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(self.path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)?;
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        io::Write::write_all(&mut file, self.content)?;
        file.persist(path)?;
        Ok(())
    }
}

/// The files of a pack; a damaged one ends early.
fn files(mut pack: &[u8]) -> impl Iterator<Item = File<'_>> {
    std::iter::from_fn(move || {
        let end = pack.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = pack.split_at_checked(end)?;
        let (length, path) = str::from_utf8(line).ok()?.split_once(' ')?;
        let (content, rest) = rest.get(1..)?.split_at_checked(length.parse().ok()?)?;
        pack = rest.get(1..)?;
        Some(File { path, content })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"3 one\na\nb\n0 folder/two\n\n";

    #[test]
    fn the_pack_has_every_manifest() {
        let paths: Vec<_> = files(PACK).map(|file| file.path).collect();
        for core in super::super::Core::ALL {
            let package = core
                .machine()
                .package
                .replace("autodidact-", "firmware/qemu/");
            assert!(
                paths.contains(&format!("{package}/Cargo.toml").as_str()),
                "{package}"
            );
        }
        for path in [
            "Cargo.toml",
            "core/Cargo.toml",
            "core/src/lib.rs",
            "firmware/Cargo.lock",
        ] {
            assert!(paths.contains(&path), "{path}");
        }
        let bytes: usize = files(PACK).map(|file| file.content.len()).sum();
        assert!(bytes > PACK.len() * 9 / 10, "read to its end");
    }

    #[test]
    fn what_is_unpacked_is_mended_and_otherwise_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        unpack(TWO, folder.path()).unwrap();
        let one = folder.path().join("one");
        assert_eq!(fs::read(&one).unwrap(), b"a\nb");
        assert_eq!(fs::read(folder.path().join("folder/two")).unwrap(), b"");
        fs::write(&one, b"a").unwrap();
        let before = fs::metadata(folder.path().join("folder/two"))
            .unwrap()
            .modified()
            .unwrap();
        unpack(TWO, folder.path()).unwrap();
        assert_eq!(fs::read(&one).unwrap(), b"a\nb");
        let after = fs::metadata(folder.path().join("folder/two"))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(before, after);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_one_sentence() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = format!("{:#}", unpack(TWO, &file.path().join("cache")).unwrap_err());
        assert!(message.contains("XDG_CACHE_HOME"), "{message}");
        assert!(
            message.contains(&*file.path().to_string_lossy()),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }

    #[test]
    fn the_cache_folder_follows_the_specification() {
        let folder = |cache: Option<&str>, home: Option<&str>| {
            cache_folder(cache.map(Into::into), home.map(Into::into)).ok()
        };
        assert_eq!(folder(Some("/c"), Some("/h")), Some("/c/autodidact".into()));
        assert_eq!(
            folder(Some("c"), Some("/h")),
            Some("/h/.cache/autodidact".into())
        );
        assert_eq!(
            folder(None, Some("/h")),
            Some("/h/.cache/autodidact".into())
        );
        assert_eq!(folder(None, None), None);
    }

    #[test]
    fn other_sources_have_another_folder() {
        assert_ne!(name(TWO), name(b"3 one\na\nc\n"));
        assert_eq!(name(TWO), name(TWO));
    }
}
