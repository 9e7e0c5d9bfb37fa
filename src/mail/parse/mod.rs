//! Bytes → [`Mail`]. The only place that knows mail-parser, and where its limits are guarded.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
mod author;
mod charset;
mod guard;
mod repair;
mod transfer;
mod words;

use mail_parser::{Header, HeaderName, Message, MessageParser, MessagePart, MimeHeaders as _};
use sha2::{Digest as _, Sha256};

use super::body::{Body, Standing};
use super::headers::Headers;
use super::html::Html;
use super::subject;
use super::{Attachment, EmailAddress, Mail, Text, bounce};

/// How much of one message is read. Beyond it, a person looks.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Octets of the whole message.
    pub message_bytes_max: usize,
    /// Octets of the top header block.
    pub header_bytes_max: usize,
    /// MIME parts, nested ones included.
    pub parts_max: usize,
    /// Levels of nesting.
    pub depth_max: usize,
    /// Octets of decoded text that rules get to see.
    pub text_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            message_bytes_max: 25 * 1024 * 1024,
            header_bytes_max: 100 * 1024,
            parts_max: 1_000,
            depth_max: 20,
            text_bytes_max: 1024 * 1024,
        }
    }
}

/// Why a message was not read. The texts are reasons of the journal: no personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Larger than [`Bounds::message_bytes_max`].
    #[error("message-too-large")]
    TooLarge,
    /// Its header block is larger than [`Bounds::header_bytes_max`].
    #[error("header-too-large")]
    HeaderTooLarge,
    /// More parts or levels than [`Bounds`] allow.
    #[error("too-deeply-nested")]
    TooNested,
    /// The parser found nothing that is a message.
    #[error("not-a-message")]
    NoMessage,
}

/// Reads of the header what is asked for here. All of it would take apart each Received field,
/// which is more work than the rest of most mails.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .with_mime_headers()
        .with_address_headers()
        .with_message_ids()
        .header_text(HeaderName::Subject)
});

/// Reads a message as far as a person could.
///
/// # Errors
/// [`Unreadable`] when it is beyond the bounds or no message at all; the sender may choose
/// the bytes, so this is no failure of ours.
pub fn parse(raw: &[u8], bounds: &Bounds) -> Result<Mail, Unreadable> {
    if raw.len() > bounds.message_bytes_max {
        return Err(Unreadable::TooLarge);
    }
    let raw = &*repair::repaired(repair::shortened(raw, bounds), bounds.header_bytes_max);
    guard::guard(raw, bounds)?;
    let message = PARSER.parse(raw).ok_or(Unreadable::NoMessage)?;
    if guard::depth(&message) > bounds.depth_max || message.parts.len() > bounds.parts_max {
        return Err(Unreadable::TooNested);
    }
    // What the parser took for the header, whatever line ends it saw.
    if message.root_part().raw_body_offset() as usize > bounds.header_bytes_max {
        return Err(Unreadable::HeaderTooLarge);
    }
    let headers = headers(&message, raw);
    if headers.names().next().is_none() {
        return Err(Unreadable::NoMessage);
    }
    let subject = subject(&message, raw);
    let recipients = recipients(&message, &headers);
    let text = words::visible_text(&message, raw, bounds.text_bytes_max);
    let mut body = Body::split(&text, standing(&headers, &subject, &recipients));
    if let (true, Some(attached)) =
        (body.quoted.is_empty(), words::attached_mail(&message, bounds.text_bytes_max))
    {
        (body.quoted, body.forwards) = (attached, true);
    }
    Ok(Mail {
        author: author::author(&message, &headers),
        author_name: plain_words(author::name(&message)),
        body,
        sealed: words::sealed(&message, &text),
        html: Html::new(words::html(&message, bounds.text_bytes_max)),
        text: Text(text),
        report: bounce::report(&message, &headers, raw),
        reply_to: author::one_address(message.reply_to()),
        attachments: attachments(&message),
        recipients,
        subject,
        headers,
    })
}

/// The decoded subject on one line, without characters that no reader sees.
fn subject(message: &Message<'_>, raw: &[u8]) -> String {
    let read = message.subject().unwrap_or_default();
    let doubtful = read.contains('\u{fffd}') || read.contains("=?");
    let field = message.headers().iter().rfind(|header| header.name == HeaderName::Subject);
    let again = field.filter(|_| doubtful).map(|field| {
        let range = field.offset_start as usize..field.offset_end as usize;
        transfer::header_text(raw.get(range).unwrap_or_default())
    });
    let text = again.as_deref().unwrap_or(read);
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the header says that the mail belongs to a conversation. One that was sent to an
/// address with a tag may answer a letter of ours.
fn standing(headers: &Headers, subject: &str, recipients: &[EmailAddress]) -> Standing {
    let answers = ["in-reply-to", "references"]
        .iter()
        .any(|name| headers.first(name).is_some_and(|ids| ids.contains('@')));
    let tagged = recipients.iter().any(|address| address.local_part().contains('+'));
    if answers || tagged || subject::split(subject).0.is_some() {
        Standing::InThread
    } else {
        Standing::First
    }
}

/// The HTML part of a mail of ours, as its reader's mail program shows it.
pub fn html_part(raw: &[u8]) -> Option<String> {
    let message = MessageParser::default().parse(raw)?;
    message.body_html(0).map(|html| html.into_owned())
}

fn headers(message: &Message<'_>, raw: &[u8]) -> Headers {
    Headers::new(
        message
            .headers()
            .iter()
            .map(|header| (header.name.as_str().to_owned(), raw_value(header, raw))),
    )
}

fn raw_value(header: &Header<'_>, raw: &[u8]) -> String {
    let range = header.offset_start as usize..header.offset_end as usize;
    String::from_utf8_lossy(raw.get(range).unwrap_or_default()).into_owned()
}

/// Files that are recorded of one mail.
const ATTACHMENTS_MAX: usize = 50;
/// Characters of a file's name that staff are shown.
const NAME_CHARS_MAX: usize = 100;

fn attachments(message: &Message<'_>) -> Vec<Attachment> {
    let read = |part: &MessagePart<'_>| {
        let content_type =
            part.content_type().map_or("application/octet-stream".to_owned(), |ct| {
                format!("{}/{}", ct.ctype(), ct.subtype().unwrap_or("octet-stream"))
            });
        let name = part.attachment_name().unwrap_or("without a name");
        let contents = part.contents();
        Attachment {
            name: plain_words(name),
            content_type: plain_words(&content_type),
            bytes: contents.len(),
            sha256: HEXLOWER.encode(&Sha256::digest(contents)),
        }
    };
    message.attachments().take(ATTACHMENTS_MAX).map(read).collect()
}

