//! The rules inside the binary; a configured folder replaces them.

/// Path below `rules/`, and text.
pub const RULES: &[(&str, &str)] = &[
    ("answer-no/en.toml", include_str!("../../rules/answer-no/en.toml")),
    ("answer-yes/en.toml", include_str!("../../rules/answer-yes/en.toml")),
    ("deletion-request/en.toml", include_str!("../../rules/deletion-request/en.toml")),
    ("forms/flexus.toml", include_str!("../../rules/forms/flexus.toml")),
    ("withdrawal/en.toml", include_str!("../../rules/withdrawal/en.toml")),
];
