//! How far long work has got, on a line of the terminal that is wiped out again.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::output;

/// Work that is over sooner says nothing.
const LONG: Duration = Duration::from_millis(500);

/// How often the line is drawn anew.
const EVERY: Duration = Duration::from_millis(100);

/// How long the line is that is to be seen, 0 if there is none.
static SHOWN: Mutex<usize> = Mutex::new(0);

/// Shows the progress of one thing after the other.
#[derive(Default)]
pub(crate) struct Progress(Mutex<Option<Times>>);

struct Times {
    begun: Instant,
    drawn: Instant,
}

impl Progress {
    /// Nothing where nobody sees it, or a line cannot be drawn over.
    pub(crate) fn on_terminal() -> Option<Progress> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        (io::stderr().is_terminal() && !is_dumb).then(Progress::default)
    }

    /// So many of so many files are done; all of them: it is over.
    pub(crate) fn tell(&self, done: usize, of: usize) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if done >= of {
            *times = None;
            wipe_out();
            return;
        }
        let now = Instant::now();
        let times = times.get_or_insert(Times { begun: now, drawn: now });
        if now - times.begun >= LONG && now - times.drawn >= EVERY {
            times.drawn = now;
            draw(&format!("ccpar: {done} of {}", output::count(of, "file")));
        }
    }
}

fn draw(line: &str) {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stderr = io::stderr();
    // Blanks over what is longer. Not every terminal knows a code for that.
    let _ = write!(stderr, "\r{line:<width$}\r", width = *shown);
    let _ = stderr.flush();
    *shown = line.len();
}

/// Wipes out the line, for what is said to stand in a place of its own.
pub(crate) fn wipe_out() {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if *shown > 0 {
        let mut stderr = io::stderr();
        let _ = write!(stderr, "\r{:width$}\r", "", width = *shown);
        let _ = stderr.flush();
        *shown = 0;
    }
}
