//! Whose words: what the writer wrote now, and what they only quoted.

use std::fmt;
use std::sync::LazyLock;

use mail_parser::decoders::html::html_to_text;
use regex::Regex;

/// A text in two parts. Debug shows lengths only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The writer's own words, without signature.
    pub own: String,
    /// Quoted lines, forwarded messages, and everything under a reply header.
    pub quoted: String,
    /// Whether the quoted part was forwarded on rather than answered.
    pub forwards: bool,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<body: {} own, {} quoted octets>", self.own.len(), self.quoted.len())
    }
}

/// `On Mon, 5 Jan 2026, Flexus wrote:` in our languages, also broken over two lines.
static ATTRIBUTION: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)^\s*(?:on\b.{6,300}\bwrote:|am\b.{6,300}\bschrieb\b.{0,200}:|le\b.{6,300}\ba écrit\s*:|el\b.{6,300}\bescribió:)\s*$",
    )
});
/// The separators of Outlook, Gmail and Apple Mail. Everything under one is not the writer's.
static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)^\s*(?:-{2,}\s*(?:original|forwarded) message\s*-{2,}|begin forwarded message:|_{16,}|-{2,}\s*(?:ursprüngliche nachricht|originalnachricht|weitergeleitete nachricht|message d'origine|message original|message transféré|mensaje original|mensaje reenviado)\s*-{2,})\s*$",
    )
});
static FORWARD: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado")
});
/// The first line of Outlook's header block in place of a separator.
static HEADER_LINE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)^\s*\*?(from|sent|date|to|subject|cc|von|gesendet|datum|an|betreff|de|envoyé|à|objet|enviado|para|asunto|fecha)\s?:\*?\s+\S",
    )
});

fn regex(pattern: &'static str) -> Regex {
    Regex::new(pattern).expect("a fixed pattern compiles")
}

impl Body {
    /// Tells own words from quoted ones. A `>` marks its line wherever it stands, so that
    /// answers below the quotation count; a separator ends the writer's words for good.
    pub fn split(text: &str) -> Body {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = text.lines().collect();
        let is_marked = |line: &&str| line.trim_start().starts_with('>');
        let last_marked = lines.iter().rposition(is_marked);
        let mut body = Body::default();
        let mut index = 0;
        while let Some(line) = lines.get(index) {
            if let Some(forwards) = ends_own_words(&lines, index, last_marked) {
                body.forwards = forwards;
                body.quoted.push_str(&lines.get(index..).unwrap_or_default().join("\n"));
                break;
            }
            let skipped = attribution_lines(&lines, index);
            if line.trim_start().starts_with('>') {
                body.quoted.push_str(line);
                body.quoted.push('\n');
            } else if skipped > 0 {
                index += skipped;
                continue;
            } else {
                body.own.push_str(line);
                body.own.push('\n');
            }
            index += 1;
        }
        body.own = without_signature(&body.own);
        body
    }
}

/// `Some(forwards)` when everything from this line on was written by somebody else before.
fn ends_own_words(lines: &[&str], index: usize, last_marked: Option<usize>) -> Option<bool> {
    let line = lines.get(index)?;
    if SEPARATOR.is_match(line) {
        return Some(FORWARD.is_match(line));
    }
    let block = lines.get(index..).unwrap_or_default().iter().take(6);
    let header_lines = block.filter(|line| HEADER_LINE.is_match(line)).count();
    let begins = line.trim_start().trim_start_matches('*').to_ascii_lowercase();
    let opens = ["from:", "von:", "de:", "de :"].iter().any(|word| begins.starts_with(word));
    if opens && header_lines >= 3 {
        return Some(false);
    }
    // An attribution line with nothing marked below it: Outlook's and many phones' way.
    let attributed = attribution_lines(lines, index);
    let marked = last_marked.is_some_and(|last| last >= index + attributed);
    (attributed > 0 && !marked).then_some(false)
}

/// How many lines from here on are an attribution: 0, 1 or 2.
fn attribution_lines(lines: &[&str], index: usize) -> usize {
    let Some(line) = lines.get(index) else {
        return 0;
    };
    if ATTRIBUTION.is_match(line) {
        return 1;
    }
    match lines.get(index + 1) {
        Some(next) if begins_attribution(line) => {
            usize::from(ATTRIBUTION.is_match(&format!("{} {}", line.trim(), next.trim()))) * 2
        }
        _ => 0,
    }
}

fn begins_attribution(line: &str) -> bool {
    let line = line.trim_start().to_lowercase();
    ["on ", "am ", "le ", "el "].iter().any(|word| line.starts_with(word))
}

/// RFC 3676 §4.3: a line of `-- ` opens the signature. "Sent from my …" is one without.
fn without_signature(own: &str) -> String {
    let signs = |line: &str| {
        const PHONES: [&str; 6] = [
            "sent from my ",
            "get outlook for ",
            "von meinem ",
            "gesendet von meinem ",
            "envoyé de mon ",
            "enviado desde mi ",
        ];
        let folded = line.trim().to_lowercase();
        line == "-- " || folded == "--" || PHONES.iter().any(|begin| folded.starts_with(begin))
    };
    own.lines().take_while(|line| !signs(line)).map(|line| format!("{line}\n")).collect()
}

