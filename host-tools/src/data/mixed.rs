//! Tables whose columns are of mixed kinds, with missing values.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

use super::cells::truth;
use super::open::text_reader;
use super::records::Record;
use super::table::find_columns;
use super::text::Text;
use super::{HeldOut, ReadOptions};
use anyhow::{Context, Result, anyhow, bail, ensure};

/// Separates the members of a set in one cell.
const SET_SEPARATOR: char = ';';

/// A cell that is a set without members, in a column of sets.
const EMPTY_SET: &str = "none";

/// Most levels of a categorical column.
const MAX_LEVELS: usize = autodidact::latent_class::MAX_LEVELS as usize;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of these levels.
    Categorical(Vec<String>),
    /// True or false.
    Bernoulli,
    /// A number.
    Gaussian,
}

/// A column's name and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; that of a set's member is `set=member`.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// Kinds that the file itself does not decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MixedOptions {
    /// How the text is to be read, and which columns of it.
    pub reading: ReadOptions,
    /// Columns to read as categorical, whatever they look like.
    pub categorical: Vec<String>,
    /// Columns to read as true or false.
    pub bernoulli: Vec<String>,
    /// Columns to read as numbers.
    pub gaussian: Vec<String>,
}

/// Rows of values of mixed kinds.
///
/// A value is the index of a level, 0 or 1, or a finite number; NaN where it is missing. There is at least
/// one row and one column.
#[derive(Clone, Debug, PartialEq)]
pub struct MixedTable {
    columns: Vec<Column>,
    values: Vec<f64>,
    source: String,
}

/// Where a model's column comes from: a column here, with the model's level of each level here; or nowhere.
enum Source {
    At(usize, Option<Vec<f64>>),
    Constant(f64),
}

impl MixedTable {
    /// A table of the given columns; `values` lie row after row, NaN where one is missing.
    ///
    /// # Errors
    ///
    /// No column, no row, a last row that is cut short, or a value that its column cannot hold.
    pub fn new(source: impl Into<String>, columns: Vec<Column>, values: Vec<f64>) -> Result<Self> {
        let source = source.into();
        let width = columns.len();
        ensure!(
            width > 0,
            "{source} has no column; give a file with at least one"
        );
        ensure!(
            !values.is_empty(),
            "{source} has no rows; give a file with data in it"
        );
        ensure!(
            values.len().is_multiple_of(width),
            "{source} holds {} values, which do not fill rows of {width}; check how it was written",
            values.len()
        );
        for (at, value) in values
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_nan())
        {
            let column = &columns[at % width];
            let fits = match &column.kind {
                Kind::Categorical(levels) => {
                    value.fract() == 0.0 && (0.0..levels.len() as f64).contains(value)
                }
                Kind::Bernoulli => *value == 0.0 || *value == 1.0,
                Kind::Gaussian => value.is_finite(),
            };
            ensure!(
                fits,
                "{source}, row {}, column `{}`: {value} is not a value of this column",
                at / width + 1,
                column.name
            );
        }
        Ok(Self {
            columns,
            values,
            source,
        })
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Where the data came from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.width()
    }

    /// All values, row after row; NaN where one is missing.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The rows in order; NaN where a value is missing.
    pub fn iter_rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.width())
    }

    /// The same rows in the columns of a model, found by name: levels that the model does not know and
    /// columns that are not there become missing values, and a set's member that no row here holds is 0.
    ///
    /// # Errors
    ///
    /// None of the columns is here, or a column is of another kind.
    pub fn in_columns_of(&self, columns: &[Column]) -> Result<Self> {
        let sources = columns
            .iter()
            .map(|wanted| self.source_of(wanted))
            .collect::<Result<Vec<_>>>()?;
        ensure!(
            sources
                .iter()
                .any(|source| matches!(source, Source::At(..))),
            "{} has none of the model's columns {}; give the data that it was trained on or the like",
            self.source,
            columns
                .iter()
                .map(|c| c.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        );
        let values = self
            .iter_rows()
            .flat_map(|row| {
                sources.iter().map(|source| match source {
                    Source::Constant(value) => *value,
                    Source::At(at, None) => row[*at],
                    // NaN stays NaN: a float cast makes it level 0, hence the test.
                    Source::At(at, Some(levels)) if row[*at].is_finite() => {
                        levels[row[*at] as usize]
                    }
                    Source::At(..) => f64::NAN,
                })
            })
            .collect();
        Self::new(self.source.clone(), columns.to_vec(), values)
    }

    fn source_of(&self, wanted: &Column) -> Result<Source> {
        let Some(at) = self.columns.iter().position(|c| c.name == wanted.name) else {
            let set = wanted
                .name
                .split_once('=')
                .map(|(set, _)| format!("{set}="));
            let absent =
                set.is_some_and(|set| self.columns.iter().any(|c| c.name.starts_with(&set)));
            return Ok(Source::Constant(if absent { 0.0 } else { f64::NAN }));
        };
        match (&self.columns[at].kind, &wanted.kind) {
            (Kind::Categorical(here), Kind::Categorical(there)) => {
                let level = |name| there.iter().position(|level| level == name);
                let levels = here
                    .iter()
                    .map(|name| level(name).map_or(f64::NAN, |at| at as f64));
                Ok(Source::At(at, Some(levels.collect())))
            }
            (Kind::Bernoulli, Kind::Bernoulli) | (Kind::Gaussian, Kind::Gaussian) => {
                Ok(Source::At(at, None))
            }
            _ => bail!(
                "{}, column `{}` is not what the model was trained on: it was {} there; correct the values",
                self.source,
                wanted.name,
                match wanted.kind {
                    Kind::Categorical(_) => "a category",
                    Kind::Bernoulli => "yes or no",
                    Kind::Gaussian => "a number",
                }
            ),
        }
    }

    /// Training rows and held-out rows; both keep all levels. Where nothing of the table is held out, its rows are
    /// both.
    ///
    /// # Errors
    ///
    /// Nothing would be held out, or nothing left.
    pub fn split(&self, held_out: &HeldOut) -> Result<(Self, Self)> {
        held_out.check(self.rows(), &self.source)?;
        let (training, rest) = held_out.split(&self.values, self.width());
        let part = |values| Self {
            columns: self.columns.clone(),
            values,
            source: self.source.clone(),
        };
        let judged = if rest.is_empty() {
            self.clone()
        } else {
            part(rest)
        };
        Ok((part(training), judged))
    }
}

