//! What people answer to the verification letter, in the languages that there are rules for, as
//! the mail programs of these languages write it. The answers in `tests/mails/answers/` were
//! written by somebody who had not seen the rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use deletion_desk::case::LetterKind;
use deletion_desk::classify::rules::RuleSet;
use deletion_desk::classify::{Answer, Desk, Verdict, classify};
use deletion_desk::mail::{self, Bounds, EmailAddress};
use serde::Deserialize;

static SHIPPED: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::shipped().unwrap());

/// Of a hundred, how many a plain yes must be taken for one, and a plain no.
const YES_PERCENT_MIN: usize = 97;

const LETTER: &str = "Hello,\n\nsomebody, hopefully you, asked us to delete the personal data \
    that we hold about this address.\n\nIf that was you, answer YES. If you did not ask, answer \
    NO, and nothing will be deleted.\n\nFlexus Privacy";

#[derive(Deserialize)]
struct Answers {
    yes: Vec<String>,
    no: Vec<String>,
    doubtful: Vec<String>,
    takes_back: Vec<String>,
    other: Vec<String>,
}

#[derive(Deserialize)]
struct Clients {
    client: Vec<Client>,
}

#[derive(Deserialize)]
struct Client {
    name: String,
    language: String,
    text: String,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails/answers")
}

fn languages() -> BTreeMap<String, Answers> {
    let read = |path: std::path::PathBuf| {
        let language = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        (language != "clients").then(|| (language, toml::from_str(&text).unwrap()))
    };
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .filter_map(read)
        .collect()
}

fn clients() -> Vec<Client> {
    let text = fs::read_to_string(folder().join("clients.toml")).unwrap();
    toml::from_str::<Clients>(&text).unwrap().client
}

/// The mail that a program makes of an answer, and what is read in it.
fn read(client: &Client, answer: &str) -> Answer {
    let marked: Vec<String> = LETTER.lines().map(|line| format!("> {line}")).collect();
    let text = client
        .text
        .replace("{answer}", answer)
        .replace("{quoted_marked}", &marked.join("\n"))
        .replace("{quoted}", LETTER);
    let raw = format!(
        "From: Jane <jane@example.org>\r\nTo: hello+token@flexus.example\r\n\
         Subject: Re: Please confirm\r\nIn-Reply-To: <token@flexus.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{}\r\n",
        text.replace('\n', "\r\n")
    );
    let desk = Desk {
        address: EmailAddress::parse("hello@flexus.example").unwrap(),
        staff: Vec::new(),
        forms: Vec::new(),
        authserv_id: None,
    };
    let mail = mail::parse(raw.as_bytes(), &Bounds::default()).unwrap();
    let classified = classify(&mail, Some(LetterKind::VerificationRequest), &desk, &SHIPPED);
    match classified.verdict {
        Verdict::Answer(answer) => answer,
        other => panic!("{}: {other:?}\n{text}", client.name),
    }
}

#[test]
fn a_plain_yes_is_taken_as_yes_in_every_language_and_program() {
    let (mut right, mut missed) = (0, Vec::new());
    let (clients, languages) = (clients(), languages());
    assert_eq!(languages.len(), 21);
    for (language, answers) in &languages {
        for client in clients.iter().filter(|client| client.language == *language) {
            for answer in &answers.yes {
                match read(client, answer) {
                    Answer::Yes => right += 1,
                    other => {
                        missed.push(format!("{language}, {}: {other:?}: {answer:?}", client.name))
                    }
                }
            }
        }
    }
    let all = right + missed.len();
    println!("{right} of {all} taken as yes");
    assert!(
        all > 400 && right * 100 >= all * YES_PERCENT_MIN,
        "{right}/{all}\n{}",
        missed.join("\n")
    );
}

#[test]
fn nothing_else_is_ever_taken_as_yes() {
    let (clients, languages) = (clients(), languages());
    let mut wrong = Vec::new();
    for (language, answers) in &languages {
        let others = [&answers.no, &answers.doubtful, &answers.takes_back, &answers.other];
        for client in clients.iter().filter(|client| client.language == *language) {
            for answer in others.iter().flat_map(|list| list.iter()) {
                if read(client, answer) == Answer::Yes {
                    wrong.push(format!("{language}, {}: {answer:?}", client.name));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_plain_no_ends_the_case_and_nothing_else_does() {
    let (clients, languages) = (clients(), languages());
    let (mut right, mut all, mut wrong) = (0, 0, Vec::new());
    for (language, answers) in &languages {
        let client = clients.iter().find(|client| client.language == *language).unwrap();
        for answer in &answers.no {
            all += 1;
            match read(client, answer) {
                Answer::No => right += 1,
                other => println!("{language}: {other:?}: {answer:?}"),
            }
        }
        for answer in answers.yes.iter().chain(&answers.doubtful) {
            if read(client, answer) == Answer::No {
                wrong.push(format!("{language}: {answer:?}"));
            }
        }
    }
    println!("{right} of {all} taken as no");
    assert_eq!(wrong, Vec::<String>::new());
    assert!(right * 100 >= all * 85, "{right} of {all}");
}

/// "Tak" is yes in Polish and thanks in Danish: what the mail program wrote tells which.
#[test]
fn a_word_of_two_languages_is_read_by_what_stands_around_it() {
    let clients = clients();
    for (language, answer) in [("pl", Answer::Yes), ("da", Answer::Unclear)] {
        let own: Vec<&Client> =
            clients.iter().filter(|client| client.language == language).collect();
        assert!(!own.is_empty());
        for client in own {
            assert_eq!(read(client, "Tak"), answer, "{}", client.name);
        }
    }
    let bare = Client { name: "none".into(), language: "pl".into(), text: "{answer}".into() };
    assert_eq!(read(&bare, "Tak"), Answer::Unclear);
}
