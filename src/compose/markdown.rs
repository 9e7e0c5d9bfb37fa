//! One Markdown source, two parts of a mail: plain text that reads well by itself, and HTML
//! in one layout with inline styles, which is all that mail clients agree on.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd, TextMergeStream};

/// Columns of the text part (RFC 5322 §2.1.1 recommends fewer than 78).
const COLUMNS: usize = 74;
/// The title that makes a link a button: `[Confirm](https://… "button")`.
const BUTTON: &str = "button";

/// Backslash-escapes what Markdown would take for markup; line ends become spaces.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() {
            out.push(' ');
            continue;
        }
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The plain text part.
pub fn to_text(markdown: &str) -> String {
    let mut text = TextWriter::default();
    for event in Parser::new(markdown) {
        text.take(event);
    }
    text.flush();
    format!("{}\n", text.out.trim_end())
}

#[derive(Default)]
struct TextWriter {
    out: String,
    /// The paragraph that is being collected.
    block: String,
    /// `Some(next)` for an ordered list, `None` for a bulleted one.
    lists: Vec<Option<u64>>,
    bullet: String,
    /// Destination and title of the link being read, and where its label begins.
    link: Option<(String, String, usize)>,
    underline: Option<char>,
    quotes: bool,
}

impl TextWriter {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.block.push_str(&text);
            }
            Event::SoftBreak => self.block.push(' '),
            Event::HardBreak => self.block.push('\n'),
            Event::Rule => {
                self.flush();
                // Not `-- `: mail programs fold a signature away, and this is to be read.
                self.out.push_str("--------------------\n\n");
            }
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.underline = Some(if level == HeadingLevel::H1 { '=' } else { '-' });
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                self.bullet = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.quotes = true;
            }
            Tag::Image { dest_url, .. } => {
                let (full, empty) = bar(&dest_url);
                self.block.push_str(&format!("[{}{}]", "#".repeat(full), "-".repeat(empty)));
            }
            Tag::Link { dest_url, title, .. } => {
                self.link = Some((dest_url.to_string(), title.to_string(), self.block.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Link => self.end_link(),
            TagEnd::Paragraph | TagEnd::Item | TagEnd::Heading(_) => self.flush(),
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quotes = false;
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
                if self.lists.is_empty() && !self.out.ends_with("\n\n") {
                    self.out.push('\n');
                }
            }
            _ => {}
        }
    }

    fn end_link(&mut self) {
        let Some((url, title, begins)) = self.link.take() else {
            return;
        };
        let label = self.block.get(begins..).unwrap_or_default().to_owned();
        let address = url.trim_start_matches("mailto:");
        if label == url || label == address {
            return;
        }
        let separator = if title == BUTTON { ":\n" } else { ": " };
        self.block.push_str(separator);
        self.block.push_str(address);
    }

    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mut first = format!("{indent}{}", std::mem::take(&mut self.bullet));
        let mut rest = if self.lists.is_empty() { String::new() } else { format!("{indent}  ") };
        if self.quotes {
            rest.push_str("> ");
            first.clone_from(&rest);
        } else if first.trim().is_empty() {
            // A further paragraph of an item stands under its first one.
            first.clone_from(&rest);
        }
        let wrapped = wrap(&block, &first, &rest);
        self.out.push_str(&wrapped);
        if let Some(line) = self.underline.take() {
            self.out.extend(std::iter::repeat_n(line, wrapped.trim_end().chars().count()));
            self.out.push('\n');
        }
        if self.lists.is_empty() {
            self.out.push('\n');
        }
    }
}

