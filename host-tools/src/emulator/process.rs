//! Child processes with a time limit.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::interrupt::{Undone, undone_if_interrupted};

/// What a child left behind.
#[derive(Debug)]
pub(crate) struct Output {
    /// `None` if the child was killed because its time was up.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Ends the child whatever happens to its caller.
struct Guard {
    child: Arc<Mutex<Child>>,
    _undone: Undone,
}

impl Guard {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        let (child, undone) = undone_if_interrupted(|| {
            let child = Arc::new(Mutex::new(command.spawn()?));
            let to_end = child.clone();
            Ok((child, Box::new(move || end(&to_end))))
        })?;
        Ok(Self {
            child,
            _undone: undone,
        })
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        end(&self.child);
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    // Both fail only when the child has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Runs a command without input to its end, or until `limit` has passed.
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = Guard::spawn(command)?;
    let stdout = collect(child.child().stdout.take());
    let stderr = collect(child.child().stderr.take());
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.child().try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            break None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    drop(child);
    Ok(Output {
        status,
        stdout: join(stdout),
        stderr: join(stderr),
    })
}

type Collector = thread::JoinHandle<Vec<u8>>;

fn collect(stream: Option<impl Read + Send + 'static>) -> Collector {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is kept.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn join(collector: Collector) -> Vec<u8> {
    collector.join().unwrap_or_default()
}

/// The last `lines` lines of a child's output that are not empty.
pub(crate) fn tail(bytes: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kept: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    kept.get(kept.len().saturating_sub(lines)..)
        .unwrap_or_default()
        .join("\n")
}

/// Whether the program can be started from the search path, and where it lies.
pub(crate) fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_come_back() {
        let output = run(
            Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"]),
            Duration::from_secs(10),
        )
        .unwrap();
        assert_eq!(output.status.and_then(|status| status.code()), Some(3));
        assert_eq!(output.stdout, b"one\n");
        assert_eq!(output.stderr, b"two\n");
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let begin = Instant::now();
        let output = run(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap();
        assert!(output.status.is_none());
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn tail_skips_empty_lines() {
        assert_eq!(tail(b"a\n\nb\nc\n\n", 2), "b\nc");
        assert_eq!(tail(b"", 2), "");
    }
}
