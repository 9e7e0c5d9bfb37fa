//! An HTML part as its reader sees it: block after block, what is hidden told apart. One pass,
//! bounded; what is malformed ends up as text or as nothing, never as an error.

use std::fmt;

use mail_parser::decoders::html::html_to_text;

use super::markup::{Piece, Tag, hides, is_block, pieces};

/// Blocks that are read of one part; a form has a few dozen.
const BLOCKS_MAX: usize = 2_000;
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

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The blocks that hold text, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut reader = Reader::default();
        for piece in pieces(&self.0) {
            match piece {
                Piece::Text(text) => reader.text(text),
                Piece::Opens(tag) => reader.start_tag(&tag),
                Piece::Closes(name) => reader.end_tag(name),
            }
            if reader.blocks.len() >= BLOCKS_MAX {
                break;
            }
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

    fn start_tag(&mut self, tag: &Tag<'_>) {
        let name = tag.name.to_ascii_lowercase();
        if is_block(&name) || is_cell(&name) {
            self.end_block();
            self.element.clone_from(&name);
        }
        match &mut self.hidden {
            Some((hiding, open)) if *hiding == name => *open += 1,
            None if !tag.is_void() && hides(tag.attributes) => {
                self.end_block();
                self.hidden = Some((name.clone(), 1));
            }
            _ => {}
        }
        match name.as_str() {
            "tr" => self.column = 0,
            "br" => self.push("\n"),
            "pre" => self.preformatted += 1,
            name if is_cell(name) => self.column += 1,
            _ => {}
        }
        self.bold += usize::from(is_bold(&name));
    }

    fn end_tag(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if is_block(&name) || is_cell(&name) {
            self.end_block();
            self.element.clear();
        }
        match &mut self.hidden {
            Some((hiding, 1)) if *hiding == name => {
                self.end_block();
                self.hidden = None;
            }
            Some((hiding, open)) if *hiding == name => *open -= 1,
            _ => {}
        }
        match name.as_str() {
            "tr" => self.column = 0,
            "pre" => self.preformatted = self.preformatted.saturating_sub(1),
            _ => {}
        }
        self.bold = self.bold.saturating_sub(usize::from(is_bold(&name)));
    }

    fn end_block(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        let said = |run: &&Run| !run.text.trim().is_empty();
        if runs.iter().any(|run| said(&run)) {
            let bold = runs.iter().filter(said).all(|run| run.bold);
            let column = if is_cell(&self.element) { self.column } else { 0 };
            let look = Look { element: self.element.clone(), column, bold };
            self.blocks.push(Block { look, runs, hidden: self.hidden.is_some() });
        }
    }
}

fn is_cell(name: &str) -> bool {
    matches!(name, "td" | "th")
}

fn is_bold(name: &str) -> bool {
    matches!(name, "b" | "strong" | "th" | "dt" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
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
