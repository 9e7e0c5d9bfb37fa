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
    "answer-yes/de.toml",
    "answer-yes/en.toml",
    "company-talk/en.toml",
    "deletion-request/en.toml",
    "earlier-request/en.toml",
    "forms/flexus.toml",
    "other-request/en.toml",
    "withdrawal/de.toml",
    "withdrawal/en.toml",
];
