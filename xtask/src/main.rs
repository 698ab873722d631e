//! The repository's commands. `cargo xtask --help` lists them.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use autodidact_tools::{interrupt, talk};
use clap::{Parser, Subcommand};

mod cargo;
mod cmd;
mod cores;
mod step;
mod vulkan;

/// Sets up, demonstrates, tests and measures autodidact.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Installs what building and emulating firmware needs, and says what and why.
    Setup(cmd::setup::Arguments),
    /// Trains on the bundled digits, builds a Cortex-M4 image around the model and runs it in QEMU.
    Demo(cmd::demo::Arguments),
    /// Runs every test, emulated cores included.
    Test(cmd::test::Arguments),
    /// Checks what no test sees: other profiles and features, packages, licences; fuzzes the loader.
    Check(cmd::check::Arguments),
    /// Counts the kernels' instructions on emulated cores.
    Bench(cmd::bench::Arguments),
    /// Has clippy read the firmware, for each core's own target; warnings are errors.
    Lint(cmd::lint::Arguments),
    /// Packs what is published, with the firmware's sources in the tools' package.
    Package(cmd::package::Arguments),
    /// Measures the learners' RAM from the symbols of an image.
    Ram(cmd::ram::Arguments),
    /// Measures the instructions and bytes that the docs quote, and brings the docs up to date.
    Figures(cmd::figures::Arguments),
    /// Runs the studies of docs/anomaly.md, kmeans.md and gmm.md again, from a folder with the data.
    Study(cmd::study::Arguments),
}

fn main() -> ExitCode {
    interrupt::watch();
    let result = match Arguments::parse().command {
        Command::Setup(arguments) => cmd::setup::run(&arguments),
        Command::Demo(arguments) => cmd::demo::run(&arguments),
        Command::Test(arguments) => cmd::test::run(&arguments),
        Command::Check(arguments) => cmd::check::run(&arguments),
        Command::Bench(arguments) => cmd::bench::run(&arguments),
        Command::Lint(arguments) => cmd::lint::run(&arguments),
        Command::Package(arguments) => cmd::package::run(&arguments),
        Command::Ram(arguments) => cmd::ram::run(&arguments),
        Command::Figures(arguments) => cmd::figures::run(&arguments),
        Command::Study(arguments) => cmd::study::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads on, as behind `head`.
        Err(error) if talk::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            talk::complain(&error);
            ExitCode::FAILURE
        }
    }
}
