//! Mail that is broken in one way each (`tests/mails/broken`), read as far as a person could.

use std::fs;
use std::path::{Path, PathBuf};

use deletion_desk::mail::{self, Bounds, EmailAddress, Mail, Sealed};
use proptest::prelude::*;

/// File, author, subject, own words.
const MAILS: &[(&str, Option<&str>, &str, &str)] = &[
    (
        "windows-1252-without-a-charset",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer. €",
    ),
    (
        "latin-1-called-utf-8",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer.",
    ),
    (
        "utf-8-called-latin-1",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer.",
    ),
    (
        "utf-8-called-ascii",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer.",
    ),
    (
        "utf-8-with-one-broken-character",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer. �",
    ),
    (
        "iso-2022-jp-without-a-charset",
        Some("jane@example.org"),
        "Deletion",
        "私の個人データを削除してください。よろしくお願いします。",
    ),
    (
        "gb18030-without-a-charset",
        Some("jane@example.org"),
        "Deletion",
        "请删除我的个人资料。\n谢谢你们的帮助，再见。",
    ),
    (
        "gb2312-declared",
        Some("jane@example.org"),
        "Deletion",
        "请删除我的个人资料。\n谢谢你们的帮助，再见。",
    ),
    (
        "shift-jis-without-a-charset",
        Some("jane@example.org"),
        "Deletion",
        "私の個人データを削除してください。よろしくお願いします。",
    ),
    (
        "euc-jp-called-latin-1",
        Some("jane@example.org"),
        "Deletion",
        "私の個人データを削除してください。よろしくお願いします。",
    ),
    (
        "koi8-r-without-a-charset",
        Some("jane@example.org"),
        "Deletion",
        "Пожалуйста, удалите мои персональные данные.",
    ),
    (
        "windows-1251-called-latin-1",
        Some("jane@example.org"),
        "Deletion",
        "Пожалуйста, удалите мои персональные данные.",
    ),
    (
        "utf-7",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer. Danke.",
    ),
    (
        "utf-16-without-a-charset",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer.",
    ),
    (
        "unknown-charset",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer.",
    ),
    ("cr-only", Some("jane@example.org"), "Deletion", "Please delete my data.\nJane"),
    ("lf-only", Some("jane@example.org"), "Deletion", "Please delete my data.\nJane"),
    ("two-crs", Some("jane@example.org"), "Deletion", "Please delete my data.\n\nJane"),
    ("boundary-missing", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("boundary-wrong", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("boundary-never-closed", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("boundary-on-the-next-line", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("null-bytes", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("null-byte-in-the-address", None, "x", "Please delete my data."),
    ("no-from", None, "Deletion", "Please delete my data."),
    ("two-froms", None, "Deletion", "Please delete my data."),
    ("group-from", None, "Deletion", "Please delete my data."),
    ("encoded-name", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("encoded-name-in-quotes", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("encoded-address", Some("mallory@example.com"), "Deletion", "Please delete my data."),
    ("encoded-address-alone", None, "Deletion", "Please delete my data."),
    (
        "encoded-word-over-two-lines",
        Some("jane@example.org"),
        "Löschung meiner Daten",
        "Please delete my data.",
    ),
    (
        "encoded-words-within-a-character",
        Some("jane@example.org"),
        "Löschung",
        "Please delete my data.",
    ),
    (
        "subject-in-raw-latin-1",
        Some("jane@example.org"),
        "Löschung meiner Daten",
        "Please delete my data.",
    ),
    (
        "subject-in-raw-utf-8",
        Some("jane@example.org"),
        "Löschung meiner Daten",
        "Please delete my data.",
    ),
    (
        "subject-in-raw-koi8-r",
        Some("jane@example.org"),
        "Удалить мои данные",
        "Пожалуйста, удалите мои персональные данные.",
    ),
    (
        "subject-in-raw-iso-2022-jp",
        Some("jane@example.org"),
        "データ削除",
        "Please delete my data.",
    ),
    ("comma-in-the-name", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("address-as-name", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("another-address-as-name", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("name-in-a-comment", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("angles-twice", Some("jane@example.org"), "Deletion", "Please delete my data."),
    (
        "international-domain",
        Some("jane@xn--bcher-kva.example"),
        "Deletion",
        "Please delete my data.",
    ),
    (
        "international-domain-in-ascii",
        Some("jane@xn--bcher-kva.example"),
        "Deletion",
        "Please delete my data.",
    ),
    (
        "international-local-part",
        Some("jürgen@xn--bcher-kva.example"),
        "Löschung",
        "Bitte löschen Sie meine Daten für immer.",
    ),
    (
        "no-blank-line",
        Some("jane@example.org"),
        "Deletion",
        "Please delete my data.\nMy account is jane.\n\nJane",
    ),
    ("junk-in-the-header", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("mbox-line", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("byte-order-mark", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("blank-lines-first", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("header-alone", Some("jane@example.org"), "Deletion", ""),
    ("winmail-dat", Some("jane@example.org"), "Deletion", ""),
    ("winmail-dat-beside-a-text", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("smime-signed", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("smime-opaque", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("smime-encrypted", Some("jane@example.org"), "Deletion", ""),
    ("pgp-signed", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("pgp-mime-encrypted", Some("jane@example.org"), "Deletion", ""),
    ("base64-without-padding", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("base64-that-is-none", Some("jane@example.org"), "Deletion", "Please delete my data."),
    (
        "quoted-printable-with-errors",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie alles = 100 =XY für immer.",
    ),
    (
        "quoted-printable-html-with-errors",
        Some("jane@example.org"),
        "Deletion",
        "Please delete =ZZ my data.",
    ),
    ("quoted-printable-ends-softly", Some("jane@example.org"), "Deletion", "Please delete my data"),
    ("html-called-plain", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("plain-part-is-a-stub", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("plain-part-is-empty", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("zero-width-characters", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("turned-round", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("flowed", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("flowed-with-delsp", Some("jane@example.org"), "Deletion", "Please delete my data."),
    ("fifteen-levels", Some("jane@example.org"), "Deletion", "Please delete my data."),
    (
        "unknown-transfer-encoding",
        Some("jane@example.org"),
        "Deletion",
        "Bitte löschen Sie meine Daten für immer.",
    ),
    ("two-texts", Some("jane@example.org"), "Deletion", "Please delete\nmy data."),
    ("text-as-an-attachment", Some("jane@example.org"), "Deletion", "Please delete my data."),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails").join(name)
}

fn read(name: &str) -> Mail {
    let raw = fs::read(folder("broken").join(format!("{name}.eml"))).unwrap();
    mail::parse(&raw, &Bounds::default()).unwrap_or_else(|why| panic!("{name}: {why}"))
}

#[test]
fn each_is_read_as_a_person_would() {
    let mut wrong = Vec::new();
    for (name, author, subject, own) in MAILS {
        let mail = read(name);
        let found = (
            mail.author.address().map(EmailAddress::as_str),
            mail.subject.as_str(),
            mail.body.own.trim(),
        );
        if found != (*author, *subject, *own) {
            wrong.push(format!(
                "{name}\n  expected {:?}\n  found    {found:?}",
                (author, subject, own)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fixture_stands_in_the_table() {
    let listed = MAILS.iter().map(|(name, ..)| *name).chain(["pgp-encrypted", "base64-with-junk"]);
    let listed: Vec<&str> = listed.collect();
    for entry in fs::read_dir(folder("broken")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(listed.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn junk_in_base64_costs_no_word() {
    assert!(read("base64-with-junk").body.own.starts_with("Please delete my data."));
}

#[test]
fn what_is_sealed_is_told() {
    for (name, sealed) in [
        ("smime-encrypted", Some(Sealed::Encrypted)),
        ("pgp-encrypted", Some(Sealed::Encrypted)),
        ("pgp-mime-encrypted", Some(Sealed::Encrypted)),
        ("winmail-dat", Some(Sealed::WinmailDat)),
        ("winmail-dat-beside-a-text", None),
        ("smime-signed", None),
        ("smime-opaque", None),
        ("pgp-signed", None),
    ] {
        assert_eq!(read(name).sealed, sealed, "{name}");
    }
}

/// RFC 5891: both spellings of a domain are one address.
#[test]
fn an_international_domain_is_one_in_both_spellings() {
    let unicode = read("international-domain");
    let ascii = read("international-domain-in-ascii");
    assert_eq!(unicode.author, ascii.author);
}

/// Promise 21: of a text that is all of a huge mail, what rules get to see is read, and a
/// file beside a short text is no reason to read less.
#[test]
fn huge_mails_are_read_as_far_as_their_text_goes() {
    let mut text = b"From: jane@example.org\nSubject: x\n\nPlease delete my data.\n".to_vec();
    text.extend(b"l\xf6schen ".repeat(2 * 1024 * 1024));
    let mail = mail::parse(&text, &Bounds::default()).unwrap();
    assert!(mail.body.own.starts_with("Please delete my data.\nlöschen"));
    assert!(mail.body.own.len() <= Bounds::default().text_bytes_max + 1);
    let mut file = b"From: jane@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\
        Please delete my data.\n--b\nContent-Type: application/pdf\n\n"
        .to_vec();
    file.extend(b"x".repeat(20 * 1024 * 1024));
    file.extend(b"\n--b\n\nThanks.\n--b--\n");
    let mail = mail::parse(&file, &Bounds::default()).unwrap();
    assert_eq!(mail.body.own, "Please delete my data.\nThanks.\n");
    assert_eq!(mail.attachments.first().map(|file| file.bytes), Some(20 * 1024 * 1024));
}

/// All fixtures, as the grounds of mutation.
fn fixtures() -> Vec<Vec<u8>> {
    let folders = ["broken", "quoting", "automatic"].map(folder);
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// What breaks readers when it stands where it should not.
const PIECES: [&[u8]; 18] = [
    b"\r",
    b"\n\n",
    b"\0",
    b"--xyz\r\n",
    b"--xyz--",
    b"=?utf-8?q?",
    b"?=",
    b"=\r\n",
    b"\x1b$B",
    b"\xff\xfe",
    b"Content-Type: message/rfc822\n\n",
    b"Content-Transfer-Encoding: base64\n",
    b"<blockquote>",
    b"</div>",
    b"<!--",
    b"> ",
    b"On 26/11/2026 10:00, x@y.example wrote:\n",
    b"-- \n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// However a mail is broken, reading it ends, and loses and makes nothing: each line of
    /// the text is somebody's.
    #[test]
    fn no_mutation_brings_the_reader_down(
        seed in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..6_u8, any::<u8>()), 1..10),
    ) {
        let all = fixtures();
        let mut raw = all[seed.index(all.len())].clone();
        for (index, edit, byte) in edits {
            if raw.is_empty() {
                break;
            }
            let at = index.index(raw.len());
            match edit {
                0 => raw[at] = byte,
                1 => raw.truncate(at),
                2 => {
                    raw.splice(at..at, PIECES[usize::from(byte) % PIECES.len()].iter().copied());
                }
                3 => {
                    raw.splice(at..at, all[other.index(all.len())].iter().copied());
                }
                4 => {
                    let tail = raw[at..].to_vec();
                    raw.extend(tail);
                }
                _ => {
                    raw.drain(at..(at + usize::from(byte)).min(raw.len()));
                }
            }
        }
        let bounds = Bounds { text_bytes_max: 4096, ..Bounds::default() };
        if let Ok(mail) = mail::parse(&raw, &bounds) {
            let read = mail.body.own.len() + mail.body.quoted.len() + mail.body.signature.len();
            prop_assert!(read <= 2 * (4096 + 2), "{} octets of text", read);
            prop_assert!(!mail.subject.contains(['\n', '\0']));
        }
    }
}