/// Reads a mixed table from delimited text (also gzipped), with a header or without.
///
/// Kinds follow from what a column holds, unless the options say otherwise: only 0 and 1, true and false,
/// or yes and no: Bernoulli; other numbers: Gaussian; lists separated by `;`: a Bernoulli column for each
/// member, named `site=pubmed`, where `none` is the empty list; other text: categorical, levels in alphabetical order. An empty field, `?`,
/// `NA` and `NaN` are missing values; a list is missing as a whole or not at all. Text that is a number
/// nowhere in the first line makes that line the header.
///
/// # Errors
///
/// One sentence that names the file, and the line and column where there is one.
pub fn open_mixed(path: &Path, options: &MixedOptions) -> Result<MixedTable> {
    let source = path.display().to_string();
    read(&source, text_reader(path, &source)?, options)
}

/// A column as it stands in the file.
struct Raw {
    name: String,
    /// Line number and text of each row, `None` where it is missing.
    fields: Vec<(u64, Option<String>)>,
}

fn read(source: &str, reader: impl BufRead, options: &MixedOptions) -> Result<MixedTable> {
    let raw = raw_columns(Text::open(source, reader, &options.reading)?)?;
    let names: Vec<String> = raw.iter().map(|column| column.name.clone()).collect();
    let left_out = find_columns(source, &names, &options.reading.leave_out, "to leave out")?;
    let find = |list: &[String]| find_columns(source, &names, list, "to declare the kind of");
    let declared = [
        find(&options.categorical)?,
        find(&options.bernoulli)?,
        find(&options.gaussian)?,
    ];
    let mut columns: Vec<Column> = Vec::new();
    let mut parsed: Vec<Vec<f64>> = Vec::new();
    for (at, column) in raw
        .iter()
        .enumerate()
        .filter(|(at, _)| !left_out.contains(at))
    {
        let is_declared = |kind: usize| declared[kind].contains(&at);
        ensure!(
            (0..3).filter(|&kind| is_declared(kind)).count() <= 1,
            "{source}, column `{}` is declared to be of two kinds; keep one",
            column.name
        );
        let is_set =
            !(0..3).any(is_declared) && column.texts().any(|text| text.contains(SET_SEPARATOR));
        let read = if is_set {
            column.as_set()
        } else if is_declared(0) {
            column.as_categorical(source).map(|one| vec![one])
        } else if is_declared(1) {
            column.as_bernoulli(source).map(|one| vec![one])
        } else if is_declared(2) {
            column.as_gaussian(source).map(|one| vec![one])
        } else {
            column.inferred(source).map(|one| vec![one])
        };
        for (column, values) in read? {
            ensure!(
                columns.iter().all(|other| other.name != column.name),
                "{source} has two columns named `{}`; rename one",
                column.name
            );
            columns.push(column);
            parsed.push(values);
        }
    }
    let rows = parsed.first().map_or(0, Vec::len);
    let values = (0..rows)
        .flat_map(|row| parsed.iter().map(move |column| column[row]))
        .collect();
    MixedTable::new(source, columns, values)
}

