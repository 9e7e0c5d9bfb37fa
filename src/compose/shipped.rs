//! The templates inside the binary; a configured folder replaces them.

macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        /// Path below `templates/`, and text.
        pub const TEMPLATES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../templates/", $path)))),*];
    };
}

shipped![
    "en/alarm.md",
    "en/completion.md",
    "en/digest.md",
    "en/footer.md",
    "en/not-ours.md",
    "en/pages/confirm.html",
    "en/pages/done.html",
    "en/pages/form-sent.html",
    "en/pages/form.html",
    "en/pages/layout.html",
    "en/pages/notice.html",
    "en/pages/roles.html",
    "en/request-confirmed.md",
    "en/verification-request.md",
    "en/withdrawal-confirmed.md",
];
