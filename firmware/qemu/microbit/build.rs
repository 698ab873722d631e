//! Hands the linker the memory map of this machine: one for images that load a model, and one for the selftest.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    let maps = [
        ("model", "memory.x", &["replay", "crash"][..]),
        ("selftest", "memory-selftest.x", &["selftest"]),
    ];
    for (name, map, images) in maps {
        // The linker looks for `memory.x` in the folder that it is told for the image.
        let folder = out.join(name);
        fs::create_dir_all(&folder)?;
        fs::copy(map, folder.join("memory.x"))?;
        println!("cargo:rerun-if-changed={map}");
        for image in images {
            println!("cargo:rustc-link-arg-bin={image}=-L{}", folder.display());
        }
    }
    // No names for interrupts: the vector table has default handlers only.
    fs::write(out.join("device.x"), "")?;
    println!("cargo:rustc-link-search={}", out.display());
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    Ok(())
}
