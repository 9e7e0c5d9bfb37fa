//! A server that lies, at every command and in every way: no message lost or doubled, no storm of
//! connections, back to work within a minute. The reading task runs against [`LyingImap`] in a
//! time that passes by itself whenever nothing else can happen; the desk behind it is real.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deletion_desk::bot::tasks::{self, Poll, WAKES_WAITING_MAX};
use deletion_desk::mailbox::{ImapMailbox, ImapSettings, Mailbox};
use deletion_desk::oauth::SignIn;
use deletion_desk::store::cases::StoredCase;
use deletion_desk::wake::Wake;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Desk, mail};
use crate::lying_imap::{At, Fault, LyingImap};

/// The promise: so soon after the server is well again, the desk reads it.
const BACK_TO_WORK: Duration = Duration::from_secs(60);
/// The promise: connections are so far apart, when they fail.
pub(crate) const RECONNECTION_REST: Duration = Duration::from_secs(10);
/// IDLE is ended after five minutes, and the answer to that awaited.
const SILENT_IDLE: Duration = Duration::from_secs(6 * 60);
/// What a message may be long here.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What the reading task told the bot, and when.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Vec<Ended>>>);

/// When a poll ended, and how.
type Ended = (Instant, Result<(), String>);

impl Heard {
    fn polls_since(&self, since: Instant) -> usize {
        let heard = self.0.lock().unwrap();
        heard.iter().filter(|(at, what)| *at >= since && what.is_ok()).count()
    }

    fn failures(&self) -> Vec<String> {
        let heard = self.0.lock().unwrap();
        heard.iter().filter_map(|(_, what)| what.clone().err()).collect()
    }
}

/// A desk, for many scenes one after the other.
pub(crate) struct World {
    /// The desk's threads, in real time.
    real: Runtime,
    pub(crate) desk: Desk,
    requesters: usize,
}

/// A lying server that the desk reads.
pub(crate) struct Scene<'a> {
    world: &'a mut World,
    /// The reading task and the server, in a time of their own.
    unreal: Runtime,
    pub(crate) server: LyingImap,
    heard: Heard,
    /// Who asked, by number.
    requesters: Vec<usize>,
    /// Messages that were handled before.
    before: usize,
}

/// How the desk reaches it.
pub(crate) struct Way {
    pub(crate) idle: bool,
    /// With TLS: what the server shows, and the CA that the desk trusts.
    pub(crate) tls: Option<(TlsAcceptor, Vec<u8>)>,
}

/// Hands wakes on to the desk. The unreal time stands still while the desk thinks.
async fn relay(mut woken: mpsc::Receiver<Wake>, desk: mpsc::Sender<Wake>, heard: Heard) {
    async fn passed<T: Send + 'static>(
        desk: &mpsc::Sender<Wake>,
        answer: oneshot::Sender<T>,
        wake: impl FnOnce(oneshot::Sender<T>) -> Wake,
    ) {
        let (inner, answered) = oneshot::channel();
        let (desk, wake) = (desk.clone(), wake(inner));
        let waits = spawn_blocking(move || {
            desk.blocking_send(wake).ok()?;
            answered.blocking_recv().ok()
        });
        if let Some(said) = waits.await.unwrap() {
            drop(answer.send(said));
        }
    }
    while let Some(wake) = woken.recv().await {
        let note = |what| heard.0.lock().unwrap().push((Instant::now(), what));
        match wake {
            Wake::Listed(folder, keys, answer) => {
                passed(&desk, answer, |a| Wake::Listed(folder, keys, a)).await
            }
            Wake::Described(folder, seen, answer) => {
                passed(&desk, answer, |a| Wake::Described(folder, seen, a)).await;
            }
            Wake::Fetched(folder, all, answer) => {
                passed(&desk, answer, |a| Wake::Fetched(folder, all, a)).await
            }
            Wake::Polled => note(Ok(())),
            Wake::PollFailed(failure) => note(Err(failure.why)),
            other => panic!("the reading task says {other:?}"),
        }
    }
}

impl World {
    pub(crate) fn new() -> World {
        let real = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let desk =
            real.block_on(Desk::with(|config| config + "[limits]\ndirect_per_day_max = 1000000\n"));
        World { real, desk, requesters: 0 }
    }

    pub(crate) fn scene(&mut self) -> Scene<'_> {
        self.scene_by(Way { idle: true, tls: None })
    }

    pub(crate) fn scene_by(&mut self, way: Way) -> Scene<'_> {
        let unreal = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (acceptor, ca_pem) = way.tls.unzip();
        let is_tls = ca_pem.is_some();
        let server = unreal.block_on(LyingImap::start(acceptor));
        let before = self.real.block_on(self.desk.outcomes()).len();
        // No UID of an earlier scene comes again.
        server.with_inbox(|inbox| inbox.uid_validity = 1000 * (u32::try_from(before).unwrap() + 1));
        let heard = Heard::default();
        let settings = ImapSettings {
            host: if is_tls { "localhost" } else { "127.0.0.1" }.to_owned(),
            port: server.port(),
            tls: is_tls,
            username: "hello@flexus.example".to_owned(),
            sign_in: SignIn::Password("secret".to_owned().into()),
            folder: "INBOX".to_owned(),
            ca_pem,
            idle: way.idle,
            message_bytes_max: MESSAGE_BYTES_MAX,
        };
        let poll = Poll { every: Duration::from_secs(60), message_bytes_max: MESSAGE_BYTES_MAX };
        let mailbox = Mailbox::Imap(Box::new(ImapMailbox::new(settings)));
        let (wakes, woken) = mpsc::channel(WAKES_WAITING_MAX);
        unreal.spawn(relay(woken, self.desk.wakes(), heard.clone()));
        unreal.spawn(tasks::read(mailbox, poll, wakes));
        Scene { world: self, unreal, server, heard, requesters: Vec::new(), before }
    }
}

