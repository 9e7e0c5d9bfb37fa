//! The way to the SMTP server is cut at every octet and, under TLS, at every record; and the
//! server answers what it should not. A letter is never lost, and twice there only when the
//! final dot had got through and its answer had not; then with the same bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use deletion_desk::case::Letter;
use deletion_desk::mail::EmailAddress;
use deletion_desk::oauth::SignIn;
use deletion_desk::store::attempts::End;
use deletion_desk::submission::{Line, Parcel, SmtpSettings, Submitter, Tls};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::cutting_proxy::{Cut, CuttingProxy, How, Unit, Way};
use crate::harness::{DESK, Desk, OFFICER};
use crate::servers::{MailServers, PASSWORD};
use crate::smtp_sink::{Reply, SmtpSink, Step, Takes};

/// A desk whose letters leave through a proxy, in a time of their own.
struct Post {
    real: Runtime,
    unreal: Runtime,
    desk: Desk,
    sink: SmtpSink,
    proxy: CuttingProxy,
    line: Line,
    letters: usize,
    in_hand: VecDeque<Parcel>,
}

fn settings(port: u16, tls: Tls, ca_pem: Option<Vec<u8>>) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".to_owned(),
        port,
        tls,
        login: Some((OFFICER.to_owned(), SignIn::Password(PASSWORD.to_owned().into()))),
        ca_pem,
        hello: "flexus.example".to_owned(),
    }
}

