//! Columns as a person names them.

use anyhow::{Context, Result};

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
