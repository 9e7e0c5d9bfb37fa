//! Links of staff pages: looking changes nothing, and a link is good for one person and matter.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, TimeDelta};
use deletion_desk::bot::staff::revoked_mark;
use deletion_desk::mail::EmailAddress;

use crate::harness::{Desk, JANE, Letter, OFFICER, answer, mail};

const BOB: &str = "bob@example.net";
const SECOND: &str = "second@flexus.example";

/// Every form of the page that can be filled in while a case is in work.
const FORMS: [&str; 10] = [
    "act=complete&outcome=nothing-found",
    "act=complete&outcome=deleted&item-profile=deleted&item-content=deleted&item-messages=deleted\
     &item-media=deleted&item-ai=deleted&item-traces=deleted&item-opt-outs=deleted",
    "act=tick&item=media",
    "act=hold&ground=litigation&look-again-on=2026-06-20",
    "act=hold&ground=tax&item=media&look-again-on=2026-06-20",
    "act=extend&months=2&reason=complex",
    "act=refuse&ground=excessive&words=again",
    "act=set-role&role=workspace",
    "act=write&sentence=still-working",
    "act=note&note=called",
];

struct Scene {
    desk: Desk,
    this: String,
    other: String,
    letter: Letter,
    seconds: Letter,
}

async fn scene() -> Scene {
    let member = format!(
        "[[staff.members]]\naddress = \"{SECOND}\"\nname = \"Second\"\n[[staff.members]]\naddress = \"officer"
    );
    let add = |config: String| config.replace("[[staff.members]]\naddress = \"officer", &member);
    let mut desk = Desk::with(add).await;
    let mut references = Vec::new();
    for who in [JANE, BOB] {
        desk.receives(&mail(who, "Data Deletion Request", "please")).await;
        desk.confirms(&desk.last_letter_to(who).link(), "own-account").await;
        references.push(desk.cases().await.last().unwrap().case.reference.to_string());
    }
    let about = |to: &str| {
        let letters = desk.letters_to(to);
        letters.into_iter().find(|letter| letter.subject.contains(&references[0])).unwrap()
    };
    let (letter, seconds) = (about(OFFICER), about(SECOND));
    let [this, other] = references.try_into().unwrap();
    Scene { desk, this, other, letter, seconds }
}

impl Scene {
    fn link(&self) -> String {
        self.letter.staff_link(&self.this)
    }

    async fn stand(&self) -> String {
        let head = self.desk.store.journal_head().await.unwrap();
        format!("{:?} {head}", self.desk.cases().await)
    }

    async fn is_dead(&self, url: &str) {
        let before = self.stand().await;
        assert_eq!(self.desk.opens(url).await.status, StatusCode::NOT_FOUND, "{url}");
        let page = self.desk.presses(url, "act=note&note=x&sure=yes").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{url}");
        assert!(!page.body.contains(JANE), "{url}");
        assert_eq!(self.stand().await, before, "{url}");
    }
}

fn token_in(link: &str) -> &str {
    link.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn looking_at_a_staff_page_changes_nothing_however_often() {
    let scene = scene().await;
    let before = scene.stand().await;
    let path = scene.link().replace("https://privacy.flexus.example", "");
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        for form in FORMS {
            let uri = format!("{path}?{form}&sure=yes");
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            scene.desk.asks_page(request).await;
        }
    }
    assert_eq!(scene.stand().await, before);
}

