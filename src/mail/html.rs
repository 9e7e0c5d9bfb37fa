//! An HTML part as its reader sees it: block after block, what is hidden told apart. One pass,
//! bounded; what is malformed ends up as text or as nothing, never as an error.

use std::fmt;

use mail_parser::decoders::html::html_to_text;

/// Blocks that are read of one part; a form has a few dozen.
const BLOCKS_MAX: usize = 2_000;
/// Octets that are looked through in vain, in all, for the ends of tags that have none.
const VAIN_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The source of an HTML part. Debug shows its length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Html(String);

/// What stands in one paragraph, cell or heading of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// How it looks; cells of one column look alike.
    pub look: Look,
    /// Its text, wherever it turns bold or plain. Lines end with `\n`.
    pub runs: Vec<Run>,
    /// Whether its reader does not see it.
    pub hidden: bool,
}

/// What tells the blocks that a program writes from each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The element, in lower case; empty between elements.
    pub element: String,
    /// Of a cell: which one in its row, counted from 1.
    pub column: usize,
    /// Whether all of it is bold.
    pub bold: bool,
}

/// Text that is bold or plain throughout.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    /// The text, entities decoded.
    pub text: String,
    /// Whether it is bold.
    pub bold: bool,
}

impl fmt::Debug for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<html: {} octets>", self.0.len())
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<run: {} octets>", self.text.len())
    }
}

impl Html {
    /// Keeps the source of a part.
    pub fn new(source: String) -> Html {
        Html(source)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The blocks that hold text, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut reader = Reader::default();
        let mut rest = self.0.as_str();
        let mut vain = 0;
        while !rest.is_empty() && reader.blocks.len() < BLOCKS_MAX && vain < VAIN_BYTES_MAX {
            let Some(at) = memchr::memchr(b'<', rest.as_bytes()) else {
                reader.text(rest);
                break;
            };
            reader.text(rest.get(..at).unwrap_or_default());
            rest = rest.get(at..).unwrap_or_default();
            rest = match markup(rest) {
                Some((Markup::Tag(tag), after)) => reader.tag(&tag, after),
                Some((Markup::Comment, after)) => after,
                None => {
                    // A name behind it, and no end: all of the rest was looked through.
                    let name = rest.get(1..).unwrap_or_default();
                    let name = name.strip_prefix(['/', '!', '?']).unwrap_or(name);
                    let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic());
                    vain += if is_tag { rest.len() } else { 1 };
                    reader.text("<");
                    rest.get(1..).unwrap_or_default()
                }
            };
        }
        reader.end_block();
        reader.blocks
    }
}

