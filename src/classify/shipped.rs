//! The rules inside the program; a configured folder replaces them.

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// Octets of one file, unpacked.
const UNPACKED_OCTETS_MAX: usize = 4 << 20;

/// A rule file inside the program: see `src/build.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Below `rules/`.
    pub path: &'static str,
    /// What says whether it has anything to do with a mail, as JSON.
    pub head: &'static str,
    /// All of it without its examples: deflated JSON.
    packed: &'static [u8],
}

/// All of them, by path.
pub const RULES: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

impl Shipped {
    /// The whole file as JSON.
    pub fn unpacked(&self) -> String {
        let unpacked = decompress_to_vec_with_limit(self.packed, UNPACKED_OCTETS_MAX);
        String::from_utf8(unpacked.unwrap_or_default()).unwrap_or_default()
    }
}
