//! The rules inside the binary; a configured folder replaces them.

macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        /// Path below `rules/`, and text.
        pub const RULES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../rules/", $path)))),*];
    };
}

shipped![
    "answer-no/de.toml",
    "answer-no/en.toml",
    "answer-no/es.toml",
    "answer-no/fr.toml",
    "answer-yes/de.toml",
    "answer-yes/en.toml",
    "answer-yes/es.toml",
    "answer-yes/fr.toml",
    "deletion-request/en.toml",
    "forms/flexus.toml",
    "withdrawal/de.toml",
    "withdrawal/en.toml",
    "withdrawal/es.toml",
    "withdrawal/fr.toml",
];
