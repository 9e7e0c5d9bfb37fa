//! What there is to look at: a desk on which everything has happened once, and the pages and
//! letters that people then have.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use chrono::TimeDelta;
use deletion_desk::case::{Case, LetterKind};
use mail_parser::MessageParser;
use sqlx::{Connection as _, SqliteConnection};

use crate::bounces::bounce;
use crate::harness::{Desk, OFFICER, PUBLIC_URL, answer, mail};

/// A page, and how one gets to it.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) name: String,
    /// Where it is, as letters name it.
    pub(crate) url: String,
    /// What is done there, as a script; empty for just looking.
    pub(crate) press: &'static str,
    /// What the page has then, so that no other one is taken for it.
    pub(crate) has: &'static str,
}

/// A letter as a mail program shows it.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) kind: LetterKind,
    pub(crate) subject: String,
    pub(crate) html: String,
}

/// Presses the first button as programs do, which need not fill in what is required.
const PRESS: &str = "document.querySelectorAll('form').forEach(form => form.noValidate = true); \
    document.querySelector('main button').click()";
const MISSPELL: &str = "document.querySelector('#email').type = 'text'; \
    document.querySelector('#email').value = 'jane.example.org'; \
    document.querySelector('main button').click()";
const PRESS_WITHDRAW: &str = "document.querySelectorAll('form').forEach(form => form.noValidate = true); \
    document.querySelector('button[value=withdraw]').click()";
const COMPLETE: &str = "for (const choice of document.querySelectorAll('select[name^=item-]')) choice.value = 'deleted'; \
    document.querySelector('#outcome').value = 'deleted'; \
    document.querySelector('button[value=complete]').click()";
const COMPLETE_NOTHING_SAID: &str = "document.querySelectorAll('details').forEach(one => one.open = true); \
    document.querySelectorAll('form').forEach(form => form.noValidate = true); \
    document.querySelector('button[value=complete]').click()";

pub(crate) struct Scene {
    pub(crate) desk: Desk,
    language: String,
}

impl Scene {
    async fn in_language(language: &str) -> Scene {
        const MORE: &str = "[limits]\npage_per_network_per_day_max = 100\n\
            [[staff.members]]\naddress = \"deputy@flexus.example\"\nname = \"Deputy\"\nrole = \"deputy\"\n\
            [[staff.members]]\naddress = \"lead@flexus.example\"\nname = \"Head of support\"\nrole = \"lead\"\n";
        let desk = Desk::with(|settings| settings + MORE).await;
        Scene { desk, language: language.to_owned() }
    }

    /// Somebody asks by the form; returns the link that they get.
    async fn asks(&mut self, who: &str) -> String {
        let entry = format!("email={}&lang={}", who.replace('@', "%40"), self.language);
        let page = self.desk.presses("/", &entry).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        self.desk.settles().await;
        self.desk.last_letter_to(who).link()
    }

    /// Somebody asks and confirms; returns the link to the page.
    async fn confirms(&mut self, who: &str, role: &str) -> String {
        let link = self.asks(who).await;
        self.desk.confirms(&link, role).await;
        link
    }

    async fn case_of(&self, who: &str) -> Case {
        let is_theirs = |subject: &deletion_desk::mail::EmailAddress| subject.as_str() == who;
        let mut cases = self.desk.cases().await;
        cases.retain(|stored| stored.subject.as_ref().is_some_and(is_theirs));
        assert_eq!(cases.len(), 1, "{who}");
        cases.remove(0).case
    }

    async fn state_of(&self, who: &str) -> String {
        let state = self.case_of(who).await.state;
        state.resolution().map_or(state.as_str(), |resolution| resolution.as_str()).to_owned()
    }

    /// The page of a case or message for the officer, by the newest mail that links it.
    fn staff_link(&self, about: &str) -> String {
        let start = format!("{PUBLIC_URL}/s/{about}/");
        let letters = self.desk.letters_to(OFFICER);
        let at = letters.iter().rev().find_map(|letter| letter.text.split(&start).nth(1));
        let rest = at.unwrap_or_else(|| panic!("no mail links {about}"));
        let token: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        format!("{start}{token}")
    }

