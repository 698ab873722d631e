//! The command `autodidact`.

mod cmd;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cmd::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: what was attempted, then what stood in the way.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The reader of standard output went away, as `head` does: no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
