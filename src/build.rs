//! Runs before the program is compiled: puts the rules into it, packed, and without the examples
//! on which its tests try them. What says whether a file has anything to do with a mail stands
//! apart, so that the rest is unpacked only when there is need.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What a rule file holds only to be tried on.
const FOR_TRIAL: [&str; 6] =
    ["example", "examples", "counter_examples", "acts_on", "suggests_on", "leaves_alone"];
/// What stands apart.
const HEAD: [&str; 6] = ["kind", "language", "acts", "suggests", "stems", "beside"];
/// As small as it gets: it is done once.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=src/build.rs");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut files = Vec::new();
    for folder in list("rules".as_ref())? {
        files.extend(list(&folder)?);
    }
    let mut list = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        let text = fs::read_to_string(file)?;
        let mut rules: toml::Table =
            toml::from_str(&text).map_err(|why| format!("{}: {why}", file.display()))?;
        strip(&mut rules);
        let head: toml::Table =
            rules.iter().filter(|(key, _)| HEAD.contains(&key.as_str())).map(pair).collect();
        let packed = serde_json::to_vec(&rules)?;
        let name = format!("rules-{number}");
        fs::write(out.join(&name), miniz_oxide::deflate::compress_to_vec(&packed, LEVEL))?;
        let path = file.strip_prefix("rules")?.display().to_string();
        list.push_str(&format!(
            "    Shipped {{ path: {path:?}, head: {:?}, packed: include_bytes!({:?}) }},\n",
            serde_json::to_string(&head)?,
            out.join(&name),
        ));
    }
    list.push_str("]\n");
    fs::write(out.join("rules.rs"), list)?;
    Ok(())
}

fn pair((key, value): (&String, &toml::Value)) -> (String, toml::Value) {
    (key.clone(), value.clone())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries: Result<Vec<_>, _> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

fn strip(table: &mut toml::Table) {
    table.retain(|key, _| !FOR_TRIAL.contains(&key));
    for (_, value) in table.iter_mut() {
        match value {
            toml::Value::Table(table) => strip(table),
            toml::Value::Array(values) => {
                values.iter_mut().filter_map(toml::Value::as_table_mut).for_each(strip);
            }
            _ => {}
        }
    }
}
