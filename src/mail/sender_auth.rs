//! What our own border says about the sender: the topmost Authentication-Results field
//! (RFC 8601) of the authserv-id that the operator named. It may lower trust or be one of
//! several facts that are needed; alone it never authorises anything.

use super::EmailAddress;
use super::headers::Headers;

/// How far the sending domain was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderAuth {
    /// No field of a trusted authserv-id, or one that cannot be read.
    Unknown,
    /// The border's verdicts.
    Read {
        /// `spf=`, as written (`pass`, `fail`, …).
        spf: Option<String>,
        /// `dkim=` of each signature.
        dkim: Vec<String>,
        /// `dmarc=`.
        dmarc: Option<String>,
        /// The From domain that the DMARC verdict is about.
        dmarc_domain: Option<String>,
    },
}

impl SenderAuth {
    /// Whether DMARC passed for exactly the domain of `author` (RFC 7489 §3.1).
    pub fn aligned_pass_for(&self, author: &EmailAddress) -> bool {
        match self {
            SenderAuth::Unknown => false,
            SenderAuth::Read { dmarc, dmarc_domain, .. } => {
                dmarc.as_deref() == Some("pass") && dmarc_domain.as_deref() == Some(author.domain())
            }
        }
    }

    /// One word for people: `dmarc=pass`, `dmarc=fail`, `unknown`, …
    pub fn summary(&self) -> String {
        match self {
            SenderAuth::Unknown => "unknown".to_owned(),
            SenderAuth::Read { spf, dkim, dmarc, .. } => {
                let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
                let dkim = if dkim.is_empty() { "none".into() } else { dkim.join(",") };
                format!("spf={} dkim={dkim} dmarc={}", word(spf), word(dmarc))
            }
        }
    }
}

/// Reads the topmost field whose authserv-id is `authserv_id`; nothing else counts.
pub fn sender_auth(headers: &Headers, authserv_id: Option<&str>) -> SenderAuth {
    let Some(trusted) = authserv_id else { return SenderAuth::Unknown };
    for value in headers.all("authentication-results") {
        // A field that cannot be read may be our own border's, made unreadable by a sender:
        // what stands below it is not to be believed.
        let Some(tokens) = tokens(value) else { return SenderAuth::Unknown };
        let id = tokens.first().and_then(|group| group.first());
        if id.is_some_and(|id| id.eq_ignore_ascii_case(trusted)) {
            return verdicts(&tokens).unwrap_or(SenderAuth::Unknown);
        }
    }
    SenderAuth::Unknown
}

/// Whose word stands on top, trusted or not.
pub fn authserv_id_of(headers: &Headers) -> Option<String> {
    let groups = tokens(headers.first("authentication-results")?)?;
    groups.first().and_then(|group| group.first()).cloned()
}

/// Splits a field into `;`-separated groups of words, comments dropped and quoted strings
/// kept whole. `None` when a quote or a comment does not end: such a field says nothing.
fn tokens(value: &str) -> Option<Vec<Vec<String>>> {
    let mut groups = vec![Vec::new()];
    let mut word = String::new();
    let (mut comments, mut quoted, mut escaped) = (0_usize, false, false);
    let mut behind_quote = false;
    for c in value.chars() {
        // A quoted string is a whole word, or all behind its equals sign: else parts of a foreign
        // name could be put together to ours.
        if std::mem::take(&mut behind_quote) && !(c.is_whitespace() || c == ';' || c == '(') {
            return None;
        }
        if escaped {
            escaped = false;
            if comments == 0 {
                word.push(c);
            }
            continue;
        }
        match c {
            '\\' if quoted || comments > 0 => escaped = true,
            '"' if comments == 0 && !quoted => {
                if !word.is_empty() && !word.ends_with('=') {
                    return None;
                }
                quoted = true;
            }
            '"' if comments == 0 => (quoted, behind_quote) = (false, true),
            '(' if !quoted => {
                push_word(&mut groups, &mut word);
                comments += 1;
            }
            ')' if !quoted && comments > 0 => comments -= 1,
            _ if comments > 0 => {}
            ';' if !quoted => {
                push_word(&mut groups, &mut word);
                groups.push(Vec::new());
            }
            c if c.is_whitespace() && !quoted => push_word(&mut groups, &mut word),
            c => word.push(c),
        }
    }
    push_word(&mut groups, &mut word);
    (comments == 0 && !quoted && !escaped).then_some(groups)
}

