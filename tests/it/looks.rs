//! Every page and every letter, in every language, at the width of a phone and of a desktop, in a
//! real browser: what axe-core finds, and what people would stumble over.
//!
//! With `LOOKS_DIR` set, a picture of each lands in that folder, for people to look at.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use deletion_desk::case::LetterKind;
use serde_json::Value;

use crate::browser::Browser;
use crate::harness::PUBLIC_URL;
use crate::looks_scene::{self, Scene, Sheet, Stop};

/// A small phone, and a desktop: name, width, height.
const WINDOWS: [(&str, u32, u32); 2] = [("360", 360, 740), ("1280", 1280, 900)];

/// What axe-core finds in a page, with all its rules that are on by default.
const AXE: &str = include_str!("axe/axe.min.js");
/// Rules about whole pages, which a mail is not: the mail program around it has the title, the
/// headings and the landmarks.
const NOT_FOR_MAIL: [&str; 4] =
    ["document-title", "landmark-one-main", "page-has-heading-one", "region"];

/// Fields that nothing names.
const FIND_NAMELESS: &str = "
    const fields = document.querySelectorAll('input:not([type=hidden]), select, textarea');
    const label = field => Array.from(field.labels, label => label.innerText.trim()).join('');
    return Array.from(fields).filter(field => !label(field)).map(field => field.outerHTML)";

/// What says that something is wrong has to be where one looks, too.
const IS_THERE: &str = "if (wanted === null) return false;
    const box = wanted.getBoundingClientRect();
    return wanted.role !== 'alert' || (box.top >= 0 && box.bottom <= innerHeight)";

/// What is folded counts, too.
const UNFOLD: &str = "document.querySelectorAll('details').forEach(one => one.open = true)";

/// How long a page may take to appear after a press.
const PAGE_SECONDS_MAX: u64 = 15;

/// Languages that requesters are written to in, by their folders.
fn languages() -> Vec<String> {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let folders = fs::read_dir(templates).unwrap().map(|entry| entry.unwrap().path());
    let with_words = folders.filter(|folder| folder.join("words.toml").is_file());
    let mut names: Vec<String> =
        with_words.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(names.contains(&"en".to_owned()), "{names:?}");
    names
}

/// Somebody who looks, and writes down what is wrong.
struct Viewer {
    browser: Browser,
    wrong: Vec<String>,
}

impl Viewer {
    async fn start() -> Viewer {
        let browser = Browser::start(WINDOWS[0].1, WINDOWS[0].2).await;
        Viewer { browser, wrong: Vec::new() }
    }

    /// Looks at pages, at both sizes.
    async fn visits(&mut self, stops: &[Stop], site: &str, language: &str) {
        self.browser.speak(language).await;
        for (window, width, height) in WINDOWS {
            self.browser.resize(width, height).await;
            for stop in stops {
                let name = format!("{language}-{}-{window}", stop.name);
                self.goes_to(stop, site, &name).await;
                self.has_width(width, &name).await;
                self.looks(&name, language, &[]).await;
                let nameless = self.browser.execute(FIND_NAMELESS).await;
                self.expect(nameless == Value::Array(Vec::new()), &name, &nameless);
            }
        }
    }

    /// Looks at letters, at both sizes.
    async fn reads(&mut self, sheets: &[Sheet], folder: &Path, language: &str) {
        let file = folder.join("letter.html");
        for (window, width, height) in WINDOWS {
            self.browser.resize(width, height).await;
            let mut kinds: Vec<LetterKind> = Vec::new();
            for sheet in sheets {
                fs::write(&file, &sheet.html).unwrap();
                self.browser.goto(&format!("file://{}", file.display())).await;
                kinds.push(sheet.kind);
                let nth = kinds.iter().filter(|kind| **kind == sheet.kind).count();
                let name = format!("mail-{language}-{}-{nth}-{window}", sheet.kind.as_str());
                assert!(!sheet.subject.is_empty(), "{name}");
                self.has_width(width, &name).await;
                self.looks(&name, language, &NOT_FOR_MAIL).await;
            }
        }
    }

