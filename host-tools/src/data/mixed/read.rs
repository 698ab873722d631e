//! Mixed tables from text: with kinds that follow from the cells, or with those of a model.

use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::kinds::{Field, Raw, Read};
use super::{Column, Kind, MixedTable};
use crate::data::cells::{listed, number, shown, truth};
use crate::data::matching::Matched;
use crate::data::open::text_reader;
use crate::data::plan::plans;
use crate::data::reading::{Decimal, ReadOptions};
use crate::data::records::Record;
use crate::data::remarks;
use crate::data::table::{are_named, describe_columns, find_columns};
use crate::data::text::Text;

/// Kinds that the file itself does not decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MixedOptions {
    /// How the text is to be read, and which columns of it. No constants are subtracted.
    pub reading: ReadOptions,
    /// Columns to read as categorical, whatever they look like.
    pub categorical: Vec<String>,
    /// Columns to read as true or false.
    pub bernoulli: Vec<String>,
    /// Columns to read as numbers.
    pub gaussian: Vec<String>,
}

/// Reads a mixed table from text (also gzipped), which [`open`](crate::data::open) describes.
///
/// Kinds follow from what a column holds, unless the options say otherwise: only 0 and 1, true and false,
/// or yes and no: Bernoulli; other numbers: Gaussian; lists separated by `;` whose members occur again: a Bernoulli
/// column for each member, named `site=pubmed`, where `none` is the empty list; other text: categorical, levels in
/// alphabetical order. An empty cell and [`MISSING_WORDS`](crate::data::MISSING_WORDS) are missing values; a list is
/// missing as a whole or not at all. In a column that is mostly numbers another cell is an error.
///
/// # Errors
///
/// One sentence that names the file, and the line and column where there is one.
pub fn open_mixed(path: &Path, options: &MixedOptions) -> Result<MixedTable> {
    open_mixed_with(path, options, &mut |_| {})
}

/// As [`open_mixed`], and says what was understood: a line on rows, columns and missing values, and one for each
/// remark.
///
/// # Errors
///
/// As [`open_mixed`].
pub fn open_mixed_with(
    path: &Path,
    options: &MixedOptions,
    say: &mut dyn FnMut(&str),
) -> Result<MixedTable> {
    let source = path.display().to_string();
    read(&source, text_reader(path, &source)?, options, say)
}

/// Reads new rows for a model with these columns: cells are of the model's kinds and levels, whatever they look like.
///
/// Columns are found by name where the file has names, else by position. A cell that is one of the model's levels is
/// that level, even if it is a word for a missing value; levels that the model does not know are missing, and so are
/// columns that are not there. A set's member that no row holds is 0.
///
/// # Errors
///
/// As [`open_mixed`]; none of the columns is there, or their number is another where there are no names; a cell that is
/// no number, or neither yes nor no, where the model takes such.
pub fn open_mixed_for(
    path: &Path,
    reading: &ReadOptions,
    columns: &[Column],
    say: &mut dyn FnMut(&str),
) -> Result<MixedTable> {
    let source = path.display().to_string();
    read_for(&source, text_reader(path, &source)?, reading, columns, say)
}

/// All cells of a text, column by column.
fn cells<R: BufRead>(
    source: &str,
    reader: R,
    reading: &ReadOptions,
) -> Result<(Text<R>, Vec<Vec<Field>>)> {
    let mut text = Text::open(source, reader, reading)?;
    let mut columns: Vec<Vec<Field>> = text.layout.names.iter().map(|_| Vec::new()).collect();
    let mut record = Record::default();
    while text.next_into(&mut record)? {
        for (column, cell) in columns.iter_mut().zip(record.iter()) {
            column.push(Field {
                line: record.line,
                text: cell.to_owned(),
            });
        }
    }
    ensure!(
        columns.iter().any(|column| !column.is_empty()),
        "{source} has no rows; give a file with data in it"
    );
    Ok((text, columns))
}

