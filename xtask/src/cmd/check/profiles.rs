//! Core's tests as others build them: out of the package, by cargo's own profiles instead of this workspace's.

use anyhow::{Result, bail};

use super::package;
use crate::step;

const RELEASE: &str = "--release";
const LTO: &str = "--config=profile.release.lto='fat'";
const SMALL: &str = "--config=profile.release.opt-level='s'";
const SMALLEST: &str = "--config=profile.release.opt-level='z'";

/// What is run: `release` and what may be set otherwise in it, and `dev` as it is.
const PROFILES: [(&str, &[&str]); 7] = [
    ("release", &[RELEASE]),
    ("release, LTO", &[RELEASE, LTO]),
    ("size (s)", &[RELEASE, SMALL]),
    ("size (s), LTO", &[RELEASE, SMALL, LTO]),
    ("size (z)", &[RELEASE, SMALLEST]),
    ("size (z), LTO", &[RELEASE, SMALLEST, LTO]),
    ("dev", &[]),
];

/// Names of what `dev` leaves out: statistics of millions of samples, which take minutes without optimisation. The
/// workspace's tests run them with all of dev's checks.
const LONG: [&str; 5] = [
    "per_cent",
    "halving",
    "false_alarms",
    "bounds_hold",
    "exact",
];

pub(crate) fn run() -> Result<()> {
    let workspace = package::core_alone()?;
    let target = super::folder()?.join("profiles");
    let mut failures = Vec::new();
    let mut run = |name: String, settings: &[&str], tests: &str| {
        let mut test = step::cargo_in(&workspace, &target, ["test"]);
        test.args(settings).arg(tests);
        if settings.is_empty() {
            test.arg("--")
                .args(LONG.iter().flat_map(|name| ["--skip", name]));
        }
        if let Err(error) = step::run(&name, &mut test, step::tests) {
            failures.push(format!("{error:#}"));
        }
    };
    for (name, settings) in PROFILES {
        run(format!("core's tests, {name}"), settings, "--lib");
    }
    run(
        "core's doctests, release".to_owned(),
        &["--release"],
        "--doc",
    );
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}
