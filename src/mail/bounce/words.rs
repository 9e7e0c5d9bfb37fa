//! What mail servers say to people: the letter will not arrive, or not yet.
//!
//! The phrases count only where the sender is a mail server by other signs; anybody can write
//! them. All stand in lower case.

use std::sync::LazyLock;

use regex::Regex;

use super::Action;

/// The mail is still on its way. Looked for first: such notices also say what has not
/// worked so far.
const DELAYED: &[&str] = &[
    "warning message only",
    "do not need to resend",
    "no need to resend",
    "has been delayed",
    "have been delayed",
    "is delayed",
    "was delayed",
    "mail delayed",
    "message delayed",
    "delayed mail",
    "delivery delayed",
    "delivery status notification (delay)",
    "about a delay in",
    "temporarily delayed",
    "has not yet been delivered",
    "have not yet been delivered",
    "not yet been delivered",
    "have not yet received",
    "will be retried",
    "still being retried",
    "will keep trying",
    "will continue to try",
    "will continue to be",
    "continue trying",
    "could not send message for past",
    "temporary failure report",
    "just a warning, you do not need",
    "advisory-only",
    "has been postponed",
    "delivery attempts will continue",
    "noch nicht zugestellt",
    "verzögert",
    "verzögerung",
    "a été retardé",
    "se ha retrasado",
    "è stato ritardato",
    "está atrasad",
    "is vertraagd",
    "opóźnion",
    "fördröjt",
    "задержан",
    "затримано",
    "gecikti",
    "遅延",
    "遅れて",
    "延迟",
    "延遲",
];

/// The mail arrived, or went on to a system that reports nothing.
const ARRIVED: &[&str] = &[
    "successful mail delivery report",
    "was successfully delivered",
    "has been successfully delivered",
    "delivery was successful",
    "delivery status notification (success)",
    "delivery status notification (relay)",
    "return receipt",
    "erfolgreich zugestellt",
];

/// The mail will not arrive.
const FAILED: &[&str] = &[
    "could not be delivered",
    "couldn't be delivered",
    "cannot be delivered",
    "can't be delivered",
    "can not be delivered",
    "could not deliver",
    "couldn't deliver",
    "cannot deliver",
    "can't deliver",
    "not be delivered",
    "was not delivered",
    "wasn't delivered",
    "were not delivered",
    "not delivered to",
    "has not been delivered",
    "undeliver",
    "non-deliver",
    "nondeliver",
    "non deliver",
    "unable to deliver",
    "wasn't able to deliver",
    "not able to deliver",
    "failed to deliver",
    "delivery fail",
    "delivery has failed",
    "failed delivery",
    "delivery error",
    "delivery problem",
    "delivery status notification (failure)",
    "delivering your m",
    "returned mail",
    "returning message",
    "returned to sender",
    "did not reach",
    "did not receive a copy of your message",
    // In the languages that servers speak besides.
    "nicht zugestellt",
    "nicht zustellbar",
    "unzustellbar",
    "zustellung fehlgeschlagen",
    "fehler bei der zustellung",
    "empfänger unbekannt",
    "konnte nicht gesendet werden",
    "n'a pas pu être remis",
    "n'a pas pu être délivré",
    "n'a pas pu être distribué",
    "n'ont pas pu être",
    "n'a pas été remis",
    "n'a pu être",
    "non remis",
    "échec de la remise",
    "échec de remise",
    "échec de distribution",
    "échec de la livraison",
    "non distribué",
    "no se pudo entregar",
    "no se puede entregar",
    "no se ha podido entregar",
    "no pudo ser entregado",
    "no ha podido ser entregado",
    "no ha sido entregado",
    "no entregado",
    "non è stato possibile recapitare",
    "non è stato possibile consegnare",
    "impossibile recapitare",
    "impossibile consegnare",
    "mancato recapito",
    "mancata consegna",
    "non recapit",
    "consegna non riuscita",
    "não pôde ser entregue",
    "não pode ser entregue",
    "não foi possível entregar",
    "não foi entregue",
    "não entregue",
    "falha na entrega",
    "niet worden bezorgd",
    "niet bezorgd",
    "niet worden afgeleverd",
    "niet afgeleverd",
    "onbestelbaar",
    "nie można dostarczyć",
    "nie mogła zostać dostarczona",
    "nie została dostarczona",
    "niedostarcz",
    "kunde inte levereras",
    "gick inte att leverera",
    "olevererbar",
    "kunne ikke leveres",
    "ikke leveret",
    "nelze doručit",
    "nebyla doručena",
    "nepodařilo se doručit",
    "nedoručiteln",
    "nu a putut fi livrat",
    "nu a fost livrat",
    "kézbesíthetetlen",
    "nem kézbesíthető",
    "nem sikerült kézbesíteni",
    "δεν ήταν δυνατή η παράδοση",
    "δεν παραδόθηκε",
    "не доставлен",
    "недоставлен",
    "не может быть доставлен",
    "не могло быть доставлен",
    "не удалось доставить",
    "не было доставлен",
    "невозможно доставить",
    "не вдалося доставити",
    "неможливо доставити",
    "не може да бъде доставен",
    "не беше доставен",
    "nije moguće isporučiti",
    "nije isporučen",
    "teslim edilemedi",
    "iletilemedi",
    "送信できません",
    "送信できなかった",
    "送信に失敗",
    "送信ができません",
    "配信できません",
    "配信できなかった",
    "配信不能",
    "配信に失敗",
    "配送できません",
    "配送に失敗",
    "届けることができ",
    "届けできません",
    "届きませんでした",
    "エラーメール",
    "メールエラー",
    "エラー通知",
    "宛先不明",
    "无法投递",
    "无法送达",
    "未能送达",
    "投递失败",
    "发送失败",
    "系统退信",
    "退信",
    "無法傳遞",
    "無法投遞",
    "無法傳送",
    "傳送失敗",
];

