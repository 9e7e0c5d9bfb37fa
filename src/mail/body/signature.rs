//! What stands under a message without being one: signature, the lines of mobile programs,
//! legal disclaimers.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::Standing;
use crate::mail::languages::{LANGUAGES, folded};

/// Lines that a signature has at most; more below a `--` is a text.
const SIGNATURE_LINES_MAX: usize = 12;

/// Whether the line opens a signature (RFC 3676 §4.3; some programs drop the space).
pub(super) fn opens(line: &str) -> bool {
    line.starts_with("--") && line.trim_end() == "--"
}

/// Whether what follows `opens` is short enough for one.
pub(super) fn is_short<'a>(below: impl Iterator<Item = &'a str>) -> bool {
    below.filter(|line| !line.trim().is_empty()).take(SIGNATURE_LINES_MAX + 1).count()
        <= SIGNATURE_LINES_MAX
}

/// The programs and devices whose lines these are; most texts name none of them.
static PROGRAMS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        "(?i)iphon|ipad|ipod|android|samsung|galaxy|huawei|xiaomi|oneplus|blackberry|nokia|outlook|yahoo|gmail|aol|\
         proton|gmx|web\\.de|mail\\.ru|яндекс|yandex|mail\\.com|smartphone|handy|mobil|móvil|téléphone|cellulare|telefon|\
         phone|telefoon|teléfono|telemóvel|celular|telemovel|komór|mobitel|телефон|мобил|мобіл|κινητ|手机|手機|携帯|スマートフォン|スマホ|tablet|k-9|sent from|mailbox|airmail|tutanota|windows|workspace|bluemail|spark|zoho|posteo|avast|virus-free|virenfrei",
    )
    .expect("a fixed pattern compiles")
});

/// Whether `text` may hold lines of programs at all: one look at the whole is cheaper than one
/// at each line.
pub(super) fn names_a_program(text: &str) -> bool {
    PROGRAMS.is_match(text)
}

/// "Sent from my iPhone", "Get Outlook for iOS", "Virus-free", in any language.
pub(super) fn is_of_a_program(line: &str) -> bool {
    /// Octets of such a line, with a link perhaps.
    const LINE_OCTETS_MAX: usize = 200;
    let line = line.trim().trim_start_matches(['*', '_', '-', '–', '—', '<', '(', ' ']);
    if line.is_empty()
        || line.len() > LINE_OCTETS_MAX
        || line.ends_with('?')
        || !PROGRAMS.is_match(line)
    {
        return false;
    }
    let folded = folded(line);
    if ["virus-free", "virenfrei"].iter().any(|words| folded.starts_with(words)) {
        return true;
    }
    line.split_whitespace().count() <= 14
        && LANGUAGES.iter().flat_map(|language| language.sent_from).any(|words| {
            // Some languages put the verb last: "iPhone'umdan gönderildi".
            folded.starts_with(words) || (!words.is_ascii() && folded.contains(words))
        })
}

/// Moves the disclaimers at the end of `own` into `signature`.
pub(super) fn move_disclaimers(own: &mut String, signature: &mut String, standing: Standing) {
    /// Octets of the shortest paragraph that is looked at.
    const PARAGRAPH_OCTETS_MIN: usize = 80;
    while let Some(start) = last_paragraph(own) {
        let paragraph = own.get(start..).unwrap_or_default();
        let enough = if standing == Standing::First { 3 } else { 2 };
        let keeps_words = own.get(..start).is_some_and(|before| !before.trim().is_empty());
        let long = paragraph.len() >= PARAGRAPH_OCTETS_MIN;
        if !long || !keeps_words || disclaiming_words(paragraph) < enough {
            return;
        }
        signature.insert_str(0, paragraph);
        own.truncate(start);
    }
}

/// Where the last paragraph begins.
fn last_paragraph(text: &str) -> Option<usize> {
    let end = text.trim_end().len();
    let before = text.get(..end)?;
    let blank = before.rmatch_indices('\n').map(|(at, _)| at).find(|at| {
        let above = before.get(..*at).unwrap_or_default();
        above.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
    });
    (end > 0).then(|| blank.map_or(0, |at| at + 1))
}

/// How many different words of disclaimers the paragraph holds.
fn disclaiming_words(paragraph: &str) -> usize {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        let words: BTreeSet<String> = LANGUAGES
            .iter()
            .flat_map(|language| language.disclaims)
            .map(|word| regex::escape(word))
            .collect();
        let words: Vec<String> = words.into_iter().collect();
        Regex::new(&words.join("|")).expect("fixed words compile")
    });
    let folded = folded(paragraph);
    WORDS.find_iter(&folded).map(|word| word.as_str()).collect::<BTreeSet<_>>().len()
}

/// The text inside a PGP signature (RFC 9580 §7), without its armour.
pub(super) fn without_armour(text: &str) -> Option<String> {
    const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
    const END: &str = "-----BEGIN PGP SIGNATURE-----";
    let (before, rest) = text.split_once(BEGIN)?;
    let (inside, after) = rest.split_once(END)?;
    let after = after.split_once("-----END PGP SIGNATURE-----").map_or("", |(_, after)| after);
    let lines = inside.lines().skip(1).skip_while(|line| !line.trim().is_empty()).skip(1);
    let words: Vec<&str> = lines.map(|line| line.strip_prefix("- ").unwrap_or(line)).collect();
    Some(format!("{before}{}\n{after}", words.join("\n")))
}
