//! Names of columns as a container's text keeps them.

use super::Table;

/// What a name cannot hold as it is, and what stands for it.
const ESCAPES: [(char, &str); 4] = [('%', "%25"), (',', "%2C"), ('\n', "%0A"), ('\r', "%0D")];

/// The line `columns` of a container's text; none where the columns have no names of their own.
#[must_use]
pub fn names_line(columns: &[String]) -> Option<String> {
    let escape = |name: &String| {
        ESCAPES
            .iter()
            .fold(name.clone(), |name, (character, code)| {
                name.replace(*character, code)
            })
    };
    let names: Vec<String> = columns.iter().map(escape).collect();
    (columns != Table::numbered_columns(columns.len())).then(|| names.join(","))
}

/// The names that the line `columns` of a container's text keeps; none where it has no line or not so many names.
#[must_use]
pub fn names_of_line(line: Option<&str>, width: usize) -> Option<Vec<String>> {
    let unescape = |name: &str| {
        ESCAPES
            .iter()
            .rev()
            .fold(name.to_owned(), |name, (character, code)| {
                name.replace(code, &character.to_string())
            })
    };
    let names: Vec<String> = line?.split(',').map(unescape).collect();
    (names.len() == width && names != Table::numbered_columns(width)).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_whatever_they_hold() {
        let names: Vec<String> = ["a, b", "50 %", "%2C", "x\ny", ""]
            .map(String::from)
            .to_vec();
        let line = names_line(&names).unwrap();
        assert_eq!(names_of_line(Some(&line), 5), Some(names));
        assert_eq!(names_of_line(Some(&line), 4), None);
        assert_eq!(names_line(&Table::numbered_columns(3)), None);
        assert_eq!(names_of_line(Some("column 1,column 2"), 2), None);
        assert_eq!(names_of_line(None, 2), None);
    }
}
