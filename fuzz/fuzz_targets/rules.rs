//! Rule files as an operator may write them, and any text under the rules inside the program.
#![no_main]

use std::sync::LazyLock;

use deletion_desk::classify::rules::{Kind, RuleSet};
use deletion_desk::classify::words::Words;
use libfuzzer_sys::fuzz_target;

static SHIPPED: LazyLock<RuleSet> = LazyLock::new(|| {
    RuleSet::shipped().expect("the shipped rules are right")
});

const KINDS: [Kind; 4] =
    [Kind::DeletionRequest, Kind::OtherRequest, Kind::EarlierRequest, Kind::CompanyTalk];

fuzz_target!(|text: &str| {
    let (subject, own) = text.split_once('\n').unwrap_or((text, ""));
    let words = Words::of(subject, own);
    let heard = SHIPPED.hear(&words);
    for kind in KINDS {
        let mut evidence = Vec::new();
        let judged = heard.judge(kind, &mut evidence);
        assert!(judged.sum == 0 || !evidence.is_empty());
    }
    let _ = RuleSet::load([("deletion-request/en.toml", text)]);
});
