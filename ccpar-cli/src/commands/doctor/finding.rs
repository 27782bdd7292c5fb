//! Something that is wrong, what it means, and what to do about it.

use std::path::PathBuf;

use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output;

/// How much is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Weight {
    /// Nothing: it is worth knowing.
    Note,
    /// Somebody should see to it.
    Warning,
    /// What ccpar promises does not hold while this is so.
    Trouble,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) path: PathBuf,
    pub(super) problem: String,
    #[serde(rename = "severity")]
    pub(super) weight: Weight,
    /// What to do; what was done, or would be, if that is safe.
    pub(super) remedy: String,
    /// Whether the doctor sees to it.
    pub(super) mended: bool,
}

impl Finding {
    /// One that somebody has to see to.
    pub(super) fn new(
        weight: Weight,
        path: impl Into<PathBuf>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let (path, problem, remedy) = (path.into(), problem.into(), remedy.into());
        Finding { path, problem, weight, remedy, mended: false }
    }

    pub(super) fn exit(&self) -> Exit {
        match self.weight {
            _ if self.mended => Exit::Done,
            Weight::Note => Exit::Done,
            Weight::Warning => Exit::No,
            Weight::Trouble => Exit::Trouble,
        }
    }

    pub(super) fn print(&self, dry_run: bool, json: bool) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Json<'a> {
            #[serde(flatten)]
            finding: &'a Finding,
            dry_run: bool,
        }
        if json {
            return Ok(output::json(&Json { finding: self, dry_run })?);
        }
        let path = output::path(&self.path);
        let problem = output::line(self.problem.as_bytes());
        if self.weight == Weight::Note {
            output::note(format!("`{path}`: {problem}; {}", self.remedy));
            return Ok(());
        }
        let would = if dry_run && self.mended { "would mend: " } else { "" };
        let text = format!("`{path}`: {problem}\n    {would}{}\n", self.remedy);
        Ok(output::data(text.as_bytes())?)
    }
}
