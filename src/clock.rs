//! The only reader of the time. Everything else takes it as an argument.
//!
//! The clock of the machine can be set, and can be set wrongly: by a year, and back an hour
//! later. What time brings cannot be taken back: expired requests, forgotten addresses, a
//! digest. So the desk does not follow a jump at once. Beside the clock on the wall it reads
//! the one that counts since the machine was started and that nobody can set. While the two
//! agree it goes by the wall. When they do not, it goes on by the counter until the wall is
//! right again, or was taken for right because nobody set it back for [`GRACE_HOURS`].

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

/// How far the wall may move away from the counter at a time; time servers set clocks right in
/// small steps.
const STEP_MINUTES_MAX: i64 = 10;
const STEP_MILLIS_MAX: i64 = STEP_MINUTES_MAX * 60_000;
/// So long a jump is not followed: staff hear of it, and somebody can set the clock right.
const GRACE_HOURS: i64 = 6;
const GRACE_MILLIS: i64 = GRACE_HOURS * 3_600_000;

/// Where "now" comes from: the system, or a hand that turns it.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until somebody sets it.
    Manual(Arc<Hand>),
}

/// A clock in the hand.
#[derive(Debug)]
pub struct Hand {
    wall: AtomicI64,
    counter: AtomicI64,
    guard: Mutex<Guard>,
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    /// Unix milliseconds, as the machine says.
    wall: i64,
    /// Milliseconds since the machine was started, sleep included.
    counter: i64,
}

/// What the desk takes for the time.
#[derive(Debug, Default)]
struct Guard {
    /// The last moment at which it was sure.
    sure: Option<Reading>,
    /// Of a machine that was off meanwhile: it may as well be later.
    at_least: bool,
    /// Since when, by the counter, the wall says something else.
    differs_since: Option<i64>,
}

/// A jump of the machine's clock that is not followed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// How far it is ahead of the desk's time; negative when it is behind.
    pub ahead: TimeDelta,
    /// When it is taken for right, in the desk's time.
    pub followed_at: DateTime<Utc>,
}

impl Guard {
    /// The time, in Unix milliseconds.
    fn tell(&mut self, at: Reading) -> i64 {
        if let Some(expected) = self.expected_instead_of(at) {
            let since = *self.differs_since.get_or_insert(at.counter);
            if at.counter - since < GRACE_MILLIS {
                return expected;
            }
        }
        *self = Guard { sure: Some(at), ..Guard::default() };
        at.wall
    }

    /// What the counter says, if the wall says something else.
    fn expected_instead_of(&self, at: Reading) -> Option<i64> {
        let sure = self.sure?;
        let expected = sure.wall + (at.counter - sure.counter);
        let agrees = (at.wall - expected).abs() <= STEP_MILLIS_MAX;
        let is_later = self.at_least && at.wall >= expected;
        (!agrees && !is_later).then_some(expected)
    }

    fn jump(&mut self, at: Reading) -> Option<Jump> {
        let told = self.tell(at);
        let since = self.differs_since?;
        let left = GRACE_MILLIS - (at.counter - since);
        Some(Jump {
            ahead: TimeDelta::milliseconds(at.wall - told),
            followed_at: instant(told + left),
        })
    }

    /// For [`Guard::resume`], after the process has ended.
    fn note(&mut self, at: Reading, boot: &str) -> String {
        let told = self.tell(at);
        let since = self.differs_since.map_or("-".to_owned(), |since| since.to_string());
        format!("{told} {} {since} {boot}", at.counter)
    }

    /// Goes on from a note. After a restart of the machine its counter begins anew: then the
    /// noted time only tells that it cannot be earlier now.
    fn resume(&mut self, note: &str, at: Reading, boot: &str) {
        let mut parts = note.split(' ');
        let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok());
        let (Some(wall), Some(counter)) = (number(), number()) else { return };
        let differs_since = number();
        let same = !boot.is_empty() && parts.next() == Some(boot) && counter <= at.counter;
        if same {
            *self = Guard { sure: Some(Reading { wall, counter }), at_least: false, differs_since };
        } else if at.wall < wall {
            let sure = Reading { wall, counter: at.counter };
            *self = Guard { sure: Some(sure), at_least: true, differs_since: None };
        }
    }
}