    /// The officer does something on the page of somebody's case.
    async fn acts(&mut self, who: &str, form: &str) {
        let link = self.staff_link(self.case_of(who).await.reference.as_str());
        let page = self.desk.presses(&link, &format!("{form}&sure=yes")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{form}: {}", page.body);
        self.desk.settles().await;
    }

    /// What was written so far, each once: staff's or the requesters'.
    pub(crate) async fn sheets(&self, for_staff: bool) -> Vec<Sheet> {
        let database = format!("sqlite://{}", self.desk.database().display());
        let mut database = SqliteConnection::connect(&database).await.unwrap();
        let (mut known, mut sheets) = (BTreeSet::new(), Vec::new());
        for parcel in self.desk.out.taken() {
            let sql = "SELECT kind FROM outbox WHERE id = ?";
            let kind = sqlx::query_scalar::<_, String>(sql).bind(parcel.id);
            let kind = LetterKind::parse(&kind.fetch_one(&mut database).await.unwrap()).unwrap();
            let letter = MessageParser::default().parse(&parcel.bytes).unwrap();
            let html = letter.body_html(0).unwrap().into_owned();
            let shape = shape_of(&html, for_staff);
            if kind.is_for_staff() == for_staff && known.insert((kind, shape)) {
                let subject = letter.subject().unwrap_or_default().to_owned();
                sheets.push(Sheet { kind, subject, html });
            }
        }
        sheets
    }
}

/// What makes a letter a different one: its tags; of the few to requesters also its words.
fn shape_of(html: &str, for_staff: bool) -> String {
    let mut shape = String::new();
    for part in html.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        shape.extend(tag.split_whitespace().next());
        if !for_staff && !text.starts_with("DEL-") {
            shape.push_str(text);
        }
    }
    shape
}

fn stop(name: &str, url: &str, press: &'static str, has: &'static str) -> Stop {
    Stop { name: name.to_owned(), url: url.to_owned(), press, has }
}

/// Everything that requesters meet, in one language.
pub(crate) async fn requesters(language: &str) -> (Scene, Vec<Stop>) {
    let mut scene = Scene::in_language(language).await;
    let mut stops = Vec::new();
    for (state, link) in scene.ends_by_itself().await {
        stops.push(stop(&format!("done-{state}"), &link, "", ".reference"));
    }
    for (state, link) in scene.ends_by_people().await {
        stops.push(stop(&format!("done-{state}"), &link, "", ".reference"));
    }
    let has_forms = ".reference ~ form button[value=correct-role]";
    for (state, link) in scene.goes_on().await {
        let name = format!("done-{state}");
        stops.push(stop(&name, &link, "", has_forms));
        if state == "in-progress" {
            stops.push(stop(&format!("{name}-just-now"), &format!("{link}?now=1"), "", has_forms));
            stops.push(stop(&format!("{name}-problem"), &link, PRESS_WITHDRAW, "[role=alert]"));
        }
    }
    let waiting = scene.asks("jane@example.org").await;
    stops.push(stop("confirm", &waiting, "", "button[value=confirm]"));
    stops.push(stop("confirm-problem", &waiting, PRESS, "[role=alert]"));
    let form = format!("/?lang={language}");
    stops.push(stop("form", &form, "", "#email"));
    stops.push(stop("form-problem", &form, MISSPELL, "[role=alert]"));
    stops.push(stop("form-sent", &format!("/sent?lang={language}"), "", "main a[href^=mailto]"));
    stops.push(stop("notice", "/nowhere", "", "main a[href='/']"));
    stops.push(stop("notice-dead-link", "/c/x", "", "main a[href='/']"));
    (scene, stops)
}

impl Scene {
    /// Cases that end because nobody does anything; with the reminder on the way.
    async fn ends_by_itself(&mut self) -> Vec<(&'static str, String)> {
        let expired = self.asks("expired@example.org").await;
        let redirected = self.confirms("redirected@example.org", "customer").await;
        self.desk.days_pass(8).await;
        assert_eq!(self.state_of("expired@example.org").await, "expired");
        assert_eq!(self.state_of("redirected@example.org").await, "redirected");
        vec![("expired", expired), ("redirected", redirected)]
    }

