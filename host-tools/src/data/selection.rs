//! Columns as a person names them.

use anyhow::{Context, Result};

/// The column of this name, else of this number, counted from 1: that in the file where columns without names are called
/// `column 3` and so on, else that among `columns`.
#[must_use]
pub fn column_at(name: &str, columns: &[String]) -> Option<usize> {
    let find = |name: &str| columns.iter().position(|column| column == name);
    let number = || name.parse::<usize>().ok()?.checked_sub(1);
    find(name)
        .or_else(|| find(&format!("column {name}")))
        .or_else(|| number().filter(|&at| at < columns.len()))
}

/// Columns by number from 1, range of numbers or name, separated by commas: one flag a column.
///
/// # Errors
///
/// A word that is none of these, named.
pub fn columns_named(text: &str, names: &[String]) -> Result<Vec<bool>> {
    let mut flags = vec![false; names.len()];
    for word in text.split(',').map(str::trim) {
        let range = match names.iter().position(|name| name == word) {
            Some(at) => Some((at, at)),
            None => {
                let (first, last) = word.split_once('-').unwrap_or((word, word));
                let number = |text: &str| text.trim().parse::<usize>().ok()?.checked_sub(1);
                number(first).zip(number(last))
            }
        };
        let (first, last) = range
            .filter(|(first, last)| first <= last && *last < names.len())
            .with_context(|| {
                format!(
                    "`{word}` is no column; give names, numbers of 1 to {} or ranges such as 1-{}",
                    names.len(),
                    names.len().div_ceil(2)
                )
            })?;
        flags[first..=last].fill(true);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_without_a_name_keeps_its_number_in_the_file() {
        let left = ["column 2", "column 3"].map(String::from);
        assert_eq!(column_at("2", &left), Some(0));
        assert_eq!(column_at("3", &left), Some(1));
        assert_eq!(column_at("1", &left), Some(0));
        assert_eq!(column_at("4", &left), None);
        let named = ["2", "b"].map(String::from);
        assert_eq!(column_at("2", &named), Some(0));
        assert_eq!(column_at("1", &named), Some(0));
        assert_eq!(column_at("b", &named), Some(1));
        assert_eq!(column_at("0", &named), None);
    }

    #[test]
    fn columns_have_names_numbers_and_ranges() {
        let names: Vec<String> = ["a", "b", "c", "d-e", "f"].map(String::from).to_vec();
        let flags = columns_named("2-3, d-e", &names).unwrap();
        assert_eq!(flags, [false, true, true, true, false]);
        for bad in ["0", "6", "3-2", "x", ""] {
            let message = columns_named(bad, &names).unwrap_err().to_string();
            assert!(message.contains("is no column; give names, numbers of 1 to 5"));
        }
    }
}
