//! Which rows `fit` and `import` hold out for their report.

use std::path::Path;

use anyhow::{Result, ensure};
use autodidact_tools::data::{HeldOut, HoldOut, alternates, follows};
use autodidact_tools::number::counted;
use autodidact_tools::say;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Holding {
    /// Rows that are judged on and not trained on: a share or a number of all rows, spread over them (25%, 100); the
    /// last ones (`last 25%`, `last 100`); `none`; or another file. Every fourth row if not given, in runs where
    /// rows follow one another as readings in time do.
    #[arg(long, value_name = "25%|N|none|last 25%|last N|FILE")]
    pub(super) hold_out: Option<HoldOut>,
}

impl Holding {
    /// The file that is judged on, if that is one of its own.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.hold_out {
            Some(HoldOut::File(path)) => Some(path),
            _ => None,
        }
    }

    /// Makes sure that the file that is judged on is not the one trained on.
    pub(super) fn check_file(&self, data: &Path) -> Result<()> {
        if let Some(path) = self.file() {
            ensure!(
                !same_file::is_same_file(path, data).unwrap_or(false),
                "--hold-out {} is the file that is trained on; give another one, a share such as 25%, or none",
                path.display()
            );
        }
        Ok(())
    }

    /// The rows held out of a table of `rows` rows; `values` are those that tell whether they follow one another.
    pub(super) fn of<T: Copy + Into<f64>>(
        &self,
        source: &str,
        rows: usize,
        columns: &[String],
        values: &[T],
    ) -> Result<HeldOut> {
        if let Some(asked) = &self.hold_out {
            return HeldOut::of(asked, rows, source);
        }
        let held_out = match follows(values, columns.len()) {
            Some((at, correlation)) => {
                let held_out = HeldOut::runs(rows);
                say!(
                    "rows follow one another (neighbours in `{}` correlate by {correlation:.2}): {} is held out; `--hold-out 'last 25%'` judges what comes after, `--hold-out 25%` single rows",
                    columns[at],
                    held_out.in_words()
                );
                held_out
            }
            None => {
                if let Some((at, _)) = alternates(values, columns.len()) {
                    say!(
                        "rows of different kinds take turns in `{}`, so that every fourth is always of one kind; `--hold-out 'last 25%'` judges all kinds",
                        columns[at]
                    );
                }
                HeldOut::EVERY_FOURTH
            }
        };
        held_out.check(rows, source)?;
        Ok(held_out)
    }
}

/// `trained on 30 rows, judged on 10 others (every fourth row)`.
pub(super) fn in_words(held_out: &HeldOut, training: usize, judged: usize) -> String {
    match held_out {
        HeldOut::None if training == 0 => format!("judged on {}", counted(judged, "row")),
        HeldOut::None => format!(
            "trained on {}, judged on the same",
            counted(training, "row")
        ),
        _ => format!(
            "trained on {}, judged on {judged} other{} ({})",
            counted(training, "row"),
            if judged == 1 { "" } else { "s" },
            held_out.in_words()
        ),
    }
}
