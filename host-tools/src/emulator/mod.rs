//! Runs models on emulated microcontrollers: builds the firmware, runs it in QEMU, reads its log and measures its
//! image.
//!
//! - [`Core`] names the processors; [`Machine`] is how each is built for and emulated, [`Image`] what runs there.
//! - [`replay`] runs rows of sensor counts through a model on a core and brings back the results' bytes.
//! - [`learn()`] learns from rows of sensor counts on a core and brings back what it learnt after every pass.
//! - [`generate()`] draws, fills in or restores rows on a core and brings them back.
//! - [`bench()`] counts the instructions of the kernels.
//! - [`ram()`] measures the memory of the learners.
//! - [`build_demo`] and [`build_draw`] bake a model into an image, [`run_image`] and [`draw`] run it, [`measure_image`]
//!   tells its flash and RAM.
//! - [`Footprint`] is what a model takes on a device, [`Board`] tells whether it fits.
//! - [`lint`] has clippy read the firmware of a core.
//! - [`firmware_pack`] is the firmware's sources, which the program brings along.
//! - [`compiler()`] is what images are built by.
//! - [`set_up`] installs what a core needs. Nothing else installs anything: where something is missing, it is an error
//!   that says what to call; [`ready`] tells so before the work.

mod apt;
mod bench;
mod budget;
mod firmware;
mod generate;
mod image;
mod learn;
mod log;
mod machine;
mod process;
mod qemu;
mod ram;
mod run;
mod sources;
mod toolchain;

pub use apt::install as install_packages;
pub use bench::{BenchRow, Goal, bench, goal};
pub use budget::{Board, Footprint, MemorySize};
pub use firmware::{Image, build, build_demo, build_draw, lint};
pub use generate::{GenerateRun, draw, generate};
pub use image::{ImageSize, measure_image, panic_symbols};
pub use learn::{LearnRun, PassCost, learn};
pub use log::LogDecoder;
pub use machine::{Core, Machine};
pub use qemu::{Finished, RUN_TIMEOUT};
pub use ram::{RamRow, ram};
pub use run::{BufferBytes, PartCost, Replay, ReplayLog, replay, run_image};
pub use sources::firmware_pack;

/// Finds or installs all that building for and emulating `core` needs, and says what it installs and why.
///
/// # Errors
///
/// Something is missing and cannot be installed: one sentence says what and how to get it.
pub fn set_up(core: Core) -> anyhow::Result<()> {
    let machine = core.machine();
    toolchain::set_up(machine.target)?;
    qemu::set_up(machine.qemu)?;
    Ok(())
}

/// Whether all is there that building for and emulating `core` needs.
///
/// # Errors
///
/// Something is missing: one sentence says what and how to get it.
pub fn ready(core: Core) -> anyhow::Result<()> {
    // No process starts where there is none.
    anyhow::ensure!(
        std::env::current_dir().is_ok(),
        "the working folder cannot be entered any more; change to another one"
    );
    let machine = core.machine();
    toolchain::find(machine.target)?;
    qemu::find(machine.qemu)?;
    Ok(())
}

/// The command that gets what is missing.
const SET_UP: &str = "autodidact setup";

/// The version of the compiler that builds the images of `core`: instructions are counted for one compiler.
///
/// # Errors
///
/// The toolchain is missing, or does not say its version.
pub fn compiler(core: Core) -> anyhow::Result<String> {
    toolchain::find(core.machine().target)?.compiler()
}