fn raw_columns<R: BufRead>(mut text: Text<R>) -> Result<Vec<Raw>> {
    let named = |name: &String| Raw {
        name: name.clone(),
        fields: Vec::new(),
    };
    let mut raw: Vec<Raw> = text.layout.names.iter().map(named).collect();
    let mut record = Record::default();
    while text.next_into(&mut record)? {
        for (column, field) in raw.iter_mut().zip(record.iter()) {
            let field = (!text.words.are_missing(field)).then(|| field.to_owned());
            column.fields.push((record.line, field));
        }
    }
    Ok(raw)
}

fn number(field: &str) -> Option<f64> {
    field.parse().ok().filter(|value: &f64| value.is_finite())
}

impl Raw {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter_map(|(_, text)| text.as_deref())
    }

    /// Every field by `value`, or the message for the first that has none.
    fn parse(
        &self,
        source: &str,
        problem: &str,
        value: impl Fn(&str) -> Option<f64>,
    ) -> Result<Vec<f64>> {
        let parse = |(line, text): &(u64, Option<String>)| match text {
            None => Ok(f64::NAN),
            Some(text) => value(text).ok_or_else(|| {
                anyhow!(
                    "{source}, line {line}, column `{}`: `{text}` {problem}",
                    self.name
                )
            }),
        };
        self.fields.iter().map(parse).collect()
    }

    fn named(&self, kind: Kind) -> Column {
        Column {
            name: self.name.clone(),
            kind,
        }
    }

    fn inferred(&self, source: &str) -> Result<(Column, Vec<f64>)> {
        ensure!(
            self.texts().next().is_some(),
            "{source}, column `{}` has no value in any row; leave it out, or declare its kind",
            self.name
        );
        if self.texts().all(|text| truth(text).is_some()) {
            self.as_bernoulli(source)
        } else if self.texts().all(|text| number(text).is_some()) {
            self.as_gaussian(source)
        } else if self.texts().filter(|text| number(text).is_some()).count() * 2 > self.fields.len()
        {
            // Mostly numbers: rather a slip than a category.
            self.as_gaussian(source)
        } else {
            self.as_categorical(source)
        }
    }

    fn as_categorical(&self, source: &str) -> Result<(Column, Vec<f64>)> {
        let mut levels: Vec<String> = self
            .texts()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if levels.iter().all(|level| number(level).is_some()) {
            levels.sort_by(|a, b| {
                number(a)
                    .partial_cmp(&number(b))
                    .unwrap_or(std::cmp::Ordering::Equal)
            });
        }
        ensure!(
            !levels.is_empty(),
            "{source}, column `{}` has no value in any row; leave it out",
            self.name
        );
        ensure!(
            levels.len() <= MAX_LEVELS,
            "{source}, column `{}` has {} levels, and a categorical column takes at most {MAX_LEVELS}; leave it out or merge rare levels",
            self.name,
            levels.len()
        );
        let index = |text: &str| {
            levels
                .iter()
                .position(|level| level == text)
                .map(|at| at as f64)
        };
        let values = self.parse(source, "is no level", index)?;
        Ok((self.named(Kind::Categorical(levels)), values))
    }

    fn as_bernoulli(&self, source: &str) -> Result<(Column, Vec<f64>)> {
        let problem =
            "is neither 0 nor 1, true nor false, yes nor no; read the column as categorical";
        Ok((
            self.named(Kind::Bernoulli),
            self.parse(source, problem, truth)?,
        ))
    }

    fn as_gaussian(&self, source: &str) -> Result<(Column, Vec<f64>)> {
        let problem = "is not a finite number; correct it, or read the column as categorical";
        Ok((
            self.named(Kind::Gaussian),
            self.parse(source, problem, number)?,
        ))
    }

    /// One Bernoulli column a member.
    fn as_set(&self) -> Result<Vec<(Column, Vec<f64>)>> {
        let members = |text: &str| -> BTreeSet<String> {
            text.split(SET_SEPARATOR)
                .map(|member| member.trim().to_owned())
                .filter(|member| !member.is_empty() && member != EMPTY_SET)
                .collect()
        };
        let sets: Vec<Option<BTreeSet<String>>> = self
            .fields
            .iter()
            .map(|(_, text)| text.as_deref().map(members))
            .collect();
        let all: BTreeSet<&String> = sets.iter().flatten().flatten().collect();
        let column = |member: &String| {
            let values = sets
                .iter()
                .map(|set| {
                    set.as_ref()
                        .map_or(f64::NAN, |set| f64::from(u8::from(set.contains(member))))
                })
                .collect();
            (
                Column {
                    name: format!("{}={member}", self.name),
                    kind: Kind::Bernoulli,
                },
                values,
            )
        };
        Ok(all.into_iter().map(column).collect())
    }
}

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

    const USERS: &str = "interest,age,member,site\n\
        sport,31,yes,pubmed;arxiv\n\
        music,?,no,arxiv\n\
        NA,25.5,,\n\
        sport,40,yes,pubmed\n";

    fn table(text: &str) -> MixedTable {
        read("x.csv", text.as_bytes(), &MixedOptions::default()).unwrap()
    }

    fn message(text: &str, options: &MixedOptions) -> String {
        read("x.csv", text.as_bytes(), options)
            .unwrap_err()
            .to_string()
    }

    fn list(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn kinds_follow_from_what_a_column_holds() {
        let table = table(USERS);
        let names: Vec<&str> = table
            .columns()
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["interest", "age", "member", "site=arxiv", "site=pubmed"]
        );
        let interest = Kind::Categorical(vec!["music".into(), "sport".into()]);
        let kinds: Vec<&Kind> = table.columns().iter().map(|column| &column.kind).collect();
        let expected = [
            &interest,
            &Kind::Gaussian,
            &Kind::Bernoulli,
            &Kind::Bernoulli,
            &Kind::Bernoulli,
        ];
        assert_eq!(kinds, expected);
        let shown: Vec<String> = table.iter_rows().map(|row| format!("{row:?}")).collect();
        assert_eq!(
            shown,
            [
                "[1.0, 31.0, 1.0, 1.0, 1.0]",
                "[0.0, NaN, 0.0, 1.0, 0.0]",
                "[NaN, 25.5, NaN, NaN, NaN]",
                "[1.0, 40.0, 1.0, 0.0, 1.0]"
            ]
        );
        let (training, held_out) = table.split(&HeldOut::EVERY_FOURTH).unwrap();
        assert_eq!((training.rows(), held_out.rows()), (3, 1));
        assert_eq!(held_out.columns(), table.columns());
    }

    #[test]
    fn kinds_can_be_declared() {
        let options = MixedOptions {
            categorical: list("age"),
            reading: ReadOptions {
                leave_out: list("4"),
                ..ReadOptions::default()
            },
            ..MixedOptions::default()
        };
        let table = read("x.csv", USERS.as_bytes(), &options).unwrap();
        let levels = ["25.5", "31", "40"].map(str::to_owned).to_vec();
        assert_eq!(table.columns()[1].kind, Kind::Categorical(levels));
        assert_eq!(table.width(), 3);
    }

    #[test]
    fn every_bad_input_is_one_clear_sentence() {
        let none = MixedOptions::default();
        let gaussian = MixedOptions {
            gaussian: list("interest"),
            ..none.clone()
        };
        let bernoulli = MixedOptions {
            bernoulli: list("age"),
            ..none.clone()
        };
        let twice = MixedOptions {
            categorical: list("age"),
            ..bernoulli.clone()
        };
        for (text, options, expected) in [
            ("", &none, "x.csv is empty; give a file with data in it"),
            (
                "a,b\n",
                &none,
                "x.csv, column `a` has no value in any row; leave it out, or declare its kind",
            ),
            (
                "a,b\n1,2\n1\n",
                &none,
                "x.csv, line 3: 1 field where the first line has 2; repair or remove the line",
            ),
            (
                "a\n3\n4\n5o\n",
                &none,
                "x.csv, line 4, column `a`: `5o` is not a finite number; correct it, or read the column as categorical",
            ),
            (
                USERS,
                &gaussian,
                "x.csv, line 2, column `interest`: `sport` is not a finite number; correct it, or read the column as categorical",
            ),
            (
                USERS,
                &bernoulli,
                "x.csv, line 2, column `age`: `31` is neither 0 nor 1, true nor false, yes nor no; read the column as categorical",
            ),
            (
                USERS,
                &twice,
                "x.csv, column `age` is declared to be of two kinds; keep one",
            ),
        ] {
            assert_eq!(message(text, options), expected, "{text:?}");
        }
        let many: String = (0..257).map(|n| format!("level{n}\n")).collect();
        assert!(message(&format!("name\n{many}"), &none).contains("257 levels"));
    }

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
