//! Where a notification names its site and its form, and whether that is what bot.toml says.

use regex::Regex;
use serde::Deserialize;

use super::sheet::Sheet;
use crate::classify::text::{fold_pattern, normalize};

/// Where a name stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Places {
    #[serde(default)]
    subject: Vec<String>,
    /// The display name of the sender.
    #[serde(default)]
    sender: Vec<String>,
    #[serde(default)]
    lines: Vec<String>,
    /// Whole lines with the name in the line below.
    #[serde(default)]
    below: Vec<String>,
}

/// The same, ready to look.
#[derive(Clone, Debug, Default)]
pub(super) struct CompiledPlaces {
    subject: Vec<Regex>,
    sender: Vec<Regex>,
    lines: Vec<Regex>,
    below: Vec<String>,
}

impl Places {
    pub(super) fn are_empty(&self) -> bool {
        [&self.subject, &self.sender, &self.lines, &self.below].iter().all(|list| list.is_empty())
    }

    pub(super) fn compiled(&self) -> Result<CompiledPlaces, String> {
        let one_group = |pattern: &&Regex| pattern.captures_len() != 2;
        let places = CompiledPlaces {
            subject: compiled(&self.subject)?,
            sender: compiled(&self.sender)?,
            lines: compiled(&self.lines)?,
            below: self.below.iter().map(|line| normalize(line)).collect(),
        };
        let mut all = places.subject.iter().chain(&places.sender).chain(&places.lines);
        match all.find(one_group) {
            Some(pattern) => Err(format!(
                "{:?} needs exactly one group, in which the name stands: (.+)",
                pattern.as_str()
            )),
            None => Ok(places),
        }
    }
}

impl CompiledPlaces {
    /// The name, normalized: the first that is found.
    pub(super) fn find(&self, sheet: &Sheet) -> Option<String> {
        let first = |patterns: &[Regex], text: &str| {
            let found = patterns.iter().find_map(|pattern| pattern.captures(text))?;
            Some(found.get(1)?.as_str().trim().to_owned())
        };
        let in_lines = || {
            let mut lines = sheet.lines().iter().enumerate();
            lines.find_map(|(index, line)| {
                let below =
                    self.below.contains(line).then(|| sheet.lines().get(index + 1).cloned());
                first(&self.lines, line).or_else(|| below.flatten())
            })
        };
        let needs_lines = !(self.lines.is_empty() && self.below.is_empty());
        first(&self.subject, &sheet.subject)
            .or_else(|| first(&self.sender, &sheet.sender))
            .or_else(|| needs_lines.then(in_lines).flatten())
    }
}

/// Patterns, folded as texts are.
pub(super) fn compiled(patterns: &[String]) -> Result<Vec<Regex>, String> {
    let compile = |pattern: &String| {
        let folded = Regex::new(&fold_pattern(pattern, false));
        folded.map_err(|why| format!("{pattern:?} is no pattern: {why}"))
    };
    patterns.iter().map(compile).collect()
}

/// Whether a name in bot.toml means the one in a mail: the same words; of a web address the
/// same host, and the same path or one below it.
pub(super) fn is_same_name(wanted: &str, found: &str) -> bool {
    let bare = |name: &str| {
        let name = normalize(name);
        let name = name.trim_start_matches("https://").trim_start_matches("http://");
        let name = name.trim_start_matches("www.").trim_end_matches(['/', '.', '"']);
        name.to_owned()
    };
    let (wanted, found) = (bare(wanted), bare(found));
    let is_host = !wanted.contains(' ') && wanted.contains('.');
    let below =
        || found.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with(['/', '?', '#']));
    !wanted.is_empty() && (wanted == found || (is_host && below()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_known_by_its_address_or_its_name() {
        for (wanted, found, same) in [
            ("flexus.example", "www.flexus.example/privacy", true),
            ("https://flexus.example/", "flexus.example", true),
            ("flexus.example/privacy", "flexus.example/privacy/form", true),
            ("flexus.example/privacy", "flexus.example/contact", false),
            ("flexus.example", "flexus.example.evil.example", false),
            ("flexus.example", "evil.example/flexus.example", false),
            ("Flexus Team", "flexus  team", true),
            ("Flexus", "flexus team", false),
            ("", "", false),
        ] {
            assert_eq!(is_same_name(wanted, found), same, "{wanted} {found}");
        }
    }
}