impl Scene<'_> {
    /// Somebody new asks; where the request lies, by UID.
    pub(crate) fn request(&mut self) -> u32 {
        self.world.requesters += 1;
        let number = self.world.requesters;
        self.requesters.push(number);
        let raw = mail(&requester(number), "Data Deletion Request", "please delete my account");
        let raw = format!("Received: from mx by mail with ESMTP id {number}\n{raw}");
        self.server.receives(self.world.desk.clock.now(), raw.replace('\n', "\r\n").as_bytes())
    }

    /// The newest one's mail has gone: nobody expects anything of it.
    pub(crate) fn forgets_the_last(&mut self) {
        self.requesters.pop();
    }

    /// The desk's clock goes on; the reading task has one of its own.
    pub(crate) fn hours_pass_at_the_desk(&mut self, hours: i64) {
        let clock = &self.world.desk.clock;
        clock.set(clock.now() + chrono::TimeDelta::hours(hours));
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.world.desk
    }

    pub(crate) fn passes(&self, time: Duration) {
        self.unreal.block_on(async { sleep(time).await });
    }

    pub(crate) fn now(&self) -> Instant {
        self.unreal.block_on(async { Instant::now() })
    }

    /// Lets time pass until something is so, and returns how long that took.
    #[track_caller]
    pub(crate) fn until(
        &mut self,
        what: &str,
        at_most: Duration,
        mut so: impl FnMut(&mut Self) -> bool,
    ) -> Duration {
        let begun = self.now();
        loop {
            let took = self.now() - begun;
            if so(self) {
                return took;
            }
            assert!(took < at_most, "not within {at_most:?}: {what}\n{}", self.story());
            self.passes(Duration::from_secs(1));
        }
    }

    /// Everything that was asked has an outcome.
    #[track_caller]
    pub(crate) fn until_handled(&mut self, case: &str, at_most: Duration) -> Duration {
        let what = format!("{case}: all is handled");
        self.until(&what, at_most, |scene| scene.outcomes().len() >= scene.requesters.len())
    }

    /// Good polls since then.
    pub(crate) fn polls_since(&self, since: Instant) -> usize {
        self.heard.polls_since(since)
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.heard.failures()
    }

    pub(crate) fn story(&self) -> String {
        let commands = self.server.commands();
        let last = commands.len().saturating_sub(60);
        format!("{:#?}\n{:#?}\n{:#?}", self.failures(), &commands[last..], self.outcomes())
    }

    /// What became of the messages, without repetitions of the same bytes.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let all = self.world.real.block_on(self.world.desk.outcomes());
        all.into_iter().skip(self.before).filter(|outcome| outcome != "known: same-bytes").collect()
    }

    pub(crate) fn cases(&self) -> Vec<StoredCase> {
        self.world.real.block_on(self.world.desk.cases())
    }

    /// Every request has its outcome, and every requester one letter.
    #[track_caller]
    pub(crate) fn nothing_is_lost_or_doubled(&self, case: &str) {
        let outcomes = self.outcomes();
        assert_eq!(outcomes.len(), self.requesters.len(), "{case}\n{}", self.story());
        for outcome in &outcomes {
            assert!(outcome.starts_with("opened: "), "{case}\n{}", self.story());
        }
        self.world.real.block_on(self.world.desk.submits());
        for number in &self.requesters {
            let letters = self.world.desk.letters_to(&requester(*number));
            assert_eq!(letters.len(), 1, "{case}: letters to requester {number}");
        }
    }

    #[track_caller]
    pub(crate) fn connections_were_apart(&self, case: &str) {
        for pair in self.server.connections().windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart >= RECONNECTION_REST, "{case}: {apart:?}\n{}", self.story());
        }
    }
}

fn requester(number: usize) -> String {
    format!("requester{number}@example.org")
}

