//! The templates inside the binary; a configured folder replaces them.

macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        /// Path below `templates/`, and text.
        pub const TEMPLATES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../templates/", $path)))),*];
    };
}

shipped![
    "en/act-done.md",
    "en/act-refused.md",
    "en/alarm.md",
    "en/case-confirmed.md",
    "en/completion.md",
    "en/digest.md",
    "en/escalation.md",
    "en/extension-notice.md",
    "en/footer.md",
    "en/not-ours.md",
    "en/pages/confirm.html",
    "en/pages/done.html",
    "en/pages/form-sent.html",
    "en/pages/form.html",
    "en/pages/layout.html",
    "en/pages/notice.html",
    "en/pages/roles.html",
    "en/pages/staff-case.html",
    "en/pages/staff-layout.html",
    "en/pages/staff-message.html",
    "en/pages/staff-notice.html",
    "en/pages/staff-sure.html",
    "en/proof-request.md",
    "en/refusal.md",
    "en/request-confirmed.md",
    "en/staff-message.md",
    "en/verification-reminder.md",
    "en/verification-request.md",
    "en/withdrawal-confirmed.md",
    "en/words.toml",
    "es/completion.md",
    "es/extension-notice.md",
    "es/footer.md",
    "es/not-ours.md",
    "es/pages/confirm.html",
    "es/pages/done.html",
    "es/pages/form-sent.html",
    "es/pages/form.html",
    "es/pages/layout.html",
    "es/pages/notice.html",
    "es/pages/roles.html",
    "es/proof-request.md",
    "es/refusal.md",
    "es/request-confirmed.md",
    "es/staff-message.md",
    "es/verification-reminder.md",
    "es/verification-request.md",
    "es/withdrawal-confirmed.md",
    "es/words.toml",
];
