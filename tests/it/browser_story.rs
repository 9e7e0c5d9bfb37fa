//! The form and the confirm page as people meet them: a real browser before the real binary.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

use crate::browser::Browser;
use crate::harness::JANE;
use crate::wire::{Letter, LiveDesk, request};

/// A small phone, and a desktop.
const PHONE: (u32, u32) = (360, 740);
const DESKTOP: (u32, u32) = (1280, 900);

/// What assistive technology needs, as a list of what is missing.
const FIND_BARRIERS: &str = "
    const missing = [], all = css => Array.from(document.querySelectorAll(css));
    const expect = (holds, what) => { if (!holds) missing.push(what); };
    const says = element => element.textContent.trim() !== '';
    expect(document.documentElement.lang === 'en', 'lang');
    expect(document.title.trim() !== '', 'title');
    expect(all('h1').length === 1 && says(document.querySelector('h1')), 'one h1');
    expect(all('main').length === 1, 'one main');
    expect(all('meta[name=viewport]').length === 1, 'viewport');
    for (const field of all('input:not([type=hidden]), select, textarea'))
        expect(field.labels.length === 1 && says(field.labels[0]), 'label of ' + field.outerHTML);
    for (const radio of all('input[type=radio]'))
        expect(radio.closest('fieldset')?.querySelector('legend'), 'legend of ' + radio.value);
    for (const legend of all('legend')) expect(says(legend), 'words of a legend');
    for (const control of all('a, button')) expect(says(control), 'words of ' + control.outerHTML);
    for (const image of all('img')) expect(image.alt, 'alt');
    const levels = all('h1, h2, h3').map(heading => Number(heading.localName[1]));
    levels.forEach((level, at) => expect(level <= (levels[at - 1] ?? 0) + 1, 'heading level'));
    const ids = all('[id]').map(element => element.id);
    expect(new Set(ids).size === ids.length, 'unique ids');
    for (const element of all('[aria-describedby]'))
        expect(document.getElementById(element.getAttribute('aria-describedby')), 'description');
    return missing";

/// A page that is open, whatever it is, is as it should be.
async fn page_is_well_made(browser: &Browser) {
    let url = browser.url().await;
    let none: Vec<String> = Vec::new();
    assert_eq!(browser.console_errors().await, none, "{url}");
    assert!(!browser.horizontal_overflow().await, "{url}");
    assert_eq!(browser.execute(FIND_BARRIERS).await, Value::Array(Vec::new()), "{url}");
}

/// Keeps a picture of the page where whoever runs the tests wants to look at it.
async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("DELETION_DESK_SCREENSHOTS") {
        fs::create_dir_all(&folder).unwrap();
        let file = std::path::Path::new(&folder).join(format!("{name}.png"));
        fs::write(file, browser.screenshot().await).unwrap();
    }
}

impl LiveDesk {
    /// The letters that were written so far, in the order of their dates.
    fn written(&self) -> Vec<Letter> {
        let folder = self.file("out/new");
        let mut files: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |file| Letter::read(&fs::read_to_string(file).unwrap());
        files.iter().map(read).collect()
    }

    /// Waits for the one letter with that subject.
    pub(crate) async fn letter_about(&self, subject: &str) -> Letter {
        self.until(subject, || {
            self.written().into_iter().find(|letter| letter.subject() == subject)
        })
        .await
    }

    async fn verification(&self) -> Letter {
        self.letter_about("Please confirm your data deletion request").await
    }

    /// Jane's request lies in the inbox; returns the link that she gets.
    async fn link_for_jane(&self) -> String {
        let tmp = self.file("in/tmp/1.jane");
        fs::write(&tmp, request(JANE).replace('\n', "\r\n")).unwrap();
        fs::rename(tmp, self.file("in/new/1.jane")).unwrap();
        let verification = self.verification().await;
        assert_eq!(verification.header("To"), JANE);
        verification.link()
    }
}

/// Walks by Tab to what has that description's beginning, and returns what lay on the way.
async fn tab_to(browser: &Browser, wanted: &str) -> Vec<String> {
    const CONTROLS_MAX: usize = 20;
    let mut passed = Vec::new();
    for _ in 0..CONTROLS_MAX {
        browser.press_keys("Tab").await;
        let here = browser.active_element().await;
        if here.starts_with(wanted) {
            assert!(focus_shows(browser).await, "{here}");
            return passed;
        }
        passed.push(here);
    }
    panic!("{wanted} is not to be reached by Tab: {passed:?}");
}

/// Whether nothing but links to the other languages lay on the way.
fn only_languages(passed: &[String]) -> bool {
    passed.iter().all(|one| ["a Deutsch", "a Español", "a Français"].contains(&one.as_str()))
}