/// The visible text of an HTML part, with the lines of `<blockquote>` marked by `>`.
///
/// mail-parser's own conversion is linear even on deep nesting, where others hang; it does
/// not know quotations, so they are cut apart before.
pub fn text_of_html(html: &str) -> String {
    static QUOTE: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r#"(?is)<blockquote\b[^>]*>|<div\b[^>]*(?:gmail_quote|divRplyFwdMsg|appendonsend|yahoo_quoted)[^>]*>"#,
        )
    });
    static CLOSE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)</blockquote\s*>"));
    let Some(quote) = QUOTE.find(html) else {
        return html_to_text(html);
    };
    let before = html.get(..quote.start()).unwrap_or_default();
    let rest = html.get(quote.end()..).unwrap_or_default();
    let is_blockquote = quote.as_str().to_ascii_lowercase().starts_with("<blockquote");
    // The last closing tag: what stands behind it was written below the quotation. A reply
    // header of Gmail or Outlook has no end that could be trusted.
    let close = CLOSE.find_iter(rest).last().filter(|_| is_blockquote);
    let (inside, after) = match close {
        Some(end) => (rest.get(..end.start()), rest.get(end.end()..)),
        None => (Some(rest), None),
    };
    let quoted = html_to_text(inside.unwrap_or_default());
    let marked: String = quoted.lines().map(|line| format!("> {line}\n")).collect();
    let after = after.map(html_to_text).unwrap_or_default();
    format!("{}\n{marked}{after}", html_to_text(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, own: &str) {
        assert_eq!(Body::split(text).own.trim(), own, "{text}");
    }

    #[test]
    fn own_words_are_told_from_quoted_ones() {
        check(
            "Yes\n\nOn Mon, 5 Jan 2026 at 10:00, Flexus <hello@flexus.team> wrote:\n> Answer YES\n",
            "Yes",
        );
        check(
            "Yes\nOn Mon, 5 Jan 2026 at 10:00, Flexus\n<hello@flexus.team> wrote:\n> Answer YES\n",
            "Yes",
        );
        check("> Answer with YES\n\nNo, that was not me\n", "No, that was not me");
        check("YES\n\nSent from my iPhone\n\n> Answer NO\n", "YES");
        check("ok\n-- \nJane Doe\nYes Ltd.\n", "ok");
        check("Hm.\n\n-----Original Message-----\nFrom: Flexus\nanswer YES\n", "Hm.");
        check(
            "Hm.\n\nFrom: Flexus <h@flexus.team>\nSent: Monday\nTo: Jane\nSubject: x\n\nYES\n",
            "Hm.",
        );
        check("Hm.\n\nOn Monday, 5 January, Flexus wrote:\n\nanswer YES\n", "Hm.");
        check(
            "Ja\n\nAm Mo., 5. Jan. 2026 um 10:00 schrieb Flexus <h@flexus.team>:\n> NEIN\n",
            "Ja",
        );
        check(
            "Oui\n\nLe lun. 5 janv. 2026 à 10:00, Flexus <h@flexus.team> a écrit :\n\n> NON\n",
            "Oui",
        );
        check(
            "Sí\n\nEl lun, 5 ene 2026 a las 10:00, Flexus (<h@flexus.team>)\nescribió:\n> NO\n",
            "Sí",
        );
        check("Ja\n\nVon: Flexus\nGesendet: Montag\nAn: Jana\nBetreff: x\n\nNEIN\n", "Ja");
        check("Sí\n\nEnviado desde mi iPhone\n", "Sí");
        check("From: my heart, please delete it\n", "From: my heart, please delete it");
        check("a\r\nb\rc", "a\nb\nc");
    }

    /// Ends in a moment, or in many minutes when it looks ahead from every line.
    #[test]
    fn a_megabyte_of_lines_is_read_once() {
        for line in ["\n", "x\n", "> x\n", "on x\n", "From: x\n"] {
            let body = Body::split(&line.repeat((1 << 20) / line.len()));
            assert!(body.own.len() + body.quoted.len() > 0 || line == "\n");
        }
    }

    #[test]
    fn a_forwarded_message_is_told_from_an_answered_one() {
        let body =
            Body::split("see below\n---------- Forwarded message ---------\nFrom: x\n\ndelete me");
        assert!(body.forwards);
        assert_eq!(body.own.trim(), "see below");
        assert!(!Body::split("x\n-----Original Message-----\ny").forwards);
    }

    #[test]
    fn what_html_quotes_is_quoted() {
        let html = "<div>Yes</div><div class=\"gmail_quote\">On Monday Flexus wrote:<br>\
            <blockquote>press NO</blockquote></div>";
        check(&text_of_html(html), "Yes");
        check(
            &text_of_html("<blockquote type=cite>answer YES</blockquote><p>Never!</p>"),
            "Never!",
        );
    }
}
