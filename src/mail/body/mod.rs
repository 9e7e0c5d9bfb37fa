//! Whose words: what the writer wrote now, and what they only quoted.

mod attribution;
mod flowed;
pub mod html;
mod quoting;
mod separator;
mod signature;

use std::borrow::Cow;
use std::fmt;

use quoting::Line;

pub(super) use flowed::unflowed;

/// A text in its parts. Debug shows lengths only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The writer's own words, without signature.
    pub own: String,
    /// Quoted lines, forwarded messages, and everything under a reply header.
    pub quoted: String,
    /// Signatures, disclaimers and the lines of mobile programs.
    pub signature: String,
    /// Whether the quoted part was forwarded on rather than answered.
    pub forwards: bool,
}

/// Where a mail stands in a conversation, as its header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It answers nothing and passes nothing on: only what is surely quoted counts as quoted,
    /// so that no word of a request gets lost.
    First,
    /// It answers or forwards: what is unclear counts as quoted, so that nobody's yes is
    /// another's.
    InThread,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own, quoted) = (self.own.len(), self.quoted.len());
        write!(f, "<body: {own} own, {quoted} quoted, {} other octets>", self.signature.len())
    }
}

impl Body {
    /// Tells own words from quoted ones. A `>` marks its line wherever it stands, so that
    /// answers below the quotation count; a separator ends the writer's words for good.
    pub fn split(text: &str, standing: Standing) -> Body {
        let text = with_plain_line_ends(text);
        let text = signature::without_armour(&text).map_or(text, Cow::Owned);
        let lines: Vec<&str> = text.lines().collect();
        let (kinds, forwards) = quoting::read(&lines, standing);
        let mut body = Body { forwards, ..Body::default() };
        body.sort(&lines, &kinds, signature::names_a_program(&text));
        signature::move_disclaimers(&mut body.own, &mut body.signature, standing);
        // Somebody who marks their whole first letter by `>` quotes nobody.
        if standing == Standing::First && !body.forwards && body.own.trim().is_empty() {
            body.own = text.into_owned();
        }
        body
    }

    /// Puts each line where it belongs. A signature ends where the next quotation begins: below
    /// it the writer may speak again.
    fn sort(&mut self, lines: &[&str], kinds: &[Line], has_programs: bool) {
        let mut signs = false;
        for (index, (line, kind)) in lines.iter().zip(kinds).enumerate() {
            let part = match kind {
                Line::Quoted | Line::Attribution => {
                    signs = false;
                    &mut self.quoted
                }
                Line::Own => {
                    let run = lines.iter().zip(kinds).skip(index + 1);
                    let below =
                        run.take_while(|(_, kind)| **kind == Line::Own).map(|(line, _)| *line);
                    signs = signs
                        || (signature::opens(line)
                            && !self.own.trim().is_empty()
                            && signature::is_short(below));
                    if signs || (has_programs && signature::is_of_a_program(line)) {
                        &mut self.signature
                    } else {
                        &mut self.own
                    }
                }
            };
            part.push_str(line);
            part.push('\n');
        }
    }
}

/// CR alone and CRLF become LF; most texts are left as they are.
fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::html::text_of_html;
    use super::*;

    #[track_caller]
    fn check(text: &str, own: &str) {
        assert_eq!(Body::split(text, Standing::InThread).own.trim(), own, "{text}");
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
            let body = Body::split(&line.repeat((1 << 20) / line.len()), Standing::InThread);
            assert!(body.own.len() + body.quoted.len() > 0 || line == "\n");
        }
    }

    #[test]
    fn a_forwarded_message_is_told_from_an_answered_one() {
        let body = Body::split(
            "see below\n---------- Forwarded message ---------\nFrom: x\n\ndelete me",
            Standing::First,
        );
        assert!(body.forwards);
        assert_eq!(body.own.trim(), "see below");
        assert!(!Body::split("x\n-----Original Message-----\ny", Standing::InThread).forwards);
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
