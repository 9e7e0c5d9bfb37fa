//! Floods and robots: what they cost, and what they cannot hold up.

use chrono::TimeDelta;

use crate::harness::{Desk, JANE, Letter, answer, form, mail};

const REQUEST: &str = "Data Deletion Request";

/// Letters that ask an address to confirm.
fn verifications(desk: &Desk, address: &str) -> usize {
    let asks = |letter: &&Letter| letter.subject.contains("confirm your data deletion request");
    desk.letters_to(address).iter().filter(asks).count()
}

/// Promise 11: three a week and address, however often somebody fills the form in.
#[tokio::test]
async fn eighty_one_thousand_forms_for_nine_addresses_make_at_most_27_mails() {
    let mut desk = Desk::live().await;
    let addresses: Vec<String> = (0..9).map(|n| format!("victim{n}@example.net")).collect();
    for _ in 0..6 {
        for n in 0..13_500_usize {
            desk.mail_arrives(&form(&addresses[n % addresses.len()]));
        }
        desk.polls().await;
        desk.inbox.empty();
        desk.hours_pass(26).await;
    }
    let sent: Vec<usize> = addresses.iter().map(|one| verifications(&desk, one)).collect();
    assert!(sent.iter().sum::<usize>() <= 27, "{sent:?}");
    assert!(sent.iter().all(|count| (1..=3).contains(count)), "{sent:?}");
    assert_eq!(desk.cases().await.len(), 9, "each has its one case");
}

/// Promise 11: ten thousand bogus entries a day, by form mails and on the page.
#[tokio::test]
async fn under_a_flood_of_bogus_entries_a_genuine_request_is_asked_within_a_minute() {
    let mut desk = Desk::live().await;
    for n in 0..5_000 {
        desk.mail_arrives(&form(&format!("bogus{n}@example.net")));
        if n % 100 == 0 {
            desk.presses("/", &format!("email=page{n}%40example.net")).await;
        }
    }
    desk.mail_arrives(&mail(JANE, REQUEST, "please delete my data"));
    desk.polls().await;
    desk.sleeps_for(TimeDelta::minutes(1));
    desk.settles().await;
    assert_eq!(verifications(&desk, JANE), 1);
    let open = desk.store.cases(true).await.unwrap().len();
    assert_eq!(open, 5_051, "none is lost: each waits for its turn");
}

/// A network that floods our own form uses up its own budget and nobody else's.
#[tokio::test]
async fn one_network_cannot_use_up_the_page() {
    let mut desk = Desk::with(|config| {
        config.replace("[policy]", "trusted_proxies = [\"127.0.0.1\"]\n[policy]")
            + "[limits]\npage_per_network_per_day_max = 3\npage_per_day_max = 8\n"
    })
    .await;
    for n in 0..6 {
        desk.presses_from("203.0.113.7", "/", &format!("email=a{n}%40example.net")).await;
    }
    desk.presses_from("198.51.100.9", "/", "email=jane%40example.org").await;
    desk.settles().await;
    let asked = (0..6).map(|n| verifications(&desk, &format!("a{n}@example.net"))).sum::<usize>();
    assert_eq!(asked, 3);
    assert_eq!(verifications(&desk, JANE), 1);
}

/// What a robot sends back for a letter.
type Robot = fn(&str, &Letter) -> String;

fn robots() -> Vec<(&'static str, Robot)> {
    vec![
        ("vacation", |who, letter| {
            format!("Auto-Submitted: auto-replied\n{}", answer(who, letter, "I am away."))
        }),
        ("out-of-office", |who, letter| {
            let mail = answer(who, letter, "I am out of the office.");
            mail.replace("Subject: Re:", "Subject: Automatic reply:")
        }),
        ("unmarked", |who, letter| answer(who, letter, "Thank you for your message!")),
        ("ticket", |who, letter| {
            let subject = format!("[#4711] {}", letter.subject);
            mail(who, &subject, "We have opened a ticket for you.")
        }),
        ("asks-back", |who, letter| {
            mail(who, REQUEST, &format!("please delete my data ({})", letter.message_id))
        }),
        ("null-sender", |who, letter| format!("Return-Path: <>\n{}", answer(who, letter, "Yes"))),
        ("bulk", |who, letter| format!("Precedence: bulk\n{}", answer(who, letter, "Yes"))),
        ("list", |who, letter| {
            format!("List-Id: <robots.example.net>\n{}", answer(who, letter, "Yes"))
        }),
        ("echo", |_, letter| letter.raw.clone()),
    ]
}

/// Promises 11 and 12, for more than a year.
#[tokio::test]
async fn robots_that_answer_everything_for_ten_thousand_hours_get_three_mails_each() {
    let mut desk = Desk::live().await;
    let robots: Vec<(String, Robot)> =
        robots().into_iter().map(|(name, robot)| (format!("{name}@example.net"), robot)).collect();
    let mut answered = vec![0; robots.len()];
    for (who, _) in &robots {
        desk.mail_arrives(&mail(who, REQUEST, "please delete my data"));
    }
    desk.settles().await;
    for _ in 0..10_000 {
        desk.sleeps_for(TimeDelta::hours(1));
        desk.ticks().await;
        desk.submits().await;
        let mut any = false;
        for ((who, robot), answered) in robots.iter().zip(&mut answered) {
            let letters = desk.letters_to(who);
            for letter in &letters[*answered..] {
                desk.mail_arrives(&robot(who, letter));
                any = true;
            }
            *answered = letters.len();
        }
        if any {
            desk.polls().await;
        }
    }
    for (who, _) in &robots {
        let count = desk.letters_to(who).len();
        assert!((1..=3).contains(&count), "{who} got {count} mails");
    }
}