/// A sender's word on one line, short, without characters that turn or hide the rest.
fn plain_words(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !is_invisible(*c)).take(NAME_CHARS_MAX).collect()
}

/// Characters that part words or turn them round without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\0' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn recipients(message: &Message<'_>, headers: &Headers) -> Vec<EmailAddress> {
    let listed = message.all_to().chain(message.all_cc()).flat_map(|field| field.iter());
    let named = listed.filter_map(|mailbox| mailbox.address()).map(str::to_owned);
    let delivered = ["delivered-to", "x-original-to", "envelope-to"];
    let noted = delivered
        .iter()
        .flat_map(|name| headers.all(name))
        .map(|value| value.trim_matches(|c| c == '<' || c == '>').to_owned());
    named.chain(noted).take(100).filter_map(|text| EmailAddress::parse(&text).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_author(header: &str, expected: Option<&str>) {
        let raw = format!("{header}\r\nSubject: x\r\n\r\nhello\r\n");
        let mail = parse(raw.as_bytes(), &Bounds::default()).unwrap();
        assert_eq!(mail.author.address().map(EmailAddress::as_str), expected, "{header:?}");
    }

    #[test]
    fn only_one_plain_mailbox_names_an_author() {
        check_author("From: Jane <jane@example.org>", Some("jane@example.org"));
        check_author("From: jane@example.org", Some("jane@example.org"));
        check_author("From: =?utf-8?q?J=C3=A4ne?= <jane@example.org>", Some("jane@example.org"));
        check_author("From: \"Doe, Jane\"\r\n <jane@example.org>", Some("jane@example.org"));
        for forged in [
            "X: y",
            "From: jane@example.org, bob@example.org",
            "From: jane@example.org\r\nFrom: bob@example.org",
            "From: friends: jane@example.org;",
            "From: undisclosed-recipients:;",
            "From: jane",
            "From: =?utf-8?q?jane=40example.org?=",
            "From: <=?utf-8?q?jane?=@example.org>",
            "From: =?utf-8?b?amFuZUBleGFtcGxlLm9yZwA=?=@example.net",
        ] {
            check_author(forged, None);
        }
    }

    #[test]
    fn what_is_beyond_the_bounds_is_refused_before_the_parser_sees_it() {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(40_000);
        assert_eq!(
            parse(nested.as_bytes(), &Bounds::default()).unwrap_err(),
            Unreadable::TooNested
        );
        let header = format!("X: {}\r\n\r\nx", "y".repeat(200_000));
        assert_eq!(
            parse(header.as_bytes(), &Bounds::default()).unwrap_err(),
            Unreadable::HeaderTooLarge
        );
        for encoding in ["base64", "Quoted-Printable"] {
            let hidden = format!(
                "From: j@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                 Content-Transfer-Encoding: {encoding}\r\nContent-Type: Message/RFC822\r\n\r\n{}\r\n--b--\r\n",
                "x".repeat(guard::HIDING_BYTES_MAX)
            );
            assert_eq!(
                parse(hidden.as_bytes(), &Bounds::default()).unwrap_err(),
                Unreadable::TooNested
            );
        }
        let bounds = Bounds { message_bytes_max: 10, ..Bounds::default() };
        assert_eq!(parse(b"Subject: hello\r\n\r\n", &bounds).unwrap_err(), Unreadable::TooLarge);
        assert_eq!(parse(b"", &Bounds::default()).unwrap_err(), Unreadable::NoMessage);
    }

    #[test]
    fn lines_may_end_in_cr_alone() {
        let raw = b"From: jane@example.org\rSubject: hi\r\rfirst\rsecond\r";
        let mail = parse(raw, &Bounds::default()).unwrap();
        assert_eq!(mail.subject, "hi");
        assert_eq!(mail.body.own.trim(), "first\nsecond");
    }

    #[test]
    fn html_alone_is_read_by_its_visible_text() {
        let raw = b"From: j@example.org\r\nContent-Type: text/html\r\n\r\n\
            <p>Please <b>delete</b> my data.</p><blockquote>quoted</blockquote>";
        let mail = parse(raw, &Bounds::default()).unwrap();
        assert_eq!(mail.body.own.trim(), "Please delete my data.");
        assert_eq!(mail.body.quoted.trim(), "> quoted");
    }
}
