//! The form and the confirm page.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::harness::{Desk, JANE, form};

async fn asked() -> (Desk, String) {
    let (desk, letter) = Desk::asked().await;
    (desk, letter.link())
}

/// Everything the database holds, as text.
async fn dump(desk: &Desk) -> String {
    let cases = desk.cases().await;
    let outcomes = desk.outcomes().await;
    let head = desk.store.journal_head().await.unwrap();
    format!("{cases:?} {outcomes:?} {head} {}", desk.store.letters_not_done().await.unwrap().len())
}

/// Invariant 6: scanners follow links, and some press buttons.
#[tokio::test]
async fn looking_changes_nothing_however_often() {
    let (desk, link) = asked().await;
    let before = dump(&desk).await;
    let path = link.strip_prefix("https://privacy.flexus.example").unwrap();
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        desk.asks_page(request).await;
    }
    for form in [
        "",
        "act=confirm",
        "act=confirm&asked=yes",
        "act=confirm&role=own-account",
        "act=confirm&role=x&asked=yes",
        "act=disown",
        "act=disown&asked=yes",
        "act=withdraw",
        "act=correct-role",
        "asked=yes&role=own-account",
        "act=x",
        "act=confirm&role=own-account&asked=no",
    ] {
        let page = desk.presses(&link, form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(page.body.contains("Not confirmed yet"), "{form}");
        assert!(page.body.contains("role=\"alert\""), "{form}");
    }
    assert_eq!(dump(&desk).await, before);
}

#[tokio::test]
async fn confirming_takes_a_choice_and_a_tick() {
    let (mut desk, link) = asked().await;
    let page = desk.opens(&link).await;
    assert!(page.body.contains("Not confirmed yet"));
    assert!(!page.body.contains("checked"), "nothing is chosen beforehand");
    assert!(!page.body.contains("<script"));
    assert!(page.body.contains("j…e@example.org") && !page.body.contains(JANE));
    desk.confirms(&link, "workspace").await;
    let case = desk.the_case().await.case;
    assert_eq!(case.role.unwrap().as_str(), "workspace");
    assert_eq!(case.confirmed_by.unwrap().as_str(), "page");
    let page = desk.opens(&link).await;
    assert!(page.body.contains("There is nothing you have to do"), "{}", page.body);
    let again = desk.presses(&link, "act=confirm&asked=yes&role=own-account").await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
    assert_eq!(
        desk.the_case().await.case.role.unwrap().as_str(),
        "workspace",
        "a second press changes nothing"
    );
    desk.settles().await;
    assert_eq!(desk.letters_out(), 2);
}

#[tokio::test]
async fn a_customer_of_a_business_is_sent_there_and_may_correct_it() {
    let (mut desk, link) = asked().await;
    desk.confirms(&link, "customer").await;
    assert_eq!(desk.state().await, "redirecting");
    assert!(desk.last_letter_to(JANE).subject.ends_with("please ask the business you dealt with"));
    let page = desk.opens(&link).await;
    assert!(page.body.contains("Please ask the business directly"));
    desk.presses(&link, "act=correct-role&role=own-account").await;
    desk.settles().await;
    assert_eq!(desk.state().await, "in-progress");
    assert_eq!(desk.last_letter_to(JANE).subject, "Your data deletion request is confirmed");
    let letters = desk.letters_out();
    for role in ["customer", "own-account", "customer", "own-account"] {
        desk.presses(&link, &format!("act=correct-role&role={role}")).await;
    }
    desk.settles().await;
    assert_eq!(desk.letters_out(), letters, "a button pressed back and forth fills no mailbox");
}

#[tokio::test]
async fn a_redirected_case_closes_after_seven_days_without_another_answer() {
    let (mut desk, link) = asked().await;
    desk.confirms(&link, "customer").await;
    desk.days_pass(6).await;
    assert_eq!(desk.state().await, "redirecting");
    desk.days_pass(1).await;
    assert_eq!(desk.state().await, "closed (redirected)");
}

/// Whoever answers is heard by a person before the case closes.
#[tokio::test]
async fn an_answer_of_somebody_sent_to_a_business_puts_its_end_off() {
    let (mut desk, link) = asked().await;
    desk.confirms(&link, "customer").await;
    let sent_there = desk.last_letter_to(JANE);
    desk.days_pass(6).await;
    let words = "No, I have an account with you myself.";
    desk.receives(&crate::harness::answer(JANE, &sent_there, words)).await;
    assert_eq!(desk.outcomes().await.last().unwrap(), "for-staff: later-mail");
    desk.days_pass(6).await;
    assert_eq!(desk.state().await, "redirecting");
    desk.days_pass(2).await;
    assert_eq!(desk.state().await, "closed (redirected)");
}

