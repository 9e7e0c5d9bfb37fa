//! Who may act for staff. Every transition that staff cause takes an [`Authority`], and this
//! file is the only one that makes them.

/// Permission to change a case on behalf of staff, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    who: String,
}

impl Authority {
    /// The command line on the host: whoever can run it there can write the database anyway.
    /// `who` is what they call themselves.
    pub fn command_line(who: &str) -> Authority {
        Authority { who: who.trim().to_owned() }
    }

    /// Who acts, as they are called. A name: kept apart from the journal, deletable.
    pub fn who(&self) -> &str {
        &self.who
    }
}
