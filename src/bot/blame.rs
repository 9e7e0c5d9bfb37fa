//! Whether the server takes no letter, or one letter is not taken: servers refuse both by the
//! same codes.

use std::collections::HashMap;

use crate::store::attempts::End;

/// Letters that were not taken, each with how many had been taken before.
#[derive(Debug, Default)]
pub(super) struct Blame {
    taken: u64,
    refused: HashMap<i64, u64>,
    /// Since the last one was taken another was refused that nothing is known of.
    is_server_suspected: bool,
}

impl Blame {
    /// Whoever is refused again after others were taken is refused for its own sake: that is no
    /// trouble of the server, and has an end.
    pub(super) fn judge(&mut self, (id, end): (i64, End)) -> (i64, End) {
        match end {
            End::Submitted => {
                self.taken += 1;
                self.is_server_suspected = false;
                self.refused.remove(&id);
            }
            End::NotTaken(failure) => {
                let before = *self.refused.entry(id).or_insert(self.taken);
                if before < self.taken && !self.is_server_suspected {
                    return (id, End::Temporary(failure.why));
                }
                self.is_server_suspected = true;
                return (id, End::NotTaken(failure));
            }
            _ => {}
        }
        (id, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::{Failure, Trouble};

    #[test]
    fn a_letter_that_is_refused_while_others_are_taken_is_to_blame() {
        let mut blame = Blame::default();
        let not_taken = || End::NotTaken(Failure::new(Trouble::TakesNoLetters, "554 5.7.1"));
        let mut is_blamed = |id, end| matches!(blame.judge((id, end)), (_, End::Temporary(_)));
        assert!(!is_blamed(1, End::Submitted));
        // Nobody knows yet.
        assert!(!is_blamed(2, not_taken()) && !is_blamed(3, not_taken()));
        assert!(!is_blamed(2, not_taken()));
        assert!(!is_blamed(3, End::Submitted));
        assert!(is_blamed(2, not_taken()) && is_blamed(2, not_taken()));
        // It comes to that for the first time, and so the other one may be innocent.
        assert!(!is_blamed(4, not_taken()) && !is_blamed(2, not_taken()));
        assert!(!is_blamed(5, End::Submitted) && is_blamed(2, not_taken()));
    }
}
