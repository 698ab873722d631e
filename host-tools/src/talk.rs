//! What a command says: data on standard output, talk on standard error.
//!
//! - [`Output`] is standard output. Its errors are returned, so that a full disk fails the command; what it writes
//!   is what the command was called for and nothing else.
//! - [`say!`](crate::say) is for everything else: progress, seeds, costs, remarks. It never fails, draws no line
//!   through a progress bar, and is silent after [`be_quiet`].
//! - [`is_closed_pipe`] tells that nobody reads on, as behind `| head`, which is no failure.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

/// Whether [`say!`](crate::say) is silent.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Every progress bar, so that lines go above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Silences [`say!`](crate::say) and progress bars for the rest of the process; errors are no talk.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
    BARS.set_draw_target(ProgressDrawTarget::hidden());
}

/// A line on standard error, formatted as by `format!`. One that cannot be written is lost.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::talk::line(::std::format_args!($($argument)*)) };
}

/// What [`say!`](crate::say) does.
pub fn line(words: fmt::Arguments<'_>) {
    if !QUIET.load(Ordering::Relaxed) {
        BARS.suspend(|| write_line(words));
    }
}

/// The reason why a command failed, on one line of standard error.
pub fn complain(error: &anyhow::Error) {
    let reason = format!("{error:#}");
    let lines: Vec<&str> = reason.lines().map(str::trim_end).collect();
    BARS.suspend(|| write_line(format_args!("error: {}", lines.join(" "))));
}

fn write_line(words: fmt::Arguments<'_>) {
    // One write a line, so that those of several processes stay whole.
    let line = format!("{words}\n");
    // Where standard error is closed, nobody is there to be told.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// A progress bar on standard error, among whose lines those of [`say!`](crate::say) find their place.
#[must_use]
pub fn bar() -> ProgressBar {
    BARS.add(ProgressBar::new(0))
}

/// Whether `error` says that the reader of a pipe has gone away.
#[must_use]
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Standard output: line by line on a terminal, buffered otherwise. Ends with [`Write::flush`].
pub struct Output(Box<dyn Write>);

impl Output {
    /// Standard output of this process, locked.
    #[must_use]
    pub fn standard() -> Self {
        let stdout = io::stdout().lock();
        if stdout.is_terminal() {
            Self(Box::new(stdout))
        } else {
            Self(Box::new(BufWriter::with_capacity(1 << 16, stdout)))
        }
    }

    /// Standard error, for what would go to standard output if nothing else went there; as silent and as lenient as
    /// [`say!`](crate::say).
    #[must_use]
    pub fn aside() -> Self {
        Self(Box::new(Aside))
    }
}

/// Standard error, which never fails.
struct Aside;

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !QUIET.load(Ordering::Relaxed) {
            let _ = BARS.suspend(|| io::stderr().write_all(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(unwritten)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(unwritten)
    }
}

/// An error of standard output, of the same kind, that says where it came about.
#[must_use]
pub fn unwritten(error: io::Error) -> io::Error {
    let kind = error.kind();
    if kind == io::ErrorKind::Interrupted {
        return error;
    }
    io::Error::new(kind, format!("standard output cannot be written: {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn failure(kind: io::ErrorKind) -> anyhow::Error {
        let mut out = Output(Box::new(BufWriter::new(Failing(kind))));
        let written = writeln!(out, "a row").and_then(|()| out.flush());
        written.context("rows").unwrap_err()
    }

    #[test]
    fn a_full_disk_is_one_sentence_and_a_closed_pipe_is_known_below_its_contexts() {
        let full = failure(io::ErrorKind::StorageFull);
        assert_eq!(
            format!("{full:#}"),
            "rows: standard output cannot be written: no storage space"
        );
        assert!(!is_closed_pipe(&full));
        assert!(is_closed_pipe(&failure(io::ErrorKind::BrokenPipe)));
    }
}