#[tokio::test]
async fn each_act_on_a_case_is_asked_for_once_more() {
    for form in FORMS {
        let scene = scene().await;
        let before = scene.stand().await;
        for unsure in ["", "&sure=", "&sure=no", "&sure=YES", "&Sure=yes"] {
            let page = scene.desk.presses(&scene.link(), &format!("{form}{unsure}")).await;
            assert_eq!(page.status, StatusCode::OK, "{form}{unsure}: {}", page.body);
            assert!(page.body.contains("name=\"sure\" value=\"yes\""), "{form}{unsure}");
            assert_eq!(scene.stand().await, before, "{form}{unsure}");
        }
        let page = scene.desk.presses(&scene.link(), &format!("{form}&sure=yes")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{form}: {}", page.body);
        assert_ne!(scene.stand().await, before, "{form}");
    }
}

#[tokio::test]
async fn a_form_that_is_not_filled_in_says_what_is_missing() {
    let scene = scene().await;
    let before = scene.stand().await;
    for (form, missing) in [
        ("", "use one of the buttons"),
        ("act=complete", "choose what the work came to"),
        ("act=complete&outcome=deleted", "neither deleted nor kept on a ground"),
        ("act=complete&outcome=partly", "say what is kept"),
        ("act=hold&look-again-on=2026-06-20", "choose why"),
        ("act=hold&ground=tax", "say when to look again"),
        ("act=hold&ground=tax&look-again-on=2026-06-01", "has to be after today"),
        ("act=hold&ground=opt-out&look-again-on=2026-06-20", "are grounds to hold something"),
        ("act=extend&months=3&reason=many", "one or two months"),
        ("act=refuse", "choose why"),
        ("act=note&note=", "write something down first"),
        ("act=tick&item=nothing", "name items of the scope"),
        ("act=release", "is on hold"),
        ("act=undo", "nothing to take back"),
        ("act=seen", "came back"),
        ("act=approve", "does not wait for an authorization"),
    ] {
        let page = scene.desk.presses(&scene.link(), &format!("{form}&sure=yes")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(page.body.contains(missing), "{form}: {}", page.body);
        assert_eq!(scene.stand().await, before, "{form}");
    }
}

#[tokio::test]
async fn a_link_opens_its_own_case_and_no_other() {
    let scene = scene().await;
    let link = scene.link();
    let page = scene.desk.opens(&link).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(JANE) && !page.body.contains(BOB));
    let token = token_in(&link);
    scene.is_dead(&format!("/s/{}/{token}", scene.other)).await;
    scene.is_dead(&format!("/s/m1/{token}")).await;
    scene.is_dead(&format!("/s/DEL-2345-6789/{token}")).await;
    for wrong in [&token[..33], &token.to_uppercase(), "x", &format!("b{}", &token[1..])] {
        if wrong != token {
            scene.is_dead(&format!("/s/{}/{wrong}", scene.this)).await;
        }
    }
}

#[tokio::test]
async fn an_act_by_a_link_is_its_persons_and_comes_back_to_them() {
    let mut scene = scene().await;
    let theirs = scene.seconds.staff_link(&scene.this);
    let forged = format!("{theirs}?who=Officer");
    scene.desk.presses(&forged, "act=note&note=called&sure=yes&who=Officer&by=Officer").await;
    scene.desk.settles().await;
    let case = scene.desk.cases().await.remove(0).case;
    let entries = scene.desk.store.journal_of(&case.reference).await.unwrap();
    assert_eq!(entries.last().unwrap().detail.as_deref(), Some("Second noted: called"));
    assert!(scene.desk.last_letter_to(SECOND).subject.ends_with(": done"));
    assert!(!scene.desk.last_letter_to(OFFICER).subject.ends_with(": done"));
}

#[tokio::test]
async fn revoking_one_persons_links_leaves_the_others() {
    let scene = scene().await;
    let mut tx = scene.desk.store.begin().await.unwrap();
    let mark = revoked_mark(tx.key(), &EmailAddress::parse(SECOND).unwrap());
    tx.set_mark_at(&mark, scene.desk.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    scene.is_dead(&scene.seconds.staff_link(&scene.this)).await;
    assert_eq!(scene.desk.opens(&scene.link()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_staff_link_works_for_seven_days_to_the_second() {
    for (seconds, works) in [(-1, true), (0, false)] {
        let scene = scene().await;
        scene.desk.sleeps_for(TimeDelta::days(7) + TimeDelta::seconds(seconds));
        if works {
            assert_eq!(scene.desk.opens(&scene.link()).await.status, StatusCode::OK);
            let page = scene.desk.presses(&scene.link(), "act=note&note=x&sure=yes").await;
            assert_eq!(page.status, StatusCode::SEE_OTHER);
        } else {
            scene.is_dead(&scene.link()).await;
        }
    }
}

#[tokio::test]
async fn a_requesters_token_opens_no_staff_page_and_the_other_way_round() {
    let mut scene = scene().await;
    let requesters = scene.desk.letters_to(JANE)[0].link();
    let reply = scene.letter.answer_address().split(['+', '@']).nth(1).unwrap().to_owned();
    scene.is_dead(&format!("/s/{}/{}", scene.this, token_in(&requesters))).await;
    scene.is_dead(&format!("/s/{}/{reply}", scene.this)).await;
    let staffs = format!("/c/{}", token_in(&scene.link()));
    assert_eq!(scene.desk.opens(&staffs).await.status, StatusCode::NOT_FOUND);
    let before = scene.stand().await;
    for act in ["act=withdraw&asked=yes", "act=correct-role&role=customer"] {
        scene.desk.presses(&staffs, act).await;
        scene.desk.presses(&format!("/c/{reply}"), act).await;
        assert_eq!(scene.stand().await, before, "{act}");
    }
    let by_mail = format!(
        "Authentication-Results: mx.flexus.example; dmarc=pass header.from=flexus.example\n{}",
        answer(OFFICER, &scene.letter, "done").replace(&reply, token_in(&scene.link()))
    );
    scene.desk.receives(&by_mail).await;
    assert_eq!(scene.stand().await, before, "a link's token is none for answers");
}

/// Suggestions take one press, of the person whom the digest went to.
#[tokio::test]
async fn a_link_to_a_message_opens_only_what_the_message_proposes() {
    let mut scene = scene().await;
    let text = "please delete the data of eve@example.org";
    scene.desk.receives(&mail("carl@example.org", "Data Deletion Request", text)).await;
    scene.desk.days_pass(1).await;
    let people = scene.desk.store.messages_for_people(DateTime::UNIX_EPOCH, scene.desk.clock.now());
    let about = format!("m{}", people.await.unwrap()[0].id);
    let link = scene.desk.last_letter_to(OFFICER).staff_link(&about);
    let before = scene.stand().await;
    assert!(scene.desk.opens(&link).await.body.contains("eve@example.org"));
    assert_eq!(scene.stand().await, before, "looking opens nothing");
    for form in ["act=open&address=mallory%40example.org", "act=open", "act=note&note=x&sure=yes"] {
        let page = scene.desk.presses(&link, form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert_eq!(scene.stand().await, before, "{form}");
    }
    let page = scene.desk.presses(&link, "act=open&address=eve%40example.org").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    scene.desk.settles().await;
    assert_eq!(scene.desk.subjects_to("eve@example.org").len(), 1);
    assert_eq!(scene.desk.cases().await.len(), 3);
}
