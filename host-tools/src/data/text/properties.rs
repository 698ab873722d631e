//! What holds for every table that we write, and for any bytes.

use proptest::prelude::*;

use super::*;
use crate::data::mixed::{MixedOptions, read_mixed};

/// How a table is written.
#[derive(Clone, Debug)]
struct Written {
    names: Option<Vec<String>>,
    /// Hundredths, row after row.
    values: Vec<Vec<i32>>,
    delimiter: &'static str,
    decimal: char,
    /// Whether all fields stand in quotes, or only those that have to.
    quoted: bool,
    end: &'static str,
    mark: &'static str,
    /// A delimiter behind the last field of a line.
    trailing: bool,
    /// An empty line before every so many others, if any.
    blank: usize,
}

impl Written {
    fn field(&self, text: &str) -> String {
        let separators = [",", ";", "|", "\t", " ", "\"", "\n", "\r", "'"];
        if self.quoted || separators.iter().any(|separator| text.contains(separator)) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    }

    fn number(&self, hundredths: i32) -> String {
        let sign = if hundredths < 0 { "-" } else { "" };
        let (whole, rest) = (hundredths.abs() / 100, hundredths.abs() % 100);
        let text = format!("{sign}{whole}{}{rest:02}", self.decimal);
        let bare = self.decimal == ',' && self.delimiter != "," && !self.quoted;
        if bare { text } else { self.field(&text) }
    }

    fn text(&self) -> String {
        let mut lines: Vec<Vec<String>> = Vec::new();
        let names = self.names.iter();
        lines.extend(names.map(|names| names.iter().map(|name| self.field(name)).collect()));
        let rows = self.values.iter();
        lines.extend(rows.map(|row| row.iter().map(|value| self.number(*value)).collect()));
        let mut text = self.mark.to_owned();
        for (at, line) in lines.iter().enumerate() {
            if self.blank > 0 && at % self.blank == 0 {
                text.push_str(self.end);
            }
            text.push_str(&line.join(self.delimiter));
            if self.trailing && self.delimiter != "  " {
                text.push_str(self.delimiter);
            }
            text.push_str(self.end);
        }
        text
    }

    fn expected(&self) -> Vec<f32> {
        let values = self.values.iter().flatten();
        values
            .map(|&value| (f64::from(value) / 100.0) as f32)
            .collect()
    }
}

/// Names that no number and no word for a missing value is; they may hold delimiters, quotes and line breaks.
fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,3}[a-z,;|\"\n °%()]{0,5}[x-z]{2}"
}

fn written() -> impl Strategy<Value = Written> {
    let shape = (1_usize..6, 1_usize..20);
    let values = shape.prop_flat_map(|(width, rows)| {
        let row = prop::collection::vec(-200_000..200_000_i32, width);
        (
            prop::option::of(prop::collection::vec(name(), width)),
            prop::collection::vec(row, rows),
        )
    });
    let layout = (
        prop::sample::select(vec![",", ";", "\t", "|", "  "]),
        prop::sample::select(vec!['.', ',']),
        any::<bool>(),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        prop::sample::select(vec!["", "\u{feff}"]),
        any::<bool>(),
        0_usize..4,
    );
    let written = (values, layout).prop_map(|((names, values), layout)| {
        let (delimiter, decimal, quoted, end, mark, trailing, blank) = layout;
        Written {
            names,
            values,
            delimiter,
            decimal,
            quoted,
            end,
            mark,
            trailing,
            blank,
        }
    });
    written.prop_filter("one column with a decimal comma needs a name", |written| {
        written.values[0].len() > 1 || written.decimal == '.' || written.names.is_some()
    })
}

/// What is read in blocks of rows, until an error.
fn in_blocks(bytes: &[u8], options: &ReadOptions, rows: usize) -> Result<Vec<f32>> {
    let mut reader = NumberRows::open("x.csv", bytes, options)?;
    let mut values = Vec::new();
    loop {
        let block = reader.next_rows(rows)?;
        if block.is_empty() {
            return Ok(values);
        }
        values.extend(block);
    }
}

/// Pieces of text that a table may break at.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            ",",
            ";",
            "\t",
            "|",
            " ",
            "\"",
            "\n",
            "\r\n",
            "\r",
            "#",
            "NA",
            "#N/A",
            "0x1f",
            "21.5",
            "21,5",
            "1,204",
            "1.204",
            "-3",
            "\u{2212}4",
            "5 V",
            "°C",
            "true",
            "no",
            "a",
            "b",
            "sep=;\n",
            "\u{feff}",
            "2023-11-14",
            "1700000001",
            "1e999",
            "none",
            "a;b",
            "\u{a0}",
            "1'000",
        ])
        .prop_map(|text: &str| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ]
}

fn one_sentence(error: &anyhow::Error) {
    let message = format!("{error:#}");
    assert!(message.starts_with("x.csv"), "{message}");
    assert!(!message.contains(['\n', '\r']), "{message:?}");
    assert!(message.chars().count() < 800, "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_table_that_we_write_reads_back(written in written()) {
        let text = written.text();
        let options = ReadOptions {
            header: written.names.is_none().then_some(false),
            ..ReadOptions::default()
        };
        let rows = NumberRows::open("x.csv", text.as_bytes(), &options);
        let values = rows.and_then(|mut rows| Ok((rows.next_rows(usize::MAX)?, rows)));
        match values {
            Ok((values, rows)) => {
                prop_assert_eq!(rows.columns().len(), written.values[0].len(), "{:?}", text);
                prop_assert_eq!(values, written.expected(), "{:?}", text);
                prop_assert_eq!(rows.text.layout.has_names, written.names.is_some());
            }
            Err(error) => prop_assert!(false, "{error}: {text:?}"),
        }
    }

    #[test]
    fn any_bytes_are_a_table_or_a_sentence(pieces in prop::collection::vec(piece(), 0..60), block in 1_usize..5) {
        let bytes = pieces.concat();
        let options = ReadOptions::default();
        let whole = in_blocks(&bytes, &options, usize::MAX);
        let parts = in_blocks(&bytes, &options, block);
        match (&whole, &parts) {
            (Ok(whole), Ok(parts)) => prop_assert_eq!(whole, parts),
            (Err(whole), Err(parts)) => {
                one_sentence(whole);
                one_sentence(parts);
            }
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => {
                // Whether rounding matters is judged by the rows that are known.
                prop_assert!(error.to_string().contains("2^24"), "{}", error);
            }
        }
        match read_mixed("x.csv", bytes.as_slice(), &MixedOptions::default(), &mut |_| {}) {
            Ok(table) => prop_assert!(table.rows() > 0),
            Err(error) => one_sentence(&error),
        }
    }
}
