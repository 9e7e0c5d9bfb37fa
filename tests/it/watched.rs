//! What staff, `/healthz` and the log hear when a part fails for a while: with a clock in the hand.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::TimeDelta;
use deletion_desk::oauth::OAuthError;
use deletion_desk::store::attempts::End;
use deletion_desk::trouble::{Failure, Trouble};
use deletion_desk::wake::Wake;
use serde_json::Value;

use crate::harness::{Desk, JANE, OFFICER, mail};

impl Desk {
    /// So many minutes pass, and a poll fails in each.
    async fn polls_in_vain(&self, minutes: i64, trouble: Trouble) {
        for _ in 0..minutes {
            self.sleeps_for(TimeDelta::minutes(1));
            self.poll_fails(Failure::new(trouble, "imap.example")).await;
            self.ticks().await;
        }
    }

    /// So many minutes pass, and the letter in hand cannot be submitted in any of them.
    async fn submits_in_vain(&self, minutes: i64, trouble: Trouble) {
        for _ in 0..minutes {
            self.sleeps_for(TimeDelta::minutes(1));
            self.out.plan(End::NotTried(Failure::new(trouble, "smtp.example")));
            self.tries_one_letter().await;
            self.polls().await;
            self.ticks().await;
        }
    }

    async fn health(&self) -> (StatusCode, String) {
        let page = self.opens("/healthz").await;
        (page.status, page.body)
    }

    async fn health_for_machines(&self) -> Value {
        let asked = Request::get("/healthz").header("accept", "application/json");
        let page = self.asks_page(asked.body(Body::empty()).unwrap()).await;
        serde_json::from_str(&page.body).unwrap()
    }
}

const OTHER: &str = "other@example.org";
const ALL_WELL: &str =
    "ok        bot\nok        database\nok        inbox\nok        mail server\nok        page\n";

#[tokio::test]
async fn staff_hear_which_part_fails_and_what_to_do() {
    for (trouble, words, remedy) in [
        (Trouble::PasswordRefused, "password refused", "password_file under [mailbox]"),
        (Trouble::CertificateExpired, "certificate expired", "has to renew its certificate"),
        (Trouble::HostUnknown, "host unknown", "name service (DNS)"),
        (Trouble::NoConnection, "no connection", "whether a firewall stands between"),
        (Trouble::Busy, "server busy", "the desk rests as long as it is asked to"),
    ] {
        let desk = Desk::live().await;
        desk.polls_in_vain(14, trouble).await;
        desk.submits().await;
        assert!(desk.subjects_to(OFFICER).is_empty(), "not before 15 minutes");
        let (status, health) = desk.health().await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            health.contains(&format!("retrying  inbox: {words}, since 2026-06-01T")),
            "{health}"
        );

        desk.polls_in_vain(30, trouble).await;
        desk.submits().await;
        let alarm = desk.last_letter_to(OFFICER);
        assert_eq!(desk.letters_to(OFFICER).len(), 1, "once");
        assert!(alarm.words().contains(&format!("for 15 minutes: {words}.")), "{}", alarm.text);
        assert!(alarm.words().contains(remedy), "{}", alarm.text);
        let (status, health) = desk.health().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(health.contains(&format!("failing   inbox: {words}, since ")), "{health}");

        desk.polls().await;
        desk.submits().await;
        let over = desk.last_letter_to(OFFICER);
        assert_eq!(over.subject, "[deletion-desk] the inbox is read again");
        assert_eq!(desk.health().await, (StatusCode::OK, ALL_WELL.to_owned()));
    }
}

/// What a provider says about a sign-in is told with its own remedy.
#[tokio::test]
async fn staff_hear_why_nobody_is_signed_in_any_more() {
    let ended = OAuthError::SignInEnded { provider: "Microsoft", code: "invalid_grant".into() };
    let secret = OAuthError::SecretExpired { code: "AADSTS7000222".into() };
    for (why, remedy) in [
        (ended, "Run deletion-desk login on the host and sign in again."),
        (secret, "The client secret has expired (AADSTS7000222). Make a new one where the app"),
    ] {
        let desk = Desk::live().await;
        for _ in 0..16 {
            desk.sleeps_for(TimeDelta::minutes(1));
            desk.poll_fails(Failure::of(&why.clone().into())).await;
            desk.ticks().await;
        }
        desk.submits().await;
        let alarm = desk.last_letter_to(OFFICER);
        assert_eq!(desk.letters_to(OFFICER).len(), 1, "once");
        assert!(alarm.words().contains("for 15 minutes: sign-in refused."), "{}", alarm.text);
        assert!(alarm.words().contains(remedy), "{}", alarm.text);
        let (_, health) = desk.health().await;
        assert!(health.contains("failing   inbox: sign-in refused, since "), "{health}");
    }
    let away = OAuthError::Unreachable { why: "x".into() };
    assert_eq!(Failure::of(&away.into()).trouble, Trouble::NoConnection);
}

