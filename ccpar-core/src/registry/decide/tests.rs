use std::collections::{HashMap, HashSet};

use super::*;

const NOW: u64 = 1000;

fn place(boot: &str, pid_namespace: u64, machine: &str) -> Place {
    let [boot, machine] = [boot, machine].map(|name| Some(name.to_owned()));
    Place { boot, pid_namespace: Some(pid_namespace), host: "h".to_owned(), machine }
}

fn now() -> Now {
    let moment = Moment { wall: 5_000_000, up: Some(NOW) };
    Now { moment, place: place("b", 1, "m") }
}

fn ago(age: u64) -> Moment {
    Moment { wall: 5_000_000 - age, up: Some(NOW - age) }
}

fn claim(session: &str, keys: &[&str], ttl: u64) -> Claim {
    let holder = Holder { session: session.to_owned(), agent: None };
    let file = |key: &&str| File { key: (*key).to_owned(), path: format!("/{key}") };
    Claim {
        token: 0,
        holder,
        files: keys.iter().map(file).collect(),
        granted: ago(0),
        ttl,
        process: Process { pid: 7, start: Some(1), place: place("b", 1, "m") },
        branch: None,
        reason: None,
        call: None,
    }
}

#[test]
fn each_place_has_its_rule_of_life() {
    let lives = |pid: u32, start: Option<u64>| pid == 7 && (start.is_none() || start == Some(1));
    let unnamed = |host: &str| Place { host: host.to_owned(), ..Place::default() };
    let on = |place: Place, start| {
        let process = Process { pid: 7, start: Some(start), place };
        now().life(&process, lives)
    };
    for (what, life, expected) in [
        ("it runs", on(place("b", 1, "m"), 1), Life::Lives),
        ("its pid was used again", on(place("b", 1, "m"), 2), Life::Dead),
        ("a container on this machine", on(place("b", 2, "m"), 1), Life::Unknown),
        ("the machine was booted again", on(place("a", 1, "m"), 1), Life::Dead),
        ("a second machine of the same name", on(place("a", 1, "n"), 1), Life::Unknown),
        ("nothing is known of it", on(unnamed("h"), 1), Life::Unknown),
    ] {
        assert_eq!(life, expected, "{what}");
    }
    let other = Place { host: "other".to_owned(), ..place("a", 1, "m") };
    assert_eq!(on(other, 1), Life::Unknown, "another host, though the machine id was copied");
    // Without boot ids, pids are believed on the host itself.
    let here = Now { place: unnamed("h"), ..now() };
    let process = |pid, host: &str| Process { pid, start: None, place: unnamed(host) };
    assert_eq!(here.life(&process(7, "h"), lives), Life::Lives);
    assert_eq!(here.life(&process(8, "h"), lives), Life::Dead);
    assert_eq!(here.life(&process(8, "other"), lives), Life::Unknown);
}

#[test]
fn a_claim_ends_with_its_term_or_the_proof_of_death_whatever_the_wall_clock_says() {
    let witness = |life, beat: u64| Witness { life, beat: Some((ago(beat), place("b", 1, "m"))) };
    let granted = |age| Claim { granted: ago(age), ..claim("s", &["a"], 100) };
    let state = |age, life, beat| granted(age).state(&witness(life, beat), &now());
    assert_eq!(state(99, Life::Lives, 99), State::Held { left: 1 });
    assert_eq!(state(100, Life::Lives, 100), State::Over);
    assert_eq!(state(500, Life::Lives, 10), State::Held { left: 90 }, "renewed by a beat");
    assert_eq!(state(0, Life::Lives, 500), State::Held { left: 100 }, "granted after the beat");
    assert_eq!(state(0, Life::Dead, 0), State::Dead);
    assert_eq!(state(99, Life::Unknown, 99), State::Held { left: 1 }, "no proof, no death");
    // The wall clock was set, by an hour in either direction; or ran on while the
    // machine was suspended, and the other clock did not.
    for wall in [5_000_000 - 3_600_000, 5_000_000 + 3_600_000] {
        let moment = Moment { wall, up: Some(NOW) };
        let now = Now { moment, ..now() };
        let lives = witness(Life::Lives, 99);
        assert_eq!(granted(99).state(&lives, &now), State::Held { left: 1 });
        assert_eq!(granted(100).state(&witness(Life::Lives, 100), &now), State::Over);
    }
    // A heartbeat that cannot be read renews nothing and frees nothing.
    let unread = Witness { life: Life::Lives, beat: None };
    assert_eq!(granted(99).state(&unread, &now()), State::Held { left: 1 });
    // Another machine's clock may be off by a minute.
    let far = place("x", 1, "n");
    let process = Process { place: far.clone(), ..granted(0).process };
    let far = Claim { granted: ago(0), process, ..claim("s", &["a"], 100) };
    let at = |wall| Now { moment: Moment { wall, up: Some(3) }, ..now() };
    let unknown = Witness { life: Life::Unknown, beat: None };
    assert_eq!(far.state(&unknown, &at(5_060_099)), State::Held { left: 1 });
    assert_eq!(far.state(&unknown, &at(5_060_100)), State::Over);
}

