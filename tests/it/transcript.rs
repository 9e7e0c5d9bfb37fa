//! Writes down what came in, what the bot did, and what each person read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use chrono::TimeDelta;
use deletion_desk::store::cases::StoredCase;
use mail_parser::MessageParser;
use regex::Regex;

use crate::harness::{Desk, Letter, OFFICER, answer, mail};

const PASS: &str =
    "Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example";

/// Said in every letter to a requester; told once, in the first story.
static FOOTER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)\n+(?:-{3,}\n+)?DEL-\S+ · .*$").unwrap());
static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"/(c|s/[A-Za-z0-9-]+)/[a-z2-7]{34}").unwrap());
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"DEL-[0-9A-Z]{4}-[0-9A-Z]{4}").unwrap());
static CHAIN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(Journal:[\s│]+)[0-9a-f]{32}").unwrap());
/// The same under every refusal.
static COMMANDS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)(What you can answer, in the first line:).*$").unwrap());

/// One story on a desk of its own.
pub(crate) struct Story {
    pub(crate) desk: Desk,
    text: String,
    /// Beginnings of the subjects of letters whose text this story tells.
    told: Vec<&'static str>,
    with_footer: bool,
    outcomes: usize,
    letters: usize,
    entries: BTreeMap<String, usize>,
    stands: BTreeMap<String, String>,
}

