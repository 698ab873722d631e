//! The command `autodidact`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cmd;

use autodidact_tools::verdict::Verdict;
use autodidact_tools::{interrupt, talk};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    interrupt::watch();
    let result = match cmd::Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(usage) => match usage.print() {
            Err(error) if !usage.use_stderr() => Err(talk::unwritten(error).into()),
            _ => return ExitCode::from(usage.exit_code() as u8),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of standard output went away, as `head` does: no failure of ours.
        Err(error) if talk::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            talk::complain(&error);
            Verdict::behind(&error).map_or(ExitCode::FAILURE, |verdict| verdict.exit_code().into())
        }
    }
}