    async fn goes_to(&self, stop: &Stop, site: &str, name: &str) {
        let url = format!("{site}{}", stop.url.replace(PUBLIC_URL, ""));
        self.browser.goto(&url).await;
        if !stop.press.is_empty() {
            self.browser.execute(stop.press).await;
        }
        let give_up_at = Instant::now() + Duration::from_secs(PAGE_SECONDS_MAX);
        let there = format!("const wanted = document.querySelector(\"{}\"); {IS_THERE}", stop.has);
        while self.browser.execute(&there).await != true {
            let text = self.browser.text().await;
            assert!(Instant::now() < give_up_at, "{name} has no {}:\n{text}", stop.has);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Wider than asked for is what a phone makes of a page that does not fit.
    async fn has_width(&mut self, width: u32, name: &str) {
        let found = self.browser.execute("return innerWidth").await;
        self.expect(found == width, name, &found);
    }

    /// What holds for pages and letters alike.
    async fn looks(&mut self, name: &str, language: &str, rules_off: &[&str]) {
        self.keeps_picture(name).await;
        self.browser.execute(UNFOLD).await;
        let violations = axe(&self.browser, rules_off).await;
        self.expect(violations.is_empty(), name, &violations);
        let lang = self.browser.execute("return document.documentElement.lang").await;
        self.expect(lang == language, name, &lang);
        let overflow = self.browser.horizontal_overflow().await;
        self.expect(!overflow, name, &"it takes sideways scrolling");
        let mut errors = self.browser.console_errors().await;
        // The browser itself notes these answers, and they are right where there is a problem.
        errors.retain(|error| !error.contains("status of 404") && !error.contains("status of 422"));
        self.expect(errors.is_empty(), name, &errors);
    }

    fn expect(&mut self, holds: bool, name: &str, otherwise: &impl std::fmt::Debug) {
        if !holds {
            self.wrong.push(format!("{name}: {otherwise:?}"));
        }
    }

    async fn keeps_picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("LOOKS_DIR") {
            fs::create_dir_all(&folder).unwrap();
            let file = Path::new(&folder).join(format!("{name}.png"));
            fs::write(file, self.browser.long_screenshot().await).unwrap();
        }
    }

    #[track_caller]
    fn is_content(&self) {
        assert!(self.wrong.is_empty(), "\n{}\n", self.wrong.join("\n"));
    }
}

/// `rule: help (target)` of each violation.
async fn axe(browser: &Browser, rules_off: &[&str]) -> Vec<String> {
    if browser.execute("return typeof axe").await != "object" {
        browser.execute(AXE).await;
    }
    let off: Vec<String> =
        rules_off.iter().map(|rule| format!("'{rule}': {{ enabled: false }}")).collect();
    let run = format!(
        "const done = arguments[arguments.length - 1];
         const line = found => found.id + ': ' + found.help + ' ('
             + found.nodes.map(node => node.target.join(' ') + ' ' + node.html).join(' | ') + ')';
         axe.run(document, {{ resultTypes: ['violations'], rules: {{ {} }} }})
             .then(result => done(result.violations.map(line)), why => done(['axe: ' + why]))",
        off.join(", ")
    );
    let found = browser.execute_async(&run).await;
    let found = found.as_array().expect("a list");
    found.iter().map(|line| line.as_str().expect("a line").to_owned()).collect()
}

/// Every kind of letter of that side was there to be looked at.
fn all_kinds_are_there(sheets: &[Sheet], for_staff: bool) {
    let there: BTreeSet<&str> = sheets.iter().map(|sheet| sheet.kind.as_str()).collect();
    let all = LetterKind::ALL.iter().filter(|kind| kind.is_for_staff() == for_staff);
    let missing: Vec<&str> =
        all.map(|kind| kind.as_str()).filter(|kind| !there.contains(kind)).collect();
    assert!(missing.is_empty(), "nobody wrote {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_requesters_look_right_in_every_language() {
    let mut viewer = Viewer::start().await;
    for language in languages() {
        let (scene, stops) = looks_scene::requesters(&language).await;
        let site = scene.desk.serves().await;
        viewer.visits(&stops, &site, &language).await;
    }
    viewer.is_content();
    viewer.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_to_requesters_look_right_in_every_language() {
    let mut viewer = Viewer::start().await;
    for language in languages() {
        let (scene, _) = looks_scene::requesters(&language).await;
        let sheets = scene.sheets(false).await;
        all_kinds_are_there(&sheets, false);
        viewer.reads(&sheets, scene.desk.folder(), &language).await;
    }
    viewer.is_content();
    viewer.browser.close().await;
}

async fn staff_scene() -> (Scene, Vec<Stop>, Vec<Sheet>) {
    let (scene, stops) = looks_scene::staff().await;
    let sheets = scene.sheets(true).await;
    (scene, stops, sheets)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_letters_of_staff_look_right() {
    let mut viewer = Viewer::start().await;
    let (scene, stops, sheets) = staff_scene().await;
    let site = scene.desk.serves().await;
    viewer.visits(&stops, &site, "en").await;
    all_kinds_are_there(&sheets, true);
    viewer.reads(&sheets, scene.desk.folder(), "en").await;
    viewer.is_content();
    viewer.browser.close().await;
}

/// The check itself finds faults.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_faults_does_not_pass() {
    let mut viewer = Viewer::start().await;
    let page = "<!DOCTYPE html><html lang='xx'><title>x</title>\
        <meta name='viewport' content='width=device-width'><body><main><h1>x</h1>\
        <p style='color:%23aaa;background:white;width:900px'>faint</p><input name='x'></main>";
    viewer.browser.goto(&format!("data:text/html,{page}")).await;
    viewer.looks("faulty", "en", &[]).await;
    let wrong = viewer.wrong.join("\n");
    for fault in ["color-contrast", "label: ", "html-lang-valid", "xx", "sideways"] {
        assert!(wrong.contains(fault), "{fault} in {wrong}");
    }
    assert_ne!(viewer.browser.execute(FIND_NAMELESS).await, Value::Array(Vec::new()));
    viewer.browser.close().await;
}