/// The columns, each with the plan that all of its cells give.
fn raw<'t, R: BufRead>(
    text: &'t Text<R>,
    columns: Vec<Vec<Field>>,
    reading: &ReadOptions,
) -> Vec<Raw<'t>> {
    let present = columns.iter().map(|column| {
        let texts = column.iter().map(|field| field.text.as_str());
        texts.filter(|cell| !text.words.are_missing(cell))
    });
    let plans = plans(present, text.layout.delimiter, reading);
    let columns = columns.into_iter().zip(plans).enumerate();
    columns
        .map(|(at, (fields, plan))| Raw {
            source: &text.source,
            names: &text.layout.names,
            at,
            fields,
            words: &text.words,
            plan,
        })
        .collect()
}

/// Reads from a text that is open.
pub(in crate::data) fn read(
    source: &str,
    reader: impl BufRead,
    options: &MixedOptions,
    say: &mut dyn FnMut(&str),
) -> Result<MixedTable> {
    let (text, columns) = cells(source, reader, &options.reading)?;
    let raw = raw(&text, columns, &options.reading);
    let layout = &text.layout;
    let matched = layout.matched(source, &options.reading)?;
    let find =
        |list: &[String]| find_columns(source, &layout.names, list, "to declare the kind of");
    let declared = [
        find(&options.categorical)?,
        find(&options.bernoulli)?,
        find(&options.gaussian)?,
    ];
    let (mut parts, mut remarks): (Read, Vec<String>) = (Vec::new(), Vec::new());
    let (mut numbers, mut few) = (Vec::new(), Vec::new());
    for column in matched.kept.iter().map(|&at| &raw[at]) {
        let kinds: Vec<usize> = (0..3)
            .filter(|&kind| declared[kind].contains(&column.at))
            .collect();
        let read = match kinds[..] {
            [] => column.inferred()?,
            [0] => column.as_categorical()?,
            [1] => column.as_bernoulli()?,
            [2] => column.as_gaussian()?,
            _ => bail!(
                "{source}, column `{}` is declared to be of two kinds; keep one",
                shown(column.name())
            ),
        };
        for (part, _) in &read {
            remarks.extend(column.remark(&part.kind));
            remarks.extend(column.frequent_word(&part.kind));
            if part.kind == Kind::Gaussian {
                numbers.push(column.at);
                if kinds.is_empty() && column.may_be_levels() {
                    few.push(column);
                }
            }
        }
        parts.extend(read);
    }
    if let Some(first) = few.first() {
        let names: Vec<&str> = few.iter().map(|column| column.name()).collect();
        remarks.push(format!(
            "whole numbers of few levels are read as numbers: {}; --categorical {} reads a column as levels",
            listed(&names),
            first.argument()
        ));
    }
    let mut table = assemble(source, parts)?;
    table.decimal = layout.decimal();
    summary(&text, &matched, &raw, &table, say);
    let of_plans = remarks::of_plans(layout, &numbers, &text.words);
    let of_values = remarks::of_values(layout, &numbers, &text.words, true);
    for remark in remarks.iter().chain(&of_plans).chain(&of_values) {
        say(&format!("{source}: {remark}"));
    }
    Ok(table)
}

/// A table of columns side by side.
fn assemble(source: &str, parts: Read) -> Result<MixedTable> {
    let mut names = HashSet::new();
    for (column, _) in &parts {
        ensure!(
            names.insert(&column.name),
            "{source} has two columns named `{}`, of which one is a member of a set; rename one",
            shown(&column.name)
        );
    }
    let rows = parts.first().map_or(0, |(_, values)| values.len());
    let values = (0..rows)
        .flat_map(|row| parts.iter().map(move |(_, values)| values[row]))
        .collect();
    let columns = parts.iter().map(|(column, _)| column.clone()).collect();
    MixedTable::new(source, columns, values)
}

