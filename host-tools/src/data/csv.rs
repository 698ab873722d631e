//! Comma-separated text: delimiter and header are detected, every bad field is named.

use anyhow::{Result, anyhow, bail, ensure};
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::{Table, table::find_columns};

/// Reads delimited text, leaving out the named columns before their fields are read as numbers.
///
/// The first record is a header if none of its fields is a number. The delimiter is whichever of comma,
/// semicolon and tab the first line has most of.
pub(super) fn read(source: &str, bytes: &[u8], leave_out: &[String]) -> Result<Table> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(Trim::All)
        .delimiter(delimiter(bytes))
        .from_reader(bytes);
    let mut records = reader.records();
    let Some(first) = records.next() else {
        bail!("{source} is empty; give a file with data in it");
    };
    let first = first.map_err(|error| explain(source, &error))?;
    let has_header = first.iter().all(|field| field.parse::<f32>().is_err());
    let all_columns = column_names(&first, has_header);
    let left_out = find_columns(source, &all_columns, leave_out)?;
    let kept: Vec<usize> = (0..all_columns.len())
        .filter(|at| !left_out.contains(at))
        .collect();

    let mut values = Vec::new();
    let mut push_record = |record: &StringRecord| -> Result<()> {
        let line = record.position().map_or(0, csv::Position::line);
        ensure!(
            record.len() == all_columns.len(),
            "{source}, line {line}: {} fields where the first line has {}; repair or remove the line",
            record.len(),
            all_columns.len()
        );
        for &at in &kept {
            let field = record.get(at).unwrap_or_default();
            let value = parse(field).map_err(|problem| {
                anyhow!(
                    "{source}, line {line}, column `{}`: {problem}",
                    all_columns[at]
                )
            })?;
            values.push(value);
        }
        Ok(())
    };
    if !has_header {
        push_record(&first)?;
    }
    for record in records {
        push_record(&record.map_err(|error| explain(source, &error))?)?;
    }
    let columns = kept.iter().map(|&at| all_columns[at].clone()).collect();
    Table::new(source, columns, values)
}

/// The number in a field, or what is wrong with it and what to do.
fn parse(field: &str) -> std::result::Result<f32, String> {
    if field.is_empty() {
        return Err("the field is empty; fill in a number or remove the row".to_owned());
    }
    match field.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(format!(
            "`{field}` is not a finite number; fill in the value or remove the row"
        )),
        Err(_) => Err(format!(
            "`{field}` is not a number; correct it, or leave the column out with --label-column"
        )),
    }
}

fn column_names(first: &StringRecord, has_header: bool) -> Vec<String> {
    let mut names = Table::numbered_columns(first.len());
    if has_header {
        for (name, field) in names.iter_mut().zip(first) {
            if !field.is_empty() {
                field.clone_into(name);
            }
        }
    }
    names
}

pub(super) fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .find(|line| !line.starts_with(b"#") && !line.trim_ascii().is_empty())
        .unwrap_or_default();
    let count = |delimiter: u8| line.iter().filter(|&&byte| byte == delimiter).count();
    // The last of equals wins, hence the comma last.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|&delimiter| count(delimiter))
        .unwrap_or(b',')
}

pub(super) fn explain(source: &str, error: &csv::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::Utf8 { pos, .. } => anyhow!(
            "{source}, line {}: the text is not UTF-8; save the file as UTF-8",
            pos.as_ref().map_or(0, csv::Position::line)
        ),
        _ => anyhow!("{source} cannot be read as CSV: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        read("x.csv", text.as_bytes(), &[]).unwrap_err().to_string()
    }

    fn values(text: &str) -> Vec<f32> {
        read("x.csv", text.as_bytes(), &[])
            .unwrap()
            .values()
            .to_vec()
    }

    #[test]
    fn a_header_is_optional() {
        let with = read("x.csv", b"a,b\n1,2\n", &[]).unwrap();
        assert_eq!(with.columns(), ["a", "b"]);
        let without = read("x.csv", b"1,2\n", &[]).unwrap();
        assert_eq!(without.columns(), ["column 1", "column 2"]);
        assert_eq!(with.values(), without.values());
    }

    #[test]
    fn delimiters_blanks_comments_and_line_ends_are_understood() {
        for text in [
            "1,2\n3,4\n",
            "1;2\n3;4\n",
            "1\t2\r\n3\t4",
            "# made by hand\n 1 , 2 \n\n3, 4e0\n",
            "\u{feff}1,2\n3,4\n",
            "\"1\",\"2\"\n3,4\n",
        ] {
            assert_eq!(values(text), [1.0, 2.0, 3.0, 4.0], "{text:?}");
        }
    }

    #[test]
    fn a_text_column_can_be_left_out() {
        let leave_out = ["kind".to_owned()];
        let table = read("x.csv", b"a,kind,b\n1,cat,2\n3,dog,4\n", &leave_out).unwrap();
        assert_eq!(table.columns(), ["a", "b"]);
        assert_eq!(table.values(), [1.0, 2.0, 3.0, 4.0]);
        let by_number = read("x.csv", b"1,cat\n3,dog\n", &["2".to_owned()]).unwrap();
        assert_eq!(by_number.values(), [1.0, 3.0]);
    }

    #[test]
    fn every_bad_input_is_one_clear_sentence() {
        for (text, expected) in [
            ("", "x.csv is empty; give a file with data in it"),
            ("a,b\n", "x.csv has no rows; give a file with data in it"),
            (
                "a,b\n1,2\n3\n",
                "x.csv, line 3: 1 fields where the first line has 2; repair or remove the line",
            ),
            (
                "a,b\n1,2\n3,four\n",
                "x.csv, line 3, column `b`: `four` is not a number; correct it, or leave the column out with --label-column",
            ),
            (
                "1,2\n3,\n",
                "x.csv, line 2, column `column 2`: the field is empty; fill in a number or remove the row",
            ),
            (
                "1,2\n3,NaN\n",
                "x.csv, line 2, column `column 2`: `NaN` is not a finite number; fill in the value or remove the row",
            ),
            (
                "1,2\n-inf,3\n",
                "x.csv, line 2, column `column 1`: `-inf` is not a finite number; fill in the value or remove the row",
            ),
            (
                "1,2\n1e99,3\n",
                "x.csv, line 2, column `column 1`: `1e99` is not a finite number; fill in the value or remove the row",
            ),
        ] {
            assert_eq!(message(text), expected, "{text:?}");
        }
        let not_text = read("x.csv", b"1,2\n3,\xff\n", &[]).unwrap_err();
        assert_eq!(
            not_text.to_string(),
            "x.csv, line 2: the text is not UTF-8; save the file as UTF-8"
        );
    }
}