/// Whether one sees where the focus is.
async fn focus_shows(browser: &Browser) -> bool {
    let shows = "const focused = document.activeElement, style = getComputedStyle(focused); \
                 const box = focused.getBoundingClientRect(); \
                 return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 \
                     && box.bottom > 0 && box.top < innerHeight";
    browser.execute(shows).await == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_made_and_confirmed_by_keyboard_on_a_phone() {
    let desk = LiveDesk::over_folders().await;
    let browser = Browser::start(PHONE.0, PHONE.1).await;
    browser.goto(&desk.url("/")).await;
    page_is_well_made(&browser).await;
    picture(&browser, "form-360").await;
    let passed = tab_to(&browser, "input#email").await;
    assert!(only_languages(&passed), "the field comes first: {passed:?}");
    assert!(browser.active_element().await.ends_with("Email address"));
    browser.press_keys(JANE).await;
    browser.press_keys("Enter").await;
    browser.wait_for_text("Check your inbox").await;
    page_is_well_made(&browser).await;
    picture(&browser, "sent-360").await;

    browser.goto(&desk.verification().await.link()).await;
    browser.wait_for_text("Not confirmed yet").await;
    page_is_well_made(&browser).await;
    picture(&browser, "confirm-360").await;
    let passed = tab_to(&browser, "input[name=role]").await;
    assert!(only_languages(&passed), "the choice comes first: {passed:?}");
    browser.press_keys("Space").await;
    browser.press_keys("ArrowDown").await;
    let chosen = browser.active_element().await;
    assert!(chosen.starts_with("input[name=role][value=workspace]"), "{chosen}");
    assert!(chosen.ends_with("for the whole workspace"), "{chosen}");
    let passed = tab_to(&browser, "input[name=asked][value=yes]").await;
    assert!(passed.is_empty(), "the box comes next: {passed:?}");
    browser.press_keys("Space").await;
    let passed = tab_to(&browser, "button[name=act][value=confirm]").await;
    assert!(passed.is_empty(), "the button comes next: {passed:?}");
    browser.press_keys("Enter").await;
    let text = browser.wait_for_text("Your request is confirmed").await;
    assert!(text.contains("as owner or admin, for the whole workspace"), "{text}");
    page_is_well_made(&browser).await;
    picture(&browser, "done-360").await;
    assert_eq!(desk.the_case()["role"], "workspace");
    desk.letter_about("Your data deletion request is confirmed").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_asked_and_did_not_ask_can_say_so_by_keyboard() {
    let desk = LiveDesk::over_folders().await;
    let link = desk.link_for_jane().await;
    let browser = Browser::start(PHONE.0, PHONE.1).await;
    browser.goto(&link).await;
    tab_to(&browser, "input[name=asked][value=no]").await;
    browser.press_keys("Space").await;
    let passed = tab_to(&browser, "button[name=act][value=disown]").await;
    assert!(passed.is_empty(), "{passed:?}");
    browser.press_keys("Enter").await;
    browser.wait_for_text("Thank you. The request was closed").await;
    page_is_well_made(&browser).await;
    picture(&browser, "disowned-360").await;
    let case = desk.the_case();
    assert_eq!((&case["state"], &case["resolution"]), (&"closed".into(), &"withdrawn".into()));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_without_script() {
    let desk = LiveDesk::over_folders().await;
    let browser = Browser::start_without_script(DESKTOP.0, DESKTOP.1).await;
    browser.goto(&desk.url("/")).await;
    picture(&browser, "form-1280").await;
    browser.click("#email").await;
    browser.press_keys(JANE).await;
    browser.click("button").await;
    browser.wait_for_text("Check your inbox").await;

    browser.goto(&desk.verification().await.link()).await;
    browser.wait_for_text("Not confirmed yet").await;
    page_is_well_made(&browser).await;
    picture(&browser, "confirm-1280").await;
    browser.click("input[name=role][value=own-account]").await;
    browser.click("input[name=asked][value=yes]").await;
    browser.click("button[value=confirm]").await;
    let text = browser.wait_for_text("Your request is confirmed").await;
    assert!(text.contains("Thank you."), "{text}");
    page_is_well_made(&browser).await;
    picture(&browser, "done-1280").await;
    assert_eq!(desk.the_case()["role"], "own-account");
    browser.close().await;
}

/// Scanners of mail gateways follow links in a real browser, and some press buttons.
#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_presses_every_button_changes_nothing() {
    let desk = LiveDesk::over_folders().await;
    let link = desk.link_for_jane().await;
    let before = desk.the_case();
    let browser = Browser::start(DESKTOP.0, DESKTOP.1).await;
    browser.goto(&link).await;
    for button in ["confirm", "disown"] {
        browser.click(&format!("button[value={button}]")).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(browser.url().await, link, "the browser asks for a choice");
    }
    page_is_well_made(&browser).await;
    // Some scripts do not ask the browser whether a form is complete.
    for (button, problem) in [
        ("confirm", "Please choose who is asking."),
        ("disown", "Please tick the box that says that it was not you."),
    ] {
        browser.goto(&link).await;
        browser
            .execute("document.querySelectorAll('form').forEach(form => form.noValidate = true)")
            .await;
        browser.click(&format!("button[value={button}]")).await;
        let text = browser.wait_for_text(problem).await;
        assert!(text.contains("Not confirmed yet"), "{text}");
        picture(&browser, &format!("problem-{button}-1280")).await;
        let barriers = browser.execute(FIND_BARRIERS).await;
        assert_eq!(barriers, Value::Array(Vec::new()));
    }
    assert_eq!(desk.the_case(), before);
    assert_eq!(before["state"], "awaiting-verification");
    assert_eq!(desk.written().len(), 1);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_visit_says_what_already_happened() {
    let desk = LiveDesk::over_folders().await;
    let link = desk.link_for_jane().await;
    let browser = Browser::start(PHONE.0, PHONE.1).await;
    browser.goto(&link).await;
    browser.click("input[name=role][value=customer]").await;
    browser.click("input[name=asked][value=yes]").await;
    browser.click("button[value=confirm]").await;
    browser.wait_for_text("Please ask the business you dealt with").await;
    page_is_well_made(&browser).await;
    picture(&browser, "redirecting-360").await;

    browser.click("input[name=role][value=own-account]").await;
    browser.click("button[value=correct-role]").await;
    browser.wait_for_text("Your request is confirmed").await;
    browser.goto(&link).await;
    let text = browser.wait_for_text("There is nothing you have to do").await;
    assert!(text.contains("for your own account"), "{text}");
    page_is_well_made(&browser).await;
    picture(&browser, "again-360").await;

    browser.click("input[name=asked][value=yes]").await;
    browser.click("button[value=withdraw]").await;
    browser.wait_for_text("This request is withdrawn").await;
    browser.goto(&link).await;
    browser.wait_for_text("Nothing will be deleted").await;
    page_is_well_made(&browser).await;
    assert_eq!(desk.the_case()["resolution"], "withdrawn");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_do_not_work_say_so_kindly() {
    let desk = LiveDesk::over_folders().await;
    let link = desk.link_for_jane().await;
    let browser = Browser::start(PHONE.0, PHONE.1).await;
    let cut = link.get(..link.len() - 3).unwrap();
    for (url, words) in
        [(cut, "This link does not work"), (&desk.url("/nowhere"), "There is nothing here")]
    {
        browser.goto(url).await;
        browser.wait_for_text(words).await;
        assert!(!browser.horizontal_overflow().await);
        let barriers = browser.execute(FIND_BARRIERS).await;
        assert_eq!(barriers, Value::Array(Vec::new()));
        // The browser itself notes the status 404 there, and nothing else.
        let errors = browser.console_errors().await;
        assert!(errors.iter().all(|error| error.contains("404")), "{errors:?}");
        picture(&browser, "unknown-link-360").await;
        browser.click("main a").await;
        browser.wait_for_text("Data Deletion Request Form").await;
    }

    let database = format!("sqlite://{}", desk.file("bot.db").display());
    let mut database = SqliteConnection::connect(&database).await.unwrap();
    let eight_days_ago = "UPDATE outbox SET released_at = released_at - 8 * 24 * 3600 * 1000";
    sqlx::query(eight_days_ago).execute(&mut database).await.unwrap();
    browser.goto(&link).await;
    let text = browser.wait_for_text("This request has lapsed").await;
    assert!(text.contains("You can ask again"), "{text}");
    page_is_well_made(&browser).await;
    picture(&browser, "lapsed-360").await;
    browser.close().await;
}

/// The officer's whole work on a phone: the mail, the page, two presses, and the requester knows.
#[tokio::test(flavor = "multi_thread")]
async fn staff_complete_a_case_on_a_phone() {
    let desk = LiveDesk::over_folders().await;
    let link = desk.link_for_jane().await;
    let browser = Browser::start(PHONE.0, PHONE.1).await;
    browser.goto(&link).await;
    browser.click("input[name=role][value=own-account]").await;
    browser.click("input[name=asked][value=yes]").await;
    browser.click("button[name=act][value=confirm]").await;
    browser.wait_for_text("Your request is confirmed").await;
    let reference = desk.the_case()["reference"].as_str().unwrap().to_owned();

    let news = desk.letter_about(&format!("{reference}: confirmed, please delete")).await;
    browser.goto(&news.staff_link()).await;
    let text = browser.wait_for_text("Identity card").await;
    assert!(text.contains(JANE), "whole on the page: {text}");
    assert!(text.contains("proves control of the mailbox at that time, and nothing more"));
    assert!(!browser.horizontal_overflow().await);
    picture(&browser, "staff-360").await;
    browser.click("input[name=item][value=profile]").await;
    browser.click("button[name=act][value=tick]").await;
    browser.wait_for_text("are you sure?").await;
    browser.click("button[name=sure]").await;
    browser.wait_for_text("Done.").await;
    let choose = "document.querySelector('#outcome').value = 'deleted'; \
                  for (const one of document.querySelectorAll('select[name^=item-]')) one.value = 'deleted';";
    browser.execute(choose).await;
    browser.click("button[name=act][value=complete]").await;
    let sure = browser.wait_for_text("are you sure?").await;
    assert!(sure.contains("completed: everything deleted"), "{sure}");
    assert_eq!(desk.state(), "in-progress", "asked once more");
    browser.click("button[name=sure]").await;
    browser.wait_for_text("Done.").await;
    page_is_well_made(&browser).await;
    let completion = desk.letter_about("Your data deletion request is complete").await;
    assert_eq!(completion.header("To"), JANE);
    browser.close().await;
}