/// Says what was read, and the remarks of the text and of its columns.
fn summary<R: BufRead>(
    text: &Text<R>,
    matched: &Matched,
    raw: &[Raw<'_>],
    table: &MixedTable,
    say: &mut dyn FnMut(&str),
) {
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for column in matched.kept.iter().map(|&at| &raw[at]) {
        for field in column
            .fields
            .iter()
            .filter(|field| column.is_missing(&field.text))
        {
            let word = match field.text.as_str() {
                "" => "empty".to_owned(),
                text => format!("`{}`", shown(text)),
            };
            *words.entry(word).or_default() += 1;
        }
    }
    let missing: usize = words.values().sum();
    let mut words: Vec<(String, usize)> = words.into_iter().collect();
    words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words: Vec<String> = words
        .iter()
        .map(|(word, n)| format!("{n} {word}"))
        .collect();
    let missing = match missing {
        0 => "no missing value".to_owned(),
        1 => format!("1 missing value ({})", listed(&words)),
        _ => format!("{missing} missing values ({})", listed(&words)),
    };
    let count =
        |rows: usize, noun: &str| format!("{rows} {noun}{}", if rows == 1 { "" } else { "s" });
    let mut kinds: Vec<String> = Vec::new();
    for (noun, many, wanted) in [
        ("category", "categories", 0),
        ("yes-or-no column", "yes-or-no columns", 1),
        ("number", "numbers", 2),
    ] {
        let kind = |column: &&Column| match column.kind {
            Kind::Categorical(_) => 0,
            Kind::Bernoulli => 1,
            Kind::Gaussian => 2,
        } == wanted;
        match table.columns().iter().filter(kind).count() {
            0 => {}
            1 => kinds.push(format!("1 {noun}")),
            columns => kinds.push(format!("{columns} {many}")),
        }
    }
    say(&format!(
        "read {}: {} of {} ({}), {missing}, {}; {}",
        text.source,
        count(table.rows(), "row"),
        count(table.width(), "column"),
        kinds.join(", "),
        text.dialect(),
        text.layout.header
    ));
    let empty = text.empty_lines_remark();
    let remarks = text.layout.remarks.iter().chain(&matched.remarks);
    for remark in remarks.chain(&empty).chain(&text.stray_remark()) {
        say(&format!("{}: {remark}", text.source));
    }
}

/// The columns of a model that come from one column of a file.
struct Group<'m> {
    name: &'m str,
    /// Of a set, whose members they are.
    is_set: bool,
    columns: Vec<&'m Column>,
}

/// Columns of a model as they stand in a file: the members of a set together, unless the file has them one by one.
fn groups<'m>(columns: &'m [Column], names: &[String]) -> Vec<Group<'m>> {
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut groups: Vec<Group<'m>> = Vec::new();
    for column in columns {
        let set = match column.name.split_once('=') {
            Some((set, _)) if column.kind == Kind::Bernoulli => Some(set),
            _ => None,
        };
        let set = set.filter(|_| !names.contains(column.name.as_str()));
        match groups.last_mut() {
            Some(last) if last.is_set && set == Some(last.name) => last.columns.push(column),
            _ => groups.push(Group {
                name: set.unwrap_or(&column.name),
                is_set: set.is_some(),
                columns: vec![column],
            }),
        }
    }
    groups
}