impl Story {
    /// A live desk; of letters that begin otherwise, the subject is enough here.
    pub(crate) async fn begins(told: &[&'static str]) -> Story {
        Story::with(told, |config| config).await
    }

    pub(crate) async fn with(
        told: &[&'static str],
        change: impl FnOnce(String) -> String,
    ) -> Story {
        Story {
            desk: Desk::with(change).await,
            text: String::new(),
            told: told.to_vec(),
            with_footer: false,
            outcomes: 0,
            letters: 0,
            entries: BTreeMap::new(),
            stands: BTreeMap::new(),
        }
    }

    pub(crate) fn with_footers(mut self) -> Story {
        self.with_footer = true;
        self
    }

    fn says(&mut self, line: &str) {
        writeln!(self.text, "{line}").unwrap();
    }

    fn came(&mut self, what: &str, words: &str) {
        if !self.text.is_empty() {
            self.says("");
        }
        self.says(&format!("▶ {what}"));
        for line in words.lines() {
            self.says(format!("    {line}").trim_end());
        }
    }

    /// A mail of its own.
    pub(crate) async fn writes(&mut self, who: &str, subject: &str, words: &str) {
        self.arrives(&format!("{who} writes “{subject}”"), words, &mail(who, subject, words)).await;
    }

    /// An answer to the newest letter that somebody got whose subject begins so.
    pub(crate) async fn answers(&mut self, who: &str, subject: &str, words: &str) {
        let letter = self.letter(who, subject);
        let raw = answer(who, &letter, words);
        self.arrives(&format!("{who} answers “{}”", letter.subject), words, &raw).await;
    }

    /// The same of a member of staff, with the pass that their provider gives.
    pub(crate) async fn staff_answers(&mut self, who: &str, subject: &str, words: &str) {
        let letter = self.letter(who, subject);
        let raw = format!("{PASS}\n{}", answer(who, &letter, words));
        self.arrives(&format!("{who} answers “{}”", letter.subject), words, &raw).await;
    }

    /// Any other mail.
    pub(crate) async fn arrives(&mut self, what: &str, words: &str, raw: &str) {
        self.came(what, words);
        self.desk.receives(raw).await;
        self.hears().await;
    }

    /// A button on the page of the requester's newest letter of that subject.
    pub(crate) async fn presses(&mut self, who: &str, subject: &str, form: &str) {
        let link = self.letter(who, subject).link();
        self.came(&format!("{who} presses a button on the page of “{subject}”"), form);
        self.press(&link, form).await;
    }

    /// A button on the staff page about a case or message, twice, as it asks.
    pub(crate) async fn staff_presses(&mut self, who: &str, about: &str, form: &str) {
        let letters = self.desk.letters_to(who);
        let link = format!("/s/{about}/");
        let letter = letters.iter().rfind(|letter| letter.text.contains(&link));
        let link = letter.unwrap_or_else(|| panic!("no link to {about}")).staff_link(about);
        self.came(&format!("{who} presses a button on the staff page of {about}"), form);
        self.press(&link, &format!("{form}&sure=yes")).await;
    }

    async fn press(&mut self, link: &str, form: &str) {
        let page = self.desk.presses(link, form).await;
        if page.status.is_redirection() {
            self.says("  page: done");
        } else {
            let problem = page.body.split("role=\"alert\"><p>").nth(1).unwrap_or("?");
            let problem = problem.split("</p>").next().unwrap();
            self.says(&format!("  page: {problem}"));
        }
        self.desk.settles().await;
        self.hears().await;
    }

    pub(crate) async fn days_pass(&mut self, days: i64) {
        let words = if days == 1 { "a day passes".into() } else { format!("{days} days pass") };
        self.came(&words, "");
        self.desk.days_pass(days).await;
        self.hears().await;
    }

    pub(crate) async fn minutes_pass(&mut self, minutes: i64) {
        self.came(&format!("{minutes} minutes pass"), "");
        self.desk.sleeps_for(TimeDelta::minutes(minutes));
        self.desk.settles().await;
        self.hears().await;
    }

    /// Tells the newest digest of somebody.
    pub(crate) fn tells_digest_of(&mut self, who: &str) {
        let letter = self.letter(who, "Deletion requests:");
        self.came(&format!("{who} reads the digest of the day: {}", letter.subject), "");
        self.quotes(&letter);
    }

    #[track_caller]
    pub(crate) fn letter(&self, who: &str, subject: &str) -> Letter {
        let letters = self.desk.letters_to(who);
        let found = letters.into_iter().rfind(|letter| letter.subject.contains(subject));
        found.unwrap_or_else(|| panic!("{who} has no letter “{subject}”\n{}", self.text))
    }

    /// The reference of the newest case.
    pub(crate) async fn reference(&self) -> String {
        self.desk.cases().await.last().unwrap().case.reference.to_string()
    }

    /// Whatever is new since the last time.
    async fn hears(&mut self) {
        let outcomes = self.desk.outcomes().await;
        for outcome in &outcomes[self.outcomes..] {
            self.says(&format!("  bot: {outcome}"));
        }
        self.outcomes = outcomes.len();
        for stored in self.desk.cases().await {
            self.hears_of(&stored).await;
        }
        let letters: Vec<(String, Letter)> = self.new_letters();
        for (to, letter) in letters {
            self.says(&format!("  ✉ {to}: {}", letter.subject));
            if self.told.iter().any(|told| letter.subject.contains(told)) {
                self.quotes(&letter);
            }
        }
    }

    async fn hears_of(&mut self, stored: &StoredCase) {
        let case = &stored.case;
        let reference = case.reference.to_string();
        let entries = self.desk.store.journal_of(&case.reference).await.unwrap();
        let known = self.entries.insert(reference.clone(), entries.len()).unwrap_or(0);
        for entry in &entries[known..] {
            let detail = entry.detail.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
            self.says(&format!("  journal: {} → {}{detail}", entry.event, entry.reason));
        }
        let stands = stands(stored);
        if self.stands.insert(reference.clone(), stands.clone()).as_ref() != Some(&stands) {
            self.says(&format!("  {reference}: {stands}"));
        }
    }

    fn new_letters(&mut self) -> Vec<(String, Letter)> {
        let taken = self.desk.out.taken();
        let addresses: BTreeSet<String> =
            taken.iter().map(|parcel| parcel.to.as_str().to_owned()).collect();
        let mut left: BTreeMap<String, std::vec::IntoIter<Letter>> = addresses
            .into_iter()
            .map(|to| (to.clone(), self.desk.letters_to(&to).into_iter()))
            .collect();
        let all = taken.iter().map(|parcel| {
            let to = parcel.to.as_str().to_owned();
            let letter = left.get_mut(&to).unwrap().next().unwrap();
            (to, letter)
        });
        let new: Vec<(String, Letter)> = all.skip(self.letters).collect();
        self.letters = taken.len();
        // A digest comes every day; a story tells those that matter.
        let digest = |(to, letter): &(String, Letter)| {
            to == OFFICER && letter.subject.starts_with("Deletion requests:")
        };
        new.into_iter().filter(|one| !digest(one)).collect()
    }

    fn quotes(&mut self, letter: &Letter) {
        let mail = MessageParser::default().parse(letter.raw.as_bytes()).unwrap();
        let text = mail.body_text(0).unwrap().replace("\r\n", "\n");
        let text = match self.with_footer {
            true => text,
            false => FOOTER.replace(&text, "").into_owned(),
        };
        let text = COMMANDS.replace(&text, "$1 […]");
        for line in text.trim_end().lines() {
            self.says(format!("    │ {line}").trim_end());
        }
    }

    /// The whole, with references and tokens named by their role.
    pub(crate) fn ends(self) -> String {
        let mut names: Vec<String> = Vec::new();
        for found in REFERENCE.find_iter(&self.text) {
            if !names.iter().any(|name| name == found.as_str()) && found.as_str() != "DEL-7K3M-Q2XA"
            {
                names.push(found.as_str().to_owned());
            }
        }
        let mut text = self.text;
        for (number, name) in names.iter().enumerate() {
            text = text.replace(name, &format!("DEL-AAAA-000{}", number + 1));
        }
        let text = TOKEN.replace_all(&text, "/$1/{token}").into_owned();
        CHAIN.replace_all(&text, "$1{hash}").into_owned()
    }
}

/// How a case stands, in a line.
fn stands(stored: &StoredCase) -> String {
    let case = &stored.case;
    let mut parts = vec![match case.state.resolution() {
        Some(resolution) => format!("closed ({})", resolution.as_str()),
        None => case.state.as_str().to_owned(),
    }];
    parts.extend(case.role.map(|role| role.as_str().to_owned()));
    parts.extend(case.due_on.map(|on| format!("promised by {on}")));
    parts.extend(case.law_due_on.map(|on| format!("law {on}")));
    for hold in &case.work.holds {
        let what = hold.item.as_deref().unwrap_or("everything");
        parts.push(format!("{what} held until {}", hold.look_again_on));
    }
    parts.extend(case.work.returned.map(|letter| format!("{} came back", letter.as_str())));
    parts.join(", ")
}
