//! Builds the images of the firmware workspace.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::machine::list;
use super::sources::{self, Sources};
use super::toolchain::{self, Toolchain};
use super::{Core, process};
use crate::artifact;
use crate::verdict::Verdict;

/// Building `core` from source, and everything else, on a slow machine.
const BUILD_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// Flash of the part whose budget the demonstration keeps, model included; its linker script has the same figure.
const DEMO_FLASH_BYTES: u64 = 256 << 10;

/// An image of the emulated machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Reads rows from the host, runs every part of a model and writes the results back.
    Replay,
    /// Reads rows from the host pass after pass, and writes back what it learns.
    Learn,
    /// Draws samples, fills in and restores rows, and writes them back.
    Generate,
    /// Counts the instructions of the kernels.
    Bench,
    /// Compares the kernels with their definition.
    SelfTest,
    /// Every learner in statics of its own.
    Learners,
    /// Panics, faults or hangs, as the first of its samples says.
    Crash,
}

impl Image {
    /// Every image.
    pub const ALL: [Self; 7] = [
        Self::Replay,
        Self::Learn,
        Self::Generate,
        Self::Bench,
        Self::SelfTest,
        Self::Learners,
        Self::Crash,
    ];

    /// The cores that have this image.
    pub fn cores(self) -> impl Iterator<Item = Core> {
        let has = move |core: &Core| core.machine().images.contains(&self);
        Core::ALL.into_iter().filter(has)
    }

    /// Makes sure that `core` has this image.
    ///
    /// # Errors
    ///
    /// It has not, for want of memory: the message names the cores that have.
    pub fn require(self, core: Core) -> Result<()> {
        if self.cores().all(|other| other != core) {
            bail!(
                "{core} has too little memory for the image `{}`; choose one of {}",
                self.name(),
                list(self.cores())
            );
        }
        Ok(())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Learn => "learn",
            Self::Generate => "generate",
            Self::Bench => "bench",
            Self::SelfTest => "selftest",
            Self::Learners => "learners",
            Self::Crash => "crash",
        }
    }
}

/// Builds an image and returns its ELF file.
///
/// # Errors
///
/// The core has no such image, the toolchain is missing, or the build fails.
pub fn build(core: Core, image: Image) -> Result<PathBuf> {
    image.require(core)?;
    build_image(core, image.name(), core.machine().profile, &[], None)
}

/// Builds an image as an application for a part is built, optimised for size where that costs a core nothing that
/// matters, and returns its ELF file.
///
/// # Errors
///
/// As [`build`].
pub(super) fn build_for_size(core: Core, image: Image) -> Result<PathBuf> {
    image.require(core)?;
    let profile = core.machine().profile_for_size;
    build_image(core, image.name(), profile, &[], None)
}

/// Builds the demonstration around the model file `model` and copies its ELF file to `elf`.
///
/// # Errors
///
/// `core` has no demonstration (only [`Core::DEMO`] has), the model cannot be read or does not fit the machine, the
/// toolchain is missing, or the build fails.
pub fn build_demo(core: Core, model: &Path, elf: &Path) -> Result<()> {
    build_around(core, "demo", model, elf)
}

/// Builds the demonstration that draws, around the score network of the model file `model`, and copies its ELF file to
/// `elf`.
///
/// # Errors
///
/// As [`build_demo`].
pub fn build_draw(core: Core, model: &Path, elf: &Path) -> Result<()> {
    build_around(core, "draw", model, elf)
}

fn build_around(core: Core, image: &str, model: &Path, elf: &Path) -> Result<()> {
    if core != Core::DEMO {
        bail!(
            "there is a demonstration for {} only, none for {core}",
            Core::DEMO
        );
    }
    let bytes = fs::metadata(model)
        .with_context(|| format!("the model {} cannot be read", model.display()))?
        .len();
    if bytes > DEMO_FLASH_BYTES {
        bail!(Verdict::DoesNotFit(format!(
            "the model {} is too large for {core}: it has {bytes} bytes, the flash {DEMO_FLASH_BYTES}; fit a \
             smaller one",
            model.display(),
        )));
    }
    let model = path::absolute(model)?;
    // Another build could replace the file between its making and its copying.
    let target = sources::find()?.target;
    fs::create_dir_all(&target)
        .with_context(|| format!("the folder {} cannot be made", target.display()))?;
    let lock = File::create(target.join("firmware-demo.lock"))?;
    lock.lock()?;
    let built = build_image(core, image, "small", &["--features", "demo"], Some(&model))?;
    let image = fs::read(&built).with_context(|| format!("{} cannot be read", built.display()))?;
    artifact::write(elf, &image)
}