#[test]
fn a_grant_is_for_all_files_or_none_and_agents_of_one_session_are_strangers() {
    let mut table = Table::default();
    let one = table.grant(claim("s", &["a", "b"], 9)).unwrap();
    assert_eq!(table.grant(claim("t", &["b", "c"], 9)), Err(Box::new(one.clone())));
    let agent = Holder { agent: Some("x".to_owned()), ..one.holder.clone() };
    let mut by_agent = claim("s", &["a"], 9);
    by_agent.holder = agent.clone();
    assert_eq!(table.grant(by_agent), Err(Box::new(one.clone())));
    let other = table.grant(claim("t", &["c"], 9)).unwrap();
    assert_eq!((one.token, other.token, table.claims.len()), (1, 2, 2));
    // Asked for again, it keeps its token; with more, all goes to a new one.
    assert_eq!(table.grant(claim("s", &["b"], 5)).unwrap().token, 1);
    assert_eq!(table.grant(claim("s", &["b", "d"], 5)).unwrap().token, 3);
    let held = |_: &Claim| State::Held { left: 1 };
    let writer = |holder: &Holder, key, token| match table.may_write(key, holder, token, held) {
        Verdict::Allowed => "allowed",
        Verdict::Claimed(..) => "claimed",
        Verdict::Outdated(_) => "outdated",
    };
    assert_eq!(writer(&one.holder, "a", Some(1)), "allowed");
    assert_eq!(writer(&one.holder, "b", Some(1)), "outdated");
    assert_eq!(writer(&one.holder, "b", Some(3)), "allowed");
    assert_eq!(writer(&one.holder, "b", None), "allowed");
    assert_eq!(writer(&agent, "b", None), "claimed", "its session's claim is not its own");
    assert_eq!(writer(&other.holder, "b", None), "claimed");
    assert_eq!(writer(&other.holder, "e", None), "allowed");
    assert_eq!(writer(&other.holder, "e", Some(2)), "outdated", "another file's token");
    // What is released is what was named.
    let released = table.release(|claim| claim.token == 3, &["d".to_owned()]);
    assert_eq!(released.iter().map(|claim| claim.files.len()).sum::<usize>(), 1);
    assert!(table.claims.iter().any(|claim| claim.token == 3 && claim.is_on("b")));
}

