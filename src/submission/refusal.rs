//! What a server's refusal of a command is about: this letter, or all of them for a while.
//!
//! Servers say by which command they refuse, by codes (RFC 5321 §4.2.1, RFC 3463), and by words.
//! Only what is surely about the recipient or the letter may end a letter: a sender that may not
//! send, a relay that is denied and an account that is suspended are refused by the same 550, often
//! at RCPT (Postfix puts all its refusals there), and the day after all is well again.

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The sender, or the beginning of a mail: nothing about the recipient.
    Sender,
    /// The recipient.
    Recipient,
    /// The mail, after its final dot.
    Content,
}

/// What that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The server asks to be left alone for a while.
    SlowDown,
    /// It takes no letter of ours now, whomever it is for.
    TakesNone,
    /// Not this letter now.
    Later,
    /// This letter never.
    Never,
}

/// Words that leave no doubt, whatever the code is.
const LIMITS: [&str; 7] = [
    "sending limit",
    "sending quota",
    "daily limit",
    "rate limit",
    "rate-limit",
    "submissionquotaexceeded",
    "submission quota",
];
/// Words that mean a limit beside a code that says "later".
const PRESSURE: [&str; 5] =
    ["too many", "throttl", "slow down", "concurrent connections", "connection limit"];
/// RFC 3463's codes of a recipient that does not exist, or takes no mail.
const NOBODY: [&str; 9] =
    ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.2.2", "5.4.1", "5.4.4"];
/// What a refusal whose code tells nothing says when it is about us.
const ABOUT_US: [&str; 15] = [
    "relay",
    "authenticat",
    "authoriz",
    "authoris",
    "log in",
    "login",
    "sender",
    "permitted",
    "prohibit",
    "denied",
    "policy",
    "blocked",
    "black",
    "suspended",
    "spam",
];

/// What one that says "later" says then.
const ABOUT_US_NOW: [&str; 3] = ["relay", "sender", "client host"];