#[tokio::test]
async fn i_did_not_ask_for_this_closes_and_holds() {
    let (mut desk, link) = asked().await;
    let page = desk.presses(&link, "act=disown&asked=no").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.state().await, "closed (withdrawn)");
    assert!(desk.opens(&link).await.body.contains("Nothing will be deleted"));
    desk.receives(&form(JANE)).await;
    assert_eq!(desk.letters_out(), 1);
}

#[tokio::test]
async fn withdrawing_on_the_page_takes_a_tick() {
    let (mut desk, link) = asked().await;
    desk.confirms(&link, "own-account").await;
    let receipt = desk.last_letter_to(JANE).link();
    let page = desk.presses(&receipt, "act=withdraw").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    desk.days_pass(20).await;
    desk.presses(&receipt, "act=withdraw&asked=yes").await;
    desk.settles().await;
    assert_eq!(desk.state().await, "closed (withdrawn)");
    assert_eq!(desk.last_letter_to(JANE).subject, "Your data deletion request is withdrawn");
}

/// Promise 17: to the second.
#[tokio::test]
async fn a_link_confirms_for_seven_days() {
    for (seconds, confirms) in [(-1, true), (0, false), (1, false)] {
        let (desk, link) = asked().await;
        desk.sleeps_for(chrono::TimeDelta::days(7) + chrono::TimeDelta::seconds(seconds));
        desk.presses(&link, "act=confirm&asked=yes&role=own-account").await;
        let confirmed = desk.the_case().await.case.confirmed_at.is_some();
        assert_eq!(confirmed, confirms, "7 days {seconds:+} s");
        let page = desk.opens(&link).await;
        assert_eq!(page.status, StatusCode::OK, "never an error page");
        assert_eq!(page.body.contains("has lapsed"), !confirms);
    }
}