/// Breaks lines at spaces; a word longer than a line, such as a link, stays whole.
fn wrap(block: &str, first: &str, rest: &str) -> String {
    let mut out = String::new();
    let mut prefix = first;
    for line in block.lines() {
        out.push_str(prefix);
        let mut width = prefix.chars().count();
        let mut is_empty = true;
        for word in line.split_whitespace() {
            let wide = word.chars().count();
            if !is_empty && width + 1 + wide > COLUMNS {
                out.push('\n');
                out.push_str(rest);
                width = rest.chars().count();
                is_empty = true;
            }
            if !is_empty {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += wide;
            is_empty = false;
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
        prefix = rest;
    }
    out
}

/// Parts of a bar that are left when it turns red.
const NEAR_PARTS: usize = 3;
/// Parts of a bar.
const BAR_PARTS: usize = 10;

/// `![](bar:25/30)` is drawn as a bar of what is left, without a picture: its full and its
/// empty parts.
fn bar(destination: &str) -> (usize, usize) {
    let numbers = destination.strip_prefix("bar:").and_then(|rest| rest.split_once('/'));
    let read = |text: &str| text.parse::<usize>().ok();
    let full = match numbers.map(|(left, whole)| (read(left), read(whole))) {
        Some((Some(left), Some(whole))) if whole > 0 => {
            (left.min(whole) * BAR_PARTS).div_ceil(whole)
        }
        _ => 0,
    };
    (full, BAR_PARTS - full)
}

/// The HTML part: the whole document, in that language. Raw HTML in the source is shown as
/// text.
pub fn to_html(markdown: &str, language: &str) -> String {
    let mut body = String::new();
    let mut skip_paragraph = 0;
    let mut small_print = false;
    // Escapes would cut words into pieces.
    for event in TextMergeStream::new(Parser::new(markdown)) {
        match event {
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                push_words(&mut body, &text);
            }
            Event::Code(text) => {
                body.push_str(&format!("<code style=\"{CODE}\">{}</code>", escape_html(&text)));
            }
            Event::SoftBreak => body.push('\n'),
            Event::HardBreak => body.push_str("<br>\n"),
            Event::Rule => {
                body.push_str(&format!("<hr style=\"{RULE}\">\n"));
                if !small_print {
                    body.push_str(&format!("<div style=\"{SMALL_PRINT}\">\n"));
                }
                small_print = true;
            }
            Event::Start(tag) => {
                skip_paragraph += usize::from(matches!(tag, Tag::Item));
                body.push_str(&open_tag(&tag, skip_paragraph > 0));
            }
            Event::End(tag) => {
                body.push_str(close_tag(tag));
                skip_paragraph -= usize::from(tag == TagEnd::Item && skip_paragraph > 0);
            }
            _ => {}
        }
    }
    if small_print {
        body.push_str("</div>\n");
    }
    format!("<!DOCTYPE html>\n<html lang=\"{language}\">{LAYOUT_BEFORE}{body}{LAYOUT_AFTER}")
}

const LAYOUT_BEFORE: &str = concat!(
    "<head><meta charset=\"utf-8\">",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
    "<meta name=\"color-scheme\" content=\"light\"><title></title></head>\n",
    "<body style=\"margin:0;padding:0;background:#f3f4f6\">\n",
    "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr>",
    "<td align=\"center\" style=\"padding:16px 8px\">\n",
    "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" ",
    "style=\"max-width:600px;background:#ffffff;border:1px solid #dfe3e8;border-radius:8px\"><tr>",
    "<td style=\"padding:26px 22px;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;",
    "font-size:16px;line-height:1.55;color:#1c2430;text-align:left;overflow-wrap:anywhere\">\n",
);
const LAYOUT_AFTER: &str = "</td></tr></table>\n</td></tr></table>\n</body></html>\n";
const PARAGRAPH: &str = "margin:0 0 16px";
const LINK: &str = "color:#0b57a4;text-decoration:underline";
const BUTTON_STYLE: &str = "display:inline-block;padding:13px 22px;background:#0b57a4;color:#ffffff;\
    border-radius:6px;font-weight:600;text-decoration:none";
const CODE: &str = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:14px;\
    background:#f3f4f6;padding:1px 4px;border-radius:3px";
const RULE: &str = "border:0;border-top:1px solid #dfe3e8;margin:24px 0 20px";
const WHOLE: &str = "display:inline-block";
const QUIET: &str = "font-style:normal;font-size:15px;color:#566072";
/// What stands below a rule.
const SMALL_PRINT: &str = "font-size:14px;line-height:1.5;color:#566072";

fn open_tag(tag: &Tag<'_>, in_item: bool) -> String {
    match tag {
        Tag::Paragraph if in_item => "<p style=\"margin:0 0 10px\">".to_owned(),
        Tag::Paragraph => format!("<p style=\"{PARAGRAPH}\">"),
        Tag::Heading { level: HeadingLevel::H1, .. } => {
            "<h1 style=\"margin:0 0 16px;font-size:22px;line-height:1.3\">".to_owned()
        }
        Tag::Heading { .. } => {
            "<h2 style=\"margin:28px 0 10px;font-size:17px;line-height:1.3\">".to_owned()
        }
        Tag::List(None) => "<ul style=\"margin:0 0 16px;padding-left:22px\">\n".to_owned(),
        Tag::List(Some(_)) => "<ol style=\"margin:0 0 16px;padding-left:22px\">\n".to_owned(),
        Tag::Item => "<li style=\"margin:0 0 8px\">".to_owned(),
        Tag::Strong => "<strong>".to_owned(),
        Tag::Emphasis => format!("<em style=\"{QUIET}\">"),
        Tag::BlockQuote(_) => {
            "<blockquote style=\"margin:0 0 16px;padding:2px 14px;border-left:4px solid #dfe3e8;\
             color:#434c5b\">"
                .to_owned()
        }
        Tag::Image { dest_url, .. } => {
            let (full, empty) = bar(dest_url);
            let part = |count, color| {
                format!("<span style=\"color:{color}\">{}</span>", "■".repeat(count))
            };
            let (left, gone) = match full {
                0 => ("", "#e3a19b"),
                1..=NEAR_PARTS => ("#b3261e", "#d5dae1"),
                _ => ("#0b57a4", "#d5dae1"),
            };
            let drawn = part(full, left) + &part(empty, gone);
            format!("<span aria-hidden=\"true\" style=\"letter-spacing:1px\">{drawn}</span>")
        }
        Tag::Link { dest_url, title, .. } => {
            let style = if title.as_ref() == BUTTON { BUTTON_STYLE } else { LINK };
            format!("<a href=\"{}\" style=\"{style}\">", escape_html(dest_url))
        }
        _ => String::new(),
    }
}

fn close_tag(tag: TagEnd) -> &'static str {
    match tag {
        TagEnd::Paragraph => "</p>\n",
        TagEnd::Heading(HeadingLevel::H1) => "</h1>\n",
        TagEnd::Heading(_) => "</h2>\n",
        TagEnd::List(false) => "</ul>\n",
        TagEnd::List(true) => "</ol>\n",
        TagEnd::Item => "</li>\n",
        TagEnd::Strong => "</strong>",
        TagEnd::Emphasis => "</em>",
        TagEnd::BlockQuote(_) => "</blockquote>\n",
        TagEnd::Link => "</a>",
        _ => "",
    }
}

