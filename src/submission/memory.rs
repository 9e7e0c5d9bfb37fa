//! Mails into a test's hand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::Parcel;
use crate::store::attempts::End;

/// Clones share one list: a test keeps one and gives the bot the other.
#[derive(Clone, Debug, Default)]
pub struct MemorySubmitter {
    taken: Arc<Mutex<Vec<Parcel>>>,
    planned: Arc<Mutex<VecDeque<End>>>,
}

impl MemorySubmitter {
    /// The next attempt ends like this instead of being taken. An uncertain one is taken.
    pub fn plan(&self, end: End) {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).push_back(end);
    }

    /// Further attempts end as they should.
    pub fn forget_plans(&self) {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Everything taken so far, oldest first.
    pub fn taken(&self) -> Vec<Parcel> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn submit(&self, parcel: &Parcel) -> End {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let end = planned.unwrap_or(End::Submitted);
        if matches!(end, End::Submitted | End::Uncertain(_)) {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(parcel.clone());
        }
        end
    }
}
