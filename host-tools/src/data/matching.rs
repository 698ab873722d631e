//! Which columns of a file are read, in which order: by the names a model has, or by position.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail, ensure};

use super::cells::listed;
use super::reading::ReadOptions;
use super::table::{are_named, describe_columns, find_columns};
use crate::number::counted;

/// The columns of a file that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matched {
    /// Their positions in the file, in the order in which they are read.
    pub(super) kept: Vec<usize>,
    /// Their names.
    pub(super) names: Vec<String>,
    /// What is to be said about it.
    pub(super) remarks: Vec<String>,
}

/// Finds the columns to read among those of a file. `index` says that the first is a number or
/// a name of the row, which is left out unless it is asked for.
pub(super) fn matched(
    source: &str,
    names: &[String],
    has_names: bool,
    index: Option<&str>,
    options: &ReadOptions,
) -> Result<Matched> {
    let left_out = find_columns(source, names, &options.leave_out, "to leave out")?;
    let mut kept: Vec<usize> = (0..names.len())
        .filter(|at| !left_out.contains(at))
        .collect();
    let mut remarks = Vec::new();
    let asked = options.columns.as_deref();
    if let Some(index) = index
        && kept.first() == Some(&0)
        && asked.is_none_or(|asked| asked.len() != kept.len())
    {
        kept.remove(0);
        remarks.push(format!("{index}; it is left out"));
    }
    let name = |at: &usize| names[*at].clone();
    let Some(asked) = asked else {
        ensure!(
            !kept.is_empty(),
            "{source} has no column of numbers; give a file with at least one"
        );
        let names = kept.iter().map(name).collect();
        return Ok(Matched {
            kept,
            names,
            remarks,
        });
    };
    if has_names && are_named(asked) {
        let (kept, extra) = by_name(source, names, &kept, asked)?;
        if !extra.is_empty() {
            let extra: Vec<String> = extra.iter().map(name).collect();
            ensure!(
                !options.refuse_extra,
                "{source} has columns that the model does not read: {}; remove them, or name them with --label-column",
                listed(&extra)
            );
            remarks.push(format!(
                "columns left out that the model does not read: {}",
                listed(&extra)
            ));
        }
        return Ok(Matched {
            kept,
            names: asked.to_vec(),
            remarks,
        });
    }
    let remedy = if kept.len() > asked.len() {
        "leave out those that it does not read with --label-column and their number, as at the fit"
    } else {
        "give the same columns in the same order"
    };
    ensure!(
        kept.len() == asked.len(),
        "{source} has {}, {}, where the model reads {}, {}; {remedy}",
        counted(kept.len(), "column"),
        describe_columns(&kept.iter().map(name).collect::<Vec<_>>()),
        asked.len(),
        describe_columns(asked)
    );
    let lacking = if has_names { "the model" } else { "the file" };
    if has_names || are_named(asked) {
        remarks.push(format!(
            "columns are taken by their position, as {lacking} has no names of them"
        ));
    }
    Ok(Matched {
        kept,
        names: asked.to_vec(),
        remarks,
    })
}

/// Where the columns asked for are, and which others there are.
fn by_name(
    source: &str,
    names: &[String],
    kept: &[usize],
    asked: &[String],
) -> Result<(Vec<usize>, Vec<usize>)> {
    let places: HashMap<&str, usize> = kept.iter().map(|&at| (names[at].as_str(), at)).collect();
    let mut found = Vec::with_capacity(asked.len());
    let mut absent = Vec::new();
    for wanted in asked {
        match places.get(wanted.as_str()) {
            Some(&at) => found.push(at),
            None => absent.push(wanted.clone()),
        }
    }
    if !absent.is_empty() {
        let there: Vec<String> = kept.iter().map(|&at| names[at].clone()).collect();
        bail!(
            "{source} has no column {}, which the model reads; it has {}; rename them, or remove the line of names to read columns by their position",
            describe_columns(&absent),
            describe_columns(&there)
        );
    }
    let read: HashSet<usize> = found.iter().copied().collect();
    let extra = kept.iter().filter(|at| !read.contains(at)).copied();
    Ok((found, extra.collect()))
}
