//! `autodidact completions` and `autodidact man`: what a shell and a reader of manuals want.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use autodidact_tools::artifact;
use autodidact_tools::talk::Output;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

/// `autodidact completions bash > /etc/bash_completion.d/autodidact`, for example.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "autodidact", &mut script);
        Ok(out.write_all(&script)?)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// Write a page for every command into this folder, such as /usr/local/share/man/man1, instead of printing that of
    /// `autodidact`.
    folder: Option<PathBuf>,
}

impl Manual {
    pub(crate) fn run(self, out: &mut Output) -> Result<()> {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let Some(folder) = &self.folder else {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            return Ok(out.write_all(&page)?);
        };
        fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        write_pages(folder, &command)
    }
}

/// A page for `command` and one for each command below it.
fn write_pages(folder: &Path, command: &Command) -> Result<()> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    artifact::write(&folder.join(man.get_filename()), &page)?;
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| write_pages(folder, below))
}
