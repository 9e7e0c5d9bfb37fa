//! Defaults of `bot.toml`, and how its values are read.

use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

use crate::mail::Bounds;
use crate::mailbox::Wanted;

pub(super) fn english() -> String {
    "en".to_owned()
}
pub(super) fn inbox() -> String {
    "INBOX".to_owned()
}
pub(super) fn imaps_port() -> u16 {
    993
}
pub(super) fn minute() -> Duration {
    Duration::from_secs(60)
}
pub(super) fn yes() -> bool {
    true
}
pub(super) fn two() -> usize {
    2
}
pub(super) fn seven() -> u32 {
    7
}
pub(super) fn ten() -> u32 {
    10
}
pub(super) fn thirty() -> u32 {
    30
}
pub(super) fn message_bytes_max() -> usize {
    Bounds::default().message_bytes_max
}

pub(super) fn wanted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Wanted, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.as_str() {
        "auto" => Ok(Wanted::Auto),
        "off" => Ok(Wanted::Off),
        "" => Err(serde::de::Error::custom("\"auto\", \"off\", or the name of a folder")),
        _ => Ok(Wanted::Named(name)),
    }
}

pub(super) fn time_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "{name:?} is no time zone; use a name such as \"Europe/Berlin\""
        ))
    })
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match text.strip_prefix(number) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => 0,
    };
    match number.trim().parse::<u64>() {
        Ok(n) if n > 0 && seconds > 0 => Ok(Duration::from_secs(n * seconds)),
        _ => Err(serde::de::Error::custom(
            "a duration is a number with s, m or h, for example \"60s\"",
        )),
    }
}

pub(super) fn http_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let url = String::deserialize(deserializer)?;
    let plain = url.chars().all(|c| c.is_ascii_graphic() && !"()<>\"'\\".contains(c));
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if plain && !host.is_empty() && !host.starts_with('/') => Ok(url),
        _ => Err(serde::de::Error::custom(
            "a link begins with https:// and has no spaces, quotes or brackets",
        )),
    }
}

pub(super) fn public_url<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    http_url(deserializer).map(|url| Some(url.trim_end_matches('/').to_owned()))
}