/// The guard of the one clock that a machine has.
static SYSTEM: LazyLock<Mutex<Guard>> = LazyLock::new(Mutex::default);

/// The counter of the machine, read once; asking it costs more than adding up.
struct Counter {
    began: Instant,
    millis: i64,
}

static COUNTER: LazyLock<Mutex<Counter>> = LazyLock::new(|| Mutex::new(Counter::new()));

impl Counter {
    fn new() -> Counter {
        Counter { began: Instant::now(), millis: millis_up().unwrap_or_default() }
    }

    /// Asks the machine, where it says so: its sleep counts too.
    fn ask(&mut self) {
        if let Some(millis) = millis_up() {
            *self = Counter { began: Instant::now(), millis };
        }
    }

    fn now(&self) -> i64 {
        self.millis + i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Milliseconds since the machine was started, where it says so.
fn millis_up() -> Option<i64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = text.split(' ').next()?.split_once('.')?;
    Some(seconds.parse::<i64>().ok()? * 1000 + hundredths.parse::<i64>().ok()? * 10)
}

/// What names this run of the machine; empty where nothing does.
fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn system() -> Reading {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    let wall = Utc::now().timestamp_millis();
    Reading { wall, counter: held(&COUNTER).now() }
}

impl Clock {
    /// A clock that stands at `at` until [`Clock::set`] moves it.
    pub fn manual(at: DateTime<Utc>) -> Clock {
        Clock::Manual(Arc::new(Hand {
            wall: AtomicI64::new(at.timestamp_millis()),
            // As if one machine had run for ever: another clock made later agrees with this one.
            counter: AtomicI64::new(at.timestamp_millis()),
            guard: Mutex::default(),
        }))
    }

    /// The present instant, cut to milliseconds as the database keeps it.
    pub fn now(&self) -> DateTime<Utc> {
        instant(self.with_guard(Guard::tell))
    }

    /// The jump of the machine's clock that is not followed yet, if there is one.
    pub fn jump(&self) -> Option<Jump> {
        self.with_guard(Guard::jump)
    }

    /// What [`Clock::resume`] goes on from in the next process.
    pub fn note(&self) -> String {
        let boot = self.boot();
        self.with_guard(|guard, at| guard.note(at, &boot))
    }

    /// Goes on from a note of an earlier process: a jump in between is noticed too.
    pub fn resume(&self, note: &str) {
        let boot = self.boot();
        self.with_guard(|guard, at| guard.resume(note, at, &boot));
    }

    /// Time passes until `at`; the system's clock is not ours to move.
    pub fn set(&self, at: DateTime<Utc>) {
        if let Clock::Manual(hand) = self {
            let passed = at.timestamp_millis() - self.now().timestamp_millis();
            hand.wall.fetch_add(passed, Ordering::SeqCst);
            hand.counter.fetch_add(passed, Ordering::SeqCst);
        }
    }

    /// Somebody sets the clock by hand; no time passes.
    pub fn jumps(&self, by: TimeDelta) {
        if let Clock::Manual(hand) = self {
            hand.wall.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
        }
    }

    /// The same clock as another process finds it.
    pub fn of_next_process(&self) -> Clock {
        match self {
            Clock::System => Clock::System,
            Clock::Manual(hand) => Clock::Manual(Arc::new(Hand {
                wall: AtomicI64::new(hand.wall.load(Ordering::SeqCst)),
                counter: AtomicI64::new(hand.counter.load(Ordering::SeqCst)),
                guard: Mutex::default(),
            })),
        }
    }

    fn boot(&self) -> String {
        match self {
            Clock::System => boot(),
            Clock::Manual(_) => "by-hand".to_owned(),
        }
    }

    fn with_guard<T>(&self, ask: impl FnOnce(&mut Guard, Reading) -> T) -> T {
        match self {
            Clock::Manual(hand) => {
                let wall = hand.wall.load(Ordering::SeqCst);
                let counter = hand.counter.load(Ordering::SeqCst);
                ask(&mut held(&hand.guard), Reading { wall, counter })
            }
            Clock::System => {
                let mut guard = held(&SYSTEM);
                let mut at = system();
                // A machine that slept is no clock that jumped: the counter is asked again.
                if guard.expected_instead_of(at).is_some() {
                    held(&COUNTER).ask();
                    at = system();
                }
                ask(&mut guard, at)
            }
        }
    }
}
