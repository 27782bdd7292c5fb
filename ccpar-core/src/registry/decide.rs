//! The decisions, as pure functions of what is known: may this claim be
//! granted, is its term over, is its session dead, may this text be written.
//!
//! # When a session is dead
//! | where its process runs | what decides |
//! | --- | --- |
//! | same boot, same pid namespace | pid and start time: proof, either way |
//! | same boot, another pid namespace (a container) | nothing proves it |
//! | same machine, an earlier boot | dead: nothing outlives a reboot |
//! | another machine, or it cannot be told | nothing proves it |
//!
//! Two boots are those of one machine if host name and machine id are both the
//! same. Where there are no boot ids, a host is taken for always up, and its
//! pids for what they say.
//!
//! # When a claim is over
//! On proof of death, at once. Else when its term has passed since it was
//! granted or since its session's last beat, whichever is later: on the clock
//! that nobody sets, if that was the same boot. Between machines there are only
//! wall clocks; a minute is allowed for what they differ by.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What the wall clocks of two machines may differ by, in milliseconds.
const SKEW: u64 = 60_000;

/// Where a process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The boot of the machine, as the kernel names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The pid namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
    /// The host's name.
    #[serde(default)]
    pub host: String,
    /// The machine, whatever its host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// A process, told from all that had or will have its pid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Its process id, in its namespace.
    pub pid: u32,
    /// When it started, in the system's unit, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// Where it runs.
    #[serde(flatten)]
    pub place: Place,
}

/// A moment, on the clock that people set and on one that nobody sets.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub wall: u64,
    /// Milliseconds on the boot's own clock, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<u64>,
}

/// Whether a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// It does, for certain.
    Lives,
    /// It does not, for certain.
    Dead,
    /// It cannot be told from here.
    Unknown,
}

/// Where and when a decision is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// When.
    pub moment: Moment,
    /// Where.
    pub place: Place,
}

impl Now {
    /// Whether a process lives, given what its pid says here.
    pub fn life(&self, process: &Process, lives: impl Fn(u32, Option<u64>) -> bool) -> Life {
        let (here, there) = (&self.place, &process.place);
        let one_host = here.host == there.host && here.machine == there.machine;
        let same_boot = match (&here.boot, &there.boot) {
            (Some(here), Some(there)) => here == there,
            (None, None) => one_host,
            _ => return Life::Unknown,
        };
        if !same_boot {
            let earlier = here.boot.is_some() && one_host && here.machine.is_some();
            return if earlier { Life::Dead } else { Life::Unknown };
        }
        if here.pid_namespace != there.pid_namespace {
            return Life::Unknown;
        }
        if lives(process.pid, process.start) { Life::Lives } else { Life::Dead }
    }

    /// How long ago a moment was, in milliseconds; one that is yet to come is
    /// now.
    pub fn since(&self, moment: Moment, place: &Place) -> u64 {
        let same_boot = self.place.boot == place.boot
            && (place.boot.is_some() || self.place.host == place.host);
        match (self.moment.up, moment.up) {
            // Where boots have no names, a clock that is behind was started again.
            (Some(now), Some(then)) if same_boot && (place.boot.is_some() || now >= then) => {
                now.saturating_sub(then)
            }
            _ if same_boot => self.moment.wall.saturating_sub(moment.wall),
            _ => self.moment.wall.saturating_sub(moment.wall).saturating_sub(SKEW),
        }
    }
}

/// What is known of a session when one of its claims is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Whether it lives.
    pub life: Life,
    /// Its last beat, and where that was; `None` if its heartbeat cannot be
    /// read.
    pub beat: Option<(Moment, Place)>,
}

/// Who claims or writes: a session, or one agent of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Holder {
    /// The session.
    pub session: String,
    /// Which agent of it; `None` for the session as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl Holder {
    /// Whether somebody acts for this holder: a command whose agent is not
    /// known acts for all of its session.
    pub fn is_acted_for_by(&self, writer: &Holder) -> bool {
        self.session == writer.session && (writer.agent.is_none() || writer.agent == self.agent)
    }
}

