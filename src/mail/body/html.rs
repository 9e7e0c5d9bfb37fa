//! HTML → the text that its reader sees, with what it quotes marked by `>`.
//!
//! One pass over its pieces with a stack of open elements, so that deep nesting costs nothing.
//! Only the decoding of entities is mail-parser's; its own conversion knows neither blocks nor
//! quotations nor what is hidden.

use std::sync::LazyLock;

use mail_parser::decoders::html::add_html_token;
use regex::Regex;

use crate::mail::markup::{Piece, Tag, folded, hides, is_block, pieces};

/// Elements that are kept open at once; deeper ones are read as their parents.
const OPEN_MAX: usize = 2_000;
/// How far up an end tag looks for its element.
const LOOK_UP_MAX: usize = 50;

/// What an element passes on to the elements inside.
#[derive(Clone, Copy, Default)]
struct Look {
    quoted: bool,
    hidden: bool,
    tiny: bool,
    white: bool,
    painted: bool,
}

impl Look {
    fn shows(self) -> bool {
        !self.hidden && !self.tiny && (!self.white || self.painted)
    }
}

struct Reader<'a> {
    out: String,
    /// The line that is being written, and whether it is quoted.
    line: String,
    line_quoted: bool,
    space: bool,
    preformatted: usize,
    open: Vec<(&'a str, Look)>,
    look: Look,
    /// Since a reply header that has no end: everything below it is quoted.
    rest_quoted: bool,
    may_quote: bool,
}

/// The visible text of an HTML part, with quoted lines marked by `> `.
pub fn text_of_html(html: &str) -> String {
    let mut reader = Reader {
        out: String::with_capacity(html.len() / 2),
        line: String::new(),
        line_quoted: false,
        space: false,
        preformatted: 0,
        open: Vec::new(),
        look: Look::default(),
        rest_quoted: false,
        may_quote: may_quote(html),
    };
    for piece in pieces(html) {
        match piece {
            Piece::Text(text) => reader.text(text),
            Piece::Opens(tag) => reader.start_tag(&tag),
            Piece::Closes(name) => reader.end_tag(name),
        }
    }
    reader.end_line();
    reader.out
}

impl<'a> Reader<'a> {
    fn start_tag(&mut self, tag: &Tag<'a>) {
        let Tag { name, attributes } = *tag;
        if tag.is(&["br"]) {
            return self.break_line();
        }
        let looked_at = self.may_quote && attributes.len() > 4;
        let begins = if looked_at { quotes(attributes) } else { Quotes::default() };
        if is_block(name) || begins.rest || begins.element {
            self.end_line();
        } else if tag.is(&["td", "th"]) && !self.line.is_empty() {
            self.line.push('\t');
            self.space = false;
        }
        self.rest_quoted |= begins.rest;
        let blockquote = tag.is(&["blockquote"]) && !is_indent(attributes);
        if tag.is_void() || self.open.len() >= OPEN_MAX {
            return;
        }
        if tag.is(&["pre"]) {
            self.preformatted += 1;
        }
        self.open.push((name, self.look));
        let before = self.look;
        self.look = look_of(attributes, before);
        self.look.quoted = before.quoted || blockquote || begins.element;
    }

    fn end_tag(&mut self, name: &str) {
        if is_block(name) {
            self.end_line();
        }
        if name.eq_ignore_ascii_case("p") && !self.out.ends_with("\n\n") && !self.out.is_empty() {
            self.break_line();
        }
        if name.eq_ignore_ascii_case("pre") {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        let above = self.open.iter().rev().take(LOOK_UP_MAX);
        let found = above.enumerate().find(|(_, (open, _))| open.eq_ignore_ascii_case(name));
        if let Some((up, (_, look))) = found {
            self.look = *look;
            self.open.truncate(self.open.len() - up - 1);
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() || !self.look.shows() {
            return;
        }
        let quoted = self.look.quoted || self.rest_quoted;
        if quoted != self.line_quoted && !text.trim().is_empty() {
            self.end_line();
            self.line_quoted = quoted;
        }
        if self.preformatted > 0 {
            for (index, line) in text.split('\n').enumerate() {
                if index > 0 {
                    self.break_line();
                }
                self.words(line.trim_end_matches('\r'), true);
            }
        } else {
            self.words(text, false);
        }
    }

    /// Text with its entities decoded; white space counts once unless it is `verbatim`.
    fn words(&mut self, text: &str, verbatim: bool) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c == '&' {
                let end = rest.bytes().take(40).position(|byte| byte == b';').map(|at| at + 1);
                let length = end.unwrap_or(1);
                let entity = rest.get(..length).unwrap_or("&");
                self.put_space();
                let before = self.line.len();
                add_html_token(&mut self.line, entity.as_bytes(), false);
                // A line end or other control in an entity is a space to the reader.
                if self.line.get(before..).is_some_and(|new| new.chars().all(char::is_control)) {
                    self.line.truncate(before);
                    self.space = true;
                }
                rest = rest.get(entity.len()..).unwrap_or_default();
                continue;
            }
            let is_space = c.is_ascii_whitespace() && !verbatim;
            let end = rest
                .find(|c: char| c == '&' || (!verbatim && c.is_ascii_whitespace() != is_space))
                .unwrap_or(rest.len());
            let piece = rest.get(..end).unwrap_or_default();
            if is_space {
                self.space = true;
            } else {
                self.put_space();
                self.line.push_str(piece);
            }
            rest = rest.get(end..).unwrap_or_default();
        }
    }

