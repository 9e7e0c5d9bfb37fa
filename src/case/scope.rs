//! What a deletion covers: the items of `[[scope]]` in `bot.toml`, ticked one by one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Policy;
use super::state::{Case, Role};

/// One item of the deletion scope.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ScopeItem {
    /// Its name: in commands, on the page and in the journal.
    pub item: String,
    /// Which requests it belongs to.
    #[serde(rename = "for")]
    pub of: Vec<Reach>,
    /// What it is, in words for staff and requesters, by language; `en` is needed.
    #[serde(flatten)]
    pub words: BTreeMap<String, String>,
}

/// How far a request reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// One person's account.
    Account,
    /// A whole workspace.
    Workspace,
}

impl ScopeItem {
    /// What it is, in that language, or in English.
    pub fn label(&self, language: &str) -> &str {
        let words = self.words.get(language).or_else(|| self.words.get("en"));
        words.unwrap_or(&self.item)
    }
}

/// The items that a request covers, by who is asking. Who does not know gets all of them.
pub fn scope_of<'a>(
    case: &Case,
    policy: &'a Policy,
) -> impl Iterator<Item = &'a ScopeItem> + use<'a> {
    let reach = match case.role {
        Some(Role::OwnAccount | Role::Customer) => Some(Reach::Account),
        Some(Role::Workspace | Role::Business) => Some(Reach::Workspace),
        Some(Role::NotSure) | None => None,
    };
    policy.scope.iter().filter(move |item| reach.is_none_or(|reach| item.of.contains(&reach)))
}

/// Those that are not ticked yet.
pub fn open_items<'a>(case: &Case, policy: &'a Policy) -> Vec<&'a ScopeItem> {
    scope_of(case, policy).filter(|item| !case.work.ticked.contains_key(&item.item)).collect()
}

/// The item of the scope that a person means: by its name, or by its words.
pub fn find_item<'a>(text: &str, policy: &'a Policy) -> Option<&'a ScopeItem> {
    let folded = text.trim().to_lowercase();
    let is_meant = |item: &&ScopeItem| {
        item.item == folded || item.words.values().any(|words| words.to_lowercase() == folded)
    };
    policy.scope.iter().find(is_meant)
}
