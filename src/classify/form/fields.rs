//! The fields of a notification: labels and what was entered behind them. The values are a
//! stranger's text, which may look like labels; what cannot be told apart is not guessed.

use std::fmt;

use serde::Deserialize;

use super::labels::{Kind, Labels};
use crate::mail::EmailAddress;
use crate::mail::html::Block;

/// Fields that are read of one notification.
const FIELDS_MAX: usize = 200;
/// Characters from which on a value is somebody's text, whatever its label says.
const FREE_TEXT_CHARS: usize = 120;

/// Labels whose looks are compared with each other.
const LABELS_COMPARED_MAX: usize = 20;

/// How a service writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// HTML: label and value in cells, paragraphs or headings of their own.
    Cells,
    /// HTML: a bold label and its value in one paragraph.
    BoldLabel,
    /// `label: value`, or `label:` and the value in the lines below.
    Colon,
    /// A line with the label alone, and the value in the lines below.
    Lines,
}

/// One field. Debug does not show what was entered.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// The label as it stands there.
    pub label: String,
    /// What it is for.
    pub kind: Kind,
    /// What was entered, line by line.
    pub value: String,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<field: {}, {} octets>", self.kind.as_str(), self.value.len())
    }
}

/// The fields of a notification, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// All that were found.
    pub all: Vec<Field>,
    /// Whether the labels look different from anything that could stand in a value, so that a
    /// label behind the message is a label, too.
    pub sure: bool,
}

/// Why no address is taken from a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No label of an address.
    NoLabel,
    /// Nothing, or no single plain address, stands behind the label.
    NotAnAddress,
    /// Several labels, with different addresses.
    Several,
    /// Only behind the message, where it may be part of it.
    BehindMessage,
}

impl Missing {
    /// What is wrong, and what helps, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Missing::NoLabel => {
                "no field is known to hold an address; name its label in bot.toml: [[form]] address = \"…\""
            }
            Missing::NotAnAddress => "the address field does not hold exactly one plain address",
            Missing::Several => {
                "several fields hold different addresses; name the one that counts in bot.toml: [[form]] address = \"…\""
            }
            Missing::BehindMessage => {
                "the address stands behind the message, where a visitor may have written it; put the field in front of the message in the form"
            }
        }
    }
}

impl Fields {
    /// The fields of HTML in one of its shapes.
    pub fn of_blocks(blocks: &[Block], shape: Shape, labels: &Labels) -> Fields {
        let mut fields = match shape {
            Shape::Cells => cells(blocks, labels),
            Shape::BoldLabel => {
                let all = blocks.iter().flat_map(|block| bold_labels(block, labels)).collect();
                Fields { all, sure: true }
            }
            Shape::Colon | Shape::Lines => {
                let texts: Vec<String> = blocks.iter().map(Block::text).collect();
                return Fields::of_lines(&texts.join("\n"), shape, labels);
            }
        };
        fields.all.truncate(FIELDS_MAX);
        fields
    }

