//! Mails as a privacy inbox gets them: the same ones for the same numbers.

/// What a mail is, and so what has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A request; its author is asked.
    Request,
    /// A notification of the website's form; who is named in it is asked.
    Form,
    /// A robot's; nobody is asked.
    Automatic,
    /// Anything else; nobody is asked.
    Other,
}

/// Of twenty mails fourteen are requests, four come from the form, one from a robot.
pub(crate) fn sort_of(n: usize) -> Sort {
    match n % 20 {
        3 | 8 | 13 | 18 => Sort::Form,
        5 => Sort::Automatic,
        15 => Sort::Other,
        _ => Sort::Request,
    }
}

/// How many of the first `count` mails have to be answered.
pub(crate) fn letters_for(count: usize) -> usize {
    (0..count).filter(|n| matches!(sort_of(*n), Sort::Request | Sort::Form)).count()
}

const BODIES: [(&str, &str); 4] = [
    (
        "I am writing to ask you to delete every piece of personal data that you hold about me, as \
         Article 17 of the General Data Protection Regulation entitles me to. I stopped using the app \
         months ago and I still get mails from you. Please confirm the deletion within one month, as \
         the law requires. Should you refuse, please state your reasons.",
        "Kind regards",
    ),
    (
        "hiermit beantrage ich gemäß Art. 17 DSGVO die unverzügliche Löschung aller mich betreffenden \
         personenbezogenen Daten. Eine etwaige Einwilligung widerrufe ich mit Wirkung für die Zukunft. \
         Bitte bestätigen Sie mir die Löschung schriftlich innerhalb eines Monats.",
        "Mit freundlichen Grüßen",
    ),
    (
        "conformément à l'article 17 du RGPD, je vous demande d'effacer l'ensemble des données à \
         caractère personnel me concernant. Merci de me confirmer la suppression dans un délai d'un mois.",
        "Cordialement",
    ),
    (
        "de acuerdo con el artículo 17 del RGPD, solicito la supresión de todos los datos personales \
         que tengan sobre mí. Les ruego que confirmen la eliminación en el plazo de un mes.",
        "Atentamente",
    ),
];

/// The `n`th mail of a backlog to `desk`: text and HTML, 3 to 8 KB, with the header that a mail
/// has after two servers.
pub(crate) fn mail(n: usize, desk: &str) -> String {
    let from = format!("person{n}@mail{}.example", n % 97);
    match sort_of(n) {
        Sort::Request => multipart(n, &from, desk, "Data Deletion Request", ""),
        Sort::Form => format!(
            "{}Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example\r\n\
             From: Website <forms@flexus.example>\r\nTo: {desk}\r\n\
             Subject: New Data Deletion Request Form submission\r\n\
             Message-ID: <{n}@flexus.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\n\
             Email Address: {from}\r\n\r\nSent by the form on the website.\r\n",
            trace("forms@flexus.example", desk, n)
        ),
        Sort::Automatic => {
            multipart(n, &from, desk, "Out of office", "Auto-Submitted: auto-replied\r\n")
        }
        Sort::Other => format!(
            "{}From: Sales <{from}>\r\nTo: {desk}\r\nSubject: Your invoice for March\r\n\
             Message-ID: <{n}@shop.example>\r\n\r\n{}\r\n",
            trace(&from, desk, n),
            "Please find attached what you ordered from our shop last week.\r\n".repeat(40)
        ),
    }
}

/// A mail that asks for nothing.
pub(crate) fn chatter(n: usize, desk: &str) -> String {
    mail(n * 20 + 15, desk)
}

fn trace(from: &str, desk: &str, n: usize) -> String {
    format!(
        "Return-Path: <{from}>\r\nDelivered-To: {desk}\r\n\
         Received: from mx.example (mx.example [192.0.2.{}])\r\n\tby mail.flexus.example (Postfix) with ESMTPS id {n:010X}\r\n\
         \tfor <{desk}>; Mon, 1 Jun 2026 10:00:00 +0000\r\n\
         Received: by 2001:db8::{:x} with SMTP id {n:x};\r\n\tMon, 1 Jun 2026 09:59:58 +0000\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=mail.example; s=s1;\r\n\th=from:to:subject; bh={};\r\n\tb={}\r\n",
        n % 250 + 1,
        n % 65_536,
        "A".repeat(44),
        "B".repeat(340),
    )
}

fn multipart(n: usize, from: &str, desk: &str, subject: &str, more: &str) -> String {
    let (body, bye) = BODIES.get(n / 20 % BODIES.len()).expect("one of them");
    let quoted = "> Welcome to Flexus! Your account is ready. You are receiving this because somebody\r\n\
                  > signed up with this address. Visit your settings to change what we send you.\r\n";
    let quoted = quoted.repeat(2 + n % 8);
    let html = "<p style=\"margin:0;font-family:Helvetica,Arial,sans-serif\">".to_owned()
        + body
        + "</p><blockquote>"
        + &quoted.replace("> ", "").replace("\r\n", "<br>\r\n")
        + "</blockquote>";
    format!(
        "{}From: \"Person {n}\" <{from}>\r\nTo: {desk}\r\nSubject: {subject}\r\n{more}\
         Message-ID: <{n}.{n}@mail.example>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"b{n}\"\r\n\r\n\
         --b{n}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Hello,\r\n\r\n{body}\r\n\r\n{bye}\r\nPerson {n}\r\n\r\nOn Mon, 5 Jan 2026 at 10:00, Flexus <{desk}> wrote:\r\n{quoted}\r\n\
         --b{n}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         {html}\r\n--b{n}--\r\n",
        trace(from, desk, n),
    )
}