async fn writes(desk: &Desk, subject: &str, to: &str) {
    let letter = Letter::alarm(subject, "something is cut", "nothing");
    let to = EmailAddress::parse(to).unwrap();
    let mut tx = desk.store.begin().await.unwrap();
    tx.write_to_staff(&letter, None, &to, desk.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

fn message_id(parcel: &Parcel) -> String {
    let text = String::from_utf8_lossy(&parcel.bytes).into_owned();
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:"));
    line.unwrap().split(['<', '>']).nth(1).unwrap().to_owned()
}

impl Post {
    fn to_server_that(takes: Takes) -> Post {
        let real = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let unreal = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let desk = real.block_on(Desk::live());
        let sink = unreal.block_on(SmtpSink::start(takes));
        let proxy = unreal.block_on(CuttingProxy::start(sink.port(), Unit::Octets));
        let line = Submitter::Smtp(Arc::new(settings(proxy.port(), Tls::None, None))).line();
        Post { real, unreal, desk, sink, proxy, line, letters: 0, in_hand: VecDeque::new() }
    }

    /// A worker takes several at a time; here they are tried one after the other.
    fn takes_letter(&mut self) -> Option<Parcel> {
        if self.in_hand.is_empty() {
            self.in_hand.extend(self.real.block_on(self.desk.takes_letters()).unwrap_or_default());
        }
        self.in_hand.pop_front()
    }

    /// A new letter is in hand.
    fn letter(&mut self) -> Parcel {
        self.letters += 1;
        let subject = format!("letter {}", self.letters);
        self.real.block_on(writes(&self.desk, &subject, OFFICER));
        self.takes_letter().expect("a letter")
    }

    /// One attempt; the connection ends with it.
    fn attempt(&mut self, parcel: &Parcel) -> End {
        let line = &mut self.line;
        let end = self.unreal.block_on(async {
            let end = line.submit(parcel).await;
            line.hang_up().await;
            // The other side comes to its end.
            sleep(Duration::from_secs(20)).await;
            end
        });
        self.real.block_on(self.desk.ends(parcel.id, end.clone()));
        end
    }

    fn copies(&self, parcel: &Parcel) -> Vec<Vec<u8>> {
        self.sink.taken_with(&message_id(parcel))
    }

    /// Further attempts, undisturbed, until nothing waits.
    #[track_caller]
    fn goes_on(&mut self, case: &str, first: &Parcel) {
        for _ in 0..3 {
            self.desk.sleeps_for(TimeDelta::minutes(16));
            let Some(again) = self.takes_letter() else { return };
            assert_eq!((again.id, &again.bytes), (first.id, &first.bytes), "{case}");
            self.attempt(&again);
        }
        assert!(self.takes_letter().is_none(), "{case}: it is tried again and again");
    }

    /// A letter is disturbed once and then let through: how often it is there in the end.
    #[track_caller]
    fn survives(&mut self, case: &str) -> (End, usize) {
        let parcel = self.letter();
        let end = self.attempt(&parcel);
        let before = self.copies(&parcel).len();
        assert!(before <= 1, "{case}: {before} copies by one attempt");
        self.goes_on(case, &parcel);
        let copies = self.copies(&parcel);
        assert!(copies.iter().all(|copy| copy == &copies[0]), "{case}: copies differ");
        assert!(copies.len() <= before + 1, "{case}: {} copies, {end:?}", copies.len());
        (end, copies.len())
    }

    #[track_caller]
    fn survives_cut(&mut self, cut: Cut, dot_at: usize) {
        let case = format!("{cut:?}");
        self.proxy.cuts(cut);
        let (end, copies) = self.survives(&case);
        let dot_got_through = cut.way == Way::ToClient || cut.after >= dot_at;
        let may_be_double = dot_got_through && matches!(end, End::Uncertain(_));
        assert!(copies == 1 || (copies == 2 && may_be_double), "{case}: {copies} copies, {end:?}");
    }

    /// Octets each way, up to the final dot and to the end.
    fn undisturbed(&mut self) -> (usize, usize, usize) {
        let parcel = self.letter();
        let line = &mut self.line;
        let end = self.unreal.block_on(line.submit(&parcel));
        assert_eq!(end, End::Submitted);
        let dot_at = self.proxy.passed(Way::ToServer);
        self.unreal.block_on(self.line.hang_up());
        self.real.block_on(self.desk.ends(parcel.id, end));
        (dot_at, self.proxy.passed(Way::ToServer), self.proxy.passed(Way::ToClient))
    }
}

/// Every octet of the dialogue; in the middle of the mail, where all octets are alike, some.
/// `CUT_EVERY_OCTET=1` leaves none out.
fn cuts(how: How, takes: Takes) {
    let mut post = Post::to_server_that(takes);
    let (dot_at, to_server, to_client) = post.undisturbed();
    assert_eq!(post.sink.got_several(), takes == Takes::Several);
    let every = std::env::var_os("CUT_EVERY_OCTET").is_some();
    let (head, tail) = (300, dot_at - 60);
    let is_cut = |at: &usize| every || *at < head || *at >= tail || at.is_multiple_of(17);
    for after in (0..to_server).filter(is_cut) {
        post.survives_cut(Cut { way: Way::ToServer, after, how }, dot_at);
    }
    for after in 0..to_client {
        post.survives_cut(Cut { way: Way::ToClient, after, how }, dot_at);
    }
    println!("{how:?}, {takes:?}: a dialogue of {to_server} + {to_client} octets");
}

#[test]
fn cut_at_every_octet_by_an_end_of_file() {
    cuts(How::End, Takes::Several);
}

#[test]
fn cut_at_every_octet_by_a_reset() {
    cuts(How::Reset, Takes::Several);
}

#[test]
fn cut_at_every_octet_of_commands_one_by_one() {
    cuts(How::End, Takes::OneByOne);
    cuts(How::Reset, Takes::OneByOne);
}

#[test]
fn stalled_at_every_command_and_answer() {
    stalls(Takes::Several);
    stalls(Takes::OneByOne);
}

fn stalls(takes: Takes) {
    let mut post = Post::to_server_that(takes);
    let (dot_at, to_server, to_client) = post.undisturbed();
    assert_eq!(post.sink.got_several(), takes == Takes::Several);
    for after in (0..to_client).step_by(5) {
        post.survives_cut(Cut { way: Way::ToClient, after, how: How::Stall }, dot_at);
    }
    for after in (0..400).step_by(13).chain(dot_at - 12..to_server) {
        post.survives_cut(Cut { way: Way::ToServer, after, how: How::Stall }, dot_at);
    }
}

/// Under TLS the octets cannot be told apart; its records can. With a real Postfix.
#[test]
fn cut_at_every_record_under_tls() {
    let servers = MailServers::start(&[DESK, OFFICER]);
    let real = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    real.block_on(async {
        let desk = Desk::live().await;
        let proxy = CuttingProxy::start(servers.submissions_port(), Unit::Records).await;
        let ca_pem = std::fs::read(servers.ca_file()).unwrap();
        let settings = settings(proxy.port(), Tls::Implicit, Some(ca_pem));
        let mut line = Submitter::Smtp(Arc::new(settings)).line();
        let mut letters: Vec<(Parcel, Option<Cut>, bool)> = Vec::new();
        writes(&desk, "undisturbed", OFFICER).await;
        let parcel = desk.takes_letters().await.unwrap().remove(0);
        assert_eq!(line.submit(&parcel).await, End::Submitted);
        let (dot_at, answered_at) = (proxy.passed(Way::ToServer), proxy.passed(Way::ToClient));
        line.hang_up().await;
        desk.ends(parcel.id, End::Submitted).await;
        letters.push((parcel, None, false));
        for how in [How::End, How::Reset] {
            for (way, most) in [(Way::ToServer, dot_at + 2), (Way::ToClient, answered_at + 1)] {
                for after in 0..most {
                    let cut = Cut { way, after, how };
                    proxy.cuts(cut);
                    writes(&desk, &format!("{cut:?}"), OFFICER).await;
                    let parcel = desk.takes_letters().await.unwrap().remove(0);
                    let mut end = line.submit(&parcel).await;
                    let may_be_double = matches!(end, End::Uncertain(_))
                        && match way {
                            Way::ToServer => after >= dot_at,
                            Way::ToClient => after + 1 >= answered_at,
                        };
                    line.hang_up().await;
                    desk.ends(parcel.id, end.clone()).await;
                    for _ in 0..3 {
                        desk.sleeps_for(TimeDelta::minutes(16));
                        let Some(mut again) = desk.takes_letters().await else { break };
                        let again = again.remove(0);
                        assert_eq!(again.bytes, parcel.bytes, "{cut:?}");
                        end = line.submit(&again).await;
                        line.hang_up().await;
                        desk.ends(again.id, end.clone()).await;
                    }
                    assert_eq!(end, End::Submitted, "{cut:?}");
                    letters.push((parcel, Some(cut), may_be_double));
                }
            }
        }
        println!("{} cuts, {dot_at} records to the server, {answered_at} back", letters.len() - 1);
        servers.wait_for_mail(OFFICER, letters.len()).await;
        // What is still on its way through Postfix.
        sleep(Duration::from_secs(2)).await;
        let mails = servers.mails(OFFICER).await;
        for (parcel, cut, may_be_double) in &letters {
            let id = message_id(parcel);
            let copies = mails.iter().filter(|mail| mail.contains(&id)).count();
            assert!(copies == 1 || (copies == 2 && *may_be_double), "{cut:?}: {copies} copies");
        }
    });
}

/// Answers at every step, and what may follow: copies, and whether it ends without one.
#[test]
fn a_server_that_answers_what_it_should_not_loses_no_letter() {
    answers_what_it_should_not(Takes::Several);
    answers_what_it_should_not(Takes::OneByOne);
}

fn answers_what_it_should_not(takes: Takes) {
    use Step::{Auth, Data, Dot, Ehlo, Greeting, Mail, Rcpt};
    let mut post = Post::to_server_that(takes);
    let nonsense: [&[u8]; 19] = [
        b"999 what\r\n",
        b"2\r\n",
        b"hello\r\n",
        b"\r\n",
        b"250\r\n",
        b"150 wait\r\n",
        b"600 x\r\n",
        b"250-one\r\n550 two\r\n",
        b"250-one\r\nnothing\r\n",
        b"\xff\xfe\xfd\r\n",
        "25\u{2013}0 ok\r\n".as_bytes(),
        b"354 go on\r\n",
        b"235 welcome\r\n",
        b"334 VXNlcm5hbWU6\r\n",
        b"421 4.3.2 closing\r\n",
        b"450 4.2.0 not now\r\n",
        b"550 5.7.1 not from you\r\n",
        b"550 5.1.1 never\r\n",
        b"250 ok\r\n250 ok\r\n250 ok\r\n",
    ];
    for step in [Greeting, Ehlo, Auth, Mail, Rcpt, Data, Dot] {
        for words in nonsense {
            let case = format!("{:?} at {step:?}, {takes:?}", String::from_utf8_lossy(words));
            post.sink.replies(step, Reply::Says(words.to_vec()));
            let (end, copies) = post.survives(&case);
            let refused = words.starts_with(b"550 5.1.1") && matches!(step, Rcpt | Dot);
            let expected = match step {
                _ if refused => 0..=0,
                // It took the letter and said nonsense: nobody can know.
                Dot => 1..=2,
                _ => 1..=1,
            };
            assert!(expected.contains(&copies), "{case}: {copies} copies, {end:?}");
            assert_eq!(refused, matches!(end, End::Permanent(_)), "{case}: {end:?}");
            let told = format!("{end:?}");
            assert!(told.len() < 200, "{case}: {told}");
        }
        let long = [
            Reply::SaysWithoutEnd(vec![b'x'; 8192]),
            Reply::SaysWithoutEnd(b"250-and so on\r\n".repeat(500)),
            Reply::HangsUp,
            Reply::Stalls,
            Reply::Late(Duration::from_secs(20)),
        ];
        for reply in long {
            let case = format!("{:.60} at {step:?}", format!("{reply:?}"));
            post.sink.replies(step, reply);
            let (end, copies) = post.survives(&case);
            let most = if step == Dot { 2 } else { 1 };
            assert!((1..=most).contains(&copies), "{case}: {copies} copies, {end:?}");
        }
    }
}

#[test]
fn one_recipient_that_is_refused_stops_no_other_letter() {
    refuses_one(Takes::Several);
    refuses_one(Takes::OneByOne);
}

fn refuses_one(takes: Takes) {
    let mut post = Post::to_server_that(takes);
    post.sink.refuses("eve@");
    for (number, to) in [OFFICER, "eve@flexus.example", OFFICER].into_iter().enumerate() {
        post.real.block_on(writes(&post.desk, &format!("to {number}"), to));
    }
    let mut ends = Vec::new();
    while let Some(parcel) = post.takes_letter() {
        let end = post.unreal.block_on(post.line.submit(&parcel));
        post.real.block_on(post.desk.ends(parcel.id, end.clone()));
        ends.push(end);
    }
    ends.sort_by_key(|end| *end != End::Submitted);
    assert_eq!(ends[..2], [End::Submitted, End::Submitted]);
    assert!(matches!(&ends[2..], [End::Permanent(why)] if why == "550 5.1.1"), "{ends:?}");
    post.desk.sleeps_for(TimeDelta::days(1));
    assert!(post.takes_letter().is_none(), "a refused letter is not tried again");
}

/// 421 in the middle, or nothing at all: the next letter goes over a connection of its own, at
/// once, and without an attempt being counted.
#[test]
fn a_server_that_closes_after_some_mails_delays_none() {
    let mut post = Post::to_server_that(Takes::Several);
    post.sink.takes_per_connection(3);
    for number in 1..=10 {
        let parcel = post.letter();
        let end = post.unreal.block_on(post.line.submit(&parcel));
        assert_eq!(end, End::Submitted, "letter {number}");
        post.real.block_on(post.desk.ends(parcel.id, end));
    }
    assert_eq!(post.sink.taken().len(), 10);
    assert_eq!(post.sink.connections(), 4);
    assert_eq!(post.proxy.connections(), 4);
}

#[test]
fn a_slow_greeting_is_waited_for_and_a_missing_one_is_not() {
    let mut post = Post::to_server_that(Takes::Several);
    post.sink.replies(Step::Greeting, Reply::Late(Duration::from_secs(25)));
    assert_eq!(post.survives("slow").0, End::Submitted);
    post.sink.replies(Step::Greeting, Reply::Late(Duration::from_secs(35)));
    let (end, copies) = post.survives("too slow");
    assert!(matches!(&end, End::NotTried(why) if why.why.contains("does not greet")), "{end:?}");
    assert_eq!(copies, 1);
}
