//! The process is really killed at a boundary of the flow, started again, and run to rest; then
//! the same with a second kill while it recovers. The method is that of isync's own suite: each
//! scenario is run once to count its steps, and then again for each of them.

mod child;
mod oracle;
mod program;
mod scenarios;
mod sink;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use oracle::{Verdict, judge};
use scenarios::{SCENARIOS, Scenario};
use world::{Beginning, Kill, World};

/// Worlds at a time.
const THREADS: usize = 2;
/// First kills of each scenario in the sample.
const SAMPLE_FIRSTS: usize = 3;
/// Second kills after each of them.
const SAMPLE_SECONDS: usize = 1;
/// Second kills after each first one when all are tried, spread over the recovery.
const PAIRS_EACH: usize = 4;

/// A scenario that was run once with nobody killed.
struct Measured {
    scenario: &'static Scenario,
    beginning: &'static Beginning,
    /// What it comes to.
    verdict: Verdict,
    /// Names of the steps that it passed.
    steps: Vec<String>,
    /// Letters that it sent.
    dots: usize,
}

/// One run with its kills, and what it came to.
struct Run {
    name: String,
    verdict: Verdict,
    /// Where it died.
    died: Vec<String>,
    /// Places to be killed at while it recovered from the last kill.
    recovery: Vec<Kill>,
    /// Kills that were planned behind its end.
    missed: usize,
}

#[derive(Debug, Default)]
struct Counts {
    scenarios: usize,
    steps: usize,
    dots: usize,
    singles: usize,
    pairs: usize,
    missed: usize,
    doubles: usize,
    for_person: usize,
    faults: Vec<String>,
}

/// How much is tried.
#[derive(Clone, Copy, Debug)]
enum Extent {
    /// Some kills of each scenario, as the seed says.
    Sample(u64),
    /// Every first kill, and so many second kills after each of them.
    Whole(usize),
}

/// A sample, another one each time.
#[test]
fn a_sample_of_kills() {
    let seed = std::env::var("KILLED_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| getrandom::u64().unwrap() % 1_000_000);
    say(&format!("a sample with KILLED_SEED={seed}"));
    kill_in_all_scenarios(Extent::Sample(seed)).report();
}

/// All of them: every step of every scenario, and second kills after each.
#[test]
#[ignore = "takes a quarter of an hour: see tests/README.md"]
fn all() {
    let each = std::env::var("KILLED_PAIRS").ok().and_then(|each| each.parse().ok());
    kill_in_all_scenarios(Extent::Whole(each.unwrap_or(PAIRS_EACH))).report();
}

/// One again, as a fault names it: `KILLED_AGAIN="a digest, step 12, dot 1"`.
#[test]
#[ignore = "for who looks into a fault: see tests/README.md"]
fn again() {
    let Ok(name) = std::env::var("KILLED_AGAIN") else { return };
    let mut parts = name.split(", ");
    let wanted = parts.next();
    let scenario = SCENARIOS.iter().find(|scenario| Some(scenario.name) == wanted).unwrap();
    let measured = measure(scenario);
    let kills: Vec<Kill> = parts.map(|kill| Kill::parse(kill).unwrap()).collect();
    let run = run(&measured, &kills);
    say(&format!("{:#?}\ndied at {:?}", run.verdict, run.died));
    assert!(run.verdict.faults.is_empty());
}

fn kill_in_all_scenarios(extent: Extent) -> Counts {
    let only = std::env::var("KILLED_ONLY").unwrap_or_default();
    let scenarios: Vec<&'static Scenario> =
        SCENARIOS.iter().filter(|scenario| scenario.name.contains(&only)).collect();
    let measured = in_threads(&scenarios, |scenario| measure(scenario));
    for one in &measured {
        say(&format!("{}: {} steps, {} dots", one.scenario.name, one.steps.len(), one.dots));
    }
    if only.is_empty() {
        every_boundary_is_passed(&measured);
    }
    let firsts: Vec<(usize, &Measured, Kill)> = measured
        .iter()
        .enumerate()
        .flat_map(|(nth, one)| extent.firsts(nth, one).into_iter().map(move |kill| (one, kill)))
        .enumerate()
        .map(|(nth, (one, kill))| (nth, one, kill))
        .collect();
    let (done, faults) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = in_threads(&firsts, |(nth, measured, first)| {
        let single = run(measured, &[*first]);
        let seconds = extent.seconds(*nth, &single.recovery);
        let mut counts = Counts { singles: 1, ..Counts::default() };
        counts.take(&single, &measured.verdict);
        for second in seconds {
            counts.pairs += 1;
            counts.take(&run(measured, &[*first, second]), &measured.verdict);
        }
        faults.fetch_add(counts.faults.len(), Ordering::SeqCst);
        let done = done.fetch_add(1, Ordering::SeqCst) + 1;
        if done.is_multiple_of(100) {
            let faults = faults.load(Ordering::SeqCst);
            say(&format!("{done} of {} first kills, {faults} faults", firsts.len()));
        }
        counts
    });
    let mut sum = Counts::default();
    sum.scenarios = measured.len();
    sum.steps = measured.iter().map(|one| one.steps.len()).sum();
    sum.dots = measured.iter().map(|one| one.dots).sum();
    counts.into_iter().for_each(|counts| sum.add(counts));
    sum
}

/// No boundary in the sources that no scenario comes to, and none with one side only.
fn every_boundary_is_passed(measured: &[Measured]) {
    let passed: BTreeSet<&String> = measured.iter().flat_map(|one| &one.steps).collect();
    let named = steps_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for step in &named {
        assert!(passed.contains(step), "no scenario passes {step}");
        let (side, what) = step.split_once('-').unwrap();
        let other = if side == "before" { "after" } else { "before" };
        assert!(named.contains(&format!("{other}-{what}")), "{step} has no other side");
    }
    assert_eq!(named.len(), passed.len());
}

fn steps_below(folder: &Path) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("oauth") {
            // No scenario of mails rotates a token: `oauth::a_crash_while_a_token_rotates…` does.
            continue;
        }
        if path.is_dir() {
            named.extend(steps_below(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let calls = text.split("step(\"").skip(1);
            named.extend(calls.filter_map(|call| Some(call.split_once('"')?.0.to_owned())));
        }
    }
    named
}

fn measure(scenario: &'static Scenario) -> Measured {
    let beginning = scenario.from.begin();
    let mut world = World::new(beginning, &[]);
    (scenario.play)(&mut world).unwrap();
    let (steps, (_, dots)) = (world.steps(), world.counted());
    let verdict = judge(&mut world, None);
    assert_eq!(verdict.faults, Vec::<String>::new(), "{}, undisturbed", scenario.name);
    Measured { scenario, beginning, verdict, steps, dots }
}

/// Plays a scenario with these kills, and judges what it comes to.
fn run(measured: &Measured, kills: &[Kill]) -> Run {
    let name: Vec<String> = kills.iter().map(Kill::to_string).collect();
    let name = format!("{}, {}", measured.scenario.name, name.join(", "));
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(measured.beginning, kills);
        // Who has to wait for a person gets no further.
        let _ = (measured.scenario.play)(&mut world);
        let (recovery, missed) = (world.recovery, world.kills_left());
        let verdict = judge(&mut world, Some(&measured.verdict));
        let died = world.died.iter().map(|died| died.at.clone()).collect();
        Run { name: name.clone(), verdict, died, recovery: kills_in(recovery), missed }
    }));
    played.unwrap_or_else(|why| {
        let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
        let verdict = Verdict { faults: vec![why], ..Verdict::default() };
        Run { name, verdict, died: Vec::new(), recovery: Vec::new(), missed: 0 }
    })
}