fn push_word(groups: &mut [Vec<String>], word: &mut String) {
    if let (false, Some(group)) = (word.is_empty(), groups.last_mut()) {
        group.push(std::mem::take(word));
    }
}

/// `None` when one method speaks twice about the same thing: a field that contradicts itself
/// says nothing.
fn verdicts(groups: &[Vec<String>]) -> Option<SenderAuth> {
    let (mut spf, mut dmarc, mut dmarc_domain, mut dkim) = (None, None, None, Vec::new());
    for group in groups.iter().skip(1) {
        let Some((method, result)) = group.first().and_then(|word| word.split_once('=')) else {
            continue;
        };
        let result = result.to_ascii_lowercase();
        match method.to_ascii_lowercase().as_str() {
            "spf" if spf.is_none() => spf = Some(result),
            "dmarc" if dmarc.is_none() => {
                dmarc = Some(result);
                dmarc_domain = property(group, "header.from");
            }
            "spf" | "dmarc" => return None,
            "dkim" => dkim.push(result),
            _ => {}
        }
    }
    Some(SenderAuth::Read { spf, dkim, dmarc, dmarc_domain })
}

fn property(group: &[String], name: &str) -> Option<String> {
    let mut found = group.iter().skip(1).filter_map(|word| word.split_once('='));
    let (_, value) = found.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    let domain = value.rsplit('@').next().unwrap_or(value);
    Some(domain.trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], passes: bool) {
        let headers = Headers::new(
            fields.iter().map(|value| ("Authentication-Results".to_owned(), (*value).to_owned())),
        );
        let author = EmailAddress::parse("jane@example.org").unwrap();
        let auth = sender_auth(&headers, Some("mx.flexus.team"));
        assert_eq!(auth.aligned_pass_for(&author), passes, "{fields:?} gave {auth:?}");
    }

    #[test]
    fn an_aligned_pass_of_our_own_border_counts() {
        check(
            &[
                "mx.flexus.team; spf=pass smtp.mailfrom=example.org; dmarc=pass (p=none) header.from=example.org",
            ],
            true,
        );
        check(&["MX.flexus.team 1; dmarc=PASS header.from=Example.ORG"], true);
        check(
            &["other.example; dmarc=fail", "mx.flexus.team; dmarc=pass header.from=example.org"],
            true,
        );
    }

    #[test]
    fn everything_else_does_not() {
        check(&[], false);
        check(&["mx.flexus.team; none"], false);
        check(&["mx.flexus.team; dkim=pass header.d=example.org"], false);
        check(&["mx.flexus.team; dmarc=pass header.from=example.net"], false);
        check(
            &[
                "mx.flexus.team; dmarc=fail header.from=example.org",
                "mx.flexus.team; dmarc=pass header.from=example.org",
            ],
            false,
        );
        check(&["evil.example; dmarc=pass header.from=example.org"], false);
        check(&["evil.example (mx.flexus.team; dmarc=pass header.from=example.org)"], false);
        check(
            &["mx.flexus.team; spf=pass smtp.mailfrom=\"x; dmarc=pass header.from=example.org\""],
            false,
        );
        check(&["mx.flexus.team; spf=pass (\\) ; dmarc=pass header.from=example.org"], false);
        check(
            &[
                "mx.flexus.team; dmarc=fail header.from=example.org; dmarc=pass header.from=example.org",
            ],
            false,
        );
        check(&["mx.flexus.team.evil.example; dmarc=pass header.from=example.org"], false);
        check(&["mx.flexus.team; xdmarc=pass header.from=example.org"], false);
        check(&["mx.\"\"flexus.team; dmarc=pass header.from=example.org"], false);
        check(&["\"mx.\"flexus.team; dmarc=pass header.from=example.org"], false);
        check(&["mx.(x)flexus.team; dmarc=pass header.from=example.org"], false);
        check(&["\"mx.flexus.team\"; dmarc=pass header.from=\"example.org\""], true);
    }

    #[test]
    fn without_a_configured_id_nothing_is_known() {
        let headers = Headers::new([(
            "authentication-results".to_owned(),
            "mx; dmarc=pass header.from=example.org".to_owned(),
        )]);
        assert_eq!(sender_auth(&headers, None), SenderAuth::Unknown);
    }
}
