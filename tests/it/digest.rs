//! The daily digest.

use chrono::TimeDelta;

use crate::harness::{Desk, JANE, Letter, OFFICER, answer, at, form, mail};

const REQUEST: &str = "Data Deletion Request";

fn digests(desk: &Desk) -> Vec<Letter> {
    let mut letters = desk.letters_to(OFFICER);
    letters.retain(|letter| letter.subject.starts_with("Deletion requests:"));
    letters
}

/// Promise 25.
#[tokio::test]
async fn a_digest_comes_every_day_even_when_it_is_empty() {
    let mut desk = Desk::live().await;
    desk.days_pass(5).await;
    let digests = digests(&desk);
    assert_eq!(digests.len(), 5);
    assert_eq!(digests[0].subject, "Deletion requests: 0 due, all well");
    assert!(digests[0].words().contains("The inbox was last read today at 08:00"));
}

/// Promise 25.
#[tokio::test]
async fn digests_that_were_missed_are_made_up_once() {
    let desk = Desk::live().await;
    desk.sleeps_for(TimeDelta::days(6));
    let mut desk = desk.restarts().await;
    desk.settles().await;
    assert_eq!(digests(&desk).len(), 1);
    let mut desk = desk.restarts().await;
    desk.settles().await;
    assert_eq!(digests(&desk).len(), 1);
    desk.days_pass(1).await;
    assert_eq!(digests(&desk).len(), 2);
}

#[tokio::test]
async fn a_change_of_the_clocks_neither_drops_nor_doubles_a_digest() {
    for (start, cron) in
        [("2027-03-26T12:00:00Z", "30 2 * * *"), ("2026-10-23T12:00:00Z", "30 2 * * *")]
    {
        let mut desk = Desk::with(|config| config.replace("0 8 * * *", cron)).await;
        desk.clock.set(at(start));
        desk.settles().await;
        let before = digests(&desk).len();
        desk.days_pass(5).await;
        assert_eq!(digests(&desk).len() - before, 5, "{start}");
    }
}

#[tokio::test]
async fn a_case_alarms_by_the_nearer_of_its_two_dates() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    desk.days_pass(5).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "workspace").await;
    desk.days_pass(1).await;
    let newly = digests(&desk).pop().unwrap();
    assert_eq!(newly.subject, "Deletion requests: 1 newly confirmed");
    assert!(
        newly.words().contains("The law's date is 1 July 2026; promised by 6 July 2026."),
        "{}",
        newly.text
    );
    assert!(newly.words().contains("Next: check that the address is the owner's or an admin's"));
    desk.days_pass(18).await;
    let soon = digests(&desk).pop().unwrap();
    assert_eq!(soon.subject, "Deletion requests: 1 due this week");
    assert!(soon.words().contains("6 days left"), "{}", soon.text);
    desk.days_pass(7).await;
    assert_eq!(digests(&desk).pop().unwrap().subject, "Deletion requests: 1 overdue");
}

/// The digest as staff read it, whole.
#[tokio::test]
async fn the_digest_names_everything_once() {
    let mut desk = Desk::live().await;
    desk.receives(&mail(JANE, REQUEST, "please")).await;
    let link = desk.last_letter_to(JANE).link();
    desk.confirms(&link, "business").await;
    desk.receives(&mail("omar@example.net", REQUEST, "please")).await;
    desk.receives(&form("mei@example.com")).await;
    let letter = desk.last_letter_to("mei@example.com");
    desk.receives(&answer(
        "mei@example.com",
        &letter,
        "Who are you? <b>*Tell* me</b> `now` [x](http://x.example)",
    ))
    .await;
    desk.receives(&mail("ana@example.org", "account", "How do I delete my account?")).await;
    desk.receives(&format!("X-Filler: {}\n{}", "x".repeat(200_000), mail(JANE, "big", "x"))).await;
    desk.receives(&mail("sam@example.com", "Invoice", "attached")).await;
    desk.receives(&mail("zoe@example.org", REQUEST, "please")).await;
    let letter = desk.last_letter_to("zoe@example.org");
    desk.receives(&answer("zoe@example.org", &letter, "No, that was not me.")).await;
    desk.days_pass(1).await;
    let digest = digests(&desk).pop().unwrap();
    let mut text = format!("{}\n\n{}", digest.subject, digest.text);
    for (index, stored) in desk.cases().await.iter().enumerate() {
        text = text.replace(
            stored.case.reference.as_str(),
            &format!("DEL-{index}{index}{index}{index}-XXXX"),
        );
    }
    let head = text.rfind("Journal:").unwrap() + "Journal: ".len();
    text.replace_range(head..head + 32, "0123456789abcdef");
    let links: Vec<&str> = text.split("/s/").skip(1).collect();
    let tokens: Vec<String> =
        links.iter().map(|rest| rest.split(['/', ' ', '\n']).nth(1).unwrap().to_owned()).collect();
    for token in tokens {
        text = text.replace(&token, "{token}");
    }
    insta::assert_snapshot!(text);
    let html = digest.raw.split_once("text/html").unwrap().1.replace("=\r\n", "");
    assert!(html.contains("&lt;b&gt;*Tell*"), "a stranger's words are escaped: {html}");
    assert!(!digest.raw.contains("href=\"http://x.example"));
    desk.days_pass(1).await;
    assert!(
        digests(&desk).pop().unwrap().words().contains("How do I delete my account?"),
        "until it is taken up"
    );
}

/// Promise 26.
#[tokio::test]
async fn staff_hear_when_the_inbox_cannot_be_read_and_when_it_can_again() {
    let desk = Desk::live().await;
    desk.polls().await;
    for minutes in [14, 1, 60] {
        desk.sleeps_for(TimeDelta::minutes(minutes));
        desk.ticks().await;
        desk.submits().await;
    }
    assert_eq!(desk.subjects_to(OFFICER), ["[deletion-desk] the inbox cannot be read"], "once");
    desk.polls().await;
    desk.submits().await;
    assert_eq!(
        desk.subjects_to(OFFICER).last().unwrap(),
        "[deletion-desk] the inbox is read again"
    );
}
