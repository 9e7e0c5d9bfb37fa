//! What mails are by somebody's judgement: `labels.tsv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::reading::Reading;

/// What a person says a mail is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// As the file has it: `deletion_request`, `bounce`, …
    pub(super) class: String,
    /// As `en`; empty where it does not matter.
    pub(super) language: String,
}

/// A class of the labels, and what the desk may make of it.
struct Class {
    name: &'static str,
    right: &'static [Reading],
}

const LEFT: [Reading; 4] =
    [Reading::Automatic, Reading::Bounce, Reading::CompanyTalk, Reading::Unrelated];
const SHOWN: [Reading; 4] =
    [Reading::Suggested, Reading::OtherRequest, Reading::EarlierRequest, Reading::ForStaff];

/// All classes. What may not be mailed may still be shown to staff where it is about privacy.
const CLASSES: [Class; 17] = [
    Class { name: "deletion_request", right: &[Reading::Case] },
    Class { name: "form_notification", right: &[Reading::FormEntry] },
    Class { name: "bounce", right: &[Reading::Bounce] },
    Class { name: "ambiguous_bounce_text", right: &LEFT },
    Class { name: "auto_reply", right: &LEFT },
    Class { name: "list_mail", right: &LEFT },
    Class { name: "report_mail", right: &LEFT },
    Class { name: "receipt", right: &LEFT },
    Class { name: "feedback_report", right: &LEFT },
    Class { name: "spam_other", right: &LEFT },
    Class { name: "other", right: &LEFT },
    Class { name: "ack_not_request", right: &LEFT },
    Class { name: "other_gdpr", right: &SHOWN },
    Class { name: "other_gdpr_followup", right: &SHOWN },
    Class {
        name: "other_gdpr_complaint",
        right: &[
            Reading::EarlierRequest,
            Reading::Suggested,
            Reading::OtherRequest,
            Reading::ForStaff,
            Reading::Unrelated,
            Reading::Unreadable,
        ],
    },
    Class { name: "answer", right: &[Reading::Answer] },
    // Made to try a parser: whatever they are, they must not open a case.
    Class {
        name: "parser_only",
        right: &[
            Reading::Automatic,
            Reading::Bounce,
            Reading::CompanyTalk,
            Reading::Unrelated,
            Reading::Suggested,
            Reading::OtherRequest,
            Reading::EarlierRequest,
            Reading::ForStaff,
            Reading::Answer,
            Reading::Unreadable,
        ],
    },
];

/// Whether a mail of that class was read as it should be.
pub(super) fn is_right(class: &str, reading: Reading) -> bool {
    CLASSES.iter().any(|known| known.name == class && known.right.contains(&reading))
}

/// Whether a mail of that class may open a case or be answered by itself.
pub(super) fn may_act(class: &str) -> bool {
    matches!(class, "deletion_request" | "form_notification" | "answer")
}

/// Reads a file of labels: tab-separated, a first line with the names of the columns, of which
/// `path` and `class` have to be there and `lang` may be.
///
/// # Errors
/// Which line is wrong, and how.
pub(super) fn read(file: &Path, text: &str) -> Result<BTreeMap<PathBuf, Label>> {
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| head.iter().position(|found| *found == name);
    let wrong = |what: &str| format!("{}: the first line has no column \"{what}\"", file.display());
    let path = column("path").with_context(|| wrong("path"))?;
    let class = column("class").with_context(|| wrong("class"))?;
    let language = column("lang");
    let mut labels = BTreeMap::new();
    for (at, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |at: usize| cells.get(at).map(|cell| cell.trim()).unwrap_or_default();
        let class = cell(class).replace('-', "_");
        if cell(path).is_empty() || !CLASSES.iter().any(|known| known.name == class) {
            let names: Vec<&str> = CLASSES.iter().map(|known| known.name).collect();
            bail!(
                "{}, line {}: needs a path and a class, one of {}",
                file.display(),
                at + 2,
                names.join(", ")
            );
        }
        let language = language.map(cell).filter(|language| *language != "*");
        let label = Label { class, language: language.unwrap_or_default().to_owned() };
        labels.insert(PathBuf::from(cell(path)), label);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_by_the_names_of_their_columns() {
        let text = "class\tnote\tpath\tlang\nbounce\tx\ta/b.eml\t\ndeletion-request\t\tc.eml\tde\n";
        let labels = read(Path::new("l.tsv"), text).unwrap();
        let label =
            |class: &str, language: &str| Label { class: class.into(), language: language.into() };
        assert_eq!(labels.get(Path::new("a/b.eml")), Some(&label("bounce", "")));
        assert_eq!(labels.get(Path::new("c.eml")), Some(&label("deletion_request", "de")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let said = |text: &str| read(Path::new("l.tsv"), text).unwrap_err().to_string();
        assert!(said("file\tclass\n").contains("no column \"path\""));
        let said = said("path\tclass\na.eml\tnonsense\n");
        assert!(said.starts_with("l.tsv, line 2: needs a path and a class"), "{said}");
    }
}