/// Two requests lie there, a third comes after the first good poll or after the lies: the server
/// lies so many times.
#[track_caller]
fn survives(world: &mut World, at: At, fault: &Fault, times: u32) {
    let case = format!("{fault:?} at {at:?}, {times} times");
    let mut scene = world.scene();
    let begun = scene.now();
    scene.request();
    scene.request();
    scene.server.lies(at, fault.clone(), times);
    // Some commands come only with news, or after the longest IDLE.
    scene.until(&format!("{case}: every lie was told"), Duration::from_secs(3600), |scene| {
        if scene.requesters.len() == 2 && scene.polls_since(begun) > 0 {
            scene.request();
        }
        scene.server.lies_left() == 0
    });
    let well = scene.server.lied_at().unwrap();
    // A connection that dies silently while nothing is expected shows at the end of the IDLE.
    let asleep = matches!((at, fault), (At::Idle, Fault::Sleeps));
    let within = if asleep { SILENT_IDLE } else { BACK_TO_WORK };
    let heals = within.saturating_sub(scene.now() - well);
    scene.until(&format!("{case}: back to work"), heals, |scene| scene.polls_since(well) > 0);
    if scene.requesters.len() == 2 {
        scene.request();
    }
    scene.until_handled(&case, 2 * within);
    // What would come twice would come at the next look at everything.
    scene.passes(Duration::from_secs(3700));
    scene.nothing_is_lost_or_doubled(&case);
    scene.connections_were_apart(&case);
}

/// Every way to fail that makes sense at every command.
fn faults() -> Vec<Fault> {
    let says = |words: &[u8]| Fault::SaysInstead(words.to_vec());
    let lists = format!("* 1 FETCH {}\r\n", "(".repeat(100_000));
    vec![
        Fault::No,
        Fault::Bad,
        Fault::Bye,
        Fault::End,
        Fault::Reset,
        Fault::CutAfter(0),
        Fault::CutAfter(7),
        Fault::CutAfter(45),
        Fault::Stalls,
        Fault::HalfOpen,
        Fault::Late(Duration::from_secs(40)),
        Fault::Nothing,
        Fault::WrongTag,
        Fault::Renumbers,
        Fault::SaysFirst(
            b"* OK [ALERT] busy\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* 2 RECENT\r\n".to_vec(),
        ),
        says(b"\0\xff\xfe nonsense\r\n"),
        says(b"TAG MAYBE later\r\n"),
        says("* OK [X]\u{2013}beyond ASCII\r\nTAG OK done\r\n".as_bytes()),
        says(b"* 1 FETCH (UID 1 BODY[] {4294967295}\r\nabc"),
        says(b"* 1 FETCH (UID 1 BODY[] {99999999999999999999}\r\nabc"),
        says(lists.as_bytes()),
        // What looks like a literal and is none hides them from whoever counts.
        says(format!("* OK {{1000000}}\r\n{lists}").as_bytes()),
        // And the other way round.
        says(
            format!("* STATUS {{23}}\r\n* 1 FETCH (X {{900000}}\r\n (MESSAGES 1)\r\n{lists}")
                .as_bytes(),
        ),
        says(b"* STATUS {500000000}\r\nabc"),
        Fault::SaysWithoutEnd(format!("* OK {}", "x".repeat(4096)).into_bytes()),
        Fault::SaysWithoutEnd(b"\0".repeat(4096)),
    ]
}

#[track_caller]
fn survives_everything_at(at: At) {
    let mut world = World::new();
    for fault in faults() {
        survives(&mut world, at, &fault, 1);
    }
    for fault in [Fault::Bye, Fault::End, Fault::Stalls] {
        survives(&mut world, at, &fault, 4);
    }
}

#[test]
fn a_greeting_that_lies() {
    survives_everything_at(At::Greeting);
}

#[test]
fn a_login_that_lies() {
    survives_everything_at(At::Login);
}

#[test]
fn capabilities_that_lie() {
    survives_everything_at(At::Capability);
}

#[test]
fn an_opened_folder_that_lies() {
    survives_everything_at(At::Examine);
}

#[test]
fn a_search_that_lies() {
    survives_everything_at(At::Search);
    let mut world = World::new();
    for fault in [Fault::OneFewer, Fault::Phantoms, Fault::Twice] {
        survives(&mut world, At::Search, &fault, 1);
    }
}

#[test]
fn sizes_that_lie() {
    survives_everything_at(At::Sizes);
    let mut world = World::new();
    for fault in [
        Fault::OneFewer,
        Fault::Twice,
        Fault::FlagsBefore,
        Fault::OtherUids,
        Fault::Sizes(0),
        Fault::Sizes(1),
    ] {
        survives(&mut world, At::Sizes, &fault, 1);
    }
}

#[test]
fn bodies_that_lie() {
    survives_everything_at(At::Bodies);
    let mut world = World::new();
    for fault in [
        Fault::OneFewer,
        Fault::Twice,
        Fault::FlagsBefore,
        Fault::LiteralOff(50),
        Fault::LiteralOff(1000),
        Fault::LiteralOff(-50),
    ] {
        survives(&mut world, At::Bodies, &fault, 1);
    }
}

#[test]
fn a_noop_that_lies() {
    survives_everything_at(At::Noop);
}

#[test]
fn an_idle_that_lies() {
    survives_everything_at(At::Idle);
    survives(&mut World::new(), At::Idle, &Fault::Sleeps, 1);
}

#[test]
fn an_end_of_idle_that_lies() {
    survives_everything_at(At::Done);
}
