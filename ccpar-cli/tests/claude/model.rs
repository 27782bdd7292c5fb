//! A stand-in for the Messages API on loopback: no model, but a script.
//!
//! A conversation whose last prompt begins with `PLAY=3` plays script 3: its turn `k`
//! is answered with step `k`, and with `done` after the last. Steps can wait for one
//! another, so that what a race needs happens at the same time.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// A step waits no longer than this for others: then what was meant to happen at
/// once does not, and the test says so.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the stand-in says in one turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    calls: Vec<(String, Value)>,
    text: String,
    barrier: Option<String>,
    after: Option<String>,
    done: Option<String>,
}

impl Step {
    pub(crate) fn call(tool: &str, input: Value) -> Step {
        Step::calls([(tool, input)])
    }

    /// Several calls in one turn, which the client may run at the same time.
    pub(crate) fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Step {
        let calls = calls.into_iter().map(|(tool, input)| (tool.to_owned(), input)).collect();
        Step { calls, ..Step::default() }
    }

    pub(crate) fn read(file: &Path) -> Step {
        Step::call("Read", json!({"file_path": file}))
    }

    pub(crate) fn edit(file: &Path, old: &str, new: &str) -> Step {
        let input = json!({"file_path": file, "old_string": old, "new_string": new});
        Step::call("Edit", input)
    }

    pub(crate) fn write(file: &Path, text: &str) -> Step {
        Step::call("Write", json!({"file_path": file, "content": text}))
    }

    pub(crate) fn bash(command: &str) -> Step {
        Step::call("Bash", json!({"command": command, "description": "as asked"}))
    }

    pub(crate) fn say(text: &str) -> Step {
        Step { text: text.to_owned(), ..Step::default() }
    }

    /// Waits until all scripts that name this barrier have come to it.
    pub(crate) fn at(self, barrier: impl Into<String>) -> Step {
        Step { barrier: Some(barrier.into()), ..self }
    }

    /// Waits until a step that is `done` with this name was taken.
    pub(crate) fn after(self, name: impl Into<String>) -> Step {
        Step { after: Some(name.into()), ..self }
    }

    pub(crate) fn done(self, name: impl Into<String>) -> Step {
        Step { done: Some(name.into()), ..self }
    }
}

/// The server, and what it was told.
pub(crate) struct Model {
    stage: Arc<Stage>,
    address: String,
}

struct Stage {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    scripts: Vec<Vec<Step>>,
    arrived: HashMap<String, usize>,
    done: HashSet<String>,
    /// The messages of each script's last request.
    told: HashMap<usize, Vec<Value>>,
    calls: usize,
}

impl Model {
    pub(crate) fn serve() -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stage = Arc::new(Stage { state: Mutex::default(), moved: Condvar::new() });
        let serving = Arc::clone(&stage);
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let stage = Arc::clone(&serving);
                std::thread::spawn(move || {
                    // A client that was killed takes no answer.
                    let _ = stage.answer(stream);
                });
            }
        });
        Model { stage, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Adds a script, and gives its number.
    pub(crate) fn script(&self, steps: Vec<Step>) -> usize {
        let mut state = self.stage.state.lock().unwrap();
        state.scripts.push(steps);
        state.scripts.len() - 1
    }

    /// Takes a step that is `done` with this name.
    pub(crate) fn done(&self, name: &str) {
        self.stage.state.lock().unwrap().done.insert(name.to_owned());
        self.stage.moved.notify_all();
    }

    /// Waits until a step that is `done` with this name was taken.
    pub(crate) fn wait_for(&self, name: &str) {
        let state = self.stage.state.lock().unwrap();
        drop(self.stage.until(state, |state| state.done.contains(name)));
    }

    /// What the client has told of a script in its last request.
    pub(crate) fn told(&self, script: usize) -> Vec<Value> {
        self.stage.state.lock().unwrap().told.get(&script).cloned().unwrap_or_default()
    }
}

type Locked<'s> = std::sync::MutexGuard<'s, State>;

impl Stage {
    fn until<'s>(&'s self, state: Locked<'s>, is: impl Fn(&State) -> bool) -> Locked<'s> {
        self.moved.wait_timeout_while(state, PATIENCE, |state| !is(state)).unwrap().0
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (head, body) = read(&stream)?;
        let reply = if head.contains("count_tokens") {
            json!({"input_tokens": 100}).to_string()
        } else if head.contains("/v1/messages") {
            let request: Value = serde_json::from_slice(&body).unwrap_or_default();
            let message = self.message(&request);
            if request["stream"] == true {
                let events = streamed(&message);
                return reply(&mut stream, "text/event-stream", &events);
            }
            message.to_string()
        } else {
            "{}".to_owned()
        };
        reply_json(&mut stream, &reply)
    }