fn read_for(
    source: &str,
    reader: impl BufRead,
    reading: &ReadOptions,
    columns: &[Column],
    say: &mut dyn FnMut(&str),
) -> Result<MixedTable> {
    let asked = |groups: &[Group<'_>]| -> Vec<String> {
        groups.iter().map(|group| group.name.to_owned()).collect()
    };
    let by_set = ReadOptions {
        columns: Some(asked(&groups(columns, &[]))),
        ..reading.clone()
    };
    let (text, fields) = cells(source, reader, &by_set)?;
    let raw = raw(&text, fields, reading);
    let layout = &text.layout;
    let groups = groups(columns, &layout.names);
    let names = asked(&groups);
    let known: HashSet<&String> = layout.names.iter().collect();
    let by_name = layout.has_names && are_named(&names);
    let (there, absent): (Vec<&Group<'_>>, Vec<&Group<'_>>) = groups
        .iter()
        .partition(|group| !by_name || known.contains(&group.name.to_owned()));
    ensure!(
        !there.is_empty(),
        "{source} has none of the model's columns {}; it has {}",
        describe_columns(&names),
        describe_columns(&layout.names)
    );
    let options = ReadOptions {
        columns: Some(there.iter().map(|group| group.name.to_owned()).collect()),
        ..reading.clone()
    };
    let matched = layout.matched(source, &options)?;
    let mut remarks = Vec::new();
    if !absent.is_empty() {
        let absent: Vec<&str> = absent.iter().map(|group| group.name).collect();
        remarks.push(format!(
            "columns of the model that are not there, and missing in every row: {}",
            listed(&absent)
        ));
    }
    let rows = raw.first().map_or(0, |column| column.fields.len());
    let mut unknown = Vec::new();
    let mut places = matched.kept.iter();
    let mut parts: Read = Vec::new();
    for group in &groups {
        let is_there = !by_name || known.contains(&group.name.to_owned());
        let column = places
            .as_slice()
            .first()
            .filter(|_| is_there)
            .map(|&at| &raw[at]);
        if is_there {
            places.next();
        }
        for part in &group.columns {
            let values = match column {
                None => vec![f64::NAN; rows],
                Some(column) if group.is_set => column.membership(member_of(part)),
                Some(column) => values_for(column, &part.kind, &mut unknown)?,
            };
            parts.push(((*part).clone(), values));
        }
        if let Some(column) = column.filter(|_| group.is_set) {
            let members: Vec<&str> = group.columns.iter().map(|part| member_of(part)).collect();
            unknown.extend(column.unknown_members(&members));
        }
    }
    if let Some(first) = unknown.first() {
        remarks.push(format!(
            "cells that hold what the model does not know, read as missing: {}, such as `{}`",
            unknown.len(),
            shown(first)
        ));
    }
    let table = assemble(source, parts)?;
    summary(&text, &matched, &raw, &table, say);
    for remark in &remarks {
        say(&format!("{source}: {remark}"));
    }
    Ok(table)
}

/// The member of a set that a column stands for.
fn member_of(column: &Column) -> &str {
    column.name.split_once('=').map_or("", |(_, member)| member)
}

/// The cells of a column as values of a kind; levels that it does not have are missing, and noted.
fn values_for(column: &Raw<'_>, kind: &Kind, unknown: &mut Vec<String>) -> Result<Vec<f64>> {
    let value = |field: &Field| {
        let text = field.text.as_str();
        if let Kind::Categorical(levels) = kind {
            let value = level(levels, text);
            if value.is_none() && !column.is_missing(text) {
                unknown.push(text.to_owned());
            }
            return Ok(value.unwrap_or(f64::NAN));
        }
        if column.is_missing(text) {
            return Ok(f64::NAN);
        }
        let (value, problem) = match kind {
            Kind::Bernoulli => (
                truth(text),
                "is neither yes nor no, which the model takes here; correct it",
            ),
            _ => (
                column.number(text),
                "is no finite number, which the model takes here; correct it",
            ),
        };
        value.ok_or_else(|| column.error(field, problem))
    };
    column.fields.iter().map(value).collect()
}

/// The index of the level that a cell is: as text, or as the same number.
fn level(levels: &[String], text: &str) -> Option<f64> {
    let same_number = || {
        let value = number(text, Decimal::Point)?;
        let is_same = |level: &String| number(level, Decimal::Point) == Some(value);
        levels.iter().position(is_same)
    };
    let at = levels
        .iter()
        .position(|level| level == text)
        .or_else(same_number)?;
    Some(at as f64)
}

#[cfg(test)]
mod tests;
