//! HTML piece by piece: text, and the tags between. One pass, bounded; what is malformed ends up
//! as text or as nothing, never as an error.

/// A piece of a document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'h> {
    /// Text as it stands there, with its entities.
    Text(&'h str),
    /// A start tag. Of elements that nobody sees nothing is told but this.
    Opens(Tag<'h>),
    /// An end tag, by its name.
    Closes(&'h str),
}

/// A start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'h> {
    /// Its name, in any case.
    pub(super) name: &'h str,
    /// All that stands behind the name.
    pub(super) attributes: &'h str,
}

/// The pieces of a document, in order.
#[derive(Clone, Debug)]
pub(super) struct Pieces<'h> {
    rest: &'h str,
    /// No quotation mark stands in the rest, so that none is looked for again.
    unquoted: bool,
}

/// Elements that begin a paragraph of their own; cells of tables are not among them.
const BLOCKS: [&str; 38] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "tfoot",
    "thead",
    "tr",
    "ul",
];
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];
/// Elements whose inside is no text of the document.
const UNSEEN: [&str; 5] = ["noembed", "script", "style", "template", "title"];

/// The pieces of a document.
pub(super) fn pieces(html: &str) -> Pieces<'_> {
    Pieces { rest: html, unquoted: false }
}

/// Whether an element begins a paragraph of its own.
pub(super) fn is_block(name: &str) -> bool {
    is_one_of(&BLOCKS, name)
}

/// Whether a reader does not see what an element with such attributes holds: the copy of the text
/// that a service puts in front for the preview of mail programs, mostly.
pub(super) fn hides(attributes: &str) -> bool {
    const STYLES: [&str; 9] = [
        "display:none",
        "visibility:hidden",
        "mso-hide:all",
        "max-height:0px",
        "max-height:0;",
        "max-height:0\"",
        "opacity:0;",
        "opacity:0\"",
        "opacity:0'",
    ];
    let folded = folded(attributes);
    STYLES.iter().any(|style| folded.contains(style))
        || attributes.split_ascii_whitespace().any(|word| {
            word.eq_ignore_ascii_case("hidden") || word.eq_ignore_ascii_case("hidden=\"\"")
        })
}

/// Attributes in lower case and without white space, as far as they are looked at.
pub(super) fn folded(attributes: &str) -> String {
    const CHARS_MAX: usize = 2_000;
    let plain = attributes.chars().filter(|c| !c.is_whitespace()).take(CHARS_MAX);
    plain.collect::<String>().to_ascii_lowercase()
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

impl<'h> Tag<'h> {
    fn read(inside: &'h str) -> Tag<'h> {
        let name = name_of(inside);
        Tag { name, attributes: inside.get(name.len()..).unwrap_or_default() }
    }

    /// Whether it is one of these.
    pub(super) fn is(&self, names: &[&str]) -> bool {
        is_one_of(names, self.name)
    }

    /// Whether no end tag belongs to it.
    pub(super) fn is_void(&self) -> bool {
        self.is(&VOID) || self.attributes.ends_with('/')
    }
}

impl<'h> Iterator for Pieces<'h> {
    type Item = Piece<'h>;

    fn next(&mut self) -> Option<Piece<'h>> {
        while !self.rest.is_empty() {
            let begin = memchr::memchr(b'<', self.rest.as_bytes()).unwrap_or(self.rest.len());
            if begin > 0 {
                return Some(Piece::Text(self.take(begin)));
            }
            if self.rest.starts_with("<!--") {
                let end = self.rest.find("-->").map_or(self.rest.len(), |end| end + 3);
                self.take(end);
                continue;
            }
            if !begins_tag(self.rest) {
                return Some(Piece::Text(self.take(1)));
            }
            let length = self.tag_length();
            let inside = self.take(length);
            let inside = inside.get(1..).unwrap_or_default().trim_end_matches('>');
            if let Some(name) = inside.strip_prefix('/') {
                return Some(Piece::Closes(name_of(name)));
            }
            let tag = Tag::read(inside);
            if tag.is(&UNSEEN) {
                self.skip_to_end_of(tag.name);
                continue;
            }
            return Some(Piece::Opens(tag));
        }
        None
    }
}

impl<'h> Pieces<'h> {
    fn take(&mut self, length: usize) -> &'h str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Octets up to the `>` that no attribute's quotation marks hold.
    fn tag_length(&mut self) -> usize {
        let rest = self.rest;
        let mut mark = None;
        if !self.unquoted {
            for (at, byte) in rest.bytes().enumerate() {
                match (mark, byte) {
                    (None, b'>') => return at + 1,
                    // Only behind `=`: elsewhere it is an apostrophe.
                    (None, b'"' | b'\'')
                        if rest
                            .get(..at)
                            .is_some_and(|before| before.trim_end().ends_with('=')) =>
                    {
                        mark = Some(byte);
                    }
                    (Some(open), byte) if open == byte => mark = None,
                    _ => {}
                }
            }
            self.unquoted = true;
        }
        memchr::memchr(b'>', rest.as_bytes()).map_or(rest.len(), |end| end + 1)
    }

    fn skip_to_end_of(&mut self, name: &str) {
        let rest = self.rest.as_bytes();
        let end = memchr::memchr_iter(b'<', rest).find(|at| {
            let tag = rest.get(at + 1..at + 2 + name.len()).unwrap_or_default();
            tag.first() == Some(&b'/')
                && tag.get(1..).is_some_and(|other| other.eq_ignore_ascii_case(name.as_bytes()))
        });
        self.take(end.unwrap_or(rest.len()));
    }
}

/// Whether a tag begins there, and not only a sign: "<3" is none.
fn begins_tag(text: &str) -> bool {
    let mut after = text.chars().skip(1);
    match after.next() {
        Some('/') => after.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '!'),
        Some(c) => c.is_ascii_alphabetic() || matches!(c, '!' | '?'),
        None => false,
    }
}

fn name_of(inside: &str) -> &str {
    let end = inside.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
    inside.get(..end.unwrap_or(inside.len())).unwrap_or_default()
}