/// What only servers say of such a mail, and of the address; others say it of other things.
const FAILED_BY_SERVER: &[&str] = &[
    "delivery to the following recipients was aborted",
    "wasn't found at",
    "failed recipients",
    "recipients failed",
    "recipients were affected",
    "invalid final delivery",
    "couldn't be found",
    "couldn't be reached",
    "error description",
    "delivery to the following",
    "mail failed",
    "mail failure",
    "failed mail",
    "failed permanently",
    "failed addresses",
    "permanent error",
    "permanent failure",
    "fatal error",
    "unrecoverable error",
    "mail system error",
    "could not be reached",
    "not reached",
    "error sending your",
    "could not be sent",
    "couldn't be sent",
    "cannot be sent",
    "failed to send",
    "failure notice",
    "failure reason",
    "bounce notification",
    "transcript of session",
    "transcript of the session",
    "mail loop",
    "too many hops",
    "hop count exceeded",
    "been in the queue too long",
    "giving up on",
    "i've given up",
    "i'm not going to try again",
    "will not be retried",
    "no further delivery attempts",
    "message expired",
    "your mail message to the following address",
    "message you sent blocked",
    "message you sent was blocked",
    "was rejected",
    "were rejected",
    "has been rejected",
    "rejected your message",
    "refused to accept your",
    "does not like recipient",
    "user unknown",
    "unknown user",
    "unknown recipient",
    "recipient unknown",
    "unknown address",
    "address unknown",
    "no such user",
    "no such recipient",
    "no such address",
    "no such mailbox",
    "no mailbox here",
    "nosuchuser",
    "invalid recipient",
    "invalid user",
    "invalid address",
    "invalid mailbox",
    "malformed address",
    "incorrectly constructed",
    "bad address",
    "address rejected",
    "rejected recipient",
    "recipient rejected",
    "recipient not found",
    "user not found",
    "mailbox not found",
    "address not found",
    "not listed in",
    "not recognized",
    "unrouteable",
    "unroutable",
    "not our customer",
    "he/her is not",
    "not a valid",
    "does not exist",
    "doesn't exist",
    "doesn't have a",
    "doesn't have an",
    "is not a known user",
    "host unknown",
    "unknown host",
    "host not found",
    "domain not found",
    "account is disabled",
    "account has been disabled",
    "account is temporarily",
    "account disabled",
    "mailbox is disabled",
    "mailbox disabled",
    "mailbox unavailable",
    "mailbox is full",
    "mailbox full",
    "over quota",
    "quota exceeded",
    "exceeded the local limit",
    "exceeds allowed size",
    "exceeded storage",
];

static DELAYED_RE: LazyLock<Regex> = LazyLock::new(|| any_of(DELAYED));
static ARRIVED_RE: LazyLock<Regex> = LazyLock::new(|| any_of(ARRIVED));
static FAILED_RE: LazyLock<Regex> = LazyLock::new(|| any_of(FAILED));
static FAILED_BY_SERVER_RE: LazyLock<Regex> = LazyLock::new(|| any_of(FAILED_BY_SERVER));

fn any_of(phrases: &[&str]) -> Regex {
    let escaped: Vec<String> = phrases.iter().map(|phrase| regex::escape(phrase)).collect();
    Regex::new(&escaped.join("|")).expect("a list of fixed phrases compiles")
}

/// What `notice` says, if it speaks of a delivery at all; `by_server` when its sender is a mail
/// server beyond doubt.
pub(super) fn action_in(notice: &str, by_server: bool) -> Option<Action> {
    // Lines are broken anywhere, and apostrophes are typographic in some.
    let folded = notice.to_lowercase().replace('’', "'");
    let folded = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    if DELAYED_RE.is_match(&folded) {
        return Some(Action::Delayed);
    }
    if ARRIVED_RE.is_match(&folded) {
        return Some(Action::Arrived);
    }
    let failed =
        FAILED_RE.is_match(&folded) || (by_server && FAILED_BY_SERVER_RE.is_match(&folded));
    failed.then_some(Action::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_in_lower_case_and_stand_once() {
        let mut all: Vec<&str> = [DELAYED, ARRIVED, FAILED, FAILED_BY_SERVER].concat();
        assert!(all.iter().all(|phrase| *phrase == phrase.to_lowercase()));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_notice_says_never_or_not_yet() {
        let check = |text: &str, expected| assert_eq!(action_in(text, false), expected, "{text}");
        check("Your message could not\nbe delivered.", Some(Action::Failed));
        check("It couldn’t be delivered", Some(Action::Failed));
        check("could not be delivered yet; it will be retried", Some(Action::Delayed));
        check("This is a Successful Mail Delivery Report", Some(Action::Arrived));
        check("Ваше письмо не может быть доставлено", Some(Action::Failed));
        check("I am on holiday", None);
        check("The account does not exist", None);
        assert_eq!(action_in("The account does not exist", true), Some(Action::Failed));
    }
}
