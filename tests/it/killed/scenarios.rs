//! What goes on around the desk while it is killed. Each scenario is told as if nobody was; where
//! a letter is missing because two kills left it to a person, it breaks off.

use std::sync::LazyLock;

use chrono::TimeDelta;

use super::sink::{At, Refusal};
use super::world::{Beginning, World};
use crate::bounces::bounce;
use crate::harness::{JANE, Letter, OFFICER, answer, form, mail};

const REQUEST: &str = "Data Deletion Request";
const ASKED: &str = "Please confirm";
const CONFIRMED: &str = "please delete";
const PASS: &str = "mx.flexus.example; dmarc=pass header.from=flexus.example";
/// The morning after, when the digest is due.
const MORNING: &str = "2026-06-02T06:00:00Z";

/// Where a scenario begins; each is the end of an undisturbed run of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing was ever started.
    Nothing,
    /// An empty inbox was looked at for the first time.
    Looked,
    /// Jane asked, and has the verification mail.
    Asked,
    /// She confirmed.
    Confirmed,
}

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) from: Start,
    pub(crate) play: fn(&mut World) -> Option<()>,
}

pub(crate) const SCENARIOS: [Scenario; 20] = [
    Scenario { name: "a request by mail", from: Start::Looked, play: asks },
    Scenario { name: "a form notification", from: Start::Looked, play: asks_by_form },
    Scenario { name: "an entry on the page", from: Start::Looked, play: asks_on_page },
    Scenario { name: "two mails for one address", from: Start::Looked, play: asks_twice },
    Scenario { name: "three requests at once", from: Start::Looked, play: three_ask },
    Scenario { name: "confirmed on the page", from: Start::Asked, play: confirms },
    Scenario { name: "confirmed by an answer", from: Start::Asked, play: confirms_by_mail },
    Scenario { name: "disowned on the page", from: Start::Asked, play: disowns },
    Scenario { name: "a bounced letter", from: Start::Asked, play: bounces },
    Scenario { name: "nobody answers", from: Start::Asked, play: days_pass },
    Scenario { name: "a digest", from: Start::Confirmed, play: digest },
    Scenario { name: "completed by mail", from: Start::Confirmed, play: completes_by_mail },
    Scenario { name: "completed on the page", from: Start::Confirmed, play: completes_on_page },
    Scenario { name: "refused for good", from: Start::Looked, play: refused },
    Scenario { name: "refused for now", from: Start::Looked, play: refused_for_now },
    Scenario { name: "another UIDVALIDITY", from: Start::Asked, play: renumbered },
    Scenario { name: "an old inbox", from: Start::Nothing, play: old_inbox },
    Scenario { name: "mail that cannot be read", from: Start::Looked, play: unreadable },
    Scenario { name: "mail that ends the process", from: Start::Looked, play: poison },
    Scenario { name: "an inbox out of reach", from: Start::Looked, play: silence },
];

impl Start {
    /// Made once, with nobody killed.
    pub(crate) fn begin(self) -> &'static Beginning {
        static NOTHING: LazyLock<Beginning> = LazyLock::new(Beginning::empty);
        static LOOKED: LazyLock<Beginning> = LazyLock::new(|| after(Start::Nothing, looks));
        static ASKED: LazyLock<Beginning> = LazyLock::new(|| after(Start::Looked, asks));
        static CONFIRMED: LazyLock<Beginning> = LazyLock::new(|| after(Start::Asked, confirms));
        match self {
            Start::Nothing => &NOTHING,
            Start::Looked => &LOOKED,
            Start::Asked => &ASKED,
            Start::Confirmed => &CONFIRMED,
        }
    }
}

fn after(from: Start, play: fn(&mut World) -> Option<()>) -> Beginning {
    let mut world = World::new(from.begin(), &[]);
    play(&mut world).unwrap();
    world.becomes_beginning()
}

fn looks(world: &mut World) -> Option<()> {
    world.rests();
    // From now on mail is new, and no clock is in doubt.
    world.hours_pass(2);
    Some(())
}

fn asks(world: &mut World) -> Option<()> {
    world.receives(&mail(JANE, REQUEST, "please"));
    Some(())
}

fn asks_by_form(world: &mut World) -> Option<()> {
    world.receives(&form(JANE));
    Some(())
}

fn asks_on_page(world: &mut World) -> Option<()> {
    world.presses("/", "email=jane%40example.org&lang=en");
    Some(())
}

fn asks_twice(world: &mut World) -> Option<()> {
    world.mail_arrives(&mail(JANE, REQUEST, "please"));
    world.mail_arrives(&mail(JANE, REQUEST, "I asked just now: please"));
    world.rests();
    Some(())
}

