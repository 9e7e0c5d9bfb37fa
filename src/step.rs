//! The boundaries of the flow, by name: nothing in a release build, and in one with debug
//! assertions a place where a test can have the process killed.

/// Marks a boundary, named `before-x` or `after-x`.
///
/// In a build with debug assertions the environment says what happens there.
/// `DELETION_DESK_STEPS` names a file that the boundaries are written to as they are passed, a
/// line each. `DELETION_DESK_DIE_AT` lists places, with commas: at the first that it comes to,
/// the process ends as if by `kill -9`. `name` is the first passing of that boundary, `name:n`
/// its n-th, and `n` alone the n-th boundary of all. `@file` reads the list from a file.
#[cfg(debug_assertions)]
pub fn step(name: &str) {
    use std::sync::{LazyLock, Mutex, PoisonError};
    static PLAN: LazyLock<Option<Mutex<plan::Plan>>> =
        LazyLock::new(|| plan::Plan::read().map(Mutex::new));
    if let Some(plan) = PLAN.as_ref()
        && plan.lock().unwrap_or_else(PoisonError::into_inner).ends_at(name)
    {
        std::process::abort();
    }
}

/// Marks a boundary; nothing in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn step(_name: &str) {}

#[cfg(debug_assertions)]
mod plan {
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;

    /// What the environment says.
    pub(super) struct Plan {
        record: Option<File>,
        places: Vec<Place>,
    }

    /// So many passings from now, of the boundary of that name or of any.
    struct Place {
        name: Option<String>,
        left: usize,
    }

    impl Plan {
        /// None when nothing is planned, or what is cannot be understood: tests would notice.
        pub(super) fn read() -> Option<Plan> {
            let file = std::env::var_os("DELETION_DESK_STEPS");
            let record =
                file.and_then(|file| OpenOptions::new().create(true).append(true).open(file).ok());
            let places = std::env::var("DELETION_DESK_DIE_AT").unwrap_or_default();
            let places = match places.strip_prefix('@') {
                Some(file) => std::fs::read_to_string(file).unwrap_or_default(),
                None => places,
            };
            let places: Vec<Place> = places.split(',').filter_map(Place::read).collect();
            (record.is_some() || !places.is_empty()).then_some(Plan { record, places })
        }

        pub(super) fn ends_at(&mut self, passed: &str) -> bool {
            if let Some(record) = &mut self.record {
                // The process may end at once: whole lines, and without a buffer.
                let _ = record.write_all(format!("{passed}\n").as_bytes());
            }
            let mut ends = false;
            for place in &mut self.places {
                if place.name.as_deref().is_none_or(|name| name == passed) {
                    ends |= place.left == 1;
                    place.left = place.left.saturating_sub(1);
                }
            }
            ends
        }
    }

    impl Place {
        fn read(text: &str) -> Option<Place> {
            if let Ok(left) = text.parse() {
                return Some(Place { name: None, left });
            }
            let (name, left) = text.split_once(':').unwrap_or((text, "1"));
            let name = Some(name.to_owned()).filter(|name| !name.is_empty())?;
            Some(Place { name: Some(name), left: left.parse().ok()? })
        }
    }
}
