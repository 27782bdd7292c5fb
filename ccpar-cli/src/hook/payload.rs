//! What a hook is told.
//!
//! Whatever is not known, or is not as expected, is left alone: the client may say
//! more with any release.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::command;
use super::fields::{Fields, read};
use super::patch::Hunk;

/// The input of a hook.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    pub(super) session_id: String,
    pub(super) hook_event_name: String,
    pub(super) cwd: PathBuf,
    pub(super) permission_mode: Option<String>,
    /// The subagent, if it is one.
    pub(super) agent_id: Option<String>,
    pub(super) tool_name: String,
    pub(super) tool_use_id: Option<String>,
    tool_input: Box<RawValue>,
    tool_response: Box<RawValue>,
    /// Why a session starts.
    pub(super) source: Option<String>,
    /// The file that changed.
    pub(super) file_path: Option<PathBuf>,
    tool_calls: Box<RawValue>,
}

impl Default for Payload {
    fn default() -> Payload {
        Payload {
            session_id: String::new(),
            hook_event_name: String::new(),
            cwd: PathBuf::new(),
            permission_mode: None,
            agent_id: None,
            tool_name: String::new(),
            tool_use_id: None,
            tool_input: nothing(),
            tool_response: nothing(),
            source: None,
            file_path: None,
            tool_calls: nothing(),
        }
    }
}

fn nothing() -> Box<RawValue> {
    RawValue::from_string("null".to_owned()).expect("null is JSON")
}

/// What a tool is called with, as far as that matters here.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) file_path: Option<PathBuf>,
    pub(super) notebook_path: Option<PathBuf>,
    pub(super) content: Option<String>,
    pub(super) old_string: Option<String>,
    pub(super) new_string: Option<String>,
    pub(super) replace_all: Option<bool>,
    pub(super) command: Option<String>,
    pub(super) timeout: Option<Duration>,
    /// What of it could not be read, for people.
    pub(super) problems: Vec<String>,
}

impl Input {
    fn new(value: &RawValue) -> Input {
        let mut fields = Fields::of(value);
        Input {
            file_path: fields.get("file_path"),
            notebook_path: fields.get("notebook_path"),
            content: fields.get("content"),
            old_string: fields.get("old_string"),
            new_string: fields.get("new_string"),
            replace_all: fields.get("replace_all"),
            command: fields.get("command"),
            timeout: fields
                .get::<f64>("timeout")
                .and_then(|milliseconds| Duration::try_from_secs_f64(milliseconds / 1000.0).ok()),
            problems: fields.problems,
        }
    }
}

/// What a tool that writes says it did.
#[derive(Debug, Default)]
pub(super) struct Response {
    /// `create`, or something else.
    pub(super) kind: Option<String>,
    /// The whole text that it wrote.
    pub(super) content: Option<String>,
    /// The whole text that it replaced.
    pub(super) original_file: Option<String>,
    /// The whole notebook that it wrote.
    pub(super) updated_file: Option<String>,
    pub(super) old_string: Option<String>,
    pub(super) new_string: Option<String>,
    pub(super) replace_all: Option<bool>,
    /// What it changed.
    pub(super) structured_patch: Option<Vec<Hunk>>,
    /// Whether it is held back for a person to look at, and not written.
    pub(super) staged: Option<bool>,
    /// What it read.
    pub(super) file: Option<ReadFile>,
}

impl Response {
    fn new(value: &RawValue) -> Response {
        let mut fields = Fields::of(value);
        Response {
            kind: fields.get("type"),
            content: fields.get("content"),
            original_file: fields.get("originalFile").or_else(|| fields.get("original_file")),
            updated_file: fields.get("updated_file"),
            old_string: fields.get("oldString"),
            new_string: fields.get("newString"),
            replace_all: fields.get("replaceAll"),
            structured_patch: fields.get("structuredPatch"),
            staged: fields.get("staged"),
            file: fields.get("file"),
        }
    }
}

/// What was read of a file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadFile {
    pub(super) content: String,
    pub(super) start_line: u64,
    pub(super) num_lines: u64,
    pub(super) total_lines: u64,
}

impl ReadFile {
    /// Whether that was all of it.
    pub(super) fn is_whole(&self) -> bool {
        self.start_line <= 1 && self.num_lines >= self.total_lines
    }
}

/// One call of a batch.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    #[serde(rename = "tool_name")]
    pub(super) name: String,
    #[serde(default, rename = "tool_input")]
    input: Option<Box<RawValue>>,
    #[serde(default, rename = "tool_response")]
    response: Option<Box<RawValue>>,
}

impl Tool {
    pub(super) fn input(&self) -> Input {
        self.input.as_deref().map(Input::new).unwrap_or_default()
    }

    /// What it answered, if that is text.
    pub(super) fn answer(&self) -> String {
        self.response.as_deref().and_then(|answer| read(answer).ok()).unwrap_or_default()
    }
}

impl Payload {
    pub(super) fn new(input: &[u8]) -> Result<Payload, String> {
        let payload: Payload =
            serde_json::from_slice(input).map_err(|problem| problem.to_string())?;
        if payload.session_id.is_empty() || payload.hook_event_name.is_empty() {
            return Err("it names no session, or no event".to_owned());
        }
        Ok(payload)
    }

    pub(super) fn input(&self) -> Input {
        Input::new(&self.tool_input)
    }

    pub(super) fn response(&self) -> Response {
        Response::new(&self.tool_response)
    }

    pub(super) fn calls(&self) -> Vec<Tool> {
        read(&self.tool_calls).unwrap_or_default()
    }

    /// Whether this call of a tool may write: a command that seems to read alone
    /// holds up nobody, and has written nothing.
    pub(super) fn writes(&self) -> bool {
        match self.tool_name.as_str() {
            "Read" => false,
            "Bash" => command::writes(&self.input().command.unwrap_or_default()),
            _ => true,
        }
    }

    /// The name of this call of a tool.
    pub(super) fn call(&self) -> &str {
        self.tool_use_id.as_deref().unwrap_or("unnamed")
    }
}