    /// The answer to a request: the step whose turn it is.
    fn message(&self, request: &Value) -> Value {
        let nothing = Vec::new();
        let messages = request["messages"].as_array().unwrap_or(&nothing);
        let has_tools = request["tools"].as_array().is_some_and(|tools| !tools.is_empty());
        let step = match position(messages).filter(|_| has_tools) {
            Some((script, turn)) => self.step(script, turn, messages),
            None => Step::say("ok"),
        };
        let mut state = self.state.lock().unwrap();
        let content: Vec<Value> = if step.calls.is_empty() {
            vec![json!({"type": "text", "text": step.text})]
        } else {
            let block = |(tool, input)| {
                state.calls += 1;
                let id = format!("toolu_{:020}", state.calls);
                json!({"type": "tool_use", "id": id, "name": tool, "input": input})
            };
            step.calls.into_iter().map(block).collect()
        };
        let is_call = content[0]["type"] == "tool_use";
        json!({
            "id": format!("msg_{:020}", state.calls), "type": "message", "role": "assistant",
            "model": request["model"], "content": content,
            "stop_reason": if is_call { "tool_use" } else { "end_turn" }, "stop_sequence": null,
            "usage": {"input_tokens": 10, "output_tokens": 10},
        })
    }

    fn step(&self, script: usize, turn: usize, messages: &[Value]) -> Step {
        let mut state = self.state.lock().unwrap();
        state.told.insert(script, messages.to_owned());
        let step = state.scripts.get(script).and_then(|steps| steps.get(turn)).cloned();
        let step = step.unwrap_or_else(|| Step::say("done"));
        if let Some(barrier) = &step.barrier {
            let of_it = |step: &&Step| step.barrier.as_ref() == Some(barrier);
            let needed = state.scripts.iter().flatten().filter(of_it).count();
            *state.arrived.entry(barrier.clone()).or_default() += 1;
            self.moved.notify_all();
            state = self.until(state, |state| state.arrived[barrier] >= needed);
        }
        if let Some(name) = &step.after {
            state = self.until(state, |state| state.done.contains(name));
        }
        if let Some(name) = &step.done {
            state.done.insert(name.clone());
            self.moved.notify_all();
        }
        step
    }
}

/// Which script a conversation plays, and whose turn it is: that after the last prompt
/// which names one.
fn position(messages: &[Value]) -> Option<(usize, usize)> {
    let number = |message: &Value| {
        let mut texts = texts(message).into_iter().filter(|_| message["role"] == "user");
        texts.find_map(|text| {
            let digits = text.trim_start().strip_prefix("PLAY=")?;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
    };
    let (place, script) = messages
        .iter()
        .enumerate()
        .rev()
        .find_map(|(place, message)| Some((place, number(message)?)))?;
    let turn = messages[place..].iter().filter(|message| message["role"] == "assistant").count();
    Some((script, turn))
}

/// The texts of a message.
pub(crate) fn texts(message: &Value) -> Vec<&str> {
    match &message["content"] {
        Value::String(text) => vec![text],
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => Vec::new(),
    }
}

/// A message as the events of a stream.
fn streamed(message: &Value) -> String {
    let mut opening = message.clone();
    opening["content"] = json!([]);
    opening["stop_reason"] = Value::Null;
    let mut events = vec![json!({"type": "message_start", "message": opening})];
    for (index, block) in message["content"].as_array().into_iter().flatten().enumerate() {
        let mut start = block.clone();
        let delta = if block["type"] == "tool_use" {
            start["input"] = json!({});
            json!({"type": "input_json_delta", "partial_json": block["input"].to_string()})
        } else {
            start["text"] = json!("");
            json!({"type": "text_delta", "text": block["text"]})
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let stop = json!({"stop_reason": message["stop_reason"], "stop_sequence": null});
    let usage = json!({"output_tokens": 10});
    events.push(json!({"type": "message_delta", "delta": stop, "usage": usage}));
    events.push(json!({"type": "message_stop"}));
    let event = |event: &Value| {
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
    };
    events.iter().map(event).collect()
}

/// The request line with the headers, and the body.
fn read(stream: &TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head)?;
        let line = head[start..].trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = head.lines().next().unwrap_or_default().to_owned();
    Ok((request, body))
}

fn reply_json(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    reply(stream, "application/json", body)
}

fn reply(stream: &mut TcpStream, kind: &str, body: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\
         \r\n{body}",
        body.len()
    )?;
    stream.flush()
}
