//! Who may act for staff: every combination of the facts that [`authorize`] is given.

use chrono::{DateTime, TimeDelta, Utc};
use deletion_desk::case::authority::{Channel, MailCommands, StaffToken, Way, authorize};
use deletion_desk::mail::EmailAddress;
use deletion_desk::mail::sender_auth::SenderAuth;

use crate::harness::{OFFICER, START, at};

const THIS: &str = "DEL-2345-6789";
const OTHER: &str = "DEL-3456-7892";
const MESSAGE: &str = "m17";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Age {
    Fresh,
    LastSecond,
    SevenDays,
    FromTheFuture,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Revoked {
    Never,
    BeforeItWasMailed,
    AtThatInstant,
    Afterwards,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Author {
    Listed,
    OtherLetterCase,
    PlusTagged,
    Another,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Dmarc {
    Pass,
    Fail,
    Unknown,
    PassForAnotherDomain,
}

#[derive(Clone, Copy, Debug)]
enum By {
    CommandLine,
    Page { posted: bool },
    Mail { author: Author, dmarc: Dmarc, automatic: bool, allowed: MailCommands },
}

#[derive(Clone, Copy, Debug)]
struct Token {
    age: Age,
    revoked: Revoked,
    about: &'static str,
}

impl Token {
    fn all() -> Vec<Option<Token>> {
        let mut all = vec![None];
        for age in [Age::Fresh, Age::LastSecond, Age::SevenDays, Age::FromTheFuture] {
            for revoked in [
                Revoked::Never,
                Revoked::BeforeItWasMailed,
                Revoked::AtThatInstant,
                Revoked::Afterwards,
            ] {
                for about in [THIS, OTHER, MESSAGE] {
                    all.push(Some(Token { age, revoked, about }));
                }
            }
        }
        all
    }

    fn made(self, now: DateTime<Utc>) -> StaffToken {
        let released_at = now
            - match self.age {
                Age::Fresh => TimeDelta::zero(),
                Age::LastSecond => TimeDelta::days(7) - TimeDelta::seconds(1),
                Age::SevenDays => TimeDelta::days(7),
                Age::FromTheFuture => TimeDelta::seconds(-1),
            };
        let revoked_at = match self.revoked {
            Revoked::Never => None,
            Revoked::BeforeItWasMailed => Some(released_at - TimeDelta::seconds(1)),
            Revoked::AtThatInstant => Some(released_at),
            Revoked::Afterwards => Some(released_at + TimeDelta::seconds(1)),
        };
        let about = vec![self.about.to_owned()];
        StaffToken { member: address(OFFICER), name: "Ada".into(), released_at, revoked_at, about }
    }
}

impl By {
    fn all() -> Vec<By> {
        let mut all = vec![By::CommandLine, By::Page { posted: true }, By::Page { posted: false }];
        let authors = [
            Author::Listed,
            Author::OtherLetterCase,
            Author::PlusTagged,
            Author::Another,
            Author::None,
        ];
        for author in authors {
            for dmarc in [Dmarc::Pass, Dmarc::Fail, Dmarc::Unknown, Dmarc::PassForAnotherDomain] {
                for automatic in [true, false] {
                    for allowed in
                        [MailCommands::Off, MailCommands::Authenticated, MailCommands::TokenOnly]
                    {
                        all.push(By::Mail { author, dmarc, automatic, allowed });
                    }
                }
            }
        }
        all
    }
}

/// The rule once more, in other words than the code.
fn may(token: Option<Token>, by: By) -> bool {
    let opens = token.is_some_and(|token| {
        [Age::Fresh, Age::LastSecond].contains(&token.age)
            && [Revoked::Never, Revoked::BeforeItWasMailed].contains(&token.revoked)
            && token.about == THIS
    });
    match by {
        By::CommandLine => true,
        By::Page { posted } => posted && opens,
        By::Mail { author, dmarc, automatic, allowed } => {
            let by_its_holder = [Author::Listed, Author::OtherLetterCase].contains(&author);
            let proved = match allowed {
                MailCommands::Off => false,
                MailCommands::Authenticated => dmarc == Dmarc::Pass,
                MailCommands::TokenOnly => true,
            };
            opens && by_its_holder && proved && !automatic
        }
    }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn author(author: Author) -> Option<EmailAddress> {
    match author {
        Author::Listed => Some(address(OFFICER)),
        Author::OtherLetterCase => Some(address("Officer@FLEXUS.example")),
        Author::PlusTagged => Some(address("officer+x@flexus.example")),
        Author::Another => Some(address("mallory@flexus.example")),
        Author::None => None,
    }
}

fn sender(dmarc: Dmarc) -> SenderAuth {
    let read = |verdict: &str, domain: &str| SenderAuth::Read {
        spf: Some("pass".into()),
        dkim: vec!["pass".into()],
        dmarc: Some(verdict.into()),
        dmarc_domain: Some(domain.into()),
    };
    match dmarc {
        Dmarc::Pass => read("pass", "flexus.example"),
        Dmarc::Fail => read("fail", "flexus.example"),
        Dmarc::Unknown => SenderAuth::Unknown,
        Dmarc::PassForAnotherDomain => read("pass", "evil.example"),
    }
}

#[test]
fn every_combination_of_facts_is_decided_by_one_rule() {
    let now = at(START);
    let (mut seen, mut allowed_in_all) = (0, 0);
    for token in Token::all() {
        let made = token.map(|token| token.made(now));
        for by in By::all() {
            let (author, sender) = match by {
                By::Mail { author: who, dmarc, .. } => (author(who), sender(dmarc)),
                By::CommandLine | By::Page { .. } => (None, SenderAuth::Unknown),
            };
            let way = match by {
                By::CommandLine => Way::CommandLine { who: " Ada " },
                By::Page { posted } => Way::Page { token: made.as_ref(), posted },
                By::Mail { automatic, allowed, .. } => Way::Mail {
                    token: made.as_ref(),
                    author: author.as_ref(),
                    sender: &sender,
                    automatic,
                    allowed,
                },
            };
            let answer = authorize(&way, THIS, now);
            assert_eq!(answer.is_ok(), may(token, by), "{token:?} {by:?} gave {answer:?}");
            if let Ok(authority) = answer {
                let channel = match by {
                    By::CommandLine => Channel::CommandLine,
                    By::Page { .. } => Channel::Page,
                    By::Mail { .. } => Channel::Mail,
                };
                assert_eq!((authority.who(), authority.by()), ("Ada", channel));
                allowed_in_all += 1;
            }
            seen += 1;
        }
    }
    let tokens = 1 + 4 * 4 * 3;
    assert_eq!(seen, tokens * (1 + 2 + 5 * 4 * 2 * 3));
    // The command line always; four good tokens by a press, or by two spellings of the address
    // with a pass (authenticated) or any of the four verdicts (token-only).
    assert_eq!(allowed_in_all, tokens + 4 * (1 + 2 * (1 + 4)));
}

#[test]
fn a_token_about_several_cases_is_good_for_each_of_them_and_for_no_other() {
    let now = at(START);
    let fresh = Token { age: Age::Fresh, revoked: Revoked::Never, about: THIS };
    let about = vec![THIS.to_owned(), MESSAGE.to_owned()];
    let token = StaffToken { about, ..fresh.made(now) };
    let way = Way::Page { token: Some(&token), posted: true };
    for (about, may) in [(THIS, true), (MESSAGE, true), (OTHER, false), ("", false), ("m1", false)]
    {
        assert_eq!(authorize(&way, about, now).is_ok(), may, "{about:?}");
    }
}
