//! Runs before the program is compiled: puts the rules into it, as JSON and without the examples
//! on which its tests try them. So they are small, and read in no time at each start.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What a rule file holds only to be tried on.
const FOR_TRIAL: [&str; 6] =
    ["example", "examples", "counter_examples", "acts_on", "suggests_on", "leaves_alone"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=rules");
    let mut files = Vec::new();
    for folder in list("rules".as_ref())? {
        files.extend(list(&folder)?);
    }
    let mut list = String::from("&[\n");
    for file in files {
        let text = fs::read_to_string(&file)?;
        let mut rules: toml::Value =
            toml::from_str(&text).map_err(|why| format!("{}: {why}", file.display()))?;
        strip(&mut rules);
        let path = file.strip_prefix("rules")?.display().to_string();
        list.push_str(&format!("    ({path:?}, {:?}),\n", serde_json::to_string(&rules)?));
    }
    list.push_str("]\n");
    let out = std::env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("rules.rs"), list)?;
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries: Result<Vec<_>, _> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

fn strip(value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) => {
            table.retain(|key, _| !FOR_TRIAL.contains(&key));
            table.iter_mut().for_each(|(_, value)| strip(value));
        }
        toml::Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}