#[test]
fn a_grant_that_is_taken_back_leaves_what_stood_there_before() {
    let mut table = Table::default();
    let grant = |table: &mut Table, keys: &[&str], ttl| {
        let mut before = table.claims.clone();
        let granted = table.grant(claim("s", keys, ttl)).unwrap();
        before.retain(|claim| !table.claims.contains(claim));
        (granted, before)
    };
    let files = |claim: Claim| claim.files.into_iter().map(|file| file.key).collect::<Vec<_>>();
    let (first, before) = grant(&mut table, &["a", "b"], 9);
    let with_one = table.clone();
    // Fresh, renewed, and grown.
    assert_eq!(table.take_back(&first, &before).map(files).unwrap(), ["a", "b"]);
    assert_eq!(table.claims, []);
    table.claims.clone_from(&with_one.claims);
    let (renewed, before) = grant(&mut table, &["a"], 5);
    assert_eq!(table.take_back(&renewed, &before).map(files).unwrap(), [""; 0]);
    assert_eq!(table.claims, with_one.claims);
    let (grown, before) = grant(&mut table, &["b", "c"], 5);
    let mut gone = table.clone();
    assert_eq!(table.take_back(&grown, &before).map(files).unwrap(), ["c"]);
    assert_eq!(table.claims, with_one.claims);
    assert_eq!((table.token, grown.token), (2, 2), "the token is not given again");
    // What was released meanwhile does not come back, nor what another was told of.
    gone.release(|claim| claim.token == first.token, &[]);
    let mut told = gone.clone();
    assert_eq!(gone.take_back(&grown, &before).map(files).unwrap(), ["c"]);
    assert_eq!(gone.claims.iter().map(|claim| claim.files.len()).collect::<Vec<_>>(), [1]);
    told.grant(claim("s", &["b"], 7)).unwrap();
    assert_eq!(told.take_back(&grown, &before), None);
}

#[test]
fn without_the_name_of_a_boot_a_clock_that_started_again_renews_nothing() {
    let here = Place { host: "h".to_owned(), ..Place::default() };
    let now = Now { moment: Moment { wall: 9_000_000, up: Some(50) }, place: here.clone() };
    assert_eq!(now.since(Moment { wall: 9_000_000 - 600, up: Some(20) }, &here), 30);
    assert_eq!(now.since(Moment { wall: 9_000_000 - 600, up: Some(7_000) }, &here), 600);
}

#[test]
fn a_claim_for_a_call_is_not_renewed_is_covered_by_its_session_and_stops_no_command_inside() {
    let by = |agent: Option<&str>, call: Option<&str>, keys: &[&str]| {
        let mut wanted = claim("s", keys, 100);
        wanted.holder.agent = agent.map(str::to_owned);
        Claim { call: call.map(str::to_owned), ..wanted }
    };
    let beat = Some((ago(0), place("b", 1, "m")));
    let witness = Witness { life: Life::Lives, beat };
    let old = Claim { granted: ago(100), ..by(None, Some("1"), &["a"]) };
    assert_eq!(old.state(&witness, &now()), State::Over);

    // What the session claimed by a command covers its agents' calls, for the
    // files that it is on; it is never turned into a claim for a call.
    let mut table = Table::default();
    let session = table.grant(by(None, None, &["a"])).unwrap();
    assert_eq!(table.grant(by(Some("x"), Some("1"), &["a"])).unwrap(), session);
    assert_eq!(table.grant(by(None, Some("2"), &["a"])).unwrap(), session);
    let rest = table.grant(by(Some("x"), Some("1"), &["a", "b"])).unwrap();
    assert_eq!(rest.files, by(None, None, &["b"]).files);
    assert_eq!(table.claims[0], session);
    // Of two agents' calls the second waits; the same agent's next call takes over.
    assert_eq!(table.grant(by(Some("y"), Some("3"), &["b"])), Err(Box::new(rest.clone())));
    assert_eq!(table.grant(by(None, Some("3"), &["b"])), Err(Box::new(rest.clone())));
    let next = table.grant(by(Some("x"), Some("4"), &["b"])).unwrap();
    assert_eq!((next.token, next.call.as_deref()), (rest.token, Some("4")));
    // A command that runs in a call, whose agent is not known, claims the same;
    // another session's does not.
    let inside = table.grant(by(None, None, &["b"])).unwrap();
    assert!(inside.token > next.token && inside.call.is_none());
    table.grant(by(Some("x"), Some("5"), &["c"])).unwrap();
    assert!(table.grant(claim("t", &["c"], 9)).is_err());
}

/// What a holder is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// Its claim is in the table; it waits for a write that is under way, and then
    /// looks whether the claim still stands.
    Granted(u64),
    /// It knows its token. Whether its term has passed at some time since.
    Told(u64, bool),
    /// It holds the target's lock and its token was accepted.
    Writing(u64, bool),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Agent {
    alive: bool,
    beat: u64,
    step: Step,
}

