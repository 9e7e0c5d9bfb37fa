//! A real browser for the tests of the page: headless Chromium, driven by chromedriver, with a
//! profile of its own that nothing else ever saw.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use axum::http::Method;
use data_encoding::BASE64;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::servers::{ProcessGroup, program};

/// Below this a window counts as a phone's: the page's viewport declaration is obeyed, and
/// without one the page is laid out as for a desktop and shrunk. (A desktop Chromium has no
/// window narrower than this anyway.)
const PHONE_WIDTH_MAX: u32 = 500;

/// How long chromedriver may take to start on a busy machine.
const START_SECONDS_MAX: u64 = 30;
/// How long a page may take to appear.
const PAGE_SECONDS_MAX: u64 = 15;

/// One window of a headless Chromium; it ends when this is dropped.
pub(crate) struct Browser {
    client: Client,
    // After the processes their files: in the order of the fields they are dropped.
    _chromedriver: ProcessGroup,
    _folder: TempDir,
}

impl Browser {
    /// Starts a browser whose page area has this size in CSS pixels.
    ///
    /// # Panics
    /// When chromedriver or Chromium is missing or does not start: a test that needs a browser
    /// is never skipped.
    pub(crate) async fn start(width: u32, height: u32) -> Browser {
        Browser::start_with(width, height, json!({})).await
    }

    /// Starts a browser that runs no script of any page, as some people have it. What this
    /// module itself asks of the page still works.
    ///
    /// # Panics
    /// As [`Browser::start`].
    pub(crate) async fn start_without_script(width: u32, height: u32) -> Browser {
        const BLOCK: u32 = 2;
        let preferences = json!({ "profile.managed_default_content_settings.javascript": BLOCK });
        Browser::start_with(width, height, preferences).await
    }

    async fn start_with(width: u32, height: u32, preferences: Value) -> Browser {
        program("chromium");
        // Short, for Chromium has unix sockets in it.
        let folder =
            tempfile::Builder::new().prefix("browser-").tempdir_in("/tmp").expect("folder");
        let root = folder.path();
        let log = root.join("chromedriver.log");
        let mut chromedriver = Command::new(program("chromedriver"));
        // Everything Chromium writes has to land in the folder, crash reports included.
        chromedriver.arg("--port=0").env("HOME", root).env("TMPDIR", root);
        chromedriver.env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME");
        let chromedriver = ProcessGroup::start(&chromedriver, &log);
        let port = port_of(&log).await;
        let capabilities = capabilities(&root.join("profile"), &preferences);
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|e| panic!("Chromium does not start: {e}\n{}", read(&log)));
        let browser = Browser { client, _chromedriver: chromedriver, _folder: folder };
        browser.resize(width, height).await;
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    /// The address of the page that is shown.
    pub(crate) async fn url(&self) -> String {
        self.client.current_url().await.expect("the page's address").into()
    }

