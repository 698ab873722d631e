//! wgpu devices. Burn sets each up once in a process, so they are kept.

use std::sync::OnceLock;

use burn::tensor::{
    Device, DeviceKind,
    wgpu::{WgpuInitError, wgpu::DeviceType},
};

use super::TrainingDevice;

type Opened = Result<TrainingDevice, String>;

/// The best hardware adapter. wgpu would also hand out a software adapter; that is slower than the CPU
/// backend by far, so it does not count.
pub(super) fn hardware() -> Opened {
    static OPENED: OnceLock<Opened> = OnceLock::new();
    OPENED
        .get_or_init(|| open(DeviceKind::DefaultDevice, false))
        .clone()
}

/// The software adapter.
pub(super) fn software() -> Opened {
    static OPENED: OnceLock<Opened> = OnceLock::new();
    OPENED.get_or_init(|| open(DeviceKind::Cpu, true)).clone()
}

fn open(kind: DeviceKind, software: bool) -> Opened {
    let (device, setup) = Device::wgpu_options()
        .device_kind(kind)
        .init_with_setup()
        .map_err(|error| match error {
            WgpuInitError::AdapterUnavailable { .. } if software => {
                "wgpu finds no software adapter".to_owned()
            }
            WgpuInitError::AdapterUnavailable { .. } => "wgpu finds no GPU".to_owned(),
            other => format!("wgpu cannot be set up ({other:?})"),
        })?;
    let info = setup.adapter.get_info();
    if (info.device_type == DeviceType::Cpu) != software {
        return Err(if software {
            format!("wgpu offers `{}` instead of a software adapter", info.name)
        } else {
            format!("wgpu finds no GPU but the software adapter `{}`", info.name)
        });
    }
    Ok(TrainingDevice {
        device,
        cpu: false,
        name: format!("{} (wgpu, {:?})", info.name, info.backend),
    })
}
