//! One spelling for what people write in many.

use std::sync::LazyLock;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use regex::Regex;

use crate::mail::{EmailAddress, subject};

/// Characters of a subject that rules get to see.
const SUBJECT_CHARS_MAX: usize = 1_000;

/// Lower case, without accents, in compatible Unicode forms (NFKD), with straight quotes and
/// single spaces: what rules match against.
pub fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = true;
    let mut push = |c: char| {
        if c.is_whitespace() {
            if !space {
                out.push(' ');
            }
            space = true;
        } else {
            out.push(c);
            space = false;
        }
    };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // Most of most mails is ASCII, which is folded by itself.
        let ascii = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(ascii);
        plain.chars().for_each(|c| push(if c == '`' { '\'' } else { c.to_ascii_lowercase() }));
        rest = tail;
        if ascii == 0 {
            // A letter and the marks that stand apart from it are folded together.
            let end = rest.find(|c: char| c.is_ascii()).unwrap_or(rest.len());
            debug_assert!(end >= c.len_utf8());
            let (other, tail) = rest.split_at(end);
            fold(other, &mut push);
            rest = tail;
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    out
}

/// Letters beyond ASCII: lower case, decomposed, without what stands above or below them.
pub(super) fn fold(text: &str, push: &mut impl FnMut(char)) {
    const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
    const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
    let apart = NFKD.normalize_iter(text.chars().flat_map(char::to_lowercase));
    // The marks of kana and Hangul are no accents: put back where they belong.
    let apart = apart.filter(|c| !matches!(c, '\u{300}'..='\u{36f}'));
    for c in NFC.normalize_iter(apart) {
        match c {
            // Accents; soft hyphens and zero-width characters are there for the eye only.
            '\u{300}'..='\u{36f}'
            | '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {}
            '\u{2018}'..='\u{201b}' | '\u{2bc}' | '\u{2032}' | '`' => push('\''),
            '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => push('"'),
            '\u{2010}'..='\u{2015}' => push('-'),
            'ß' => ['s', 's'].into_iter().for_each(&mut *push),
            'æ' => ['a', 'e'].into_iter().for_each(&mut *push),
            'œ' => ['o', 'e'].into_iter().for_each(&mut *push),
            'ø' => push('o'),
            'ł' => push('l'),
            'đ' => push('d'),
            'ı' => push('i'),
            'ς' => push('σ'),
            c => push(c),
        }
    }
}

/// A pattern of a rule, its letters folded as texts are, so that it may be written with the
/// accents that belong there. In a language whose letters are then all ASCII `\b` looks at ASCII
/// alone: a boundary between letters of any script would stop the fast engine at the first
/// character beyond.
pub(super) fn fold_pattern(pattern: &str, is_latin: bool) -> String {
    let mut out = String::with_capacity(pattern.len());
    // All but the signs that end a sentence: of ASCII alone it is a tenth of the size.
    let short = pattern.replace("[^ .!?]", r#"["-\-/->@-~]"#).replace("[^.!?]", r#"[ "-\-/->@-~]"#);
    let mut chars = if is_latin { short.chars() } else { pattern.chars() };
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(class @ ('b' | 'd' | 's' | 'w')) if is_latin && !in_class => {
                    out.push_str(&format!(r"(?-u:\{class})"));
                }
                Some('d') if is_latin => out.push_str("0-9"),
                escaped => out.extend(std::iter::once('\\').chain(escaped)),
            },
            c if c.is_ascii() => {
                in_class = (in_class || c == '[') && c != ']';
                out.push(c);
            }
            c => {
                let mut folded = String::new();
                fold(c.encode_utf8(&mut [0; 4]), &mut |c| folded.push(c));
                // What folds to a sign of the pattern language means the sign itself.
                let is_sign = folded.chars().all(|c| c.is_ascii_punctuation());
                out.push_str(&if is_sign { regex::escape(&folded) } else { folded });
            }
        }
    }
    out
}

/// The subject without `Re:`, `Fwd:` and `[tags]` in front, normalized.
pub fn bare_subject(whole: &str) -> String {
    let (_, rest) = subject::split(whole);
    let short: String = rest.chars().take(SUBJECT_CHARS_MAX).collect();
    normalize(&short)
}

/// Every mail address that stands in a text.
pub fn addresses(text: &str) -> Vec<EmailAddress> {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
            .expect("a fixed pattern compiles")
    });
    ADDRESS.find_iter(text).filter_map(|found| EmailAddress::parse(found.as_str()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_folded() {
        assert_eq!(
            normalize(" Please\u{a0}don\u{2019}t\r\n  DELETE\u{200b} it "),
            "please don't delete it"
        );
        let check = |text: &str, expected: &str| assert_eq!(normalize(text), expected);
        check("Lo\u{308}schen, LÖSCHEN und löschen", "loschen, loschen und loschen");
        check("Löschung der Größe „Straße“", "loschung der grosse \"strasse\"");
        check("Удалите ЁЛКУ", "удалите елку");
        check("SİLİNMESİ, ısrarla", "silinmesi, israrla");
        check("\u{ff24}\u{ff25}\u{ff2c}\u{ff25}\u{ff34}\u{ff25}\u{ff1f}", "delete?");
        check("usuń moje łącze", "usun moje lacze");
        check("Διαγραφή των ΔΕΔΟΜΈΝΩΝ μας", "διαγραφη των δεδομενων μασ");
        check("de\u{ad}lete", "delete");
        check("データ、ガ", "データ、ガ");
        assert_eq!(
            bare_subject("RE: Fwd: [EXT] [ticket #3] Re[2]: Data  Deletion Request"),
            "data deletion request"
        );
        assert_eq!(bare_subject("回复：删除"), "删除");
        assert_eq!(bare_subject("[only a tag]"), "");
    }

    #[test]
    fn patterns_are_folded_as_texts_are() {
        assert_eq!(
            fold_pattern(r"\bl(?:ö|oe)sch[^.!?]*\.", true),
            r#"(?-u:\b)l(?:o|oe)sch[ "-\-/->@-~]*\."#
        );
        assert_eq!(fold_pattern(r"\bудал本当？", false), r"\bудал本当\?");
    }

    #[test]
    fn addresses_are_found_in_running_text() {
        let found = addresses("mine is jane@example.org, (or <bob@mail.example.net>). x@y");
        let texts: Vec<_> = found.iter().map(EmailAddress::as_str).collect();
        assert_eq!(texts, ["jane@example.org", "bob@mail.example.net"]);
    }
}