impl Holder {
    /// Whether this is another, or one agent of it.
    fn is_of(&self, other: &Holder) -> bool {
        self == other || (self.session == other.session && other.agent.is_none())
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {}", self.session.escape_debug())?;
        self.agent.iter().try_for_each(|agent| write!(f, ".{}", agent.escape_debug()))
    }
}

/// A file that is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct File {
    /// The key of its canonical path: what decides.
    pub key: String,
    /// The canonical path, for people.
    pub path: String,
}

/// A lease on files, all or none of them, for one holder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// Grows from grant to grant.
    pub token: u64,
    /// Who holds it.
    #[serde(flatten)]
    pub holder: Holder,
    /// What is claimed.
    pub files: Vec<File>,
    /// When it was granted, or last asked for again.
    pub granted: Moment,
    /// Its term, in milliseconds from then or from its session's last beat.
    pub ttl: u64,
    /// The process of its session, when it was granted.
    pub process: Process,
    /// The branch that its session was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The one call of a tool that it is for, if it is: no beat renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It binds, for so many milliseconds more unless it is renewed.
    Held {
        /// What is left of its term.
        left: u64,
    },
    /// Its term has passed: it is free for the taking, and until somebody takes
    /// it a beat renews it.
    Over,
    /// Its session is dead.
    Dead,
}

impl Claim {
    /// How it stands, given what is known of its session.
    pub fn state(&self, session: &Witness, now: &Now) -> State {
        if session.life == Life::Dead {
            return State::Dead;
        }
        let mut age = now.since(self.granted, &self.process.place);
        if let (Some((beat, place)), None) = (&session.beat, &self.call) {
            age = age.min(now.since(*beat, place));
        }
        match self.ttl.saturating_sub(age) {
            0 => State::Over,
            left => State::Held { left },
        }
    }

    /// Whether what one of these holds need not be claimed for this call.
    fn is_covered_by(&self, claim: &Claim) -> bool {
        self.call.is_some() && claim.call.is_none() && self.holder.is_of(&claim.holder)
    }

    /// Whether what this claim holds goes over to the wanted one: it is its own
    /// holder's, or it is for the call that a command runs in.
    fn takes_over(&self, claim: &Claim) -> bool {
        let inside = claim.call.is_some() && self.call.is_none();
        self.holder == claim.holder || (inside && claim.holder.is_acted_for_by(&self.holder))
    }

    fn is_on(&self, key: &str) -> bool {
        self.files.iter().any(|file| file.key == key)
    }
}

/// May a text be written?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'t> {
    /// Yes.
    Allowed,
    /// Somebody else has claimed the file, for so many milliseconds more.
    Claimed(&'t Claim, u64),
    /// The token that was shown is not, or no longer, that of a claim on it; who
    /// holds the file instead.
    Outdated(Option<&'t Claim>),
}

/// All claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// The last token that was given.
    pub token: u64,
    /// The claims, by token. No file is in two of them.
    pub claims: Vec<Claim>,
}

impl Table {
    /// Takes out the claims that bind nobody any more.
    pub fn reap(&mut self, state: impl Fn(&Claim) -> State) -> Vec<Claim> {
        let is_held = |claim: &Claim| matches!(state(claim), State::Held { .. });
        let (held, reaped) = self.claims.drain(..).partition(is_held);
        self.claims = held;
        reaped
    }

