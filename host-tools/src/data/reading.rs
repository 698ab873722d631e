//! How text is to be read, as far as a caller decides it.

use std::fmt;
use std::str::FromStr;

/// What stands between the fields of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// One character, such as `,`, `;`, `|` or a tab.
    Byte(u8),
    /// A run of blanks and tabs.
    Blanks,
    /// Nothing: a line is one field.
    None,
}

/// The character between whole numbers and their fractions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// `21.5`; commas separate thousands.
    Point,
    /// `21,5`; points separate thousands.
    Comma,
}

/// What to do with a file beyond its format. What is not given is found out from the text itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Columns to leave out, by name or by number counted from 1. In text they may hold anything.
    pub leave_out: Vec<String>,
    /// Whether the first line of a text holds names.
    pub header: Option<bool>,
    /// What separates the fields of a text.
    pub delimiter: Option<Delimiter>,
    /// The decimal character of a text.
    pub decimal: Option<Decimal>,
    /// The decimal character where neither that nor the text itself says one: that of a model's training data.
    pub usual_decimal: Option<Decimal>,
    /// Lines of a text that start so are left out.
    pub comment: Option<String>,
    /// Further words for a missing value, also numbers such as `-999.9`.
    pub missing: Vec<String>,
    /// Words that are values after all, although [`MISSING_WORDS`](super::MISSING_WORDS) has them.
    pub present: Vec<String>,
    /// Constants to subtract from the columns that are read, by name or by number counted from 1, before values are
    /// rounded to f32. The number is that in the file where columns have no names, and among them otherwise.
    pub offset: Vec<(String, f64)>,
    /// The columns to read, in this order: by name where both the file and this list have names, by
    /// position otherwise. Names such as `column 1` count as none.
    pub columns: Option<Vec<String>>,
    /// Whether columns beyond those are an error; otherwise they are left out.
    pub refuse_extra: bool,
}

impl ReadOptions {
    /// The same, to subtract a constant from each of the [`columns`](Self::columns) to read, or of the first ones.
    #[must_use]
    pub fn less(mut self, offsets: &[f64]) -> Self {
        let name = |at: usize| match &self.columns {
            Some(columns) if at < columns.len() => columns[at].clone(),
            _ => (at + 1).to_string(),
        };
        let columns = offsets.iter().enumerate();
        self.offset = columns
            .filter(|(_, offset)| **offset != 0.0)
            .map(|(at, offset)| (name(at), *offset))
            .collect();
        self
    }
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tab" | "\\t" | "\t" => Ok(Self::Byte(b'\t')),
            "comma" => Ok(Self::Byte(b',')),
            "semicolon" => Ok(Self::Byte(b';')),
            "blanks" | "blank" | "space" | " " => Ok(Self::Blanks),
            "none" => Ok(Self::None),
            _ => match text.as_bytes() {
                [byte] if byte.is_ascii_punctuation() && !b"\"+-.".contains(byte) => {
                    Ok(Self::Byte(*byte))
                }
                _ => {
                    Err("give one character such as `,` or `;`, or tab, blanks or none".to_owned())
                }
            },
        }
    }
}

impl Delimiter {
    /// As a remark names it.
    pub(super) fn shown(self) -> String {
        match self {
            Self::Byte(b'\t') => "tabs between fields".to_owned(),
            Self::Byte(byte) => format!("`{}` between fields", char::from(byte)),
            Self::Blanks => "blanks between fields".to_owned(),
            Self::None => "one field a line".to_owned(),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Point => ".",
            Self::Comma => ",",
        })
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "." | "point" => Ok(Self::Point),
            "," | "comma" => Ok(Self::Comma),
            _ => Err("give `,` or `.`".to_owned()),
        }
    }
}
