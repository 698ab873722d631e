//! Where training runs: the CPU (Burn's Flex backend) or a GPU (wgpu, cargo feature `gpu`).

use std::fmt;

use anyhow::Result;
use burn::tensor::Device;
use clap::ValueEnum;

/// What the user asked for with `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceChoice {
    /// A GPU if this build can use one and the machine has one, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, or an error.
    Gpu,
    /// wgpu on a software adapter: slow, for tests of the GPU path on machines without a GPU.
    WgpuSoftware,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::WgpuSoftware => "wgpu-software",
        })
    }
}

/// An opened device; prints as its name.
#[derive(Clone, Debug)]
pub struct TrainingDevice {
    pub(super) device: Device,
    cpu: bool,
    name: String,
}

impl TrainingDevice {
    /// The CPU, which always works.
    #[must_use]
    pub fn cpu() -> Self {
        Self {
            device: Device::flex(),
            cpu: true,
            name: "CPU (Flex)".to_owned(),
        }
    }

    /// Whether this is the CPU backend; a software adapter of wgpu is not.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        self.cpu
    }
}

impl fmt::Display for TrainingDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Opens the device that was asked for; [`DeviceChoice::Auto`] takes the CPU where there is no GPU.
///
/// # Errors
///
/// A GPU or a software adapter was demanded and there is none, or this build cannot use one.
pub fn open(choice: DeviceChoice) -> Result<TrainingDevice> {
    match choice {
        DeviceChoice::Cpu => Ok(TrainingDevice::cpu()),
        DeviceChoice::Auto => Ok(wgpu::hardware().unwrap_or_else(|_| TrainingDevice::cpu())),
        DeviceChoice::Gpu => wgpu::hardware().map_err(|reason| {
            anyhow::anyhow!(
                "--device gpu: {reason}; train with --device cpu, or with --device auto to take what there is"
            )
        }),
        DeviceChoice::WgpuSoftware => wgpu::software().map_err(|reason| {
            anyhow::anyhow!(
                "--device wgpu-software: {reason}; install a software Vulkan driver (Debian: mesa-vulkan-drivers), or train with --device cpu"
            )
        }),
    }
}

/// Builds without the feature `gpu` have neither.
#[cfg(not(feature = "gpu"))]
mod wgpu {
    use super::TrainingDevice;

    const REASON: &str = "this build has no GPU support, rebuild with `--features gpu` for it";

    pub(super) fn hardware() -> Result<TrainingDevice, String> {
        Err(REASON.to_owned())
    }

    pub(super) fn software() -> Result<TrainingDevice, String> {
        Err(REASON.to_owned())
    }
}

#[cfg(feature = "gpu")]
mod wgpu;

#[cfg(all(test, not(feature = "gpu")))]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_this_build_cannot_use_is_refused_and_auto_takes_the_cpu() {
        let message = open(DeviceChoice::Gpu).unwrap_err().to_string();
        assert!(message.starts_with("--device gpu: this build has no GPU support"));
        assert_eq!(open(DeviceChoice::Auto).unwrap().to_string(), "CPU (Flex)");
    }
}