#[tokio::test]
async fn a_link_that_is_none_says_so() {
    let (desk, link) = asked().await;
    let token = link.rsplit('/').next().unwrap();
    for wrong in
        ["x", &token[..33], &token.to_uppercase(), &format!("{}a", &token[..33].replace('a', "b"))]
    {
        let page = desk.opens(&format!("/c/{wrong}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.body.contains("This link does not work"));
    }
}

/// What a link scanner did before the press stands on the identity card; it decides nothing.
#[tokio::test]
async fn staff_see_that_a_scanner_opened_the_link_before() {
    let (mut desk, link) = asked().await;
    let path = link.strip_prefix("https://privacy.flexus.example").unwrap();
    for agent in ["Mozilla/5.0 LinkScanner", ""] {
        let request = Request::get(path).header("user-agent", agent).body(Body::empty()).unwrap();
        desk.asks_page(request).await;
    }
    desk.sleeps_for(chrono::TimeDelta::minutes(30));
    let person = Request::get(path)
        .header("user-agent", "Mozilla/5.0 (iPhone) Safari/605")
        .body(Body::empty())
        .unwrap();
    desk.asks_page(person).await;
    desk.confirms(&link, "own-account").await;
    let told = desk.last_letter_to(crate::harness::OFFICER).words();
    let seen = "the link had been opened 3 times before, 2 of them as a link scanner does";
    assert!(told.contains(seen), "{told}");
}

/// The form and the pages speak the visitor's language, or the one they choose.
#[tokio::test]
async fn the_form_speaks_the_visitors_language_and_the_letters_follow() {
    let mut desk = Desk::live().await;
    for (header, url, words) in [
        ("de-AT,de;q=0.9,en;q=0.5", "/", "lang=\"de\""),
        ("de", "/?lang=fr", "lang=\"fr\""),
        ("nl", "/", "lang=\"en\""),
        ("nl", "/?lang=xx", "lang=\"en\""),
    ] {
        let request =
            Request::get(url).header("accept-language", header).body(Body::empty()).unwrap();
        assert!(desk.asks_page(request).await.body.contains(words), "{header} {url}");
    }
    desk.presses("/", "email=jane%40example.org&lang=es").await;
    desk.settles().await;
    let letter = desk.last_letter_to(JANE);
    assert!(letter.raw.contains("lang=3D\"es\"") || letter.raw.contains("lang=\"es\""));
    assert!(desk.opens(&letter.link()).await.body.contains("lang=\"es\""));
}

/// The reply token of a letter opens no page, and the page's token is no answer.
#[tokio::test]
async fn a_token_is_good_for_one_purpose() {
    let (mut desk, link) = asked().await;
    let letter = desk.last_letter_to(JANE);
    let reply_token = letter.answer_address().split(['+', '@']).nth(1).unwrap().to_owned();
    assert_eq!(desk.opens(&format!("/c/{reply_token}")).await.status, StatusCode::NOT_FOUND);
    let link_token = link.rsplit('/').next().unwrap();
    let forged = crate::harness::answer(JANE, &letter, "Yes").replace(&reply_token, link_token);
    desk.receives(&forged).await;
    assert_eq!(desk.state().await, "awaiting-verification");
}

/// Promise 20.
#[tokio::test]
async fn the_form_answers_the_same_whatever_the_address() {
    let (mut desk, link) = asked().await;
    desk.confirms(&link, "own-account").await;
    let mut answers = Vec::new();
    for address in [JANE, "unknown@example.net", "hello@flexus.example", "officer@flexus.example"] {
        let page = desk.presses("/", &format!("email={}", address.replace('@', "%40"))).await;
        let location = page.headers["location"].to_str().unwrap().to_owned();
        answers.push((page.status, location.clone(), page.body, desk.opens(&location).await.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    desk.settles().await;
    assert_eq!(desk.subjects_to("unknown@example.net").len(), 1);
    let page = desk.presses("/", "email=%3Cscript%3E").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("&lt;script&gt;") && page.body.contains("whole email address"));
}

#[tokio::test]
async fn a_language_that_was_chosen_stays_chosen() {
    let (desk, link) = asked().await;
    let chosen = format!("{link}?lang=es");
    let is_spanish = |page: &crate::harness::Page| page.body.contains("<html lang=\"es\">");
    let shown = desk.opens(&chosen).await;
    assert!(is_spanish(&shown) && shown.body.contains("?lang=es#problem\""), "{}", shown.body);
    let problem = desk.presses(&chosen, "act=confirm").await;
    assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(is_spanish(&problem) && problem.body.contains("id=\"problem\""), "{}", problem.body);
    let done = desk.presses(&chosen, "act=confirm&asked=yes&role=own-account").await;
    let location = done.headers["location"].to_str().unwrap().to_owned();
    assert!(location.ends_with("?now=1&lang=es"), "{location}");
    assert!(is_spanish(&desk.opens(&location).await));
    assert_eq!(desk.the_case().await.case.role.unwrap().as_str(), "own-account");
    let own = desk.opens(&format!("{link}?lang=Q!%22%3E%3Cb%3E")).await;
    assert!(own.body.contains("<html lang=\"en\">") && !own.body.contains("Q!"), "{}", own.body);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let (desk, link) = asked().await;
    let path = link.strip_prefix("https://privacy.flexus.example").unwrap();
    let request = Request::post(path)
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("act=confirm&asked=yes&role=own-account"))
        .unwrap();
    assert_eq!(desk.asks_page(request).await.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.state().await, "awaiting-verification");
}

#[tokio::test]
async fn every_answer_is_protected() {
    let (desk, link) = asked().await;
    for url in ["/", "/sent", &link, "/c/x", "/nowhere", "/style.css", "/healthz"] {
        let headers = desk.opens(url).await.headers;
        assert!(
            headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"),
            "{url}"
        );
        assert_eq!(headers["referrer-policy"], "no-referrer", "{url}");
        assert_eq!(headers["cache-control"], "no-store", "{url}");
    }
}

/// Letters and pages are true to the published policy.
#[tokio::test]
async fn letters_and_pages_say_what_is_not_touched_and_link_the_policy() {
    let (mut desk, link) = asked().await;
    let verification = desk.last_letter_to(JANE).text;
    let confirm = desk.opens(&link).await.body;
    desk.confirms(&link, "own-account").await;
    let receipt = desk.last_letter_to(JANE).text;
    let done = desk.opens(&link).await.body;
    let form = desk.opens("/").await.body;
    for text in [verification, confirm, receipt, done, form] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for fact in [
            "not affiliated with",
            "Meta",
            "WhatsApp",
            "Instagram",
            "Telegram",
            "https://flexus.example/privacy",
        ] {
            assert!(words.contains(fact), "{fact} is missing in {words}");
        }
    }
}

#[tokio::test]
async fn health_fails_when_the_inbox_is_not_read() {
    let (desk, _) = asked().await;
    assert_eq!(desk.opens("/healthz").await.status, StatusCode::OK);
    desk.sleeps_for(chrono::TimeDelta::minutes(16));
    let page = desk.opens("/healthz").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("failing   inbox: not read to its end"), "{}", page.body);
    let machine = Request::get("/healthz").header("accept", "application/json");
    let page = desk.asks_page(machine.body(Body::empty()).unwrap()).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("\"inbox\":\"failing\""));
}

#[tokio::test]
async fn sixty_four_presses_at_once_confirm_once() {
    let (mut desk, link) = asked().await;
    let presses = (0..64).map(|_| desk.presses(&link, "act=confirm&asked=yes&role=own-account"));
    for page in join_all(presses).await {
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
    desk.settles().await;
    assert_eq!(desk.letters_out(), 2, "one verification, one receipt");
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