impl Block {
    /// All of its text, trimmed.
    pub fn text(&self) -> String {
        let all: String = self.runs.iter().map(|run| run.text.as_str()).collect();
        all.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

enum Markup<'h> {
    Tag(Tag<'h>),
    Comment,
}

struct Tag<'h> {
    name: String,
    closes: bool,
    attributes: &'h str,
}

/// The tag or comment that `text` begins with, and what follows it.
fn markup(text: &str) -> Option<(Markup<'_>, &str)> {
    if let Some(comment) = text.strip_prefix("<!--") {
        let after = comment.split_once("-->").map_or("", |(_, after)| after);
        return Some((Markup::Comment, after));
    }
    let inside = text.get(1..)?;
    let (closes, inside) = match inside.strip_prefix('/') {
        Some(inside) => (true, inside),
        None => (false, inside.strip_prefix(['!', '?']).unwrap_or(inside)),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '-';
    let length = inside.find(|c| !is_name(c)).unwrap_or(inside.len());
    let name = inside.get(..length)?.to_ascii_lowercase();
    // "<3" is no tag.
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let rest = inside.get(length..)?;
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => {
                let attributes = rest.get(..at)?;
                return Some((Markup::Tag(Tag { name, closes, attributes }), rest.get(at + 1..)?));
            }
            // Only behind an equals sign a quotation mark opens a value.
            (None, b'"' | b'\'') if rest.get(..at)?.trim_end().ends_with('=') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    runs: Vec<Run>,
    element: String,
    column: usize,
    /// Elements around that make text bold.
    bold: usize,
    preformatted: usize,
    /// The element that hides what is in it, and how many of its name are open.
    hidden: Option<(String, usize)>,
}

impl Reader {
    fn text(&mut self, raw: &str) {
        if raw.is_empty() {
            return;
        }
        let lines: Vec<String> = match self.preformatted {
            0 => vec![decoded(raw)],
            _ => raw.lines().map(decoded).collect(),
        };
        self.push(&lines.join("\n"));
    }

    /// Adds text, with single spaces between words.
    fn push(&mut self, text: &str) {
        let bold = self.bold > 0;
        let ends = self.runs.last().map(|run| run.text.as_str()).unwrap_or("\n");
        let doubles = ends.ends_with([' ', '\n']);
        let text = if doubles { text.trim_start_matches(' ') } else { text };
        if text.is_empty() {
            return;
        }
        match self.runs.last_mut() {
            // White space belongs to what stands before it.
            Some(run) if run.bold == bold || text.trim().is_empty() => run.text.push_str(text),
            _ => self.runs.push(Run { text: text.to_owned(), bold }),
        }
    }

    fn tag<'h>(&mut self, tag: &Tag<'_>, after: &'h str) -> &'h str {
        let name = tag.name.as_str();
        if matches!(name, "script" | "style" | "title" | "template" | "head") && !tag.closes {
            return behind_closing(name, after);
        }
        if is_block(name) {
            self.end_block();
            self.element = if tag.closes { String::new() } else { name.to_owned() };
        }
        self.hide_or_show(tag);
        let change = |count: usize| if tag.closes { count.saturating_sub(1) } else { count + 1 };
        match name {
            "tr" => self.column = 0,
            "td" | "th" if !tag.closes => self.column += 1,
            "br" => self.push("\n"),
            "pre" => self.preformatted = change(self.preformatted),
            _ => {}
        }
        if matches!(name, "b" | "strong" | "th" | "dt" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6") {
            self.bold = change(self.bold);
        }
        after
    }

    /// Keeps count of the element that hides, until it is closed.
    fn hide_or_show(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_str();
        match &mut self.hidden {
            Some((hiding, open)) if hiding == name && tag.closes && *open == 1 => {
                self.end_block();
                self.hidden = None;
            }
            Some((hiding, open)) if hiding == name => {
                *open = if tag.closes { *open - 1 } else { *open + 1 };
            }
            None if !tag.closes && !is_void(name) && hides(tag.attributes) => {
                self.end_block();
                self.hidden = Some((name.to_owned(), 1));
            }
            _ => {}
        }
    }

    fn end_block(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        let said = |run: &&Run| !run.text.trim().is_empty();
        if runs.iter().any(|run| said(&run)) {
            let bold = runs.iter().filter(said).all(|run| run.bold);
            let is_cell = matches!(self.element.as_str(), "td" | "th");
            let column = if is_cell { self.column } else { 0 };
            let look = Look { element: self.element.clone(), column, bold };
            self.blocks.push(Block { look, runs, hidden: self.hidden.is_some() });
        }
    }
}

/// What stands behind the closing tag of `name`; nothing when there is none.
fn behind_closing<'h>(name: &str, text: &'h str) -> &'h str {
    for at in memchr::memchr_iter(b'<', text.as_bytes()) {
        let here = text.get(at + 1..).unwrap_or_default();
        let closing = here.strip_prefix('/').and_then(|inside| inside.get(..name.len()));
        if closing.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return here.split_once('>').map_or("", |(_, after)| after);
        }
    }
    ""
}

fn is_block(name: &str) -> bool {
    const BLOCKS: [&str; 36] = [
        "address",
        "article",
        "blockquote",
        "body",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
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
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
        "figure",
    ];
    BLOCKS.contains(&name)
}

