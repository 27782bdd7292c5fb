//! Six processes at one lock for five seconds: what the one served least gets,
//! as a share of the mean.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use ccpar_core::Lock;
use ccpar_core::lock::{Mode, Request, Wait};

fn main() {
    if let Ok(path) = std::env::var("CCPAR_BENCH_LOCK") {
        return contend(&path.into());
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("this program has a path");
    for wait in ["forever", "60 s"] {
        let path = folder.path().join("locks").join("x.lock");
        let children: Vec<_> = (0..6)
            .map(|_| {
                let mut command = Command::new(&program);
                command.env("CCPAR_BENCH_LOCK", &path).env("CCPAR_BENCH_WAIT", wait);
                command.stdout(Stdio::piped()).spawn().expect("this program runs")
            })
            .collect();
        let counts: Vec<u64> = children
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().expect("it ends");
                String::from_utf8_lossy(&output.stdout).trim().parse().expect("a count")
            })
            .collect();
        let mean = counts.iter().sum::<u64>() / 6;
        let least = counts.iter().min().copied().unwrap_or_default();
        let share = 100 * least / mean.max(1);
        println!("wait {wait}: {counts:?}; the least gets {share} % of the mean");
    }
}

fn contend(path: &Utf8PathBuf) {
    let wait = match std::env::var("CCPAR_BENCH_WAIT").as_deref() {
        Ok("forever") => Wait::Forever,
        _ => Wait::For(Duration::from_secs(60)),
    };
    let end = Instant::now() + Duration::from_secs(5);
    let mut count = 0_u64;
    while Instant::now() < end {
        let lock = Lock::acquire(path, Mode::Exclusive, Request::new(wait)).expect("a turn");
        // As long as a small write takes, so that the others are waiting.
        let work = Instant::now();
        while work.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        drop(lock);
        count += 1;
    }
    println!("{count}");
}