fn kills_in((steps, dots): (usize, usize)) -> Vec<Kill> {
    (1..=steps).map(Kill::AtStep).chain((1..=dots).map(Kill::AtDot)).collect()
}

/// Does the work in two threads; the results are in no order.
fn in_threads<T: Sync, R: Send>(work: &[T], does: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(one) = work.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let result = does(one);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// To whoever watches the tests run, also when they pass.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "killed: {what}");
}

impl Extent {
    fn firsts(self, nth: usize, measured: &Measured) -> Vec<Kill> {
        let all = kills_in((measured.steps.len(), measured.dots));
        match self {
            Extent::Sample(seed) => some_of(&all, SAMPLE_FIRSTS, seed.wrapping_add(nth as u64)),
            Extent::Whole(_) => all,
        }
    }

    fn seconds(self, nth: usize, recovery: &[Kill]) -> Vec<Kill> {
        match self {
            Extent::Sample(seed) => {
                some_of(recovery, SAMPLE_SECONDS, seed.wrapping_mul(7).wrapping_add(nth as u64))
            }
            Extent::Whole(each) => spread(recovery, each, nth),
        }
    }
}

/// Some of all, as `seed` says, each at most once.
fn some_of(all: &[Kill], count: usize, seed: u64) -> Vec<Kill> {
    // SplitMix64.
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut left = all.to_vec();
    let mut some = Vec::new();
    while some.len() < count && !left.is_empty() {
        let at = usize::try_from(random() % left.len() as u64).unwrap();
        some.push(left.swap_remove(at));
    }
    some
}

/// `count` of all, as far from each other as can be; other ones for each `nth`.
fn spread(all: &[Kill], count: usize, nth: usize) -> Vec<Kill> {
    if count >= all.len() {
        return all.to_vec();
    }
    (0..count).map(|one| all[(one * all.len() + nth * 7 % all.len()) / count]).collect()
}

impl Counts {
    fn take(&mut self, run: &Run, undisturbed: &Verdict) {
        self.missed += usize::from(run.missed > 0);
        self.doubles += run.verdict.doubles;
        self.for_person += usize::from(run.verdict.for_person != undisturbed.for_person);
        for fault in &run.verdict.faults {
            let fault = format!("{} (died at {}): {fault}", run.name, run.died.join(", "));
            say(&fault);
            self.faults.push(fault);
        }
    }

    fn add(&mut self, other: Counts) {
        self.singles += other.singles;
        self.pairs += other.pairs;
        self.missed += other.missed;
        self.doubles += other.doubles;
        self.for_person += other.for_person;
        self.faults.extend(other.faults);
    }

    fn report(self) {
        say(&format!(
            "{} scenarios, {} steps and {} final dots, {} single kills, {} pairs ({} second kills behind the end), \
             {} doubles in the window, {} left to a person after two kills, {} faults",
            self.scenarios,
            self.steps,
            self.dots,
            self.singles,
            self.pairs,
            self.missed,
            self.doubles,
            self.for_person,
            self.faults.len()
        ));
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }
}