/// Text; a masked address is not broken inside where it fits into a line.
fn push_words(out: &mut String, text: &str) {
    if !text.contains('…') {
        return push_escaped(out, text);
    }
    for word in text.split_inclusive(' ') {
        match word.trim_end_matches(' ') {
            whole if whole.contains('…') && whole.contains('@') => {
                out.push_str(&format!("<span style=\"{WHOLE}\">{}</span>", escape_html(whole)));
                out.push_str(word.get(whole.len()..).unwrap_or_default());
            }
            _ => push_escaped(out, word),
        }
    }
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '&', '"']) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        out.push_str(match here.as_bytes().first() {
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'&') => "&amp;",
            _ => "&quot;",
        });
        rest = here.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "# Title\n\nHello, this is a *paragraph* that is long enough to be broken \
        over two lines, with [a link](https://example.org/x).\n\n\
        [Confirm](https://example.org/c/abc \"button\")\n\n- one\n- two\n\n1. first\n2. second\n";

    #[test]
    fn text_reads_well_by_itself() {
        assert_eq!(
            to_text(SOURCE),
            "Title\n=====\n\nHello, this is a paragraph that is long enough to be broken over two\n\
             lines, with a link: https://example.org/x.\n\nConfirm:\nhttps://example.org/c/abc\n\n\
             - one\n- two\n\n1. first\n2. second\n"
        );
    }

    #[test]
    fn html_has_the_same_content_and_no_foreign_markup() {
        let html = to_html(&format!("{SOURCE}\n\n<script>alert(1)</script>\n"), "en");
        assert!(html.contains("href=\"https://example.org/c/abc\" style=\"display:inline-block"));
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"));
    }

    #[test]
    fn a_masked_address_is_kept_whole() {
        let html = to_html(&format!("to {} now, and so on…", escape("j…e@example.org")), "en");
        let whole =
            "to <span style=\"display:inline-block\">j…e@example.org</span> now, and so on…";
        assert!(html.contains(whole), "{html}");
    }

    #[test]
    fn small_print_stands_below_a_rule() {
        let html = to_html("above\n\n---\n\nbelow\n", "en");
        let (above, below) = html.split_once(SMALL_PRINT).unwrap();
        assert!(above.contains("above") && below.contains("below"));
        assert_eq!(html.matches("<div").count(), html.matches("</div>").count());
    }

    #[test]
    fn a_bar_is_drawn_without_a_picture() {
        for (left, text) in [
            ("0/30", "----------"),
            ("1/30", "#---------"),
            ("15/30", "#####-----"),
            ("40/30", "##########"),
        ] {
            let source = format!("![](bar:{left})");
            assert_eq!(to_text(&source).trim(), format!("[{text}]"));
            assert!(!to_html(&source, "en").contains("<img"));
        }
    }

    #[test]
    fn escaped_words_come_out_as_they_went_in() {
        let nasty = "[x](http://e.example) **b** <i> `c` # - 1. _u_ \\ &amp; https://e.example";
        let text = to_text(&escape(nasty));
        assert_eq!(text.trim_end(), nasty);
        assert!(!to_html(&escape(nasty), "en").contains("<a "));
    }
}
