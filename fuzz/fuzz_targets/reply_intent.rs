//! What is taken as yes has a word of yes in it, and no question mark.
#![no_main]

use std::sync::LazyLock;

use deletion_desk::classify::rules::{Kind, RuleSet, Strength};
use deletion_desk::classify::words::Words;
use libfuzzer_sys::fuzz_target;

static SHIPPED: LazyLock<RuleSet> = LazyLock::new(|| {
    RuleSet::shipped().expect("the shipped rules are right")
});

fuzz_target!(|own: &str| {
    let words = Words::of("", own);
    let heard = SHIPPED.hear(&words);
    let says = |kind| heard.judge(kind, &mut Vec::new()).strength == Strength::Acts;
    if says(Kind::AnswerYes) {
        assert!(own.chars().any(char::is_alphanumeric), "{own:?}");
        assert!(!own.contains(['?', '？']), "{own:?}");
    }
    let _ = (says(Kind::AnswerNo), says(Kind::Withdrawal));
});
