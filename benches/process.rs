//! Whole processes: `ccpar locked-write` against the wrapper around flock(1)
//! that people have. Set `CCPAR` to the program; `cargo build --release` makes
//! the one that is used by default. `CCPAR_STATIC` adds another.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const WRAPPER: &str = "#!/usr/bin/env bash\nexec 9>\"$1.lock\"\nflock 9\ncat > \"$1\"\n";

fn text(n: u32) -> Vec<u8> {
    let mut text = String::new();
    for entry in 0..80 {
        let n = if entry % 8 == 0 { n } else { 0 };
        let _ = writeln!(text, "- [entry {entry}](entry-{entry}.md): what is known, {n:08}");
    }
    text.into_bytes()
}

fn pipe(command: &mut Command, text: &[u8]) {
    let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = quiet.spawn().expect("it is installed");
    child.stdin.take().expect("it is piped").write_all(text).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

#[expect(clippy::disallowed_methods, reason = "a fresh folder of the benchmark's own")]
fn locked_write(c: &mut Criterion) {
    let folder = tempfile::tempdir_in(".").expect("a folder on a real disk");
    let wrapper = folder.path().join("locked-write.sh");
    std::fs::write(&wrapper, WRAPPER).expect("a fresh file");
    let mut programs = vec![("ccpar", program())];
    programs.extend(std::env::var_os("CCPAR_STATIC").map(|path| ("static ccpar", path.into())));
    let ccpar = |program: &Path, target: &str| {
        let mut command = Command::new(program);
        command.arg("locked-write").arg(folder.path().join(target));
        command.env("CCPAR_ROOT", folder.path().join("root"));
        command
    };

    let mut n = 0;
    let mut next = || {
        n += 1;
        text(n)
    };
    let mut group = c.benchmark_group("locked-write of 4 KiB");
    group.bench_function("bash and flock", |b| {
        let mut command = Command::new("bash");
        command.arg(&wrapper).arg(folder.path().join("wrapped.md"));
        b.iter_batched(&mut next, |text| pipe(&mut command, &text), BatchSize::PerIteration);
    });
    for (name, program) in &programs {
        for durability in ["disk", "process"] {
            let mut command = ccpar(program, &format!("{name}-{durability}.md"));
            command.args(["--durability", durability]);
            group.bench_function(format!("{name}, {durability}"), |b| {
                b.iter_batched(
                    &mut next,
                    |text| pipe(&mut command, &text),
                    BatchSize::PerIteration,
                );
            });
        }
        group.bench_function(format!("{name} --version"), |b| {
            let mut command = Command::new(program);
            b.iter(|| pipe(command.arg("--version"), b""));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("locked-write into a history of");
    for versions in [10, 10_000] {
        let target = format!("versions-{versions}.md");
        grow(folder.path(), &target, versions);
        let mut command = ccpar(&programs[0].1, &target);
        command.args(["--durability", "process"]);
        group.bench_function(format!("{versions} versions"), |b| {
            b.iter_batched(&mut next, |text| pipe(&mut command, &text), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn grow(folder: &Path, target: &str, versions: u32) {
    let root = camino::Utf8PathBuf::from_path_buf(folder.join("root")).expect("UTF-8");
    let harness = ccpar_core::Harness::open(root)
        .expect("a root of our own")
        .with_durability(ccpar_core::Durability::Process);
    let file = harness.file(folder.join(target));
    for n in 0..versions {
        let text = text(1_000_000 + n);
        let _ = file.update(|_| Ok::<_, ccpar_core::Error>(text)).expect("a commit");
    }
}

fn program() -> PathBuf {
    std::env::var_os("CCPAR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/ccpar"),
        PathBuf::from,
    )
}

criterion_group!(benches, locked_write);
criterion_main!(benches);
