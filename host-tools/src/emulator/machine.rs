//! The table of cores: how each is built for and which emulated machine stands in for it.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::Image;

/// A processor core that models run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Core {
    /// Arm Cortex-M4 with FPU and DSP extension.
    M4,
    /// Arm Cortex-M33 with DSP extension.
    M33,
    /// Arm Cortex-M0+: the smallest instruction set, with memory to spare.
    M0Plus,
    /// Arm Cortex-M0 on a part with 16 KiB of RAM.
    M0,
    /// Arm Cortex-M55 with Helium vectors.
    M55,
    /// RISC-V RV32IMAC.
    Rv32,
}

/// How to build for a core and how to emulate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// The package of the firmware workspace.
    pub package: &'static str,
    /// Rust's name of the target.
    pub target: &'static str,
    /// The emulator's program.
    pub qemu: &'static str,
    /// The emulator's arguments that choose the machine.
    pub qemu_args: &'static [&'static str],
    /// The firmware workspace's profile for images that have to be fast.
    pub profile: &'static str,
    /// Its profile for what an application for a part would be built with.
    pub profile_for_size: &'static str,
    /// The images it has.
    pub images: &'static [Image],
    /// Where the emulator places a model for replay.
    pub model_base: u32,
    /// The longest model that fits there, in bytes.
    pub model_window_bytes: usize,
}

impl Core {
    /// Every core, in the order in which tables list them.
    pub const ALL: [Self; 6] = [
        Self::M4,
        Self::M33,
        Self::M0Plus,
        Self::M0,
        Self::M55,
        Self::Rv32,
    ];

    /// The core that the demonstration is built for.
    pub const DEMO: Self = Self::M4;

    /// The name that commands and reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M4 => "m4",
            Self::M33 => "m33",
            Self::M0Plus => "m0plus",
            Self::M0 => "m0",
            Self::M55 => "m55",
            Self::Rv32 => "rv32",
        }
    }

    /// How this core is built for and emulated.
    pub const fn machine(self) -> Machine {
        match self {
            Self::M4 => Machine {
                package: "autodidact-mps2-an386",
                target: "thumbv7em-none-eabihf",
                qemu: "qemu-system-arm",
                qemu_args: &["-machine", "mps2-an386"],
                profile: "release",
                profile_for_size: "small",
                images: &Image::ALL,
                model_base: 0x0010_0000,
                model_window_bytes: 2 << 20,
            },
            // Of the two targets of this architecture the one that the M55 leaves: what is built for it is for a
            // Cortex-M33. The images pass no floating-point arguments, in which alone they differ.
            Self::M33 => Machine {
                package: "autodidact-mps2-an505",
                target: "thumbv8m.main-none-eabi",
                qemu: "qemu-system-arm",
                qemu_args: &["-machine", "mps2-an505"],
                profile: "release",
                profile_for_size: "small",
                images: &Image::ALL,
                model_base: 0x1020_0000,
                model_window_bytes: 2 << 20,
            },
            // A Cortex-M3 that runs code built for the Cortex-M0+: the same instructions, counted the same.
            Self::M0Plus => Machine {
                package: "autodidact-mps2-an385",
                target: "thumbv6m-none-eabi",
                qemu: "qemu-system-arm",
                qemu_args: &["-machine", "mps2-an385"],
                profile: "release",
                profile_for_size: "small",
                images: &Image::ALL,
                model_base: 0x0010_0000,
                model_window_bytes: 2 << 20,
            },
            // It shares its target with the machine above; a profile of its own keeps the images apart.
            Self::M0 => Machine {
                package: "autodidact-microbit",
                target: "thumbv6m-none-eabi",
                qemu: "qemu-system-arm",
                qemu_args: &["-machine", "microbit"],
                profile: "tiny",
                profile_for_size: "tiny",
                images: &[Image::Replay, Image::SelfTest, Image::Crash],
                model_base: 0x0002_0000,
                model_window_bytes: 128 << 10,
            },
            Self::M55 => Machine {
                package: "autodidact-mps3-an547",
                target: "thumbv8m.main-none-eabihf",
                qemu: "qemu-system-arm",
                qemu_args: &["-machine", "mps3-an547"],
                profile: "release",
                // Link-time optimisation for size makes no vector loops.
                profile_for_size: "release",
                images: &Image::ALL,
                model_base: 0x1100_0000,
                model_window_bytes: 2 << 20,
            },
            Self::Rv32 => Machine {
                package: "autodidact-riscv32-virt",
                target: "riscv32imac-unknown-none-elf",
                qemu: "qemu-system-riscv32",
                qemu_args: &["-machine", "virt", "-bios", "none"],
                profile: "release",
                profile_for_size: "small",
                images: &Image::ALL,
                model_base: 0x8400_0000,
                model_window_bytes: 2 << 20,
            },
        }
    }
}

/// Names of cores, for people.
pub(super) fn list(cores: impl IntoIterator<Item = Core>) -> String {
    let names: Vec<_> = cores.into_iter().map(Core::name).collect();
    names.join(", ")
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl ValueEnum for Core {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl FromStr for Core {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|core| core.name() == name)
            .ok_or_else(|| {
                let known = list(Self::ALL);
                format!("there is no core `{name}`; choose one of {known}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood() {
        for core in Core::ALL {
            assert_eq!(core.name().parse(), Ok(core));
        }
    }

    #[test]
    fn an_unknown_core_is_answered_with_the_known_ones() {
        let message = "m7".parse::<Core>().unwrap_err();
        assert_eq!(
            message,
            "there is no core `m7`; choose one of m4, m33, m0plus, m0, m55, rv32"
        );
    }
}