    /// The fields of plain text.
    pub fn of_lines(text: &str, shape: Shape, labels: &Labels) -> Fields {
        let mut all: Vec<Field> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            // In a message any line may speak of mail.
            let in_message = all.last().is_some_and(|field| field.kind == Kind::Message);
            let begun = label_line(line, shape, labels)
                .filter(|field| !in_message || labels.whole_kind(&field.label).is_some());
            match begun {
                Some(_) if all.len() >= FIELDS_MAX => break,
                Some(field) => all.push(field),
                None => {
                    if let Some(field) = all.last_mut() {
                        if !field.value.is_empty() {
                            field.value.push('\n');
                        }
                        field.value.push_str(line);
                    }
                }
            }
        }
        Fields { all, sure: false }
    }

    /// Whether they are labelled beyond doubt, and none of them is for the address.
    pub fn surely_lack_address(&self) -> bool {
        let has_message = self.all.iter().any(|field| field.kind == Kind::Message);
        self.sure && has_message && !self.name_an_address()
    }

    /// Whether there is a field for the address.
    pub fn name_an_address(&self) -> bool {
        self.addresses().next().is_some()
    }

    /// The address that was entered. `behind` may vouch for one that stands behind the message:
    /// the Reply-To of a service that takes it from the checked field.
    ///
    /// # Errors
    /// Why nobody can be asked.
    pub fn address(&self, behind: Option<&EmailAddress>) -> Result<EmailAddress, Missing> {
        let message_at = self.all.iter().position(is_free_text).unwrap_or(self.all.len());
        let (before, after): (Vec<_>, Vec<_>) =
            self.addresses().partition(|(index, _)| *index < message_at);
        let first = if before.is_empty() { &after } else { &before };
        let mut found: Option<EmailAddress> = None;
        for (_, field) in first {
            let entered = match (entered_address(&field.value, !self.sure), field.kind) {
                (Some(entered), _) => entered,
                // "May we send you e-mails?" is no address field.
                (None, Kind::PerhapsAddress) if !field.value.contains('@') => continue,
                (None, _) => return Err(Missing::NotAnAddress),
            };
            match &found {
                Some(other) if *other != entered => return Err(Missing::Several),
                _ => found = Some(entered),
            }
        }
        let found = found.ok_or(Missing::NoLabel)?;
        let is_vouched = self.sure || behind == Some(&found);
        if before.is_empty() && !is_vouched { Err(Missing::BehindMessage) } else { Ok(found) }
    }

    /// Whether a field for an address holds another than this.
    pub fn name_another_than(&self, address: &EmailAddress) -> bool {
        let own = address.as_str().to_lowercase();
        let values = self.addresses().map(|(_, field)| field.value.to_lowercase());
        values.filter(|value| value.contains('@')).any(|value| value.trim() != own)
    }

    /// Whether a field in front of the message holds this address and nothing else.
    pub fn hold(&self, address: &EmailAddress) -> bool {
        let front = self.all.iter().take_while(|field| !is_free_text(field));
        let holds = |field: &Field| entered_address(&field.value, false).as_ref() == Some(address);
        front.filter(|field| holds(field)).count() == 1
    }

    /// All that was entered but addresses, one below the other.
    pub fn words(&self) -> String {
        let others = self.all.iter().filter(|field| !field.kind.may_be_address());
        others.map(|field| field.value.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The values of one kind, one below the other.
    pub fn text(&self, kind: Kind) -> String {
        let of_kind = self.all.iter().filter(|field| field.kind == kind);
        of_kind.map(|field| field.value.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn addresses(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.all.iter().enumerate().filter(|(_, field)| field.kind.may_be_address())
    }
}

fn is_free_text(field: &Field) -> bool {
    let is_long = || field.value.lines().any(|line| line.chars().nth(FREE_TEXT_CHARS).is_some());
    field.kind == Kind::Message || (!field.kind.may_be_address() && is_long())
}

/// One address, alone. Lines below it may belong to a label that is not known, but may not be
/// a second address; where `has_rest` is not set, there may be none.
fn entered_address(value: &str, has_rest: bool) -> Option<EmailAddress> {
    let mut lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let ends = if has_rest {
        lines.next().is_none_or(|line| !line.contains('@'))
    } else {
        lines.next().is_none()
    };
    ends.then(|| EmailAddress::parse(without_link(first)).ok())?
}

/// `jane@example.org` out of what mail programs and services make of it: `<jane@example.org>`,
/// `jane@example.org <mailto:jane@example.org>`, `[jane@example.org](mailto:jane@example.org)`.
fn without_link(text: &str) -> &str {
    let text = text.trim_matches('*').trim();
    if let Some((shown, target)) = text.split_once("mailto:") {
        let target = target.trim_end_matches([')', '>', ']']);
        let shown = shown.trim_matches(['[', ']', '(', '<', ' ']);
        // What is shown is not where it leads: neither counts.
        return if shown.is_empty() || shown == target { target } else { "" };
    }
    text.strip_prefix('<').and_then(|inside| inside.strip_suffix('>')).unwrap_or(text)
}

/// The field that a line begins, if it begins one.
fn label_line(line: &str, shape: Shape, labels: &Labels) -> Option<Field> {
    let plain = line.trim_matches('*');
    let (label, value) = match shape {
        Shape::Lines => (plain, ""),
        // "--- Email ---" stands alone in its line.
        _ if plain.starts_with("--- ") && plain.ends_with(" ---") => (plain, ""),
        _ => plain.split_once([':', '：'])?,
    };
    let kind = labels.kind(label)?;
    let value = value.trim_start_matches('*').trim();
    Some(Field { label: label.trim().to_owned(), kind, value: value.to_owned() })
}

/// Label blocks and value blocks: they look different from each other.
fn cells(blocks: &[Block], labels: &Labels) -> Fields {
    let texts: Vec<String> = blocks.iter().map(Block::text).collect();
    let kind_at = |index: usize| texts.get(index).and_then(|text| labels.kind(text));
    let look = |index: usize| blocks.get(index).map(|block: &Block| &block.look);
    let Some(first) = first_label(blocks, &kind_at) else { return Fields::default() };
    let label_look = look(first);
    let sure = look(first + 1) != label_look;
    let mut fields = Fields { all: Vec::new(), sure };
    for (index, text) in texts.iter().enumerate() {
        let kind = match kind_at(index) {
            known if sure && look(index) == label_look => Some(known.unwrap_or(Kind::Other)),
            known if !sure => known,
            _ => None,
        };
        match (kind, fields.all.last_mut()) {
            (Some(kind), _) => {
                fields.all.push(Field { label: text.clone(), kind, value: String::new() });
            }
            (None, Some(field)) => add_block(field, text),
            (None, None) => {}
        }
    }
    fields
}

/// A label that looks as labels do: as most of those that are known. One of an address, where
/// there is any. A value may say "Email", too.
fn first_label(blocks: &[Block], kind_at: &impl Fn(usize) -> Option<Kind>) -> Option<usize> {
    let known: Vec<usize> = (0..blocks.len()).filter(|index| kind_at(*index).is_some()).collect();
    let looks = |index: usize| blocks.get(index).map(|block| &block.look);
    let alike = |index: usize| known.iter().filter(|other| looks(**other) == looks(index)).count();
    let most_alike = |candidates: &mut dyn Iterator<Item = usize>| {
        let mut best: Option<(usize, usize)> = None;
        for index in candidates.take(LABELS_COMPARED_MAX) {
            let count = alike(index);
            if best.is_none_or(|(_, most)| count > most) {
                best = Some((index, count));
            }
        }
        best
    };
    let is_address = |index: &usize| kind_at(*index).is_some_and(Kind::may_be_address);
    most_alike(&mut known.iter().copied().filter(is_address))
        .or_else(|| most_alike(&mut known.iter().copied()).filter(|(_, count)| *count > 1))
        .map(|(index, _)| index)
}

/// Adds a block to what was entered. Only a message has several; an address below an address
/// is kept, so that two are seen to be two.
fn add_block(field: &mut Field, text: &str) {
    let is_more = field.kind == Kind::Message
        || (field.kind.may_be_address() && entered_address(text, false).is_some());
    if field.value.is_empty() {
        field.value.push_str(text);
    } else if is_more {
        field.value.push('\n');
        field.value.push_str(text);
    }
}

/// `<b>Label:</b> value`, once or several times in one block.
fn bold_labels(block: &Block, labels: &Labels) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let text = block.text();
    if block.look.bold {
        // Nothing was entered.
        let kind = labels.kind(&text).filter(|_| text.ends_with([':', '：']));
        return kind
            .map(|kind| Field { label: text, kind, value: String::new() })
            .into_iter()
            .collect();
    }
    let mut begins_line = true;
    for (index, run) in block.runs.iter().enumerate() {
        let text = run.text.trim();
        let next = block.runs.get(index + 1).map_or("", |next| next.text.trim_start());
        let ends_in_colon = text.ends_with([':', '：']) || next.starts_with([':', '：']);
        let kind = labels.kind(text).or(ends_in_colon.then_some(Kind::Other));
        match (kind, fields.last_mut()) {
            (Some(kind), _) if run.bold && begins_line => {
                fields.push(Field { label: text.to_owned(), kind, value: String::new() });
            }
            (_, Some(field)) => {
                field.value.push_str(&run.text);
            }
            (_, None) => {}
        }
        if !text.is_empty() {
            begins_line = run.text.trim_end_matches(' ').ends_with('\n');
        }
    }
    for field in &mut fields {
        let value = field.value.trim().trim_start_matches([':', '：']).trim();
        field.value = value.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::rules::Trial;
    use crate::mail::html::Html;

    fn labels() -> Labels {
        let text = include_str!("../../../rules/forms/labels.toml");
        Labels::load(text, Trial::All).unwrap()
    }

    fn told(fields: &Fields) -> String {
        match fields.address(None) {
            Ok(address) => address.as_str().to_owned(),
            Err(missing) => format!("{missing:?}"),
        }
    }

    #[track_caller]
    fn check_text(shape: Shape, text: &str, expected: &str) {
        assert_eq!(told(&Fields::of_lines(text, shape, &labels())), expected, "{text}");
    }

    #[track_caller]
    fn check_html(shape: Shape, html: &str, expected: &str) {
        let blocks = Html::new(html.to_owned()).blocks();
        assert_eq!(told(&Fields::of_blocks(&blocks, shape, &labels())), expected, "{html}");
    }

    const JANE: &str = "jane@example.org";

    #[test]
    fn the_first_address_in_front_of_the_message_is_the_one() {
        let colon = Shape::Colon;
        check_text(colon, "Email: jane@example.org", JANE);
        check_text(colon, "**Email:** jane@example.org", JANE);
        check_text(colon, "E-Mail:\n<jane@example.org>\nPhone: 1", JANE);
        check_text(colon, "Email: jane@example.org\nMessage: x\nEmail: v@example.net", JANE);
        check_text(colon, "Email: jane@example.org\nConfirm email: jane@example.org", JANE);
        check_text(colon, "メールアドレス：jane@example.org\nお問い合わせ内容：削除", JANE);
        check_text(colon, "Do you want our emails?: no\nEmail: jane@example.org", JANE);
        check_text(Shape::Lines, "Name\nJane\nYour e-mail\njane@example.org\nMessage\nx", JANE);
        check_text(colon, "Email: [jane@example.org](mailto:jane@example.org)", JANE);
    }

    #[test]
    fn what_is_not_certain_is_nobody() {
        let colon = Shape::Colon;
        for (text, why) in [
            ("Name: Jane", "NoLabel"),
            ("Email:\nMessage: Email: v@example.net", "NotAnAddress"),
            ("Email: jane@example.org, v@example.net", "NotAnAddress"),
            ("Email: jane@example.org v@example.net", "NotAnAddress"),
            ("Email: jane@example.org\nv@example.net", "NotAnAddress"),
            ("Email: jane@example.org <mailto:v@example.net>", "NotAnAddress"),
            ("Email: v@example.net\nEmail: jane@example.org\nMessage: x", "Several"),
            ("Message: x\nEmail: jane@example.org", "BehindMessage"),
            ("Message: x\nEmail: v@example.net\nEmail: jane@example.org", "Several"),
        ] {
            check_text(colon, text, why);
        }
        let long = "x".repeat(200);
        check_text(colon, &format!("Name: {long}\nEmail: v@example.net"), "BehindMessage");
    }

    #[test]
    fn html_tells_labels_from_values_by_their_looks() {
        let row = |label: &str, value: &str| format!("<tr><td>{label}</td><td>{value}</td></tr>");
        let message = row("Message", "Email<br>v@example.net");
        let table = format!("<table>{message}{}</table>", row("Email", JANE));
        check_html(Shape::Cells, &table, JANE);
        let named_email = row("Name", "Email") + &row("Email", JANE) + &row("Message", "x");
        check_html(Shape::Cells, &named_email, JANE);
        let twice = row("Email", JANE) + &row("Email", "v@example.net");
        check_html(Shape::Cells, &twice, "Several");
        check_html(
            Shape::Cells,
            &row("Email", "jane@example.org<br>v@example.net"),
            "NotAnAddress",
        );
        check_html(Shape::Cells, &(row("Email", "") + &row("Name", "x")), "NotAnAddress");
        check_html(Shape::Cells, "<p>Email</p><p>jane@example.org</p><p>Message</p><p>x</p>", JANE);
        let bold =
            "<p><b>Message:</b> x<br>Email: v@example.net<br><b>Email:</b> jane@example.org</p>";
        check_html(Shape::BoldLabel, bold, JANE);
        check_html(
            Shape::BoldLabel,
            "<p><b>Email:</b></p><p><b>Message:</b> x</p>",
            "NotAnAddress",
        );
    }
}
