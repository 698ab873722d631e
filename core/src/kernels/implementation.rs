//! Which implementation the build has chosen.

/// A set of kernels. All give the same bits; they differ in the instructions they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Implementation {
    /// Plain Rust, for any target.
    Portable,
    /// For cores without packed arithmetic: four weights a load.
    Armv6m,
    /// With the DSP extension: `SMLAD`, `SMLALD`, `SEL`.
    Armv7em,
    /// With Helium: `VMLADAVA`.
    Helium,
}

impl Implementation {
    /// The one of this build. The target's name and the compiler's flags decide, as the table on the
    /// [crate's page](crate#which-kernels-a-build-has) says.
    ///
    /// An application that counts on it refuses to be built without:
    ///
    /// ```
    /// use autodidact::kernels::Implementation;
    ///
    /// # #[cfg(target_arch = "arm")]
    /// const _: () = assert!(matches!(Implementation::CHOSEN, Implementation::Armv7em));
    /// ```
    pub const CHOSEN: Self = if cfg!(autodidact_kernels = "helium") {
        Self::Helium
    } else if cfg!(autodidact_kernels = "armv7em") {
        Self::Armv7em
    } else if cfg!(autodidact_kernels = "armv6m") {
        Self::Armv6m
    } else {
        Self::Portable
    };

    /// Its name in logs: `portable`, `armv6m`, `armv7em` or `helium`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Armv6m => "armv6m",
            Self::Armv7em => "armv7em",
            Self::Helium => "helium",
        }
    }
}
