//! The rules inside the program; a configured folder replaces them.

/// Path below `rules/`, and the file as JSON, without its examples: see `src/build.rs`.
pub const RULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));
