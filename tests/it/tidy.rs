//! The shape of the house: which module may name what, and that what is shipped is complete.

use std::fs;
use std::path::{Path, PathBuf};

use deletion_desk::classify::rules::RuleSet;
use deletion_desk::classify::shipped::RULES;
use deletion_desk::compose::shipped::TEMPLATES;

/// A source file, without its tests and comments.
struct Source {
    path: String,
    code: String,
    lines: usize,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().count();
    let production = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = production
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    Source { path, code, lines }
}

fn sources() -> Vec<Source> {
    files_below(&root().join("src"), "rs").iter().map(|path| read(path)).collect()
}

/// Words of the outside world in a source.
fn outside_words(source: &Source) -> Vec<&'static str> {
    const WORDS: [&str; 12] = [
        "std::fs",
        "std::net",
        "std::io",
        "std::env",
        "tokio",
        "sqlx",
        "async fn",
        ".await",
        "Utc::now",
        "SystemTime",
        "Instant::now",
        "tracing::",
    ];
    WORDS.into_iter().filter(|word| source.code.contains(word)).collect()
}

const PURE: [&str; 9] = [
    "src/mail/",
    "src/classify/",
    "src/case/",
    "src/compose/",
    "src/digest/",
    "src/schedule.rs",
    "src/oauth/answer.rs",
    "src/oauth/error.rs",
    "src/oauth/provider.rs",
];

#[test]
fn the_pure_modules_name_no_file_socket_sql_clock_or_async() {
    for source in
        sources().iter().filter(|source| PURE.iter().any(|pure| source.path.starts_with(pure)))
    {
        assert_eq!(outside_words(source), Vec::<&str>::new(), "{}", source.path);
    }
    let planted =
        Source { path: String::new(), code: "let x = std::fs::read(y);".into(), lines: 1 };
    assert_eq!(outside_words(&planted), ["std::fs"], "the check itself finds a fault");
}

#[test]
fn sql_stands_in_the_store_alone() {
    for source in sources().iter().filter(|source| !source.path.starts_with("src/store/")) {
        for word in ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "sqlx::query"] {
            assert!(!source.code.contains(word), "{word} in {}", source.path);
        }
    }
}

/// The flow: a module uses what stands before it, never what stands after it.
#[test]
fn no_module_uses_what_stands_after_it_in_the_flow() {
    const FLOW: [&str; 11] = [
        "mail",
        "mailbox",
        "classify",
        "case",
        "compose",
        "store",
        "digest",
        "submission",
        "wake",
        "bot",
        "commands",
    ];
    // `classify` reads kinds of letters, and `case` is made of nothing but `mail`.
    const ALLOWED: [(&str, &str); 3] = [("classify", "case"), ("store", "digest"), ("wake", "bot")];
    for source in sources() {
        let here = source
            .path
            .trim_start_matches("src/")
            .split(['/', '.'])
            .next()
            .unwrap_or_default()
            .to_owned();
        let Some(place) = FLOW.iter().position(|name| *name == here) else {
            continue;
        };
        for later in &FLOW[place + 1..] {
            let uses = source.code.contains(&format!("crate::{later}::"));
            assert!(
                !uses || ALLOWED.contains(&(here.as_str(), later)),
                "{} uses {later}",
                source.path
            );
        }
    }
}

#[test]
fn the_clock_is_read_in_one_place_and_files_stay_small() {
    for source in sources() {
        let reads = source.code.contains("Utc::now") || source.code.contains("Local::now");
        assert!(!reads || source.path == "src/clock.rs", "{}", source.path);
        assert!(source.lines <= 500, "{} has {} lines", source.path, source.lines);
    }
}

#[test]
fn what_is_shipped_is_all_there_is() {
    let embedded = |folder: &str, shipped: Vec<&str>, endings: &[&str]| {
        let folder = root().join(folder);
        let mut on_disk: Vec<String> = endings
            .iter()
            .flat_map(|ending| files_below(&folder, ending))
            .map(|path| path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned())
            .collect();
        on_disk.sort();
        assert_eq!(shipped, on_disk, "listed in code, and on disk");
    };
    embedded("rules", RULES.iter().map(|file| file.path).collect(), &["toml"]);
    let templates = TEMPLATES.iter().map(|(path, _)| *path).collect();
    embedded("templates", templates, &["html", "md", "toml"]);
}

#[test]
fn the_shipped_rules_keep_their_examples() {
    let folder = root().join("rules");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    let files: Vec<(String, String)> = files_below(&folder, "toml").into_iter().map(read).collect();
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let tried = RuleSet::load(texts).unwrap_or_else(|why| panic!("{why}"));
    let shipped = RuleSet::shipped().unwrap();
    assert_eq!(tried.len(), shipped.len());
}

#[test]
fn no_leftovers_and_no_drawers() {
    let banned = ["FIX".to_owned() + "ME", "TO".to_owned() + "DO:", "db".to_owned() + "g!("];
    for path in files_below(&root().join("src"), "rs")
        .into_iter()
        .chain(files_below(&root().join("tests"), "rs"))
    {
        let text = fs::read_to_string(&path).unwrap();
        for word in &banned {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["utils", "helpers", "common", "manager", "service", "types"].contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn the_tests_that_the_readme_names_exist() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut named = 0;
    for quoted in readme.split('`').skip(1).step_by(2) {
        let Some((module, name)) = quoted.split_once("::") else { continue };
        let file = root().join(format!("tests/it/{module}.rs"));
        let text = fs::read_to_string(&file).unwrap_or_default();
        assert!(text.contains(&format!("fn {name}(")), "{quoted} is in no test file");
        named += 1;
    }
    assert!(named > 20);
}
