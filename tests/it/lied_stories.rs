//! Servers that lie in a way of their own, each in a story: see `lied.rs`.

use std::time::Duration;

use crate::certificates::{Authority, Shown};
use crate::harness::JANE;
use crate::lied::{RECONNECTION_REST, Scene, Way, World};
use crate::lying_imap::{At, Fault};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// So often that it is for ever, here.
const ALWAYS: u32 = 1_000_000;

#[test]
fn a_server_that_cannot_prove_itself_is_told_no_password() {
    let authority = Authority::new();
    for shown in [Shown::Expired, Shown::WrongName, Shown::SelfSigned] {
        let case = format!("{shown:?}");
        let mut world = World::new();
        let tls = Some((authority.acceptor(shown), authority.ca_pem()));
        let mut scene = world.scene_by(Way { idle: true, tls });
        scene.request();
        scene.passes(30 * MINUTE);
        assert_eq!(scene.server.logins(), 0, "{case}");
        assert!(scene.outcomes().is_empty(), "{case}");
        let failures = scene.failures();
        assert!(failures[0].contains("certificate"), "{case}: {failures:?}");
        scene.connections_were_apart(&case);
    }
    let mut world = World::new();
    let tls = Some((authority.acceptor(Shown::Good), authority.ca_pem()));
    let mut scene = world.scene_by(Way { idle: true, tls });
    scene.request();
    scene.until_handled("a good certificate", MINUTE);
    scene.nothing_is_lost_or_doubled("a good certificate");
}

#[test]
fn a_greeting_of_preauth_is_told_no_password() {
    let mut world = World::new();
    let mut scene = world.scene();
    scene.request();
    let words = b"* PREAUTH welcome back\r\n".to_vec();
    scene.server.lies(At::Greeting, Fault::SaysInstead(words), ALWAYS);
    scene.passes(10 * MINUTE);
    assert_eq!(scene.server.logins(), 0);
    assert!(scene.failures()[0].contains("PREAUTH"), "{:?}", scene.failures());
    scene.server.repents();
    scene.until_handled("the truth", MINUTE);
    scene.nothing_is_lost_or_doubled("PREAUTH");
}

/// The longest rest is under a minute, so the desk is back in time however long it took.
#[test]
fn after_a_long_outage_of_any_kind_the_desk_is_back_within_a_minute() {
    let mut world = World::new();
    for at in [At::Greeting, At::Login, At::Search, At::Bodies] {
        for fault in [Fault::Bye, Fault::No, Fault::Stalls, Fault::HalfOpen] {
            let case = format!("{fault:?} at {at:?} for two hours");
            let mut scene = world.scene();
            scene.request();
            scene.request();
            scene.server.lies(at, fault, ALWAYS);
            scene.passes(2 * HOUR);
            assert!(scene.outcomes().is_empty(), "{case}\n{}", scene.story());
            scene.connections_were_apart(&case);
            let count = scene.server.connections().len();
            assert!(count < 300, "{case}: {count} connections");
            scene.server.repents();
            scene.until_handled(&case, MINUTE);
            scene.passes(HOUR + MINUTE);
            scene.nothing_is_lost_or_doubled(&case);
        }
    }
}

/// One that the server cannot give, and one that ends it: the others are read at once, and the
/// message goes to a person.
#[test]
fn a_message_that_the_server_cannot_give_holds_up_no_other() {
    let mut world = World::new();
    for fault in [Fault::No, Fault::End, Fault::Stalls, Fault::Nothing] {
        let case = format!("{fault:?} for one message");
        let mut scene = world.scene();
        scene.request();
        let poison = scene.request();
        scene.forgets_the_last();
        scene.request();
        scene.server.with_inbox(|inbox| inbox.poison = Some((poison, fault)));
        scene.until_handled(&case, 3 * MINUTE);
        // Others come, and show that the server gives what it can.
        for _ in 0..4 {
            scene.passes(5 * MINUTE);
            scene.request();
            scene.until_handled(&case, 3 * MINUTE);
        }
        let is_given_up = |scene: &mut Scene<'_>| {
            scene.outcomes().contains(&"quarantined: cannot-be-fetched".to_owned())
        };
        scene.until(&format!("{case}: it is given up"), 2 * HOUR, is_given_up);
        scene.passes(HOUR + MINUTE);
        let outcomes = scene.outcomes();
        assert_eq!(outcomes.len(), 7, "{case}: {outcomes:?}");
        assert_eq!(outcomes.iter().filter(|one| one.starts_with("opened")).count(), 6, "{case}");
        scene.connections_were_apart(&case);
    }
}

#[test]
fn a_message_that_is_listed_and_never_described_goes_to_a_person() {
    let mut world = World::new();
    let mut scene = world.scene();
    scene.request();
    scene.server.lies(At::Search, Fault::Phantoms, ALWAYS);
    scene.until_handled("phantoms", MINUTE);
    scene.passes(3 * HOUR);
    let outcomes = scene.outcomes();
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert_eq!(outcomes[1..], ["quarantined: cannot-be-fetched"; 2]);
}

