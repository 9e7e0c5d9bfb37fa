//! Who opened a link before somebody pressed: remembered in memory only, since looking changes
//! nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};

use crate::case::identity::Evidence;
use crate::case::verification::nonce_of;

/// Links whose visits are remembered; the oldest go.
const LINKS_MAX: usize = 5_000;
/// Visits of one link.
const VISITS_MAX: usize = 50;
/// A look so soon after the last one is a program's, or its preview.
const HASTE_SECONDS: i64 = 2;

/// The visits of links.
#[derive(Debug, Default)]
pub(super) struct Visits(Mutex<HashMap<String, Vec<Visit>>>);

#[derive(Clone, Debug)]
struct Visit {
    at: DateTime<Utc>,
    network: String,
    says_robot: bool,
}

impl Visits {
    /// Remembers that a link was opened.
    pub(super) fn note(
        &self,
        token: &str,
        network: Option<IpAddr>,
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) {
        let Some(nonce) = nonce_of(token) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= LINKS_MAX && !all.contains_key(nonce) {
            let oldest = all.iter().min_by_key(|(_, visits)| visits.last().map(|visit| visit.at));
            let oldest = oldest.map(|(nonce, _)| nonce.clone());
            oldest.and_then(|nonce| all.remove(&nonce));
        }
        let visits = all.entry(nonce.to_owned()).or_default();
        if visits.len() < VISITS_MAX {
            let network = network.map(network_of).unwrap_or_default();
            visits.push(Visit { at: now, network, says_robot: says_robot(headers) });
        }
    }

    /// What the press on a link shows, with what was seen of the link before.
    pub(super) fn evidence(&self, token: &str, network: Option<IpAddr>) -> Evidence {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = nonce_of(token).and_then(|nonce| all.get(nonce)).cloned().unwrap_or_default();
        let network = network.map(network_of);
        let mut scans = 0_u32;
        for (index, visit) in visits.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| visits.get(index));
            let hasty =
                before.is_some_and(|before| (visit.at - before.at).num_seconds() < HASTE_SECONDS);
            let elsewhere = network.as_ref().is_some_and(|network| *network != visit.network);
            scans += u32::from(visit.says_robot || hasty || elsewhere);
        }
        let looks = u32::try_from(visits.len()).unwrap_or(u32::MAX);
        Evidence { network, looks, scans, ..Evidence::default() }
    }
}

/// The network of an address: what one household or office shares.
pub(super) fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

fn says_robot(headers: &HeaderMap) -> bool {
    const WORDS: [&str; 10] = [
        "bot", "scan", "preview", "python", "curl", "wget", "go-http", "headless", "crawler",
        "java/",
    ];
    let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    agent.is_empty() || WORDS.iter().any(|word| agent.contains(word))
}

/// The visitor's address: of the connection, or, when that is a proxy of ours, the last one in
/// X-Forwarded-For that is none.
pub(super) fn visitor(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    proxies: &[IpAddr],
) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !proxies.contains(&peer) {
        return Some(peer);
    }
    let said = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let said: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
    for text in said.iter().rev() {
        match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if proxies.contains(&address) => {}
            Ok(address) => return Some(address),
            Err(_) => break,
        }
    }
    Some(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_proxies_are_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let check = |peer: &str, said: &[&str], expected: &str| {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let proxies = [ip("127.0.0.1"), ip("10.0.0.1")];
            assert_eq!(visitor(Some(ip(peer)), &headers, &proxies), Some(ip(expected)), "{said:?}");
        };
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("127.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("::ffff:127.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("127.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.1"], "198.51.100.1");
        check("127.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1");
        check("127.0.0.1", &["198.51.100.1, nonsense"], "127.0.0.1");
        check("127.0.0.1", &[], "127.0.0.1");
    }

    #[test]
    fn a_network_is_what_a_household_shares() {
        assert_eq!(network_of("203.0.113.9".parse().unwrap()), "203.0.113.0/24");
        assert_eq!(network_of("2001:db8:7:1::1".parse().unwrap()), "2001:db8:7::/48");
    }
}