    async fn ends_by_people(&mut self) -> Vec<(&'static str, String)> {
        let disowned = self.asks("disowned@example.org").await;
        self.desk.presses(&disowned, "act=disown&asked=no").await;
        let withdrawn = self.confirms("withdrawn@example.org", "own-account").await;
        self.desk.presses(&withdrawn, "act=withdraw&asked=yes").await;
        let undeliverable = self.asks("undeliverable@example.org").await;
        let letter = self.desk.last_letter_to("undeliverable@example.org");
        self.desk.receives(&bounce(&letter, "failed", &letter.return_path)).await;

        let refused = self.confirms("refused@example.org", "not-sure").await;
        let words = "You+asked+for+the+same+on+1+May,+8+May+and+15+May.";
        self.acts("refused@example.org", &format!("act=refuse&ground=excessive&words={words}"))
            .await;
        let completed = self.confirms("partly@example.org", "own-account").await;
        self.completes("partly@example.org", "partly").await;
        for (who, outcome) in [
            ("deleted@example.org", "deleted"),
            ("nothing@example.org", "nothing-found"),
            ("de-identified@example.org", "de-identified"),
        ] {
            self.confirms(who, "workspace").await;
            self.completes(who, outcome).await;
        }
        self.desk.sleeps_for(TimeDelta::minutes(10));
        self.desk.settles().await;
        let ended = [
            ("withdrawn", disowned, "disowned@example.org"),
            ("withdrawn-after-confirming", withdrawn, "withdrawn@example.org"),
            ("undeliverable", undeliverable, "undeliverable@example.org"),
            ("refused", refused, "refused@example.org"),
            ("completed", completed, "partly@example.org"),
        ];
        for (name, _, who) in &ended {
            assert!(name.starts_with(&self.state_of(who).await), "{name}");
        }
        ended.map(|(name, link, _)| (name, link)).into()
    }

    async fn completes(&mut self, who: &str, outcome: &str) {
        let case = self.case_of(who).await;
        let scope: Vec<_> =
            deletion_desk::case::scope::scope_of(&case, &self.desk.settings.policy).collect();
        let mut form = format!("act=complete&outcome={outcome}");
        for item in scope {
            let came_to = match (outcome, item.item.as_str()) {
                ("partly", "opt-outs") => "opt-out",
                ("partly", "media") => "no-deletion-api",
                _ => "deleted",
            };
            form.push_str(&format!("&item-{}={came_to}", item.item));
        }
        if outcome == "partly" {
            form.push_str("&kept-what=Invoices&kept-ground=tax&until=2036-12-31");
        }
        self.acts(who, &form).await;
    }

    async fn goes_on(&mut self) -> Vec<(&'static str, String)> {
        let in_progress = self.confirms("working@example.org", "workspace").await;
        self.acts("working@example.org", "act=extend&months=2&reason=many").await;
        self.acts("working@example.org", "act=write&sentence=which-workspace").await;
        let on_hold = self.confirms("held@example.org", "own-account").await;
        let hold = "act=hold&ground=litigation&look-again-on=2026-12-31";
        self.acts("held@example.org", hold).await;
        self.acts("held@example.org", "act=write&sentence=on-hold").await;
        let redirecting = self.confirms("customer@example.org", "customer").await;
        let proof = self.confirms("agent@example.org", "business").await;
        self.sends_proof("agent@example.org").await;
        self.acts("agent@example.org", "act=ask-again&want=not-from-business").await;
        // Without a role: who confirms by mail is asked.
        self.asks("by.mail@example.org").await;
        let letter = self.desk.last_letter_to("by.mail@example.org");
        self.desk.receives(&answer("by.mail@example.org", &letter, "Yes")).await;
        let open = [
            ("in-progress", in_progress, "working@example.org"),
            ("on-hold", on_hold, "held@example.org"),
            ("redirecting", redirecting, "customer@example.org"),
            ("awaiting-proof", proof, "agent@example.org"),
        ];
        for (state, _, who) in &open {
            assert_eq!(self.state_of(who).await, *state);
        }
        open.map(|(state, link, _)| (state, link)).into()
    }

    async fn sends_proof(&mut self, who: &str) {
        let letter = self.desk.last_letter_to(who);
        self.desk
            .receives(&format!(
                "From: {who}\nTo: {}\nSubject: Re: {}\nIn-Reply-To: {}\nMessage-ID: <proof@mail.example>\n\
                 MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
                 --b\nContent-Type: text/plain\n\nHere it is.\n\
                 --b\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\
                 Content-Disposition: attachment; filename=\"authorization_signed_by_the_management_of_the_bakery_2026-05-28.pdf\"\n\n\
                 JVBERi0xLjQK\n--b--\n",
                letter.answer_address(),
                letter.subject,
                letter.message_id
            ))
            .await;
    }
}

/// Everything that staff meet.
pub(crate) async fn staff() -> (Scene, Vec<Stop>) {
    let mut scene = Scene::in_language("en").await;
    // A quiet day, and an hour in which the inbox cannot be read.
    scene.desk.days_pass(1).await;
    scene.desk.sleeps_for(TimeDelta::hours(1));
    scene.desk.ticks().await;
    scene.desk.submits().await;
    // Nobody acts on this one until its date has passed.
    scene.confirms("overdue@example.org", "workspace").await;
    scene.desk.days_pass(24).await;
    scene.confirms("soon@example.org", "not-sure").await;
    scene.desk.days_pass(8).await;
    scene.works_by_mail().await;
    let stops = scene.works_on_pages().await;
    scene.desk.days_pass(1).await;
    let digest_links = scene.opens_from_the_digest().await;
    let mut all = stops;
    all.extend(digest_links);
    (scene, all)
}

