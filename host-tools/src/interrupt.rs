//! What is undone when a signal ends the process: temporary files and folders, and children.
//!
//! Nothing here is needed where a process ends by itself: values clean up after themselves when they are dropped, which
//! a signal does not do.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

/// Undoes something; called at most once, from another thread.
type Undo = Box<dyn FnOnce() + Send>;

/// What there is to undo, by age.
static PENDING: Mutex<BTreeMap<u64, Undo>> = Mutex::new(BTreeMap::new());

fn pending() -> MutexGuard<'static, BTreeMap<u64, Undo>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that a signal would undo as long as this lives.
#[derive(Debug)]
pub(crate) struct Undone(u64);

impl Drop for Undone {
    fn drop(&mut self) {
        pending().remove(&self.0);
    }
}

/// Makes something together with what undoes it; no signal comes between the two.
///
/// # Errors
///
/// Those of `make`.
pub(crate) fn undone_if_interrupted<T>(
    make: impl FnOnce() -> io::Result<(T, Undo)>,
) -> io::Result<(T, Undone)> {
    let mut pending = pending();
    let (made, undo) = make()?;
    let id = pending.last_key_value().map_or(0, |(id, _)| id + 1);
    pending.insert(id, undo);
    Ok((made, Undone(id)))
}

/// A folder of its own for a run, gone when this is dropped or a signal ends the process.
#[derive(Debug)]
pub(crate) struct Folder {
    // Dropped in this order.
    folder: TempDir,
    _undone: Undone,
}

impl Folder {
    /// Makes one where temporary files go.
    ///
    /// # Errors
    ///
    /// The folder cannot be made.
    pub(crate) fn new() -> io::Result<Self> {
        let (folder, undone) = undone_if_interrupted(|| {
            let folder = TempDir::new()?;
            let path = folder.path().to_owned();
            let undo: Undo = Box::new(move || drop(std::fs::remove_dir_all(path)));
            Ok((folder, undo))
        })?;
        Ok(Self {
            folder,
            _undone: undone,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// From here on SIGINT, SIGTERM and SIGHUP undo what is pending before they end the process, as they would without
/// this: a shell sees the same status. A signal that the process was told to ignore, as by `nohup`, stays ignored.
#[cfg(unix)]
pub fn watch() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let ignored = ignored_signals();
    let heeded = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| ignored >> (signal - 1) & 1 == 0);
    // Without a handler a signal ends the process as ever, and leaves what it leaves.
    let Ok(mut signals) = signal_hook::iterator::Signals::new(heeded) else {
        return;
    };
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end, so that nothing is made any more.
            let mut pending = pending();
            while let Some((_, undo)) = pending.pop_last() {
                undo();
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    let _ = std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait);
}

/// Elsewhere signals do what they do.
#[cfg(not(unix))]
pub fn watch() {}

/// The signals that whoever started the process had it ignore, bit by bit, as far as the system tells.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_cleaned_up_after_itself_is_not_pending_any_more() {
        let folder = Folder::new().unwrap();
        let (path, id) = (folder.path().to_owned(), folder._undone.0);
        assert!(path.is_dir() && pending().contains_key(&id));
        drop(folder);
        assert!(!path.exists());
    }
}