/// Three holders at files that they want, and all that can be known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    table: Table,
    agents: [Agent; 3],
    /// Who holds the target's lock.
    lock: Option<usize>,
    /// The token of the last write.
    written: u64,
}

const TTL: u64 = 3;

struct Rules {
    /// What each wants. All write the first file.
    wants: [&'static [&'static str]; 3],
    /// Whether death can be proved.
    proof: bool,
}

impl Rules {
    fn state(&self, world: &World, claim: &Claim) -> State {
        let agent = &world.agents[claim.holder.session.parse::<usize>().unwrap()];
        let life = match (self.proof, agent.alive) {
            (false, _) => Life::Unknown,
            (_, true) => Life::Lives,
            (_, false) => Life::Dead,
        };
        let beat = Some((ago(agent.beat), place("b", 1, "m")));
        claim.state(&Witness { life, beat }, &now())
    }

    fn ask(&self, world: &mut World, n: usize) -> Option<u64> {
        let before = world.clone();
        world.table.reap(|claim| self.state(&before, claim));
        let granted = world.table.grant(claim(&n.to_string(), self.wants[n], TTL)).ok()?;
        let again = before.table.claims.iter().any(|claim| claim.token == granted.token);
        assert!(again || granted.token > before.table.token, "a token came twice: {before:?}");
        Some(granted.token)
    }

    fn writes_first(&self, n: usize) -> bool {
        self.wants[n].contains(&"a")
    }

    /// All that may happen next.
    fn next(&self, world: &World) -> Vec<World> {
        let mut next = Vec::new();
        let mut then = |change: &dyn Fn(&mut World)| {
            let mut world = world.clone();
            change(&mut world);
            next.push(world);
        };
        then(&|world| self.tick(world));
        for n in 0..3 {
            let agent = &world.agents[n];
            if !agent.alive {
                then(&|w| w.agents[n] = Agent { alive: true, beat: 0, step: Step::Idle });
                continue;
            }
            then(&|w| w.agents[n].beat = 0);
            then(&|w| {
                w.agents[n] = Agent { alive: false, step: Step::Idle, ..w.agents[n] };
                w.lock = w.lock.filter(|holder| *holder != n);
            });
            match agent.step {
                Step::Idle => then(&|w| {
                    if let Some(token) = self.ask(w, n) {
                        w.agents[n].step = Step::Granted(token);
                    }
                }),
                Step::Granted(token) if world.lock.is_none() => then(&|w| {
                    let claim = w.table.claims.iter().find(|claim| claim.token == token);
                    let stands =
                        claim.is_some_and(|c| matches!(self.state(world, c), State::Held { .. }));
                    w.agents[n].step = if stands { Step::Told(token, false) } else { Step::Idle };
                }),
                Step::Granted(_) => {}
                Step::Told(token, lapsed) => {
                    then(&|w| {
                        w.table.release(|claim| claim.token == token, &[]);
                        w.agents[n].step = Step::Idle;
                    });
                    if world.lock.is_none() && self.writes_first(n) {
                        then(&|w| {
                            let holder = Holder { session: n.to_string(), agent: None };
                            let state = |claim: &Claim| self.state(world, claim);
                            let verdict = w.table.may_write("a", &holder, Some(token), state);
                            let allowed = verdict == Verdict::Allowed;
                            w.lock = allowed.then_some(n);
                            w.agents[n].step =
                                if allowed { Step::Writing(token, lapsed) } else { Step::Idle };
                        });
                    }
                }
                Step::Writing(token, lapsed) => then(&|w| {
                    let newer = |other: &Agent| match other.step {
                        Step::Told(other, _) | Step::Writing(other, _) => other > token,
                        Step::Idle | Step::Granted(_) => false,
                    };
                    let told = (0..3).any(|o| self.writes_first(o) && newer(&w.agents[o]));
                    assert!(token >= w.written && !told, "an outdated write: {w:?}");
                    w.written = token;
                    w.lock = None;
                    w.agents[n].step = Step::Told(token, lapsed);
                }),
            }
        }
        next
    }