/// Has clippy read everything that `core`'s images are made of, for the core's own target; warnings are errors. The
/// demonstrations are read as they are for the model file `model`.
///
/// # Errors
///
/// The toolchain is missing, there is no clippy, or it found something: the message has it.
pub fn lint(core: Core, model: &Path) -> Result<()> {
    let machine = core.machine();
    let toolchain = toolchain::find(machine.target)?;
    let sources = sources::find()?;
    let mut command = toolchain.cargo(machine.target);
    command
        .current_dir(sources.workspace)
        .env("CARGO_TARGET_DIR", sources.target.join(toolchain.folder()))
        .env("AUTODIDACT_MODEL", path::absolute(model)?)
        .args(["clippy", "--locked", "--release", "--lib", "--bins"])
        .args(["--package", machine.package, "--target", machine.target])
        .args(toolchain.build_args());
    if core == Core::DEMO {
        command.args(["--features", "demo"]);
    }
    command.args(["--", "-D", "warnings"]);
    let output = process::run(&mut command, BUILD_TIMEOUT).context("cargo cannot be started")?;
    if !output.status.is_some_and(|status| status.success()) {
        bail!(
            "clippy does not pass the firmware of {core}:\n{}",
            process::tail(&output.stderr, 100)
        );
    }
    Ok(())
}

/// Builds one image with one of the firmware workspace's profiles and returns its ELF file.
fn build_image(
    core: Core,
    image: &str,
    profile: &str,
    features: &[&str],
    model: Option<&Path>,
) -> Result<PathBuf> {
    let machine = core.machine();
    let toolchain = toolchain::find(machine.target)?;
    let sources = sources::find()?;
    let target_dir = sources.target.join(toolchain.folder());
    let mut command = toolchain.cargo(machine.target);
    command
        .current_dir(&sources.workspace)
        .env("CARGO_TARGET_DIR", &target_dir)
        .args([
            "build",
            "--profile",
            profile,
            "--package",
            machine.package,
            "--bin",
            image,
        ])
        .args(["--target", machine.target])
        .args(toolchain.build_args())
        .args(features);
    if let Some(model) = model {
        command.env("AUTODIDACT_MODEL", model);
    }
    let output = process::run(&mut command, BUILD_TIMEOUT).context("cargo cannot be started")?;
    match output.status {
        Some(status) if status.success() => {
            Ok(target_dir.join(machine.target).join(profile).join(image))
        }
        Some(_) => {
            if let Some(what) = overflow(&output.stderr) {
                bail!(Verdict::DoesNotFit(format!(
                    "the image {image} does not fit {core}: {what}; fit a smaller model"
                )));
            }
            if let Some(advice) = surroundings(&output.stderr, &sources) {
                bail!("the firmware image {image} for {core} cannot be built: {advice}");
            }
            bail!(
                "the firmware image {image} for {core} does not build{}:\n{}",
                hint(&toolchain),
                process::tail(&output.stderr, 40)
            )
        }
        None => bail!(
            "building the firmware image {image} for {core} took longer than {BUILD_TIMEOUT:?}"
        ),
    }
}

/// The linker's line that says by how much an image is too large.
fn overflow(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let at = text.find("will not fit in region")?;
    text.get(at..)?
        .lines()
        .next()
        .map(|line| format!("a section {line}"))
}

/// What is wrong with the folder of builds or with the network, and what to do, if that is why cargo failed.
fn surroundings(stderr: &[u8], sources: &Sources) -> Option<String> {
    // What compilers and linkers say of a full disk differs: writing shows it.
    if let Err(error) = write_a_little(&sources.target) {
        return Some(format!(
            "nothing can be written into {} ({error}); make room there, or let {} name another folder",
            sources.target.display(),
            sources.variable
        ));
    }
    let text = String::from_utf8_lossy(stderr);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["No space left on device"]) {
        return Some("the disk of the temporary files is full; make room there".to_owned());
    }
    let offline = [
        "failed to download",
        "failed to get `",
        "no matching package named",
    ];
    says(&offline).then(|| {
        "the crates that it is made of are not here and cannot be downloaded; build it once with network, cargo keeps \
         them"
            .to_owned()
    })
}

/// Fails where a folder does not take a file as long as a compiler's longer ones.
fn write_a_little(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0; 16 << 20])?;
    file.sync_data()
}

fn hint(toolchain: &Toolchain) -> &'static str {
    match toolchain {
        Toolchain::Target { .. } => "",
        Toolchain::Source { .. } => " (with core built from source)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(target: &Path, said: &str) -> Option<String> {
        let sources = Sources {
            workspace: "/cache/firmware".into(),
            target: target.into(),
            variable: "XDG_CACHE_HOME",
        };
        surroundings(said.as_bytes(), &sources)
    }

    #[test]
    fn a_folder_that_cannot_be_built_in_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let folder = file.path().join("target");
        let advice = advice(&folder, "ld terminated with signal 7").unwrap();
        assert!(advice.contains(&*folder.to_string_lossy()), "{advice}");
        assert!(advice.contains("XDG_CACHE_HOME"), "{advice}");
    }

    #[test]
    fn missing_crates_are_told_from_a_program_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let offline = "error: failed to get `defmt` as a dependency of package `x`";
        assert!(advice(folder.path(), offline).unwrap().contains("network"));
        assert_eq!(
            advice(folder.path(), "error[E0308]: mismatched types"),
            None
        );
    }
}
