//! Kinds of columns.

use super::MAX_LEVELS;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ColumnKind {
    /// One of several levels, `0..levels`.
    Categorical,
    /// 0 or 1.
    Bernoulli,
    /// A number, in counts.
    Gaussian,
}

/// One column of the data, as a container keeps it.
///
/// ```
/// use autodidact::latent_class::{Column, ColumnKind};
/// const INTEREST: Column = Column::categorical(3);
/// assert_eq!((INTEREST.kind(), INTEREST.levels()), (Some(ColumnKind::Categorical), 3));
/// assert_eq!(Column::categorical(0).kind(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Column {
    kind: u16,
    levels: u16,
}

impl Column {
    /// 0 or 1.
    pub const BERNOULLI: Self = Self { kind: 1, levels: 2 };

    /// A number, in counts.
    pub const GAUSSIAN: Self = Self { kind: 2, levels: 0 };

    /// One of `levels` levels, 1 to [`MAX_LEVELS`]; any other number makes a column that no model takes.
    #[must_use]
    pub const fn categorical(levels: u16) -> Self {
        Self { kind: 0, levels }
    }

    /// The kind, or `None` for a column that is not valid.
    #[must_use]
    pub const fn kind(self) -> Option<ColumnKind> {
        match (self.kind, self.levels) {
            (0, 1..=MAX_LEVELS) => Some(ColumnKind::Categorical),
            (1, 2) => Some(ColumnKind::Bernoulli),
            (2, 0) => Some(ColumnKind::Gaussian),
            _ => None,
        }
    }

    /// Number of levels: 2 for a Bernoulli column, 0 for a Gaussian one.
    #[must_use]
    pub const fn levels(self) -> usize {
        self.levels as usize
    }

    /// Whether the column holds numbers.
    #[must_use]
    pub const fn is_gaussian(self) -> bool {
        self.kind == Self::GAUSSIAN.kind
    }
}

/// Levels of all categorical and Bernoulli columns together: rows of a model's table.
#[must_use]
pub const fn cells(columns: &[Column]) -> usize {
    let mut cells = 0;
    let mut rest = columns;
    while let [column, behind @ ..] = rest {
        if !column.is_gaussian() {
            cells += column.levels();
        }
        rest = behind;
    }
    cells
}

/// Number of Gaussian columns.
#[must_use]
pub const fn gaussian_columns(columns: &[Column]) -> usize {
    let mut gaussians = 0;
    let mut rest = columns;
    while let [column, behind @ ..] = rest {
        gaussians += column.is_gaussian() as usize;
        rest = behind;
    }
    gaussians
}
