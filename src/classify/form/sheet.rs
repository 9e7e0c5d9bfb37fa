//! A mail as the rules of forms read it. What costs time is made when it is first asked for.

use std::cell::OnceCell;

use regex::Regex;

use crate::classify::text::normalize;
use crate::mail::html::{Block, Html};
use crate::mail::{EmailAddress, Mail};

/// Lines of a mail in which the service's own sentences are looked for.
const LINES_MAX: usize = 2_000;
/// Characters of a line that are looked at.
const LINE_CHARS_MAX: usize = 300;

/// Subject, sender, text and blocks of a mail.
#[derive(Debug)]
pub struct Sheet<'m> {
    /// The subject, normalized.
    pub subject: String,
    /// The display name of the sender, normalized.
    pub sender: String,
    /// The plain text, whole.
    pub text: &'m str,
    /// Where answers should go.
    pub reply_to: Option<EmailAddress>,
    html: Source<'m>,
    /// The visible blocks, and the hidden ones.
    blocks: OnceCell<(Vec<Block>, Vec<Block>)>,
    lines: OnceCell<Vec<String>>,
}

#[derive(Debug)]
enum Source<'m> {
    Part(&'m Html),
    Example(Html),
}

impl<'m> Sheet<'m> {
    /// Of a mail.
    pub fn of(mail: &'m Mail) -> Sheet<'m> {
        let html = Source::Part(&mail.html);
        Sheet::new(&mail.subject, &mail.author_name, &mail.text.0, html, mail.reply_to.clone())
    }

    /// Of an example in a rule file.
    pub(super) fn of_example(
        subject: &str,
        sender: &str,
        text: &'m str,
        html: &str,
        reply_to: Option<EmailAddress>,
    ) -> Sheet<'m> {
        Sheet::new(subject, sender, text, Source::Example(Html::new(html.to_owned())), reply_to)
    }

    fn new(
        subject: &str,
        sender: &str,
        text: &'m str,
        html: Source<'m>,
        reply_to: Option<EmailAddress>,
    ) -> Sheet<'m> {
        let (blocks, lines) = (OnceCell::new(), OnceCell::new());
        let subject = normalize(subject);
        Sheet { subject, sender: normalize(sender), text, reply_to, html, blocks, lines }
    }

    /// The visible blocks of the HTML part.
    pub fn blocks(&self) -> &[Block] {
        &self.all_blocks().0
    }

    /// The blocks that its reader does not see: a copy of the fields for the preview, or what
    /// somebody wants out of sight.
    pub fn hidden_blocks(&self) -> &[Block] {
        &self.all_blocks().1
    }

    fn all_blocks(&self) -> &(Vec<Block>, Vec<Block>) {
        self.blocks.get_or_init(|| {
            let blocks = match &self.html {
                Source::Part(html) => html.blocks(),
                Source::Example(html) => html.blocks(),
            };
            blocks.into_iter().partition(|block| !block.hidden)
        })
    }

    /// The first lines of the plain text and of the HTML part, normalized.
    pub fn lines(&self) -> &[String] {
        self.lines.get_or_init(|| {
            let blocks: Vec<String> = self.blocks().iter().map(Block::text).collect();
            let all = self.text.lines().take(LINES_MAX).map(str::to_owned);
            // A sentence may be broken over lines: a block is a line, too.
            let whole = blocks.iter().filter(|text| text.contains('\n')).cloned();
            let lines = blocks.iter().flat_map(|text| text.lines()).map(str::to_owned);
            let all = all.chain(lines.take(LINES_MAX)).chain(whole);
            let short = |line: String| line.chars().take(LINE_CHARS_MAX).collect::<String>();
            all.map(|line| normalize(&short(line))).filter(|line| !line.is_empty()).collect()
        })
    }

    /// Whether one of the patterns matches a line.
    pub fn any_line(&self, patterns: &[Regex]) -> bool {
        !patterns.is_empty()
            && self.lines().iter().any(|line| patterns.iter().any(|one| one.is_match(line)))
    }
}