    fn put_space(&mut self) {
        if std::mem::take(&mut self.space) && !self.line.is_empty() && !self.line.ends_with('\t') {
            self.line.push(' ');
        }
    }

    /// Ends the line if there is one.
    fn end_line(&mut self) {
        if self.line.trim().is_empty() {
            // A space that does not break is how programs write an empty line.
            if self.line.contains('\u{a0}') {
                self.line.clear();
                self.break_line();
            }
        } else {
            self.break_line();
        }
        self.line.clear();
        self.space = false;
    }

    /// Ends the line, be it empty.
    fn break_line(&mut self) {
        if !self.look.shows() && self.line.is_empty() {
            return;
        }
        if self.line.is_empty() {
            self.line_quoted = self.look.quoted || self.rest_quoted;
        }
        if self.line_quoted {
            self.out.push_str("> ");
        }
        self.out.push_str(self.line.trim_end_matches([' ', '\t']));
        self.out.push('\n');
        self.line.clear();
        self.space = false;
    }
}

/// What an element begins to quote.
#[derive(Clone, Copy, Default)]
struct Quotes {
    /// All inside.
    element: bool,
    /// Everything from here on.
    rest: bool,
}

/// Programs that wrap the quotation, or its line of attribution.
const QUOTING_ELEMENTS: &str = r#"(?i)gmail_attr|yahoo_quoted|protonmail_quote|moz-cite-prefix|moz-forward-container|tutanota_quote|zmail_extra|name="?quote"?(?:[\s>]|$)|isreplycontent|messagereplysection|ms-outlook-mobile-reference-message|mail-editor-reference-message-container|k9mail_quote|front-blockquote|reply-intro|clean_bq|bloop_original_html|aolreplacedbody|ymail_android_quote|_originalcontent|mailru-blockquote"#;
/// Programs that begin the quotation and leave its end open; Outlook by a line in its colours.
const QUOTING_RESTS: &str = "(?i)divrplyfwdmsg|appendonsend|stopspelling|zwchr|outlookmessageheader|reply-?splitter|border-top: *solid *#(?:e1e1e1|b5c4df)";

/// The words by which an element hides what is inside, or colours it.
const STYLES: &str =
    "(?i)display|visibility|mso-hide|opacity|max-height|font-size|color|background|hidden";

fn pattern(words: &str) -> Regex {
    Regex::new(words).expect("a fixed pattern compiles")
}

/// What an element begins to quote, by its attributes.
fn quotes(attributes: &str) -> Quotes {
    static ELEMENTS: LazyLock<Regex> = LazyLock::new(|| pattern(QUOTING_ELEMENTS));
    static RESTS: LazyLock<Regex> = LazyLock::new(|| pattern(QUOTING_RESTS));
    Quotes { element: ELEMENTS.is_match(attributes), rest: RESTS.is_match(attributes) }
}

/// Whether any element of the document may quote; most do not.
fn may_quote(html: &str) -> bool {
    let quotes = quotes(html);
    quotes.element || quotes.rest
}

/// A `<blockquote>` that only indents, as the buttons of Gmail and Apple Mail do.
fn is_indent(attributes: &str) -> bool {
    let folded = attributes.to_ascii_lowercase();
    folded.contains("40px") && folded.contains("border:") && folded.contains("none")
}

/// How the inside of an element looks, by its own attributes and what it inherits.
fn look_of(attributes: &str, inherited: Look) -> Look {
    let mut look = inherited;
    static STYLED: LazyLock<Regex> = LazyLock::new(|| pattern(STYLES));
    if attributes.len() < 5 || !STYLED.is_match(attributes) {
        return look;
    }
    let folded = folded(attributes);
    let has = |words: &[&str]| words.iter().any(|word| folded.contains(word));
    look.hidden |= hides(attributes);
    look.painted |= has(&["background", "bgcolor"])
        && !has(&["background:transparent", "background-color:transparent"])
        && !has(&[
            "background:#fff",
            "background-color:#fff",
            "bgcolor=\"#fff",
            "background:white",
            "background-color:white",
        ]);
    if let Some(size) = value_of(&folded, "font-size:") {
        look.tiny = matches!(size.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%'), "0" | "0.0" | "1" if size.ends_with("px") || size.starts_with('0'));
    }
    if let Some(colour) = value_of(&folded, "color:") {
        look.white = matches!(colour, "#fff" | "#ffffff" | "white" | "rgb(255,255,255)");
    }
    look
}

/// The value of a property in a `style` without spaces.
fn value_of<'a>(style: &'a str, property: &str) -> Option<&'a str> {
    let at = style
        .match_indices(property)
        .map(|(at, _)| at)
        .find(|at| style.get(..*at).is_some_and(|before| before.ends_with(['"', '\'', ';'])))?;
    let value = style.get(at + property.len()..)?;
    value.split([';', '"', '\'', '!']).next()
}