#[tokio::test]
async fn staff_hear_afterwards_that_no_letter_could_be_submitted() {
    let mut desk = Desk::live().await;
    desk.mail_arrives(&mail(JANE, "Data Deletion Request", "please"));
    desk.polls().await;
    desk.submits_in_vain(14, Trouble::CertificateExpired).await;
    let (status, health) = desk.health().await;
    assert_eq!(status, StatusCode::OK);
    assert!(health.contains("retrying  mail server: certificate expired, since "), "{health}");
    desk.submits_in_vain(3, Trouble::CertificateExpired).await;
    let (status, _) = desk.health().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let machine = desk.health_for_machines().await;
    assert_eq!((&machine["mail_server"], &machine["inbox"]), (&"failing".into(), &"ok".into()));
    assert_eq!(machine["wrong"]["mail_server"]["why"], "certificate expired");
    assert!(desk.out.taken().is_empty());

    desk.submits().await;
    assert_eq!(desk.subjects_to(OFFICER), ["[deletion-desk] letters are submitted again"]);
    let over = desk.last_letter_to(OFFICER).words();
    assert!(over.contains("Since 01 June 2026, 16:01 the desk could submit no letter"), "{over}");
    assert!(over.contains("(certificate expired)"), "{over}");
    assert_eq!(desk.letters_to(JANE).len(), 1);
    assert_eq!(desk.health().await, (StatusCode::OK, ALL_WELL.to_owned()));
}

/// A recipient whom the server refuses as if it were for us.
#[tokio::test]
async fn a_letter_that_alone_is_refused_is_no_trouble_of_the_server_and_has_an_end() {
    let mut desk = Desk::with(|config| config + "[limits]\nattempts_max = 4\n").await;
    desk.mail_arrives(&mail(JANE, "Data Deletion Request", "please"));
    desk.polls().await;
    let refused = || End::NotTaken(Failure::new(Trouble::TakesNoLetters, "554 5.7.1"));
    desk.out.plan(refused());
    desk.tries_one_letter().await;
    let (_, health) = desk.health().await;
    assert!(health.contains("retrying  mail server: letters not taken, since "), "{health}");
    // Somebody else's is taken.
    desk.receives(&mail(OTHER, "Data Deletion Request", "please")).await;
    assert_eq!(desk.letters_to(OTHER).len(), 1);
    for _ in 0..6 {
        desk.sleeps_for(TimeDelta::hours(1));
        desk.out.plan(refused());
        if desk.tries_one_letter().await == 0 {
            desk.out.forget_plans();
        }
        desk.polls().await;
        desk.ticks().await;
        assert_eq!(desk.health().await, (StatusCode::OK, ALL_WELL.to_owned()));
    }
    let states: Vec<_> = desk.cases().await.into_iter().map(|stored| stored.case.state).collect();
    let ended = states.iter().filter(|state| state.resolution().is_some());
    assert_eq!(ended.count(), 1, "{states:?}");
}

/// What the provider takes for spam comes all day, and says nothing of the inbox.
#[tokio::test]
async fn mail_in_junk_does_not_hide_that_the_inbox_is_not_read() {
    let mut desk = Desk::live().await;
    desk.has_folders().await;
    let junk = desk.junk.clone();
    for minute in 0..20 {
        junk.put(
            &format!("1:{}", 900 + minute),
            desk.clock.now(),
            mail(JANE, "Win", "now").as_bytes(),
        );
        desk.looks_into_junk().await;
        desk.polls_in_vain(1, Trouble::NoFolder).await;
    }
    let (status, health) = desk.health().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(health.contains("failing   inbox: folder cannot be used, since "), "{health}");
    desk.submits().await;
    assert_eq!(desk.subjects_to(OFFICER), ["[deletion-desk] the inbox cannot be read"]);
}

/// The account may not send any more, or the server hangs up on whoever has logged in: that is
/// nothing about the recipient, and nothing that ends.
#[tokio::test]
async fn a_server_that_takes_no_letter_is_told_like_one_that_is_away_and_ends_no_case() {
    let mut desk = Desk::with(|config| config + "[limits]\nattempts_max = 10\n").await;
    desk.mail_arrives(&mail(JANE, "Data Deletion Request", "please"));
    desk.polls().await;
    for _ in 0..20 {
        // The digest is among them.
        for _ in 0..3 {
            let refused = Failure::new(Trouble::TakesNoLetters, "554 5.7.1");
            desk.out.plan(End::NotTaken(refused));
        }
        desk.tries_one_letter().await;
        desk.out.forget_plans();
        // That a line can connect shows nothing.
        desk.wakes().send(Wake::LineWorks).await.unwrap();
        desk.sleeps_for(TimeDelta::hours(1));
        desk.polls().await;
        desk.ticks().await;
    }
    let (status, health) = desk.health().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{health}");
    assert!(health.contains("failing   mail server: letters not taken, since "), "{health}");

    // Nor does it end for the first thing that is its own.
    for _ in 0..3 {
        desk.out.plan(End::Temporary("450 4.2.0".into()));
    }
    assert!(desk.tries_one_letter().await > 0);
    desk.out.forget_plans();
    assert_eq!(desk.state().await, "awaiting-verification");
    desk.hours_pass(1).await;
    assert_eq!(desk.letters_to(JANE).len(), 1);
    assert!(
        desk.subjects_to(OFFICER).contains(&"[deletion-desk] letters are submitted again".into())
    );
    assert_eq!(desk.health().await, (StatusCode::OK, ALL_WELL.to_owned()));
}

