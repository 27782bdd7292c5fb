//! A hook of Claude Code's against the start of an empty program: for a call that
//! nobody guards, and for a guarded one from before to after, which is two hooks
//! and what they sync. `CCPAR` names the program, as in `process.rs`; `EMPTY` one
//! that does nothing, `/bin/true` if it is not set.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use rustix::fs::fdatasync;

fn pipe(command: &mut Command, text: &str) {
    let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = quiet.spawn().expect("it is installed");
    // One that reads nothing may be gone.
    let _ = child.stdin.take().expect("it is piped").write_all(text.as_bytes());
    assert!(child.wait().expect("it ends").success());
}

fn program(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(default), PathBuf::from)
}

fn payload(event: &str, tool: &str, input: &str, response: &str) -> String {
    format!(
        r#"{{"session_id":"bench","hook_event_name":"{event}","cwd":"/","tool_name":"{tool}",
        "tool_use_id":"t1","tool_input":{input},"tool_response":{response}}}"#
    )
}

#[expect(clippy::disallowed_methods, reason = "the client, which writes by itself")]
fn hooks(c: &mut Criterion) {
    let folder = tempfile::tempdir_in(".").expect("a folder on a real disk");
    let home = folder.path().canonicalize().expect("it is there");
    std::fs::create_dir_all(home.join(".claude/skills")).expect("a fresh folder");
    let mut empty = Command::new(program("EMPTY", "/bin/true"));
    let mut hook = Command::new(program("CCPAR", "../target/release/ccpar"));
    hook.arg("hook").env("HOME", &home).env_remove("CCPAR_ROOT").env_remove("CLAUDE_CONFIG_DIR");

    let edit = r#"{"file_path":"/src/main.rs","old_string":"a","new_string":"b"}"#;
    let unguarded = payload("PreToolUse", "Edit", edit, "null");
    let command = r#"{"command":"cargo test -p some-package --test it -- some::tests"}"#;
    let command = payload("PreToolUse", "Bash", command, "null");
    let mut group = c.benchmark_group("a hook for what nobody guards");
    group.bench_function("empty program", |b| b.iter(|| pipe(&mut empty, &unguarded)));
    group.bench_function("Edit", |b| b.iter(|| pipe(&mut hook, &unguarded)));
    group.bench_function("Bash", |b| b.iter(|| pipe(&mut hook, &command)));
    group.finish();

    let index = home.join(".claude/skills/INDEX.md");
    let text = |n: u64| format!("# Skills\n\n- [one](one/SKILL.md): what it does\n- {n}\n");
    let input = |n: u64| {
        format!(
            r#"{{"file_path":"{}","old_string":"- {n}\n","new_string":"- {}\n"}}"#,
            index.display(),
            n + 1
        )
    };
    let synced = File::create(folder.path().join("synced")).expect("a fresh file");
    let mut group = c.benchmark_group("a guarded Edit, from before to after");
    for (durability, syncs) in [("process", 0), ("disk", 2)] {
        group.bench_function(format!("two empty programs, {syncs} syncs"), |b| {
            let mut n = 0;
            b.iter(|| {
                n += 1;
                for _ in 0..2 {
                    pipe(&mut empty, &unguarded);
                }
                for _ in 0..syncs {
                    (&synced).write_all(b"some line of a log\n").expect("there is room");
                    fdatasync(&synced).expect("it can be synced");
                }
                std::fs::write(&index, text(n)).expect("a small file");
            });
        });
        hook.env("CCPAR_DURABILITY", durability);
        let mut n = 0;
        std::fs::write(&index, text(n)).expect("a small file");
        group.bench_function(format!("two hooks, {durability}"), |b| {
            b.iter(|| {
                pipe(&mut hook, &payload("PreToolUse", "Edit", &input(n), "null"));
                std::fs::write(&index, text(n + 1)).expect("a small file");
                let original = serde_json::to_string(&text(n)).expect("text");
                let response = format!(r#"{{"originalFile":{original}}}"#);
                pipe(&mut hook, &payload("PostToolUse", "Edit", &input(n), &response));
                n += 1;
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hooks);
criterion_main!(benches);