#[test]
fn what_is_expunged_before_it_is_read_is_no_failure() {
    let mut world = World::new();
    for at in [At::Search, At::Sizes, At::Bodies] {
        let case = format!("expunged at {at:?}");
        let mut scene = world.scene();
        scene.request();
        scene.request();
        scene.server.lies(at, Fault::Expunges, 1);
        scene.forgets_the_last();
        scene.until_handled(&case, 2 * MINUTE);
        scene.passes(2 * HOUR);
        scene.nothing_is_lost_or_doubled(&case);
        assert_eq!(scene.failures(), Vec::<String>::new(), "{case}");
    }
}

#[test]
fn messages_that_are_renumbered_all_the_time_are_asked_once() {
    let mut world = World::new();
    for at in [At::Examine, At::Search, At::Sizes, At::Bodies, At::Noop, At::Done] {
        let case = format!("renumbered at {at:?} eight times");
        let mut scene = world.scene();
        scene.request();
        scene.request();
        scene.server.lies(at, Fault::Renumbers, 8);
        scene.until_handled(&case, HOUR);
        scene.passes(HOUR);
        scene.request();
        scene.until_handled(&case, HOUR);
        scene.nothing_is_lost_or_doubled(&case);
        scene.connections_were_apart(&case);
    }
}

#[test]
fn a_server_that_counts_from_lower_numbers_again_loses_nothing() {
    let mut world = World::new();
    for idle in [true, false] {
        let mut scene = world.scene_by(Way { idle, tls: None });
        scene.server.with_inbox(|inbox| inbox.uid_next = 1000);
        scene.request();
        scene.until_handled("before the rewind", 2 * MINUTE);
        scene.passes(5 * MINUTE);
        scene.server.with_inbox(|inbox| inbox.uid_next = 10);
        scene.request();
        scene.request();
        scene.server.with_inbox(|inbox| inbox.messages.sort_by_key(|message| message.uid));
        scene.until_handled("after the rewind", 6 * MINUTE);
        scene.nothing_is_lost_or_doubled("rewound");
        assert_eq!(scene.server.connections().len(), 1, "{}", scene.story());
    }
}

/// As after a restored backup: the same UIDVALIDITY, and other mail under the same UIDs.
#[test]
fn a_uid_that_is_used_again_for_other_bytes_is_read_again() {
    let mut world = World::new();
    let mut scene = world.scene();
    for _ in 0..3 {
        scene.request();
    }
    scene.until_handled("before", MINUTE);
    scene.passes(5 * MINUTE);
    scene.hours_pass_at_the_desk(1);
    scene.server.with_inbox(|inbox| {
        inbox.messages.truncate(1);
        inbox.uid_next = 2;
    });
    scene.request();
    scene.request();
    scene.until_handled("after", 6 * MINUTE);
    scene.passes(3 * HOUR);
    scene.nothing_is_lost_or_doubled("UIDs used again");
}

#[test]
fn idle_that_is_refused_or_never_wakes_is_replaced_by_polling() {
    let mut world = World::new();
    for (fault, at_most) in
        [(Fault::No, 2 * MINUTE), (Fault::Bad, 2 * MINUTE), (Fault::Sleeps, 6 * MINUTE)]
    {
        let case = format!("{fault:?}");
        let mut scene = world.scene();
        scene.server.lies(At::Idle, fault, ALWAYS);
        for _ in 0..5 {
            scene.request();
            scene.until_handled(&case, at_most);
            scene.passes(7 * MINUTE);
        }
        scene.nothing_is_lost_or_doubled(&case);
        assert_eq!(scene.server.connections().len(), 1, "{case}: {}", scene.story());
    }
}

/// It speaks of new mail in every answer and has none.
#[test]
fn a_server_that_always_has_news_is_not_asked_without_rest() {
    let mut world = World::new();
    let mut scene = world.scene();
    scene.request();
    scene.server.lies(At::Search, Fault::SaysFirst(b"* 1 EXISTS\r\n".to_vec()), ALWAYS);
    scene.passes(10 * MINUTE);
    scene.until_handled("news", MINUTE);
    let commands = scene.server.commands().len();
    assert!(commands < 2_000, "{commands} commands in ten minutes");
    scene.nothing_is_lost_or_doubled("news");
}

/// Nobody is told a deadline that was reckoned from a date that cannot be.
#[test]
fn a_date_that_cannot_be_is_not_believed() {
    let mut world = World::new();
    let mut scene = world.scene();
    scene.server.lies(At::Sizes, Fault::Dates(Some("01-Jan-2199 00:00:00 +0000")), ALWAYS);
    scene.request();
    scene.until_handled("the far future", MINUTE);
    scene.passes(2 * HOUR);
    scene.nothing_is_lost_or_doubled("the far future");
    let now = scene.desk().clock.now();
    assert!(scene.cases().iter().all(|case| case.case.received_at <= now));
}

