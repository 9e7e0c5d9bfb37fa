//! The settings that most tests begin with.

/// A desk without servers: mail comes from a folder and goes into one, and there is no page.
pub(crate) const SETTINGS: &str = r#"
mode = "live"
[identity]
organization = "Flexus"
address = "hello@flexus.example"
name = "Flexus Privacy"
privacy_policy = "https://flexus.example/privacy"
time_zone = "Europe/Berlin"
[mailbox]
kind = "maildir"
path = "in"
[smtp]
kind = "maildir"
path = "out"
[database]
path = "bot.db"
key_file = "bot.key"
[web]
listen = "off"
[policy]
law = "gdpr"
[staff]
digest = "0 8 * * *"
[[staff.members]]
address = "officer@flexus.example"
name = "Officer"
"#;