fn is_void(name: &str) -> bool {
    matches!(name, "br" | "hr" | "img" | "input" | "meta" | "link" | "col" | "area" | "wbr")
}

/// Whether a reader does not see what such an element holds: the copy of the text that a
/// service puts in front for the preview of mail programs, mostly.
fn hides(attributes: &str) -> bool {
    let plain: String =
        attributes.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let styles = ["display:none", "visibility:hidden", "max-height:0px", "max-height:0;"];
    let transparent = ["opacity:0;", "opacity:0\"", "opacity:0'"];
    styles.iter().chain(&transparent).any(|style| plain.contains(style))
        || attributes.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("hidden"))
}

/// Entities as characters, runs of white space as one space.
fn decoded(raw: &str) -> String {
    let text = if raw.contains('&') { html_to_text(raw) } else { raw.to_owned() };
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        return if raw.is_empty() { words } else { " ".to_owned() };
    }
    if raw.starts_with(char::is_whitespace) {
        words.insert(0, ' ');
    }
    if raw.ends_with(char::is_whitespace) {
        words.push(' ');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &[&str]) {
        let told = |block: &Block| {
            let Look { element, column, bold } = &block.look;
            let bold = if *bold { "*" } else { "" };
            let column = if *column > 0 { column.to_string() } else { String::new() };
            format!("{element}{column}{bold} {}", block.text())
        };
        let blocks = Html::new(html.to_owned()).blocks();
        let found: Vec<String> = blocks.iter().filter(|block| !block.hidden).map(told).collect();
        assert_eq!(found, expected, "{html}");
    }

    #[test]
    fn blocks_are_what_a_reader_sees_apart() {
        check("<p>One</p><p>Two <b>three</b></p>four", &["p One", "p Two three", " four"]);
        check("<h3>Email</h3><p>a<br>b</p>", &["h3* Email", "p a\nb"]);
        check(
            "<table><tr><td><strong>Name</strong></td><td>Jane</td></tr></table>",
            &["td1* Name", "td2 Jane"],
        );
        check("<pre>a  b\n c</pre>", &["pre a b\nc"]);
        check("a&amp;b &lt;p&gt; &#x27;c&#39; &uuml;", &[" a&b <p> 'c' ü"]);
        check("5 < 6 <3 > <", &[" 5 < 6 <3 > <"]);
    }

    #[test]
    fn what_is_hidden_is_told_apart() {
        check("<div style=\"display: none\">x<div>y</div>z</div>w", &[" w"]);
        check("<p style='max-height:0px;opacity:0'>x</p><p hidden>y</p><p>z</p>", &["p z"]);
        check("<style>p{}</style><script>a<b</script><!-- <p>c</p> --><p>d</p>", &["p d"]);
        check("<p style=\"opacity:0.9;font-size:0\">seen</p>", &["p seen"]);
        check("<div style=\"display:none\">never closed <p>x</p>", &[]);
    }

    #[test]
    fn what_is_malformed_is_no_trouble() {
        check("<p title=\"a>b\">c", &["p c"]);
        check("<p <b>x", &["p x"]);
        check("</b></b><b>x</b>y", &[" xy"]);
        check("<!-- x", &[]);
        check("<script>x", &[]);
        let deep = "<div>".repeat(100_000) + "x";
        check(&deep, &["div x"]);
        // Ends in a moment, or never when it looks ahead from every tag.
        for piece in ["<", "<a", "<!--", "<p title=\"", "</", "</p ", "&", "<br>", "<script>"] {
            Html::new(piece.repeat((1 << 20) / piece.len())).blocks();
        }
    }

    #[test]
    fn debug_does_not_tell_the_text() {
        let html = Html::new("<p>secret</p>".to_owned());
        assert!(!format!("{html:?} {:?}", html.blocks()).contains("secret"));
    }
}
