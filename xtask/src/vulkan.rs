//! A Vulkan driver, which training on wgpu needs.

use std::path::Path;
use std::{env, fs};

use anyhow::Result;
use autodidact_tools::emulator::install_packages;

/// Where loaders look for drivers.
const DRIVER_FOLDERS: [&str; 3] = [
    "/usr/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
];

/// Installs Mesa's drivers, a software device among them, if there is no Vulkan driver at all.
pub(crate) fn set_up() -> Result<()> {
    let named = env::var_os("VK_DRIVER_FILES").or_else(|| env::var_os("VK_ICD_FILENAMES"));
    if named.is_some()
        || DRIVER_FOLDERS
            .iter()
            .any(|folder| has_driver(Path::new(folder)))
    {
        return Ok(());
    }
    install_packages(
        &["mesa-vulkan-drivers", "libvulkan1"],
        "training on wgpu needs a Vulkan driver, and a software one does where there is no GPU",
    )
}

fn has_driver(folder: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.any(|entry| {
        entry.is_ok_and(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "json")
        })
    })
}