#[tokio::test]
async fn a_short_interruption_is_told_to_nobody() {
    let mut desk = Desk::live().await;
    desk.mail_arrives(&mail(JANE, "Data Deletion Request", "please"));
    desk.polls().await;
    desk.submits_in_vain(10, Trouble::NoConnection).await;
    desk.submits().await;
    assert!(desk.subjects_to(OFFICER).is_empty());
    assert_eq!(desk.letters_to(JANE).len(), 1, "none of that counted as an attempt");
}

#[tokio::test]
async fn what_began_before_a_restart_is_told_after_it() {
    let mut desk = Desk::live().await;
    desk.mail_arrives(&mail(JANE, "Data Deletion Request", "please"));
    desk.polls().await;
    desk.submits_in_vain(20, Trouble::PasswordRefused).await;
    let desk = desk.restarts().await;
    desk.polls().await;
    desk.submits().await;
    assert_eq!(desk.subjects_to(OFFICER), ["[deletion-desk] letters are submitted again"]);
}

#[tokio::test]
async fn health_answers_when_the_loop_does_not_move() {
    let desk = Desk::live().await;
    desk.polls().await;
    desk.sleeps_for(TimeDelta::seconds(59));
    assert_eq!(desk.health().await.0, StatusCode::OK);
    desk.sleeps_for(TimeDelta::seconds(2));
    let (status, health) = desk.health().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(health.contains("failing   bot: the loop does not move, since "), "{health}");
    assert!(health.contains("ok        inbox\n"), "{health}");
    desk.ticks().await;
    assert_eq!(desk.health().await.0, StatusCode::OK);
}

/// Anybody may ask: it tells kinds of trouble, not hosts, names or addresses.
#[tokio::test]
async fn health_tells_no_names() {
    let desk = Desk::live().await;
    desk.poll_fails(Failure::new(Trouble::PasswordRefused, "hello@imap.example")).await;
    for told in [desk.health().await.1, desk.health_for_machines().await.to_string()] {
        assert!(told.contains("password refused"), "{told}");
        assert!(!told.contains("example") && !told.contains('@'), "{told}");
    }
}

/// A provider's limits: no letter is at fault, none is lost, and all rest.
#[tokio::test]
async fn a_mail_server_that_throttles_is_left_alone_and_that_is_shown() {
    let mut desk = Desk::with(|config| config + "[limits]\nattempts_max = 2\n").await;
    desk.mail_arrives(&mail(JANE, "Data Deletion Request", "please"));
    desk.polls().await;
    let mut asked = Vec::new();
    for minute in 0..70 {
        desk.out.plan(End::Throttled(Failure::new(Trouble::Busy, "421 4.7.0")));
        if desk.tries_one_letter().await > 0 {
            asked.push(minute);
        } else {
            desk.out.forget_plans();
        }
        desk.sleeps_for(TimeDelta::minutes(1));
        desk.polls().await;
        desk.ticks().await;
    }
    assert_eq!(asked, [0, 1, 3, 7, 15, 31, 63], "each rest is twice as long");
    let (status, health) = desk.health().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "for longer than 15 minutes");
    assert!(health.contains("failing   mail server: server busy, since "), "{health}");
    assert!(desk.out.taken().is_empty());

    desk.hours_pass(1).await;
    assert_eq!((desk.letters_to(JANE).len(), desk.letters_out()), (1, 1), "none counted");
    assert_eq!(desk.health().await, (StatusCode::OK, ALL_WELL.to_owned()));
    desk.hours_pass(20).await;
    let digest = desk.last_letter_to(OFFICER).words();
    let slowed = "The mail server asked the desk to slow down, last today at ";
    assert!(!digest.contains(slowed), "{digest}");
    let first = desk.letters_to(OFFICER);
    let told = first.iter().filter(|letter| letter.words().contains("asked the desk to slow down"));
    assert_eq!(told.count(), 1, "in one digest: {first:?}");
}

#[tokio::test]
async fn a_busy_inbox_is_shown_in_the_digest() {
    let mut desk = Desk::live().await;
    desk.poll_fails(Failure::new(Trouble::Busy, "NOOP: too many connections")).await;
    desk.hours_pass(24).await;
    let told = |letter: &crate::harness::Letter| {
        letter.words().contains("The server of the inbox asked the desk to slow down, last ")
    };
    assert_eq!(desk.letters_to(OFFICER).iter().filter(|letter| told(letter)).count(), 1);
}
