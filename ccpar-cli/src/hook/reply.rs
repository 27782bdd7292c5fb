//! What a hook answers.

use serde::Serialize;

use crate::output;

/// The client takes no more characters of an answer.
const MOST: usize = 9_000;

/// What stands before each text of an answer, and between them.
const BEFORE: &str = "ccpar: ";
const BETWEEN: &str = "\n\n";

/// An answer, which says nothing unless it is told to.
#[derive(Debug, Default)]
pub(super) struct Reply {
    model: Vec<String>,
    person: Vec<String>,
    refusal: Option<String>,
    watch: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_specific_output: Option<Specific>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Specific {
    hook_event_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_decision_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_context: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    watch_paths: Vec<String>,
}

impl Reply {
    /// Tells the model.
    pub(super) fn tell_model(&mut self, text: impl Into<String>) {
        self.model.push(text.into());
    }

    /// Whether the client takes one more text for the model.
    pub(super) fn has_room(&self, text: &str) -> bool {
        let texts = self.model.iter().map(String::as_str).chain([text]);
        texts.map(|text| text.len() + BEFORE.len() + BETWEEN.len()).sum::<usize>() <= MOST
    }

    /// Tells the person.
    pub(super) fn tell_person(&mut self, text: impl Into<String>) {
        self.person.push(text.into());
    }

    /// Tells both.
    pub(super) fn tell(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.person.push(text.clone());
        self.model.push(text);
    }

    /// Refuses the call.
    pub(super) fn refuse(&mut self, reason: impl Into<String>) {
        self.refusal = Some(reason.into());
    }

    /// Asks to be told when these files change.
    pub(super) fn watch(&mut self, paths: Vec<String>) {
        self.watch = paths;
    }

    /// Prints it, if it says something.
    pub(super) fn print(self, event: &str) {
        // These take nothing for the model.
        let speaks = matches!(
            event,
            "SessionStart"
                | "UserPromptSubmit"
                | "PreToolUse"
                | "PostToolUse"
                | "PostToolUseFailure"
                | "PostToolBatch"
        );
        let context = joined(&self.model).filter(|_| speaks);
        let says = context.is_some() || self.refusal.is_some() || !self.watch.is_empty();
        let specific = says.then(|| Specific {
            hook_event_name: event.to_owned(),
            permission_decision: self.refusal.as_ref().map(|_| "deny"),
            permission_decision_reason: self
                .refusal
                .map(|reason| short(format!("{BEFORE}{reason}"))),
            additional_context: context,
            watch_paths: self.watch,
        });
        let json = Json { system_message: joined(&self.person), hook_specific_output: specific };
        if json.system_message.is_some() || json.hook_specific_output.is_some() {
            // Nobody is left to tell that this failed.
            let _ = output::json(&json);
        }
    }
}

fn joined(texts: &[String]) -> Option<String> {
    let all: Vec<String> = texts.iter().map(|text| format!("{BEFORE}{text}")).collect();
    (!all.is_empty()).then(|| short(all.join(BETWEEN)))
}

fn short(mut text: String) -> String {
    if text.len() > MOST {
        let mut end = MOST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n… (more than the client takes)");
    }
    text
}
