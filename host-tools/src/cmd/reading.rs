//! How data are read: the flags that every verb with a data argument has.

use autodidact_tools::data::{Decimal, Delimiter, ReadOptions};
use clap::Args;

/// What a file of text does not say by itself.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Reading {
    /// A column to leave out, by name or by number from 1; may be given again.
    #[arg(long = "label-column", value_name = "COLUMN", help_heading = HEADING)]
    leave_out: Vec<String>,

    /// The first line of the text holds names, whatever it looks like.
    #[arg(long, conflicts_with = "no_header", help_heading = HEADING)]
    header: bool,

    /// The first line of the text is data, whatever it looks like.
    #[arg(long, help_heading = HEADING)]
    no_header: bool,

    /// What separates fields: a character such as `,` or `;`, or tab, blanks or none.
    #[arg(long, value_name = "CHARACTER", help_heading = HEADING)]
    delimiter: Option<Delimiter>,

    /// The decimal character, `.` or `,`.
    #[arg(long, value_name = "CHARACTER", help_heading = HEADING)]
    decimal: Option<Decimal>,

    /// Leave out lines that begin so, such as `#`.
    #[arg(long, value_name = "MARK", help_heading = HEADING)]
    comment: Option<String>,

    /// A further word or number for a missing value, such as -999.9; may be given again. An empty cell, `?`, `-`, `NA`,
    /// `NaN`, `null`, `none`, `#N/A` and the like are known.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true, help_heading = HEADING)]
    missing: Vec<String>,

    /// A word that is a value, although it usually stands for a missing one; may be given again.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true, help_heading = HEADING)]
    present: Vec<String>,

    /// Refuse columns that the model does not read, in place of leaving them out.
    #[arg(long, help_heading = HEADING)]
    no_extra_columns: bool,
}

const HEADING: &str = "Reading";

impl Reading {
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            leave_out: self.leave_out.clone(),
            header: (self.header || self.no_header).then_some(self.header),
            delimiter: self.delimiter,
            decimal: self.decimal,
            comment: self.comment.clone(),
            missing: self.missing.clone(),
            present: self.present.clone(),
            refuse_extra: self.no_extra_columns,
            ..ReadOptions::default()
        }
    }
}