    fn tick(&self, world: &mut World) {
        let old = |age: u64| (age + 1).min(TTL);
        for claim in &mut world.table.claims {
            claim.granted = ago(old(NOW - claim.granted.up.unwrap()));
        }
        for agent in &mut world.agents {
            agent.beat = old(agent.beat);
        }
        let before = world.clone();
        for agent in &mut world.agents {
            if let Step::Told(token, lapsed) | Step::Writing(token, lapsed) = &mut agent.step {
                let claim = before.table.claims.iter().find(|claim| claim.token == *token);
                *lapsed |= claim.is_none_or(|c| self.state(&before, c) == State::Over);
            }
        }
    }

    fn check(&self, world: &World) {
        let mut keys = HashSet::new();
        for file in world.table.claims.iter().flat_map(|claim| &claim.files) {
            assert!(keys.insert(&file.key), "two hold {}: {world:?}", file.key);
        }
        for (n, agent) in world.agents.iter().enumerate() {
            if let Step::Told(token, false) | Step::Writing(token, false) = agent.step {
                let claim = world.table.claims.iter().find(|claim| claim.token == token);
                let whole = claim.is_some_and(|c| self.wants[n].iter().all(|key| c.is_on(key)));
                assert!(whole, "{n} lives, in its term, and lost its claim: {world:?}");
            }
            if agent.alive && agent.step == Step::Idle {
                self.check_that_it_ends(world, n);
            }
        }
    }

    /// All others end, and what they leave does not last.
    fn check_that_it_ends(&self, world: &World, n: usize) {
        let mut world = world.clone();
        for (other, agent) in world.agents.iter_mut().enumerate() {
            agent.alive &= other == n;
        }
        if !self.proof {
            (0..TTL).for_each(|_| self.tick(&mut world));
        }
        assert!(self.ask(&mut world, n).is_some(), "{n} waits for ever: {world:?}");
    }
}

/// The same world with tokens that are as small as can be, and each age in one
/// place: a claim is as old as its grant or its session's last beat, whichever is
/// later, and a beat without a claim means nothing.
fn normal(mut world: World) -> World {
    for claim in &mut world.table.claims {
        let agent = &world.agents[claim.holder.session.parse::<usize>().unwrap()];
        claim.granted = claim.granted.max(ago(agent.beat));
    }
    for agent in &mut world.agents {
        agent.beat = TTL;
    }
    let mut tokens = vec![0, world.written, world.table.token];
    tokens.extend(world.table.claims.iter().map(|claim| claim.token));
    tokens.extend(world.agents.iter().filter_map(|agent| match agent.step {
        Step::Idle => None,
        Step::Granted(token) | Step::Told(token, _) | Step::Writing(token, _) => Some(token),
    }));
    tokens.sort_unstable();
    tokens.dedup();
    let rank: HashMap<u64, u64> = tokens.into_iter().zip(0..).collect();
    let small = |token: &mut u64| *token = rank[token];
    small(&mut world.written);
    small(&mut world.table.token);
    world.table.claims.iter_mut().for_each(|claim| small(&mut claim.token));
    for agent in &mut world.agents {
        match &mut agent.step {
            Step::Idle => {}
            Step::Granted(token) | Step::Told(token, _) | Step::Writing(token, _) => small(token),
        }
    }
    world
}

/// Walks through every order of claim, grant, beat, time, steal, write, release,
/// crash and restart, and says how many worlds there are.
fn walk(rules: &Rules) -> usize {
    let agent = Agent { alive: true, beat: 0, step: Step::Idle };
    let agents = [agent.clone(), agent.clone(), agent];
    let first = World { table: Table::default(), agents, lock: None, written: 0 };
    let mut known = HashSet::from([first.clone()]);
    let mut open = vec![first];
    while let Some(world) = open.pop() {
        rules.check(&world);
        for next in rules.next(&world) {
            let next = normal(next);
            if known.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    known.len()
}

#[test]
fn in_no_order_of_steps_do_two_hold_one_file_or_does_an_outdated_write_pass() {
    for proof in [true, false] {
        for wants in [[&["a"][..], &["a"], &["a"]], [&["a"], &["a", "b"], &["b"]]] {
            let worlds = walk(&Rules { wants, proof });
            println!("{worlds} worlds");
            assert!(worlds > 5_000, "only {worlds} worlds");
        }
    }
}