    /// Grants a claim, whose token is yet to be given; or names one that is in
    /// its way. All claims that are left after [`reap`](Self::reap) bind.
    ///
    /// What its holder has claimed already is claimed again: by the same token if
    /// that covers all of it, else what it held goes over to the new token. But a
    /// claim for one call leaves those alone that its holder or its session has
    /// without a call: they cover it, and are given if they cover all of it.
    pub fn grant(&mut self, mut wanted: Claim) -> Result<Claim, Box<Claim>> {
        let covering = |claim: &Claim| wanted.is_covered_by(claim);
        let covered: Vec<_> = self.claims.iter().filter(|claim| covering(claim)).cloned().collect();
        wanted.files.retain(|file| !covered.iter().any(|claim| claim.is_on(&file.key)));
        if wanted.files.is_empty()
            && let Some(covers) = covered.into_iter().next_back()
        {
            return Ok(covers);
        }
        let keys: BTreeSet<_> = wanted.files.iter().map(|file| &*file.key).collect();
        let touches = |claim: &Claim| claim.files.iter().any(|file| keys.contains(&*file.key));
        let mut touched = self.claims.iter_mut().filter(|claim| touches(claim));
        if let Some(other) = touched.find(|claim| !wanted.takes_over(claim)) {
            return Err(Box::new(other.clone()));
        }
        let covers = |claim: &&mut Claim| keys.iter().all(|key| claim.is_on(key));
        let again = self.claims.iter_mut().find(|c| c.holder == wanted.holder && covers(c));
        if let Some(again) = again {
            let Claim { granted, ttl, process, branch, call, .. } = wanted;
            let reason = wanted.reason.or(again.reason.take());
            *again = Claim { granted, ttl, process, branch, reason, call, ..again.clone() };
            return Ok(again.clone());
        }
        for claim in &mut self.claims {
            claim.files.retain(|file| !keys.contains(&*file.key));
        }
        self.claims.retain(|claim| !claim.files.is_empty());
        self.token += 1;
        wanted.token = self.token;
        self.claims.push(wanted.clone());
        Ok(wanted)
    }

    /// Undoes a grant: what it changed or took over is as it was `before`. Says what
    /// is free now; `None` if the grant does not stand any more as it was made.
    pub fn take_back(&mut self, granted: &Claim, before: &[Claim]) -> Option<Claim> {
        let at = self.claims.iter().position(|claim| claim == granted)?;
        let mut freed = self.claims.remove(at);
        for old in before {
            let was = |file: &File| old.is_on(&file.key);
            let (back, free) = std::mem::take(&mut freed.files).into_iter().partition(was);
            freed.files = free;
            // What was not taken over stands there still, if it was not released.
            match self.claims.iter_mut().find(|claim| claim.token == old.token) {
                Some(rest) => rest.files.extend(back),
                None => self.claims.push(Claim { files: back, ..old.clone() }),
            }
        }
        self.claims.sort_unstable_by_key(|claim| claim.token);
        Some(freed)
    }

    /// Takes out what one of these conditions names: the claims of a token, or
    /// of a holder; of these only the files with one of the keys, if there are
    /// any.
    pub fn release(&mut self, of: impl Fn(&Claim) -> bool, keys: &[String]) -> Vec<Claim> {
        let mut released = Vec::new();
        for claim in self.claims.iter_mut().filter(|claim| of(claim)) {
            let goes = |file: &File| keys.is_empty() || keys.contains(&file.key);
            let (gone, stays) = claim.files.drain(..).partition(goes);
            claim.files = stays;
            released.push(Claim { files: gone, ..claim.clone() });
        }
        self.claims.retain(|claim| !claim.files.is_empty());
        released.retain(|claim| !claim.files.is_empty());
        released
    }

    /// May this writer write the file with this key? With a token, only if that
    /// is the token of a claim on it that binds.
    pub fn may_write(
        &self,
        key: &str,
        writer: &Holder,
        token: Option<u64>,
        state: impl Fn(&Claim) -> State,
    ) -> Verdict<'_> {
        let claim = self.claims.iter().find(|claim| claim.is_on(key));
        let held = claim.and_then(|claim| match state(claim) {
            State::Held { left } => Some((claim, left)),
            State::Over | State::Dead => None,
        });
        match (held, token) {
            (Some((claim, _)), Some(token)) if claim.token == token => Verdict::Allowed,
            (held, Some(_)) => Verdict::Outdated(held.map(|(claim, _)| claim)),
            (None, None) => Verdict::Allowed,
            (Some((claim, _)), None) if claim.holder.is_acted_for_by(writer) => Verdict::Allowed,
            (Some((claim, left)), None) => Verdict::Claimed(claim, left),
        }
    }
}

#[cfg(test)]
mod tests;