    /// The text of the page as a person sees it: nothing hidden, no markup.
    pub(crate) async fn text(&self) -> String {
        let give_up_at = Instant::now() + Duration::from_secs(PAGE_SECONDS_MAX);
        loop {
            // A page that is just being replaced by the next one has no body, or a stale one.
            match self.text_now().await {
                Ok(text) => return text,
                Err(e) => assert!(Instant::now() < give_up_at, "the page has no text: {e}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the page's text contains this, and returns all of the text. To be used after
    /// whatever loads another page: the old one may still be there for a moment.
    ///
    /// # Panics
    /// When it does not appear.
    pub(crate) async fn wait_for_text(&self, expected: &str) -> String {
        let give_up_at = Instant::now() + Duration::from_secs(PAGE_SECONDS_MAX);
        loop {
            let text = self.text().await;
            if text.contains(expected) {
                return text;
            }
            assert!(Instant::now() < give_up_at, "in vain waited for {expected:?} in:\n{text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn text_now(&self) -> Result<String, CmdError> {
        self.client.find(Locator::Css("body")).await?.text().await
    }

    /// Presses keys as on a keyboard; they go to whatever has the focus. `keys` is the name of
    /// one key (`Tab`, `Shift+Tab`, `Space`, `Enter`, `Escape`, `ArrowDown`, `ArrowUp`,
    /// `ArrowLeft`, `ArrowRight`, `Backspace`, `Home`, `End`, `PageDown`, `PageUp`) or else a
    /// text to type.
    pub(crate) async fn press_keys(&self, keys: &str) {
        let (shift, name) = match keys.strip_prefix("Shift+") {
            Some(name) => (true, name),
            None => (false, keys),
        };
        let typed: Vec<char> = match key_of(name) {
            Some(key) => vec![key],
            None => keys.chars().collect(),
        };
        let mut actions = KeyActions::new("keyboard".to_owned());
        let shift = shift && key_of(name).is_some();
        if shift {
            actions = actions.then(KeyAction::Down { value: Key::Shift.into() });
        }
        for value in typed {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        if shift {
            actions = actions.then(KeyAction::Up { value: Key::Shift.into() });
        }
        self.client.perform_actions(actions).await.expect("the keys are pressed");
    }

    /// Clicks the first element that the CSS selector finds, as with a mouse.
    ///
    /// # Panics
    /// When there is none, or something else lies over it.
    pub(crate) async fn click(&self, css: &str) {
        let element = self.client.find(Locator::Css(css)).await;
        let element = element.unwrap_or_else(|e| panic!("nothing to click at {css}: {e}"));
        element.click().await.unwrap_or_else(|e| panic!("{css} cannot be clicked: {e}"));
    }

    /// What has the focus, as `tag#id[name=…][value=…] text`; of a field the text is its label's.
    pub(crate) async fn active_element(&self) -> String {
        let description = self.execute(DESCRIBE_ACTIVE_ELEMENT).await;
        description.as_str().expect("a description").to_owned()
    }

    /// What the browser itself complained of since the last call: errors and warnings of scripts,
    /// content security policy, loading.
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        let entries = self.client.issue_cmd(ReadConsole).await.expect("the console");
        let entries = entries.as_array().cloned().unwrap_or_default();
        let serious = entries.iter().filter(|entry| {
            matches!(entry.get("level").and_then(Value::as_str), Some("SEVERE" | "WARNING"))
        });
        let message = |entry: &Value| Some(entry.get("message")?.as_str()?.to_owned());
        serious.filter_map(message).collect()
    }

    /// A picture of the visible part of the page; PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.expect("a picture")
    }

    /// Whether the page is wider than the window, so that reading it takes sideways scrolling.
    pub(crate) async fn horizontal_overflow(&self) -> bool {
        let wider = "const page = document.documentElement; \
                     return page.scrollWidth > page.clientWidth";
        self.execute(wider).await.as_bool().expect("a truth value")
    }

    /// From now on the page area has this size in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < PHONE_WIDTH_MAX,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// From now on this is the language that the browser asks pages for.
    pub(crate) async fn speak(&self, language: &str) {
        let headers = json!({ "headers": { "Accept-Language": language } });
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setExtraHTTPHeaders", headers).await;
    }

    /// A picture of the page from its top to its bottom; PNG.
    pub(crate) async fn long_screenshot(&self) -> Vec<u8> {
        let whole = json!({ "captureBeyondViewport": true });
        let picture = self.devtools("Page.captureScreenshot", whole).await;
        let picture = picture.get("data").and_then(Value::as_str).expect("a picture");
        BASE64.decode(picture.as_bytes()).expect("base64")
    }

    async fn devtools(&self, method: &str, parameters: Value) -> Value {
        let command = Devtools(json!({ "cmd": method, "params": parameters }));
        self.client.issue_cmd(command).await.unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Runs a script's text as the body of a function that calls its last argument with what it
    /// found, and returns that.
    pub(crate) async fn execute_async(&self, js: &str) -> Value {
        self.client.execute_async(js, Vec::new()).await.unwrap_or_else(|e| panic!("{js}: {e}"))
    }

    /// Runs a script's text as the body of a function, and returns what it returns.
    pub(crate) async fn execute(&self, js: &str) -> Value {
        self.client.execute(js, Vec::new()).await.unwrap_or_else(|e| panic!("{js}: {e}"))
    }

    /// Closes the window and waits for it. Dropping the browser ends it too.
    pub(crate) async fn close(self) {
        self.client.clone().close().await.expect("the window closes");
    }
}

const DESCRIBE_ACTIVE_ELEMENT: &str = "
    const element = document.activeElement;
    if (!element) return 'nothing';
    let description = element.localName;
    if (element.id) description += '#' + element.id;
    for (const name of ['name', 'value'])
        if (element.hasAttribute(name)) description += `[${name}=${element.getAttribute(name)}]`;
    if (element === document.body) return description;
    const labels = Array.from(element.labels ?? [], label => label.innerText);
    const text = element.innerText || labels.join(' ');
    return (description + ' ' + text.replace(/\\s+/g, ' ').trim()).trim()";

fn key_of(name: &str) -> Option<char> {
    let key = match name {
        "Tab" => Key::Tab,
        "Enter" => Key::Enter,
        "Escape" => Key::Escape,
        "ArrowDown" => Key::Down,
        "ArrowUp" => Key::Up,
        "ArrowLeft" => Key::Left,
        "ArrowRight" => Key::Right,
        "Backspace" => Key::Backspace,
        "Home" => Key::Home,
        "End" => Key::End,
        "PageDown" => Key::PageDown,
        "PageUp" => Key::PageUp,
        "Space" => return Some(' '),
        _ => return None,
    };
    Some(key.into())
}

fn capabilities(profile: &Path, preferences: &Value) -> Value {
    let profile = format!("--user-data-dir={}", profile.display());
    json!({
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                profile,
            ],
            "prefs": preferences,
        },
    })
}

/// Waits until chromedriver says on which port it listens.
async fn port_of(log: &Path) -> u16 {
    let give_up_at = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    loop {
        let printed = read(log);
        let said = printed.lines().find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?
                .trim_end_matches('.')
                .parse()
                .ok()
        });
        if let Some(port) = said {
            return port;
        }
        assert!(Instant::now() < give_up_at, "chromedriver does not start\n{printed}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// Reads and empties the browser's console. No part of the WebDriver standard, hence not of
/// fantoccini.
#[derive(Debug)]
struct ReadConsole;

impl WebDriverCompatibleCommand for ReadConsole {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/se/log", session_id.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

/// A command of the DevTools protocol, which chromedriver passes on. No part of the WebDriver
/// standard either.
#[derive(Debug)]
struct Devtools(Value);

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/goog/cdp/execute", session_id.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}
