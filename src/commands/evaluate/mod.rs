//! `evaluate`: what `run` would do with a tree of mails or the configured mailbox, beside what
//! they are. Changes and sends nothing.

mod labels;
mod reading;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;

use super::setup::Setup;
use labels::Label;
use reading::Reader;
use report::{Report, Row};

/// mail-parser recurses into nested messages; the bounds keep it far below this.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Messages that are fetched together from a mailbox.
const FETCHED_AT_ONCE: usize = 50;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// A folder of mails, each a file ending in .eml; folders inside it are read, too
    #[arg(value_name = "DIR", required_unless_present = "mailbox", conflicts_with = "mailbox")]
    folder: Option<PathBuf>,
    /// Read what lies in the mailbox of bot.toml in place of a folder
    #[arg(long)]
    mailbox: bool,
    /// What the mails are: tab-separated, with the columns path, class and lang
    #[arg(long, value_name = "FILE", conflicts_with = "mailbox")]
    labels: Option<PathBuf>,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// A mail by its name.
struct Source {
    name: PathBuf,
    raw: Result<Vec<u8>, &'static str>,
}

/// Reads them all and prints what became of each kind.
///
/// # Errors
/// When the configuration or the labels are wrong, or mails cannot be read.
pub async fn evaluate(config: &Path, args: &EvaluateArgs) -> Result<ExitCode> {
    let setup = Setup::read(config)?;
    let rules = setup.rules()?;
    let labels = match &args.labels {
        Some(file) => {
            let text = fs::read_to_string(file)
                .with_context(|| format!("Cannot read {}", file.display()))?;
            labels::read(file, &text)?
        }
        None => BTreeMap::new(),
    };
    let sources = match &args.folder {
        Some(folder) => in_folder(folder, &labels)?,
        None => in_mailbox(&setup).await?,
    };
    if sources.is_empty() {
        bail!("There are no mails to read");
    }
    let reader = Reader { bounds: setup.config.bounds(), desk: setup.config.desk(), rules };
    let read = thread::Builder::new()
        .name("parse".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || read_all(&reader, &sources, &labels))
        .context("Cannot start a thread")?;
    let report = read.join().map_err(|_| anyhow!("Reading mails broke off"))?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report.as_json())?),
        false => print!("{report}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads them twice: how fast a desk is that has met such mails before shows the second time.
fn read_all(reader: &Reader, sources: &[Source], labels: &BTreeMap<PathBuf, Label>) -> Report {
    let read = |source: &Source| {
        let begun = Instant::now();
        let read = match &source.raw {
            Ok(raw) => reader.read(raw),
            Err(why) => reading::Read::set_aside(why),
        };
        let label = labels.get(&source.name).cloned();
        Row { name: source.name.clone(), label, read, took: begun.elapsed() }
    };
    let rows = sources.iter().map(read).collect();
    let begun = Instant::now();
    sources.iter().for_each(|source| drop(read(source)));
    Report::new(rows, begun.elapsed())
}

/// The mails below a folder: those with a label where there are labels, or else all.
fn in_folder(folder: &Path, labels: &BTreeMap<PathBuf, Label>) -> Result<Vec<Source>> {
    let read = |name: &Path| {
        let file = folder.join(name);
        let raw = fs::read(&file).with_context(|| format!("Cannot read {}", file.display()))?;
        Ok(Source { name: name.to_owned(), raw: Ok(raw) })
    };
    if !labels.is_empty() {
        return labels.keys().map(|name| read(name)).collect();
    }
    let files = paths_below(folder).with_context(|| format!("Cannot list {}", folder.display()))?;
    files.iter().map(|file| read(file.strip_prefix(folder).unwrap_or(file))).collect()
}

fn paths_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("eml")) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What lies in the configured mailbox, without marking it as read.
async fn in_mailbox(setup: &Setup) -> Result<Vec<Source>> {
    let mut mailbox = setup.mailbox()?;
    let bytes_max = setup.config.bounds().message_bytes_max;
    let keys = mailbox.list().await?;
    let mut sources = Vec::new();
    for keys in keys.chunks(FETCHED_AT_ONCE) {
        let seen = mailbox.describe(keys).await?;
        for fetched in mailbox.fetch(&seen, bytes_max).await? {
            let name = PathBuf::from(fetched.seen.key);
            sources.push(Source { name, raw: fetched.raw.map_err(|why| why.as_str()) });
        }
    }
    Ok(sources)
}