/// It may be old, and then nobody may be asked; it may be new, and then somebody waits.
#[test]
fn a_request_without_a_date_is_shown_to_staff() {
    let mut world = World::new();
    for date in [None, Some("nonsense")] {
        let mut scene = world.scene();
        scene.server.lies(At::Sizes, Fault::Dates(date), ALWAYS);
        scene.request();
        scene.until_handled("undated", MINUTE);
        scene.passes(2 * HOUR);
        assert_eq!(scene.outcomes(), ["for-staff: before-first-start"], "{date:?}");
    }
}

#[test]
fn a_message_that_is_said_to_be_too_large_goes_to_a_person() {
    let mut world = World::new();
    let mut scene = world.scene();
    scene.request();
    scene.server.lies(At::Sizes, Fault::Sizes(u32::MAX), ALWAYS);
    scene.until_handled("too large", MINUTE);
    scene.passes(2 * HOUR);
    assert_eq!(scene.outcomes(), ["quarantined: message-too-large"]);
}

/// Sizes are sometimes guessed (Exchange does), and a connection does not survive a literal that is
/// too large.
#[test]
fn a_message_that_is_larger_than_was_said_holds_up_no_other() {
    let mut world = World::new();
    let mut scene = world.scene();
    let at = scene.desk().clock.now();
    let huge = format!("From: {JANE}\r\n\r\n{}", "x".repeat(2 << 20));
    scene.server.lies(At::Sizes, Fault::Sizes(1000), ALWAYS);
    scene.server.receives(at, huge.as_bytes());
    scene.server.receives(at, huge.replace('x', "y").as_bytes());
    scene.request();
    scene.until("all are handled", 10 * MINUTE, |scene| scene.outcomes().len() == 3);
    let outcomes = scene.outcomes();
    let too_large = outcomes.iter().filter(|one| *one == "quarantined: message-too-large");
    assert_eq!(too_large.count(), 2, "{outcomes:?}");
    scene.connections_were_apart("larger than said");
}

/// Whoever asks to be left alone is not asked for each message; in the words of Gmail, of
/// Microsoft, and of somebody who hangs up.
#[test]
fn a_server_that_throttles_is_left_alone_at_once() {
    let mut world = World::new();
    for words in [
        "TAG NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)\r\n",
        "TAG BAD Request is throttled. Suggested Backoff Time: 29961 milliseconds\r\n",
        "* BYE Too many simultaneous connections.\r\n",
    ] {
        for at in [At::Sizes, At::Bodies] {
            let mut scene = world.scene();
            // It is there, and looks.
            scene.passes(MINUTE);
            for _ in 0..5 {
                scene.request();
            }
            scene.server.lies(at, Fault::SaysInstead(words.as_bytes().to_vec()), 1);
            scene.until_handled(words, 5 * MINUTE);
            scene.nothing_is_lost_or_doubled(words);
            let failures = scene.failures();
            assert!(matches!(&failures[..], [one] if one.contains("server busy")), "{failures:?}");
            // Up to the next login.
            let commands = scene.server.commands();
            let first = commands.iter().skip(1).take_while(|one| *one != "LOGIN");
            let asked = first.filter(|one| one.contains("FETCH")).count();
            assert_eq!(asked, if at == At::Sizes { 1 } else { 2 }, "{}", scene.story());
            let rest = scene.server.connections()[1] - scene.server.lied_at().unwrap();
            assert!(rest >= MINUTE, "{words}: {rest:?}");
        }
    }
}

/// Microsoft's answer to a sign-in that may not open the mailbox says nothing of a folder.
#[test]
fn a_sign_in_without_a_mailbox_is_told_with_its_remedy() {
    let mut world = World::new();
    let mut scene = world.scene();
    let words = b"TAG BAD User is authenticated but not connected.\r\n".to_vec();
    scene.server.lies(At::Examine, Fault::SaysInstead(words), 1);
    scene.request();
    scene.until_handled("not connected", 5 * MINUTE);
    let told = "sign-in refused: Microsoft takes the sign-in, but not for this mailbox";
    assert!(scene.failures()[0].starts_with(told), "{:?}", scene.failures());
}

/// What the server says may be somebody's mail; it is not repeated in the log.
#[test]
fn no_mail_is_repeated_in_an_error() {
    let mut world = World::new();
    let mut scene = world.scene();
    scene.request();
    scene.server.lies(At::Bodies, Fault::LiteralOff(-50), 3);
    scene.until_handled("a broken answer", 5 * MINUTE);
    assert_eq!(scene.failures().len(), 3);
    for failure in scene.failures() {
        assert!(failure.len() < 200 && !failure.contains("please delete"), "{failure}");
    }
    assert!(scene.server.connections().len() >= 3 && RECONNECTION_REST > Duration::ZERO);
}
