//! `ccpar man`

use std::path::PathBuf;

use ccpar_core::Durability;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::output;

/// Print the manual page of ccpar, or of one of its verbs
#[derive(Debug, Args)]
#[command(after_help = "\
Read one with: ccpar man lost | man -l -

Example: ccpar man namespace promote
         ccpar man --dir ~/.local/share/man/man1")]
pub(crate) struct Arguments {
    /// The verb; a verb of `namespace` after it
    #[arg(value_name = "VERB")]
    verb: Vec<String>,

    /// Write all pages to this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut command = cli::command();
    command.build();
    let Some(folder) = &arguments.dir else {
        output::data(&page(named(&command, &arguments.verb)?)?)?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::new(format!("cannot create `{}`: {error}", output::path(folder)))
    })?;
    let pages = all(&command);
    for command in &pages {
        let path = folder.join(Man::new((*command).clone()).get_filename());
        ccpar_core::replace(&path, &page(command)?, Durability::Process)?;
    }
    let pages = output::count(pages.len(), "page");
    output::say(format!("wrote {pages} to `{}`", output::path(folder)));
    Ok(Exit::Done)
}

fn named<'c>(command: &'c Command, verb: &[String]) -> Result<&'c Command, Failure> {
    verb.iter().try_fold(command, |command, name| {
        command.find_subcommand(name).ok_or_else(|| {
            let name = output::line(name.as_bytes());
            let whole = command.get_bin_name().unwrap_or("ccpar");
            Failure::new(format!("`{whole}` has no verb `{name}`"))
                .with_hint(format!("see which it has with: {whole} --help"))
        })
    })
}

/// A command, and those below it.
fn all(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(all);
    std::iter::once(command).chain(below).collect()
}

/// The page of one command. What its help says after the options goes to sections
/// of its own, in lines as they stand there.
fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let man = Man::new(command.clone()).source(concat!("ccpar ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut rest = Roff::new();
    for paragraph in after.split("\n\n") {
        if let Some(codes) = paragraph.strip_prefix(cli::EXIT) {
            rest.control("SH", ["EXIT STATUS"]);
            rest.text([roman(codes)]);
        } else if let Some(examples) = paragraph.strip_prefix(cli::EXAMPLE) {
            rest.control("SH", ["EXAMPLES"]);
            lines(&mut rest, examples);
        } else if !paragraph.is_empty() {
            rest.control("PP", []);
            lines(&mut rest, paragraph);
        }
    }
    // What is no section of its own goes on with the description.
    let rest = rest.render();
    let (more, sections) = rest.split_at(rest.find(".SH").unwrap_or(rest.len()));
    page.extend(more.as_bytes());
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(sections.as_bytes());
    Ok(page)
}

/// Lines as they stand, without what indents all but the first.
fn lines(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        let line = line.strip_prefix(&*" ".repeat(cli::EXAMPLE.len())).unwrap_or(line);
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}
