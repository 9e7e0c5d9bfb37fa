//! What a server's refusal of a command is about: this letter, or all of them for a while.

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The connection, the sender, or the beginning of a mail: nothing about the recipient.
    Anything,
    /// The recipient.
    Recipient,
    /// The mail, after its final dot.
    Content,
}

/// Words that leave no doubt, whatever the code is.
const LIMITS: [&str; 5] =
    ["sending limit", "sending quota", "daily limit", "rate limit", "rate-limit"];
/// Words that mean a limit beside a code that says "later".
const PRESSURE: [&str; 5] =
    ["too many", "throttl", "slow down", "concurrent connections", "connection limit"];

/// Whether a refusal asks us to slow down. `code` is the three digits, `enhanced` RFC 3463's
/// code where there is one, `text` all that the server said.
pub(super) fn asks_to_slow_down(
    code: &str,
    enhanced: Option<&str>,
    text: &str,
    refused: Refused,
) -> bool {
    let text = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // RFC 5321 §3.8: the server closes. Others have the recipient's own limits (4.2.1) there.
    if code == "421" || says(&LIMITS) || enhanced == Some("5.4.5") {
        return true;
    }
    if !code.starts_with('4') {
        return false;
    }
    // 4.7.1 about a recipient, or about a content, is what greylists and filters say of one
    // letter (RFC 6647).
    let policy = enhanced.is_some_and(|enhanced| enhanced.starts_with("4.7."));
    let about_us = policy || enhanced == Some("4.3.2");
    (about_us && refused == Refused::Anything) || says(&PRESSURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(answer: &str, refused: Refused) -> bool {
        let (code, text) = answer.split_once(' ').unwrap();
        let enhanced = text.split(' ').next().filter(|word| word.matches('.').count() == 2);
        asks_to_slow_down(code, enhanced, text, refused)
    }

    #[test]
    fn limits_of_the_account_are_told_from_refusals_of_one_letter() {
        use Refused::{Anything, Content, Recipient};
        for (answer, refused) in [
            ("421 4.7.0 Try again later, closing connection.", Anything),
            ("421 4.7.28 Our system has detected an unusual rate of mail", Content),
            ("451 4.7.500 Server busy. Please try again later", Anything),
            ("432 4.3.2 Concurrent connections limit exceeded", Anything),
            ("450 4.7.1 Error: too much mail from 203.0.113.7", Anything),
            ("454 4.7.0 Too many login attempts, please try again later.", Anything),
            ("452 4.5.3 Too many recipients today", Recipient),
            ("550 5.4.5 Daily user sending limit exceeded.", Content),
            (
                "550 5.1.90 Your message can't be sent because you've reached your daily limit",
                Content,
            ),
            ("451 Rate limit reached", Recipient),
        ] {
            assert!(asks(answer, refused), "{answer}");
        }
        for (answer, refused) in [
            ("450 4.2.0 Greylisted, see http://postgrey.example", Recipient),
            ("451 4.7.1 Greylisting in action, please come back later", Recipient),
            ("450 4.2.1 The user is receiving mail too quickly", Recipient),
            ("451 4.7.1 Service unavailable - try again later", Content),
            ("452 4.2.2 Mailbox full, quota exceeded", Recipient),
            ("452 4.3.1 Insufficient system storage", Anything),
            ("550 5.1.1 No such user", Recipient),
            ("554 5.4.6 Too many hops", Content),
            ("550 5.7.1 Message refused", Content),
        ] {
            assert!(!asks(answer, refused), "{answer}");
        }
    }
}
