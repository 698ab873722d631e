//! Failures that say something about the model or the tools, not about the call: commands end with exit codes of
//! their own after them.

use std::fmt;

use anyhow::{Error, Result};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A model does not fit the memory of a board: exit code 3.
    DoesNotFit(String),
    /// A device gave other bits than the host: exit code 4.
    BitsDiffer(String),
}

impl Verdict {
    /// The verdict that made a command fail, if one did.
    #[must_use]
    pub fn behind(error: &Error) -> Option<&Self> {
        error.chain().find_map(|cause| cause.downcast_ref())
    }

    /// The exit code of a command that ends with it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::DoesNotFit(_) => 3,
            Self::BitsDiffer(_) => 4,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::DoesNotFit(sentence) | Self::BitsDiffer(sentence)) = self;
        f.write_str(sentence)
    }
}

impl std::error::Error for Verdict {}

/// Asks that device `who` gave what the host has, counted in units called `unit`.
///
/// # Errors
///
/// It did not: the message says where they differ first, and what to report this with.
pub fn ensure_same<T: PartialEq>(
    who: &str,
    unit: &str,
    host: &[T],
    device: &[T],
    with: &str,
) -> Result<()> {
    if host == device {
        return Ok(());
    }
    let differs = host.iter().zip(device).position(|(h, d)| h != d);
    let at = differs.unwrap_or(host.len().min(device.len()));
    let sentence = format!(
        "the emulated {who} and the host differ, first at {unit} {at} of {}; this is a defect of autodidact, please report it with {with}",
        host.len()
    );
    Err(Verdict::BitsDiffer(sentence).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn verdicts_are_known_below_their_contexts() {
        ensure_same("m4", "byte", &[1, 2], &[1, 2], "the model").unwrap();
        let differ = ensure_same("m4", "byte", &[1, 2, 3], &[1, 5, 3], "the model");
        let error = differ.context("emulated").unwrap_err();
        assert_eq!(Verdict::behind(&error).map(Verdict::exit_code), Some(4));
        assert_eq!(
            format!("{error:#}"),
            "emulated: the emulated m4 and the host differ, first at byte 1 of 3; this is a defect of autodidact, please report it with the model"
        );
        let shorter = ensure_same("m4", "value", &[1, 2], &[1], "the model").unwrap_err();
        assert!(shorter.to_string().contains("value 1 of 2"));
        assert_eq!(Verdict::behind(&anyhow::anyhow!("else")), None);
    }
}