/// What a refusal means. `code` is the three digits, `enhanced` RFC 3463's code where there is
/// one, `text` all that the server said.
pub(super) fn meaning(code: &str, enhanced: Option<&str>, text: &str, refused: Refused) -> Meaning {
    let text = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // RFC 5321 §3.8: the server closes. Others have the recipient's own limits (4.2.1) there.
    if code == "421" || says(&LIMITS) || enhanced == Some("5.4.5") {
        return Meaning::SlowDown;
    }
    let subject = enhanced.and_then(|enhanced| enhanced.split('.').nth(1));
    if code.starts_with('4') {
        // 4.7.1 about a recipient, or about a content, is what greylists and filters say of one
        // letter (RFC 6647).
        let about_us = subject == Some("7") || enhanced == Some("4.3.2");
        return match refused {
            _ if says(&PRESSURE) => Meaning::SlowDown,
            Refused::Sender if about_us => Meaning::SlowDown,
            Refused::Sender => Meaning::TakesNone,
            // Its disk, its tables, its filter; or who we are.
            _ if subject == Some("3") || says(&ABOUT_US_NOW) => Meaning::TakesNone,
            Refused::Recipient | Refused::Content => Meaning::Later,
        };
    }
    // 503 and 530: it wanted something else first.
    let is_out_of_turn = matches!(code, "503" | "530");
    match (refused, enhanced) {
        _ if is_out_of_turn => Meaning::TakesNone,
        // No addresses beyond ASCII (RFC 6531).
        (_, Some("5.6.7")) => Meaning::Never,
        (Refused::Sender, _) => Meaning::TakesNone,
        (_, Some(enhanced)) if NOBODY.contains(&enhanced) => Meaning::Never,
        // What it holds, how long it is, where it loops.
        (Refused::Content, Some(_)) if matches!(subject, Some("5" | "6")) => Meaning::Never,
        (Refused::Content, Some("5.2.3" | "5.3.4" | "5.4.14")) => Meaning::Never,
        (Refused::Content, Some("5.4.6")) if says(&["hop", "loop"]) => Meaning::Never,
        (Refused::Recipient, None | Some("5.0.0" | "5.1.0")) if !says(&ABOUT_US) => Meaning::Never,
        _ => Meaning::TakesNone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answers: &[(&str, Refused)], expected: Meaning) {
        for (answer, refused) in answers {
            let (code, text) = answer.split_once(' ').unwrap();
            let enhanced = text.split(' ').next().filter(|word| word.matches('.').count() == 2);
            assert_eq!(meaning(code, enhanced, text, *refused), expected, "{answer}, {refused:?}");
        }
    }

    #[test]
    fn limits_of_the_account_are_told_from_refusals_of_one_letter() {
        use Refused::{Content, Recipient, Sender};
        let limits = [
            ("421 4.7.0 Try again later, closing connection.", Sender),
            ("421 4.7.28 Our system has detected an unusual rate of mail", Content),
            ("451 4.7.500 Server busy. Please try again later", Sender),
            ("432 4.3.2 Concurrent connections limit exceeded", Sender),
            ("450 4.7.1 Error: too much mail from 203.0.113.7", Sender),
            ("454 4.7.0 Too many login attempts, please try again later.", Sender),
            ("452 4.5.3 Too many recipients today", Recipient),
            ("550 5.4.5 Daily user sending limit exceeded.", Content),
            (
                "550 5.1.90 Your message can't be sent because you've reached your daily limit",
                Content,
            ),
            ("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", Content),
            ("451 Rate limit reached", Recipient),
        ];
        check(&limits, Meaning::SlowDown);
        let of_one_letter = [
            ("450 4.2.0 Greylisted, see http://postgrey.example", Recipient),
            ("451 4.7.1 Greylisting in action, please come back later", Recipient),
            ("450 4.2.1 The user is receiving mail too quickly", Recipient),
            ("451 4.7.1 Service unavailable - try again later", Content),
            ("452 4.2.2 Mailbox full, quota exceeded", Recipient),
        ];
        check(&of_one_letter, Meaning::Later);
    }

    #[test]
    fn only_what_is_about_the_recipient_or_the_letter_ends_it() {
        use Refused::{Content, Recipient, Sender};
        let of_one_letter = [
            ("550 5.1.1 <x@example.com>: Recipient address rejected: User unknown", Recipient),
            ("550 5.1.1 No such user", Content),
            ("550 No such user here", Recipient),
            ("550 5.1.0 Address rejected.", Recipient),
            ("554 5.4.4 Host not found", Recipient),
            ("550 5.4.1 Recipient address rejected: Access denied.", Recipient),
            ("552 5.2.2 Mailbox full", Recipient),
            ("554 5.4.6 Too many hops", Content),
            ("552 5.3.4 Message size exceeds fixed limit", Content),
            ("550 5.6.7 SMTPUTF8 is not supported", Sender),
            ("554 5.6.0 Message content rejected", Content),
        ];
        check(&of_one_letter, Meaning::Never);
        let of_us = [
            ("554 5.7.1 <x@example.com>: Relay access denied", Recipient),
            (
                "553 5.7.1 <hello@example.com>: Sender address rejected: not owned by user",
                Recipient,
            ),
            ("550 relay not permitted, authentication required", Recipient),
            ("530 5.7.0 Must issue a STARTTLS command first", Recipient),
            ("550 5.1.8 Access denied, bad outbound sender", Content),
            ("554 5.2.252 SendAsDenied; not allowed to send as hello@example.com", Content),
            ("554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", Content),
            ("550 5.7.1 Message refused", Content),
            ("550 5.1.1 Who are you?", Sender),
            ("451 4.3.0 <x@example.com>: Temporary lookup failure", Recipient),
            ("452 4.3.1 Insufficient system storage", Sender),
            ("454 4.7.1 <x@example.com>: Relay access denied", Recipient),
            ("450 4.1.8 <hello@example.com>: Sender address rejected: Domain not found", Recipient),
            ("450 4.7.25 Client host rejected: cannot find your hostname", Recipient),
            ("550 5.4.6 Unusual sending activity detected", Content),
            ("550 Administrative prohibition", Recipient),
            ("451 4.3.5 Server configuration error", Recipient),
        ];
        check(&of_us, Meaning::TakesNone);
    }
}
