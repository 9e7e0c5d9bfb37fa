//! What holds for any input: a stranger chooses the bytes.

use std::sync::LazyLock;

use deletion_desk::classify::form::FormSetting;
use deletion_desk::classify::rules::RuleSet;
use deletion_desk::classify::{Desk, classify};
use deletion_desk::compose::markdown;
use deletion_desk::mail::{self, Bounds, EmailAddress};
use proptest::prelude::*;

use crate::harness::{DESK, JANE, OFFICER, form, mail};

static SHIPPED: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::shipped().unwrap());

fn desk() -> Desk {
    let address = |text: &str| EmailAddress::parse(text).unwrap();
    Desk {
        address: address(DESK),
        staff: vec![address(OFFICER)],
        forms: vec![form_setting("flexus", address("forms@flexus.example"))],
        authserv_id: Some("mx.flexus.example".into()),
    }
}

fn form_setting(rule: &str, from: EmailAddress) -> FormSetting {
    let (site, form, subject, address) = (None, None, None, None);
    let (purpose, authenticated) = (None, None);
    FormSetting {
        rule: rule.to_owned(),
        from: Some(from),
        site,
        form,
        subject,
        purpose,
        authenticated,
        address,
    }
}

/// Mails that go through most of the code.
fn seeds() -> Vec<Vec<u8>> {
    let html = "From: j@example.org\nContent-Type: text/html\n\n<p>yes<blockquote>no</blockquote>";
    let report = "From: x@example.org\nContent-Type: multipart/report; boundary=b\n\n--b\n\
        Content-Type: message/delivery-status\n\nA: b\n\nAction: failed\nStatus: 5.1.1\n\n--b\n\
        Content-Type: text/rfc822-headers\n\nMessage-ID: <a@flexus.example>\n\n--b--\n";
    let quoted = "From: =?utf-8?q?J?= <j@example.org>\nSubject: =?utf-8?b?SGk=?=\n\
        Content-Transfer-Encoding: quoted-printable\n\nplease=\n=20delete my data=\n";
    let all = [
        mail(JANE, "Data Deletion Request", "please"),
        form(JANE),
        html.into(),
        report.into(),
        quoted.into(),
    ];
    all.into_iter().map(String::into_bytes).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes cut, doubled and replaced: never a panic, and never an address that is none.
    #[test]
    fn no_bytes_bring_the_reader_down(
        seed in 0..5_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 0..12),
    ) {
        let mut raw = seeds().swap_remove(seed);
        for (index, edit, byte) in edits {
            if raw.is_empty() {
                break;
            }
            let at = index.index(raw.len());
            match edit {
                0 => raw[at] = byte,
                1 => raw.truncate(at),
                2 => raw.insert(at, byte),
                _ => {
                    let tail = raw[at..].to_vec();
                    raw.extend(tail);
                }
            }
        }
        if let Ok(mail) = mail::parse(&raw, &Bounds::default()) {
            classify(&mail, None, &desk(), &SHIPPED);
            if let Some(author) = mail.author.address() {
                let again = EmailAddress::parse(author.as_str()).unwrap();
                prop_assert_eq!(&again, author);
            }
        }
    }

    #[test]
    fn an_address_that_is_taken_is_written_as_it_is_read(text in "\\PC{0,40}@\\PC{0,40}") {
        if let Ok(address) = EmailAddress::parse(&text) {
            prop_assert!(!address.as_str().contains(char::is_whitespace));
            prop_assert!(!address.as_str().contains(char::is_control));
            prop_assert_eq!(&EmailAddress::parse(address.as_str()).unwrap(), &address);
            prop_assert_eq!(format!("{address:?}"), "<address>");
        }
    }

    /// A stranger's words in the digest stay words.
    #[test]
    fn escaped_words_never_become_markup(words in "\\PC{0,80}") {
        let html = markdown::to_html(&format!("- x {}", markdown::escape(&words)), "en");
        let body = html.split("<li").nth(1).unwrap();
        for tag in ["<a ", "<script", "<img", "<b>", "<em", "<strong", "<code", "<h1", "<blockquote"] {
            prop_assert!(!body.contains(tag), "{} in {}", tag, body);
        }
    }
}
