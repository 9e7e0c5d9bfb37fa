//! In which of our languages somebody writes.

use whatlang::{Detector, Lang};

use crate::mail::Mail;

/// Fewer letters than these tell no language.
const LETTERS_MIN: usize = 20;
/// More words than these tell nothing more.
const WORDS_MAX: usize = 40;
/// Below it the guess is no better than English.
const CONFIDENCE_MIN: f64 = 0.25;

/// The languages that there are rules for.
pub const LANGUAGES: [(Lang, &str); 21] = [
    (Lang::Eng, "en"),
    (Lang::Deu, "de"),
    (Lang::Fra, "fr"),
    (Lang::Spa, "es"),
    (Lang::Ita, "it"),
    (Lang::Por, "pt"),
    (Lang::Nld, "nl"),
    (Lang::Pol, "pl"),
    (Lang::Swe, "sv"),
    (Lang::Dan, "da"),
    (Lang::Ces, "cs"),
    (Lang::Ron, "ro"),
    (Lang::Hun, "hu"),
    (Lang::Ell, "el"),
    (Lang::Ukr, "uk"),
    (Lang::Rus, "ru"),
    (Lang::Bul, "bg"),
    (Lang::Hrv, "hr"),
    (Lang::Tur, "tr"),
    (Lang::Jpn, "ja"),
    (Lang::Cmn, "zh"),
];

/// The language of a request, if it tells: that of the writer's own words.
pub fn language_of(mail: &Mail) -> Option<String> {
    language_of_text(&mail.body.own).map(str::to_owned)
}

/// As [`language_of`], of a text.
pub fn language_of_text(text: &str) -> Option<&'static str> {
    let all: Vec<String> = LANGUAGES.iter().map(|(_, code)| (*code).to_owned()).collect();
    language_among(text, &all)
}

/// Which of these languages a text is in, if it tells.
pub fn language_among(text: &str, languages: &[String]) -> Option<&'static str> {
    // Addresses and links are written alike everywhere.
    let words = text.split_whitespace().filter(|word| !word.contains(['@', '/']));
    let text = words.take(WORDS_MAX).collect::<Vec<_>>().join(" ");
    if text.chars().filter(|c| c.is_alphabetic()).count() < LETTERS_MIN {
        return None;
    }
    let ours = LANGUAGES.iter().filter(|(_, code)| languages.iter().any(|one| one == code));
    let ours = ours.map(|(lang, _)| *lang).collect();
    let info = Detector::with_allowlist(ours).detect(&text)?;
    if info.confidence() < CONFIDENCE_MIN {
        return None;
    }
    LANGUAGES.iter().find(|(lang, _)| *lang == info.lang()).map(|(_, code)| *code)
}

/// The first of `spoken` that a browser's Accept-Language (RFC 9110 §12.5.4) asks for.
pub fn language_of_browser<'a>(header: &str, spoken: &[&'a str]) -> Option<&'a str> {
    let mut wanted: Vec<(f32, usize, &str)> = header
        .split(',')
        .enumerate()
        .filter_map(|(place, part)| {
            let (range, quality) = part.split_once(';').unwrap_or((part, "q=1"));
            let quality = quality.trim().strip_prefix("q=")?.parse::<f32>().ok()?;
            Some((quality, place, range.trim().split('-').next().unwrap_or_default()))
        })
        .filter(|(quality, ..)| *quality > 0.0)
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    wanted.iter().find_map(|(_, _, range)| {
        spoken.iter().copied().find(|language| language.eq_ignore_ascii_case(range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_in_its_own_language() {
        for (text, expected) in [
            ("Please delete my account and all my personal data. Thank you!", Some("en")),
            ("Bitte löschen Sie mein Konto und alle meine personenbezogenen Daten.", Some("de")),
            ("Hallo, ich möchte, dass Sie meine Daten löschen.", Some("de")),
            ("Bonjour, merci de supprimer mon compte et toutes mes données.", Some("fr")),
            ("Hola, quiero que eliminen mi cuenta y todos mis datos personales.", Some("es")),
            ("please", None),
            ("Email Address: jemand-aus-der-schweiz@example.net", None),
            ("", None),
            ("12345678901234567890", None),
        ] {
            assert_eq!(language_of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn a_browser_gets_the_first_language_that_we_speak() {
        let spoken = ["de", "en", "es", "fr"];
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.8", Some("de")),
            ("nl, fr;q=0.3, es;q=0.7", Some("es")),
            ("EN", Some("en")),
            ("de;q=0", None),
            ("nl", None),
            ("", None),
            ("de;q=x", None),
        ] {
            assert_eq!(language_of_browser(header, &spoken), expected, "{header}");
        }
    }
}
