//! `ccpar completions`

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::output;

/// Print what a shell needs to complete verbs and options
#[derive(Debug, Args)]
#[command(after_help = "\
bash        in ~/.bashrc: source <(ccpar completions bash)
zsh         to a folder of $fpath, as _ccpar
fish        to ~/.config/fish/completions/ccpar.fish
powershell  in $PROFILE: ccpar completions powershell | Out-String | Invoke-Expression

Example: ccpar completions bash > ccpar.bash && source ./ccpar.bash")]
pub(crate) struct Arguments {
    /// For which shell
    #[arg(value_enum)]
    shell: ShellArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShellArg {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let shell = match arguments.shell {
        ShellArg::Bash => Shell::Bash,
        ShellArg::Zsh => Shell::Zsh,
        ShellArg::Fish => Shell::Fish,
        ShellArg::PowerShell => Shell::PowerShell,
    };
    // The generator panics where it cannot write: a buffer always has room.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "ccpar", &mut script);
    output::data(&script)?;
    Ok(Exit::Done)
}
