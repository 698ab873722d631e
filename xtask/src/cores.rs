//! The `--core` option.

use std::str::FromStr;

use anyhow::Result;
use autodidact_tools::emulator::{Core, Image};

/// One core, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    One(Core),
    All,
}

impl Cores {
    pub(crate) fn list(self) -> Vec<Core> {
        match self {
            Self::One(core) => vec![core],
            Self::All => Core::ALL.to_vec(),
        }
    }

    /// Those that have an image.
    ///
    /// # Errors
    ///
    /// The one that was asked for has not.
    pub(crate) fn with(self, image: Image) -> Result<Vec<Core>> {
        match self {
            Self::One(core) => image.require(core).map(|()| vec![core]),
            Self::All => Ok(image.cores().collect()),
        }
    }
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "all" => Ok(Self::All),
            name => name
                .parse()
                .map(Self::One)
                .map_err(|message: String| format!("{message} or all")),
        }
    }
}
