//! A home with a repository, its worktrees and a memory, and real clients at work in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::model::{Model, Step, texts};

const CCPAR: &str = env!("CARGO_BIN_EXE_ccpar");

/// When a client is killed.
const DEADLINE: Duration = Duration::from_secs(240);

pub(crate) struct World {
    folder: tempfile::TempDir,
    client: PathBuf,
    pub(crate) model: Model,
    /// The config folder, where it is not the default.
    profile: Option<&'static str>,
}

/// A client at work on a script.
pub(crate) struct Session {
    script: usize,
    process: Child,
    end: Instant,
}

/// What came of one call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

impl World {
    pub(crate) fn new(client: PathBuf) -> World {
        World::with_profile(client, None)
    }

    /// A world whose person keeps the client's config in another folder.
    pub(crate) fn with_profile(client: PathBuf, profile: Option<&'static str>) -> World {
        let folder = tempfile::Builder::new().prefix("ccpar-").tempdir().unwrap();
        let world = World { folder, client, model: Model::serve(), profile };
        for folder in [world.memory(""), world.config().join("skills"), world.path("tmp")] {
            fs::create_dir_all(folder).unwrap();
        }
        world.sh("git init -q -b main \"$HOME/repo\" && cd \"$HOME/repo\" && git config user.name x && git config user.email x@example.org && git commit -q --allow-empty -m start");
        world
    }

    /// The same with ccpar's hooks in the settings.
    pub(crate) fn guarded(client: PathBuf) -> World {
        let world = World::new(client);
        world.install();
        world
    }

    pub(crate) fn install(&self) {
        self.sh("ccpar install");
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// A note of the memory that all worktrees share.
    pub(crate) fn memory(&self, name: &str) -> PathBuf {
        let repo = self.path("home/repo");
        let encode = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let project: String = repo.to_str().unwrap().chars().map(encode).collect();
        self.config().join("projects").join(project).join("memory").join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("home").join(self.profile.unwrap_or(".claude"))
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.config().join("settings.json")
    }

    #[expect(clippy::disallowed_methods, reason = "what stood there before")]
    pub(crate) fn write(&self, path: &Path, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn text(&self, path: &Path) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// Any program, with nothing in its environment but this home.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let ours = Path::new(CCPAR).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([ours].into_iter().chain(std::env::split_paths(&path)));
        let home = self.path("home");
        command.env_clear().env("PATH", path.unwrap()).current_dir(&home);
        command.env("CCPAR_ROOT", home.join(".claude/ccpar")).env("HOME", home);
        command.env("TMPDIR", self.path("tmp")).env("XDG_RUNTIME_DIR", self.path("tmp"));
        if self.profile.is_some() {
            command.env("CLAUDE_CONFIG_DIR", self.config());
        }
        command.env("TERM", "dumb").env("LANG", "C.UTF-8").stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn sh(&self, line: &str) -> String {
        let ran = self.command("sh").args(["-c", line]).output().unwrap();
        assert!(ran.status.success(), "{line}: {ran:?}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// Starts a client on a branch of its own, in a worktree.
    pub(crate) fn start(&self, branch: &str, steps: Vec<Step>) -> Session {
        self.start_with(branch, steps, &["--permission-mode", "bypassPermissions"])
    }

    pub(crate) fn start_with(&self, branch: &str, steps: Vec<Step>, words: &[&str]) -> Session {
        let script = self.model.script(steps);
        let tree = self.path("home").join(branch);
        if !tree.exists() {
            let tree = tree.display();
            self.sh(&format!("git -C repo worktree add -q -b {branch} {tree}"));
        }
        let log = fs::File::options().append(true).create(true).open(self.path("client.log"));
        let log = log.unwrap();
        let mut command = self.command(&self.client);
        command.args(["-p", &format!("PLAY={script} go")]).args(words).current_dir(tree);
        command.env("IS_SANDBOX", "1");
        command.env("ANTHROPIC_BASE_URL", self.model.address()).env("ANTHROPIC_API_KEY", "none");
        // Whatever else it would ask for is nowhere to be had.
        command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1");
        for variable in [
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_AUTOUPDATER",
            "DISABLE_ERROR_REPORTING",
            "DISABLE_TELEMETRY",
        ] {
            command.env(variable, "1");
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Session { script, process: command.spawn().unwrap(), end: Instant::now() + DEADLINE }
    }

    /// Waits for clients to end, and gives what came of their calls.
    pub(crate) fn finish(&self, sessions: Vec<Session>) -> Vec<Vec<Answer>> {
        sessions.into_iter().map(|session| self.finish_one(session)).collect()
    }

    pub(crate) fn finish_one(&self, mut session: Session) -> Vec<Answer> {
        while session.process.try_wait().unwrap().is_none() {
            if Instant::now() > session.end {
                session.kill();
                panic!("a client did not end in time\n{}", self.report());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.answers(session.script)
    }

    pub(crate) fn answers(&self, script: usize) -> Vec<Answer> {
        let told = self.model.told(script);
        let blocks = told.iter().filter_map(|message| message["content"].as_array()).flatten();
        let results = blocks.filter(|block| block["type"] == "tool_result");
        results
            .map(|result| {
                let text = match &result["content"] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let refused = result["is_error"] == true || text.contains("<tool_use_error>");
                Answer { ok: !refused, text }
            })
            .collect()
    }

    /// All that a session was told, in prompts, answers and by hooks.
    pub(crate) fn context(&self, script: usize) -> String {
        let told = self.model.told(script);
        told.iter().flat_map(|message| texts(message)).collect::<Vec<_>>().join("\n")
    }

    /// What ccpar knows of a file.
    pub(crate) fn log_of(&self, file: &Path) -> String {
        self.sh(&format!("ccpar log {} --json", file.display()))
    }

    /// What a client says that is run for something else than a session.
    pub(crate) fn claude(&self, words: &[&str]) -> String {
        let ran = self.command(&self.client).args(words).output().unwrap();
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// What is claimed now.
    pub(crate) fn claims(&self) -> String {
        self.sh("ccpar sessions --claims")
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !is() {
            assert!(Instant::now() < end, "{what}\n{}", self.report());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What is known of a failure.
    pub(crate) fn report(&self) -> String {
        let clients = self.text(&self.path("client.log"));
        let hooks = self.text(&self.path("home/.claude/ccpar/hooks.log"));
        format!("clients:\n{clients}\nhooks:\n{hooks}")
    }
}

impl Session {
    pub(crate) fn script(&self) -> usize {
        self.script
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