fn three_ask(world: &mut World) -> Option<()> {
    for who in [JANE, "bob@example.net", "eve@example.com"] {
        world.mail_arrives(&mail(who, REQUEST, &format!("please, {who}")));
    }
    world.rests();
    Some(())
}

fn confirms(world: &mut World) -> Option<()> {
    let link = world.letter_to(JANE, ASKED)?.link();
    world.presses(&link, "act=confirm&asked=yes&role=own-account");
    Some(())
}

fn confirms_by_mail(world: &mut World) -> Option<()> {
    let letter = world.letter_to(JANE, ASKED)?;
    world.receives(&answer(JANE, &letter, "Yes"));
    Some(())
}

fn disowns(world: &mut World) -> Option<()> {
    let link = world.letter_to(JANE, ASKED)?.link();
    world.presses(&link, "act=disown&asked=no");
    Some(())
}

fn bounces(world: &mut World) -> Option<()> {
    let letter = world.letter_to(JANE, ASKED)?;
    world.receives(&bounce(&letter, "failed", &letter.return_path));
    Some(())
}

/// Reminded after a day, expired after seven, old words thrown away, digests meanwhile.
fn days_pass(world: &mut World) -> Option<()> {
    world.passes_to("2026-06-02T16:00:00Z");
    world.passes_to("2026-06-08T16:00:00Z");
    Some(())
}

fn digest(world: &mut World) -> Option<()> {
    world.passes_to(MORNING);
    Some(())
}

fn completes_by_mail(world: &mut World) -> Option<()> {
    let letter = world.letter_to(OFFICER, CONFIRMED)?;
    let done = answer(OFFICER, &letter, "done");
    world.receives(&format!("Authentication-Results: {PASS}\n{done}"));
    Some(())
}

fn completes_on_page(world: &mut World) -> Option<()> {
    let letter = world.letter_to(OFFICER, CONFIRMED)?;
    let reference = reference_in(&letter)?;
    let form = "act=complete&outcome=nothing-found&sure=yes";
    world.presses(&letter.staff_link(&reference), form);
    Some(())
}

fn refused(world: &mut World) -> Option<()> {
    let words = "550 5.1.1 no such mailbox";
    world.refuses(Refusal { to: JANE, at: At::Recipient, words, times: usize::MAX });
    asks(world)
}

fn refused_for_now(world: &mut World) -> Option<()> {
    for (at, words) in [
        (At::Recipient, "450 4.2.1 later, please"),
        (At::Dot, "451 4.3.0 not now"),
        (At::Recipient, "452 4.2.2 mailbox full"),
    ] {
        world.refuses(Refusal { to: JANE, at, words, times: 1 });
    }
    asks(world)
}

fn renumbered(world: &mut World) -> Option<()> {
    world.receives(&mail("sam@example.com", "Invoice", "attached"));
    world.renumbers();
    Some(())
}

fn old_inbox(world: &mut World) -> Option<()> {
    for (days, who) in [(90, JANE), (10, "bob@example.net"), (1, "eve@example.com")] {
        let at = world.now - TimeDelta::days(days);
        world.mail_lies_there(at, &mail(who, REQUEST, "please"));
    }
    world.rests();
    world.hours_pass(2);
    world.receives(&mail("carl@example.org", REQUEST, "please"));
    Some(())
}

fn unreadable(world: &mut World) -> Option<()> {
    let nested = "Content-Type: message/rfc822\n\n".repeat(500);
    world.mail_arrives(&format!("From: {JANE}\nSubject: {REQUEST}\n{nested}"));
    world.mail_arrives(&mail(JANE, REQUEST, "please"));
    world.rests();
    Some(())
}

/// The first one in a batch takes the process with it, twice.
fn poison(world: &mut World) -> Option<()> {
    world.dies_at("before-parse");
    world.dies_at("after-parse");
    world.mail_arrives(&mail("poison@example.net", REQUEST, "please"));
    world.mail_arrives(&mail(JANE, REQUEST, "please"));
    world.rests();
    // Its neighbour is answered.
    world.letter_to(JANE, ASKED).map(drop)
}

fn silence(world: &mut World) -> Option<()> {
    world.rests();
    world.strikes(TimeDelta::minutes(16));
    world.rests();
    Some(())
}

fn reference_in(letter: &Letter) -> Option<String> {
    let at = letter.subject.find("DEL-")?;
    letter.subject.get(at..at + 13).map(str::to_owned)
}