impl Scene {
    /// The officer answers the newest mail about a case.
    async fn officer_answers(&mut self, who: &str, text: &str) {
        let reference = self.case_of(who).await.reference;
        let letters = self.desk.letters_to(OFFICER);
        let about = |letter: &&crate::harness::Letter| letter.subject.contains(reference.as_str());
        let letter = letters.iter().rev().find(about).unwrap();
        let border =
            "Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example";
        self.desk.receives(&format!("{border}\n{}", answer(OFFICER, letter, text))).await;
    }

    async fn works_by_mail(&mut self) {
        self.confirms("mailed@example.org", "own-account").await;
        self.officer_answers("mailed@example.org", "help").await;
        self.officer_answers("mailed@example.org", "dnoe <b>it</b>").await;
        self.officer_answers("mailed@example.org", "nothing found").await;
        assert_eq!(self.state_of("mailed@example.org").await, "completed");
    }

    async fn works_on_pages(&mut self) -> Vec<Stop> {
        self.confirms("working@example.org", "workspace").await;
        self.acts("working@example.org", "act=tick&item=profile&item=content&item=ai").await;
        let hold = "act=hold&ground=tax&item=messages&item=integrations&look-again-on=2026-12-31";
        self.acts("working@example.org", hold).await;
        self.acts("working@example.org", "act=note&note=Billing+has+open+invoices.").await;
        self.confirms("held@example.org", "own-account").await;
        self.acts("held@example.org", "act=hold&ground=litigation&look-again-on=2026-12-31").await;
        self.confirms("agent@example.org", "business").await;
        self.sends_proof("agent@example.org").await;
        self.confirms("customer@example.org", "customer").await;
        self.confirms("returned@example.org", "own-account").await;
        let receipt = self.desk.last_letter_to("returned@example.org");
        self.desk.receives(&bounce(&receipt, "failed", &receipt.return_path)).await;
        let undone = self.confirms("undo@example.org", "own-account").await;
        assert!(!undone.is_empty());
        let mut stops = Vec::new();
        for (name, who, has) in [
            ("case-in-progress", "working@example.org", "button[value=untick]"),
            ("case-on-hold", "held@example.org", "button[value=release]"),
            ("case-awaiting-proof", "agent@example.org", "button[value=approve]"),
            ("case-redirecting", "customer@example.org", "button[value=set-role]"),
        ] {
            let link = self.staff_link(self.case_of(who).await.reference.as_str());
            stops.push(stop(name, &link, "", has));
        }
        let working = stops[0].url.clone();
        stops.push(stop("case-done", &format!("{working}?done=1"), "", "[role=status]"));
        stops.push(stop("case-problem", &working, COMPLETE_NOTHING_SAID, "[role=alert]"));
        stops.push(stop("sure", &working, COMPLETE, "input[name=sure], button[name=sure]"));
        stops.push(stop("staff-notice", &format!("{working}x"), "", "main h1"));
        stops
    }

    async fn opens_from_the_digest(&mut self) -> Vec<Stop> {
        self.asks("waiting@example.org").await;
        self.confirms("newly@example.org", "own-account").await;
        let request = "Data Deletion Request";
        let several = "Please delete my data and that of bob@example.net.";
        self.desk.receives(&mail("ana@example.org", request, several)).await;
        let long =
            "How do I delete my account? I could not find anything about it in the settings.";
        self.desk.receives(&mail("zoe@example.org", "my account", long)).await;
        self.desk
            .receives(&format!("X: {}\n{}", "x".repeat(200_000), mail("a@b.example", "big", "x")))
            .await;
        self.desk.days_pass(1).await;
        self.completes("undo@example.org", "deleted").await;
        let lines = self.desk.store.suggestions().await.unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        let mut stops = Vec::new();
        for (name, line) in ["message-of-several", "message"].iter().zip(&lines) {
            let link = self.staff_link(&format!("m{}", line.id));
            stops.push(stop(name, &link, "", "button[value=dismiss]"));
        }
        for (name, who, has) in [
            ("case-undo", "undo@example.org", "button[value=undo]"),
            ("case-returned", "returned@example.org", "button[value=seen]"),
            ("case-awaiting-verification", "waiting@example.org", "button[value=verify]"),
        ] {
            let link = self.staff_link(self.case_of(who).await.reference.as_str());
            stops.push(stop(name, &link, "", has));
        }
        stops
    }
}
