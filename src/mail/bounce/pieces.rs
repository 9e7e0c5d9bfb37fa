//! The pieces of a report: what it tells people, what it tells programs, what it returns.

use std::borrow::Cow;

use mail_parser::decoders::html::html_to_text;
use mail_parser::{Message, MessagePart, MimeHeaders as _, PartType};

/// Octets that are read of each piece; servers say what they have to say before that.
const PIECE_BYTES_MAX: usize = 32 * 1024;
/// Reports inside each other that are opened; gateways pass reports on as attachments.
const LEVELS_MAX: usize = 3;

/// A report, taken apart.
#[derive(Default)]
pub(super) struct Pieces<'a> {
    /// The parts made of fields of RFC 3464.
    pub(super) status: Vec<Cow<'a, str>>,
    /// What stands before the mail that is returned.
    pub(super) notice: String,
    /// The mail that is returned, or its header, from its beginning.
    pub(super) returned: Option<String>,
    /// Whether it reports something else: that a mail was read, or a complaint.
    pub(super) is_other_report: bool,
    html: Option<&'a str>,
}

/// Whether `message` has the form of a report at all: it returns a mail as a part, or is made
/// for programs.
pub(super) fn has_form(message: &Message<'_>) -> bool {
    message.parts.iter().any(|part| match &part.body {
        PartType::Message(_) => true,
        PartType::Text(text) => text.starts_with('{'),
        _ => kind_of(part).ends_with("/rfc822-headers"),
    })
}

impl<'a> Pieces<'a> {
    /// Takes `message` apart; `raw` are its bytes, for what the parser makes nothing of.
    pub(super) fn of(message: &'a Message<'a>, raw: &'a [u8]) -> Pieces<'a> {
        let mut pieces = Pieces::default();
        pieces.gather(message, 0);
        if let (true, Some(html)) = (pieces.notice.trim().is_empty(), pieces.html) {
            pieces.notice = html_to_text(html);
        }
        if pieces.notice.trim().is_empty() && pieces.status.is_empty() {
            let body = message.root_part().raw_body_offset() as usize;
            pieces.notice = text(raw.get(body..).unwrap_or_default()).into_owned();
        }
        pieces.cut_off_returned();
        pieces
    }

    fn gather(&mut self, message: &'a Message<'a>, level: usize) {
        for part in &message.parts {
            let kind = kind_of(part);
            match (&part.body, kind.as_str()) {
                (_, "message/delivery-status" | "message/global-delivery-status") => {
                    self.status.push(text(part.contents()));
                }
                (_, "message/disposition-notification" | "message/feedback-report") => {
                    self.is_other_report |= level == 0;
                }
                (PartType::Message(inside), _) => {
                    self.returns(inside.raw_message());
                    if level < LEVELS_MAX && self.status.is_empty() {
                        self.gather(inside, level + 1);
                    }
                }
                (PartType::Multipart(_), _) => {}
                (
                    _,
                    "text/rfc822-headers"
                    | "text/rfc822"
                    | "message/rfc822"
                    | "message/rfc822-headers"
                    | "message/global"
                    | "message/global-headers"
                    | "message/partial",
                ) => self.returns(part.contents()),
                (PartType::Text(said), _) if level == 0 => self.says(said),
                (PartType::Html(html), _) if level == 0 => {
                    self.html = self.html.or(Some(cut(html)));
                }
                _ => {}
            }
        }
    }

    fn returns(&mut self, contents: &[u8]) {
        if self.returned.is_none() && !contents.is_empty() {
            self.returned = Some(text(contents).into_owned());
        }
    }

    /// A text part: the notice, unless it is a header that was attached as a text, or stands
    /// behind what is returned.
    fn says(&mut self, said: &str) {
        if self.returned.is_some() {
            return;
        }
        let begins_header = said.lines().find(|line| !line.trim().is_empty()).is_some_and(is_field);
        if begins_header && !self.notice.trim().is_empty() {
            self.returns(said.as_bytes());
        } else if self.notice.len() < PIECE_BYTES_MAX {
            self.notice.push_str(cut(said));
            self.notice.push('\n');
        }
    }

    /// In a plain text the returned mail follows under a line that says so, or without one.
    fn cut_off_returned(&mut self) {
        let mut at = 0;
        for line in self.notice.split_inclusive('\n') {
            let ends = at + line.len();
            // The separator itself says something too: "Unsent message follows".
            let begins = if separates(line) {
                ends
            } else if at > 0 && is_field(line) {
                at
            } else {
                at = ends;
                continue;
            };
            let rest = self.notice.split_off(begins);
            self.returned = self.returned.take().or(Some(rest));
            return;
        }
    }
}

/// `kind/subtype`, in lower case.
fn kind_of(part: &MessagePart<'_>) -> String {
    let Some(found) = part.content_type() else { return String::new() };
    format!("{}/{}", found.ctype(), found.subtype().unwrap_or_default()).to_ascii_lowercase()
}

/// A line above a returned mail.
fn separates(line: &str) -> bool {
    const WORDS: [&str; 23] = [
        "original message",
        "original mail",
        "returned message",
        "returned mail",
        "old message",
        "message attached",
        "copy of the message",
        "copy of your message",
        "copy of the original",
        "unsent message",
        "message headers follow",
        "header follows",
        "headers follow",
        "header of the original",
        "headers of the original",
        "bounced e-mail",
        "bounced mail",
        "message follows",
        "mail follows",
        "message text follows",
        "urspruengliche nachricht",
        "ursprüngliche nachricht",
        "original text",
    ];
    let line = line.trim();
    let marked = line.starts_with(['-', '=', '*', '|', '#']) || line.ends_with([':', '.', '-']);
    let short = line.len() <= 100 && marked;
    let folded = if short { line.to_lowercase() } else { String::new() };
    short && WORDS.iter().any(|words| folded.contains(words))
}

/// A field that begins the header of a mail, at the beginning of its line.
fn is_field(line: &str) -> bool {
    const FIELDS: [&str; 5] =
        ["received:", "return-path:", "message-id:", "dkim-signature:", "x-originating-ip:"];
    let head: String = line.chars().take(20).collect::<String>().to_ascii_lowercase();
    FIELDS.iter().any(|field| head.starts_with(field))
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.get(..PIECE_BYTES_MAX).unwrap_or(bytes))
}

fn cut(text: &str) -> &str {
    let end = (0..=PIECE_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}
