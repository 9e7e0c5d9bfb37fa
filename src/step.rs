//! The boundaries of the flow, by name: nothing in a release build, and in a test build a
//! place where a test can have the process killed.

/// Marks a boundary. With `DELETION_DESK_DIE_AT=name` or `name:n` in the environment, a build
/// with debug assertions dies at its n-th passing, as if by `kill -9`.
#[cfg(debug_assertions)]
pub fn step(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    static PLAN: LazyLock<Option<(String, usize)>> = LazyLock::new(|| {
        let plan = std::env::var("DELETION_DESK_DIE_AT").ok()?;
        let (name, count) = plan.split_once(':').unwrap_or((&plan, "1"));
        Some((name.to_owned(), count.parse().ok()?))
    });
    static PASSED: AtomicUsize = AtomicUsize::new(0);
    if let Some((planned, count)) = PLAN.as_ref()
        && planned == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}

/// Marks a boundary; nothing in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn step(_name: &str) {}
