//! EDGE: the list of accounts that the product exports, read again when it changes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};

use crate::case::identity::Finding;
use crate::mail::EmailAddress;

/// The list, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Accounts(Option<Arc<Mutex<List>>>);

struct List {
    path: PathBuf,
    /// Time and size of the file that was read last.
    read: Option<(SystemTime, u64)>,
    accounts: HashMap<String, Vec<Account>>,
}

struct Account {
    is_admin: bool,
    workspace: String,
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{} accounts>", self.accounts.len())
    }
}

impl Accounts {
    /// Reads the list.
    ///
    /// # Errors
    /// File, line, and what is wrong.
    pub fn open(path: Option<&Path>) -> Result<Accounts> {
        let Some(path) = path else { return Ok(Accounts(None)) };
        let mut list = List { path: path.to_owned(), read: None, accounts: HashMap::new() };
        list.refresh()?;
        Ok(Accounts(Some(Arc::new(Mutex::new(list)))))
    }

    /// How many accounts there are; none without a list.
    pub fn count(&self) -> Option<usize> {
        let list = self.0.as_ref()?;
        Some(list.lock().unwrap_or_else(PoisonError::into_inner).accounts.len())
    }

    /// What the list says of an address. A list that cannot be read any more is used as it
    /// was.
    pub fn find(&self, address: &EmailAddress) -> Finding {
        let Some(list) = &self.0 else { return Finding::NoList };
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why) = list.refresh() {
            tracing::warn!(why = %format!("{why:#}"), "the list of accounts cannot be read; the last one is used");
        }
        let Some(accounts) = list.accounts.get(&address.as_str().to_lowercase()) else {
            return Finding::NotFound;
        };
        let admin: Vec<String> = accounts
            .iter()
            .filter(|account| account.is_admin)
            .map(|account| account.workspace.clone())
            .collect();
        if admin.is_empty() { Finding::NotAdmin } else { Finding::Admin(admin) }
    }
}

impl List {
    fn refresh(&mut self) -> Result<()> {
        let place = self.path.display().to_string();
        let context = || format!("Cannot read the list of accounts {place}");
        let found = fs::metadata(&self.path).with_context(context)?;
        let state = (found.modified().with_context(context)?, found.len());
        if self.read == Some(state) {
            return Ok(());
        }
        self.accounts = read(&self.path).with_context(context)?;
        self.read = Some(state);
        Ok(())
    }
}

fn read(path: &Path) -> Result<HashMap<String, Vec<Account>>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path)?;
    let headers: Vec<String> = reader
        .headers()?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_lowercase())
        .collect();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (Some(email), Some(role)) = (column("email"), column("role")) else {
        bail!("line 1: needs the columns email, role and workspace; it has {}", headers.join(", "));
    };
    let workspace = column("workspace");
    let mut accounts: HashMap<String, Vec<Account>> = HashMap::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |index: usize| record.get(index).unwrap_or_default();
        let address = EmailAddress::parse(field(email))
            .map_err(|why| anyhow::anyhow!("line {line}: no mail address: {why}"))?;
        let account = Account {
            is_admin: ["owner", "admin"].contains(&field(role).to_lowercase().as_str()),
            workspace: workspace
                .map(field)
                .filter(|name| !name.is_empty())
                .unwrap_or("a workspace")
                .to_owned(),
        };
        accounts.entry(address.as_str().to_lowercase()).or_default().push(account);
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.csv");
        let find =
            |accounts: &Accounts, who: &str| accounts.find(&EmailAddress::parse(who).unwrap());
        fs::write(&path, "email,role,workspace\nAda@example.org,Owner,\"North, Inc\"\nbob@example.org,member,North\n")
            .unwrap();
        let accounts = Accounts::open(Some(&path)).unwrap();
        assert_eq!(find(&accounts, "ada@example.org"), Finding::Admin(vec!["North, Inc".into()]));
        assert_eq!(find(&accounts, "bob@example.org"), Finding::NotAdmin);
        assert_eq!(find(&accounts, "eve@example.org"), Finding::NotFound);
        fs::write(&path, "email,role,workspace\neve@example.org,admin,South\n").unwrap();
        assert_eq!(find(&accounts, "eve@example.org"), Finding::Admin(vec!["South".into()]));
        assert_eq!(find(&accounts, "ada@example.org"), Finding::NotFound);
        fs::write(&path, "who\nx\n").unwrap();
        assert_eq!(
            find(&accounts, "eve@example.org"),
            Finding::Admin(vec!["South".into()]),
            "kept"
        );
        let why = format!("{:#}", Accounts::open(Some(&path)).unwrap_err());
        assert!(why.contains("needs the columns email, role and workspace"), "{why}");
        assert_eq!(find(&Accounts::default(), "eve@example.org"), Finding::NoList);
    }
}
