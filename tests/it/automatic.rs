//! Robots (`tests/mails/automatic`) told from people, in all our languages.

use std::fs;
use std::path::Path;

use deletion_desk::mail::origin::{Origin, Sign, origin};
use deletion_desk::mail::{self, Bounds, EmailAddress};

use crate::harness::DESK;

fn origin_of(raw: &[u8]) -> Origin {
    let desk = EmailAddress::parse(DESK).unwrap();
    origin(&mail::parse(raw, &Bounds::default()).unwrap(), &desk)
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails/automatic");
    fs::read(folder.join(format!("{name}.eml"))).unwrap()
}

#[test]
fn each_robot_is_known_by_its_mark() {
    for (name, sign) in [
        ("exchange-out-of-office", Sign::AutoSubmitted),
        ("exchange-without-its-marks", Sign::Autoresponder),
        ("gmail-vacation", Sign::AutoSubmitted),
        ("lotus-notes", Sign::Autoresponder),
        ("gmx-vacation", Sign::Autoresponder),
        ("procmail-vacation", Sign::Precedence),
        ("sieve-vacation", Sign::Autoresponder),
        ("null-return-path", Sign::NullReturnPath),
        ("null-return-path-rewritten", Sign::NullReturnPath),
        ("zendesk", Sign::AutoSubmitted),
        ("freshdesk", Sign::NoAnswerWanted),
        ("otrs", Sign::NoAnswerWanted),
        ("request-tracker", Sign::Autoresponder),
        ("jira", Sign::NoAnswerWanted),
        ("hubspot", Sign::NoAnswerWanted),
        ("exchange-asks-for-silence", Sign::NoAnswerWanted),
        ("mailing-list", Sign::List),
        ("newsletter", Sign::List),
        ("no-reply", Sign::RoleSender),
        ("read-receipt", Sign::DispositionNotification),
        ("read-receipt-without-its-type", Sign::DispositionNotification),
        ("feedback-report", Sign::FeedbackReport),
        ("dmarc-report", Sign::RoleSender),
    ] {
        assert_eq!(origin_of(&fixture(name)), Origin::Automatic(sign), "{name}");
    }
    assert_eq!(origin_of(&fixture("tls-report")), Origin::Report);
    assert_eq!(origin_of(&fixture("ourselves")), Origin::Ourselves);
}

/// What the answering machines of our languages write above the subject they answer.
#[test]
fn a_localised_subject_gives_an_answering_machine_away() {
    for subject in [
        "Automatic reply: x",
        "Out of Office: x",
        "Auto-Reply: x",
        "Autoreply",
        "Auto: x",
        "Automatische Antwort: x",
        "Abwesenheitsnotiz: x",
        "Réponse automatique : x",
        "Absence du bureau : x",
        "Respuesta automática: x",
        "Fuera de la oficina: x",
        "Risposta automatica: x",
        "Fuori sede: x",
        "Resposta automática: x",
        "Ausência temporária: x",
        "Automatisch antwoord: x",
        "Afwezigheidsbericht: x",
        "Automatyczna odpowiedź: x",
        "Odpowiedź automatyczna: x",
        "Automatiskt svar: x",
        "Frånvaro: x",
        "Automatisk svar: x",
        "Ikke til stede: x",
        "Fraværsmelding: x",
        "Automatická odpověď: x",
        "Mimo kancelář: x",
        "Răspuns automat: x",
        "Absent din birou: x",
        "Automatikus válasz: x",
        "Házon kívül: x",
        "Αυτόματη απάντηση: x",
        "Εκτός γραφείου: x",
        "Автоматична відповідь: x",
        "Автовідповідь: x",
        "Автоматический ответ: x",
        "Автоответ: x",
        "Автоматичен отговор: x",
        "Automatski odgovor: x",
        "Otomatik yanıt: x",
        "Otomatik Yanıt: x",
        "Ofis dışında: x",
        "自動返信: x",
        "不在通知",
        "自动回复: x",
        "自動回覆: x",
        "Automaattinen vastaus: x",
    ] {
        let raw = format!("From: jane@example.org\nSubject: {subject}\n\nI am away.\n");
        let found = origin_of(raw.as_bytes());
        assert_eq!(found, Origin::Automatic(Sign::Autoresponder), "{subject}");
    }
}

#[test]
fn people_are_people() {
    for header in [
        "Subject: Re: Automatic reply: x",
        "Subject: Automated decisions about me",
        "Subject: Please delete my data while I am out of the country",
        "Subject: AW: Abwesenheitsnotiz: x",
        "Auto-Submitted: no\nSubject: x",
        "Return-Path: <jane@example.org>\nSubject: x",
        "X-MS-Has-Attach: \nX-MS-TNEF-Correlator: \nX-Originating-IP: [192.0.2.1]\nSubject: x",
        "X-Mailer: Microsoft Outlook 16.0\nThread-Index: AdB\nSubject: x",
        "X-Priority: 3\nX-Loop: jane@example.org\nSubject: x",
        "DKIM-Signature: v=1; h=from:list-unsubscribe\nSubject: x",
    ] {
        let raw = format!("From: jane@example.org\n{header}\n\nPlease delete my data.\n");
        assert_eq!(origin_of(raw.as_bytes()), Origin::Person, "{header}");
    }
    for author in [
        "jane@example.org",
        "bob.root@example.org",
        "norep.lyons@example.org",
        "bouncer@example.org",
    ] {
        let raw = format!("From: {author}\nSubject: x\n\nPlease delete my data.\n");
        assert_eq!(origin_of(raw.as_bytes()), Origin::Person, "{author}");
    }
}
