//! Names and kinds of columns as lines of a container's text.

use anyhow::{Context, Result, bail, ensure};

use super::{Column, Kind};

/// What separates levels in a line of [`schema_lines`], and what stands for the characters a line cannot
/// hold as they are.
const ESCAPES: [(char, &str); 5] = [
    ('%', "%25"),
    ('|', "%7C"),
    (' ', "%20"),
    ('\n', "%0A"),
    ('\r', "%0D"),
];

fn escape(text: &str) -> String {
    ESCAPES
        .iter()
        .fold(text.to_owned(), |text, (character, code)| {
            text.replace(*character, code)
        })
}

fn unescape(text: &str) -> String {
    ESCAPES
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (character, code)| {
            text.replace(code, &character.to_string())
        })
}

/// Lines of a container's text that keep the columns: `column.0: interest categorical music|sport`,
/// `column.1: member bernoulli`, `column.2: age gaussian`. Blanks, `|`, `%` and line breaks in names are
/// written as `%20` and so on.
#[must_use]
pub fn schema_lines(columns: &[Column]) -> Vec<(String, String)> {
    let line = |(at, column): (usize, &Column)| {
        let kind = match &column.kind {
            Kind::Categorical(levels) => {
                let levels: Vec<String> = levels.iter().map(|level| escape(level)).collect();
                format!("categorical {}", levels.join("|"))
            }
            Kind::Bernoulli => "bernoulli".to_owned(),
            Kind::Gaussian => "gaussian".to_owned(),
        };
        (
            format!("column.{at}"),
            format!("{} {kind}", escape(&column.name)),
        )
    };
    columns.iter().enumerate().map(line).collect()
}

/// The columns that the text of a container keeps; none when it has no line of [`schema_lines`].
///
/// # Errors
///
/// A line that is out of order or not of that form.
pub fn parse_schema(text: &str) -> Result<Vec<Column>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("column."));
    lines
        .enumerate()
        .map(|(at, line)| {
            let (index, rest) = line.split_once(": ").with_context(|| {
                format!("line `column.{line}` has no `: `; write the model again")
            })?;
            ensure!(
                index.parse() == Ok(at),
                "line `column.{index}` stands where column {at} should; write the model again"
            );
            let mut words = rest.split(' ');
            let name = unescape(words.next().unwrap_or_default());
            let kind = match (words.next(), words.next()) {
                (Some("categorical"), Some(levels)) => {
                    Kind::Categorical(levels.split('|').map(unescape).collect())
                }
                (Some("bernoulli"), None) => Kind::Bernoulli,
                (Some("gaussian"), None) => Kind::Gaussian,
                _ => bail!("line `column.{line}` names no kind of column; write the model again"),
            };
            Ok(Column { name, kind })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_survives_the_text_of_a_container() {
        let columns = vec![
            Column {
                name: "field of interest".into(),
                kind: Kind::Categorical(vec!["a|b".into(), "100 %".into(), "%20".into()]),
            },
            Column {
                name: "site=pubmed".into(),
                kind: Kind::Bernoulli,
            },
            Column {
                name: "age".into(),
                kind: Kind::Gaussian,
            },
        ];
        let text: String = schema_lines(&columns)
            .iter()
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect();
        assert_eq!(
            parse_schema(&format!("lsb: 1\n{text}tool: x\n")).unwrap(),
            columns
        );
        assert!(text.contains("column.2: age gaussian\n"));
        assert_eq!(parse_schema("lsb: 1\n").unwrap(), []);
        assert!(parse_schema("column.1: age gaussian\n").is_err());
        assert!(parse_schema("column.0: age poisson\n").is_err());
    }
}
