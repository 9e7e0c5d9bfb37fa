//! Header fields by name, in the order they came.

use std::fmt;

/// The header block: names in lower case, values unfolded and otherwise untouched.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Builds the block from names and raw values.
    pub fn new(fields: impl IntoIterator<Item = (String, String)>) -> Headers {
        let tidy = |value: String| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        Headers(fields.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), tidy(v))).collect())
    }

    /// The topmost field of that (lower-case) name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every field of that name, topmost first.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Every field name, as often as it stands there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} header fields>", self.0.len())
    }
}
