//! `check`: what it recognises of providers, and the probe that it mails to the desk itself.

use std::net::Ipv4Addr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::cli::Host;
use crate::harness::{DESK, JANE, OFFICER};
use crate::servers::MailServers;
use crate::settings::SETTINGS;
use crate::wire::LiveDesk;

/// The line of `check` that begins so.
#[track_caller]
fn line<'a>(printed: &'a str, begin: &str) -> &'a str {
    let mut lines = printed.lines();
    lines.find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin} in\n{printed}"))
}

/// Takes lines out of the settings of a desk over folders, and puts servers in.
fn with_servers(mailbox: &str, smtp: &str) -> String {
    let (before, _) = SETTINGS.split_once("[mailbox]").unwrap();
    let (_, after) = SETTINGS.split_once("[database]").unwrap();
    format!("{before}[mailbox]\nkind = \"imap\"\n{mailbox}\n[smtp]\n{smtp}\n[database]{after}")
}

const FOLDER: &str = "kind = \"maildir\"\npath = \"out\"";

#[test]
fn microsoft_needs_tokens_and_starttls() {
    let host = Host::new(&with_servers(
        "host = \"outlook.office365.com\"\nusername = \"hello@flexus.example\"\npassword_env = \"P\"",
        "kind = \"smtp\"\nhost = \"smtp.office365.com\"",
    ));
    let (ok, out, _) = host.types_with(&["check"], &[("P", "secret")]);
    assert!(!ok);
    assert!(line(&out, "FAIL  mailbox").contains("takes no passwords over IMAP"), "{out}");
    assert!(line(&out, "FAIL  mailbox").contains("deletion-desk login"), "{out}");
    assert!(
        line(&out, "FAIL  smtp").contains("smtp.tls = \"starttls\" and smtp.port = 587"),
        "{out}"
    );
    assert!(!out.contains("secret"));
}

#[test]
fn a_public_link_on_another_domain_than_the_address_is_noted() {
    let page = |url: &str| {
        let page = format!("listen = \"127.0.0.1:1\"\npublic_url = \"{url}\"");
        Host::new(&SETTINGS.replace("listen = \"off\"", &page)).types(&["check"]).1
    };
    assert!(line(&page("https://forms.example.net"), "note  page").contains("another domain"));
    assert!(!page("https://privacy.flexus.example").contains("another domain"));
}

#[test]
fn without_servers_nothing_is_said_of_a_probe() {
    let (_, out, _) = Host::new(SETTINGS).types(&["check"]);
    assert!(!out.contains("probe"), "{out}");
}

/// A server that says these lines, one connection after the other: the greeting, and what it
/// answers to a command of that name.
async fn scripted(greeting: &'static str, answers: &'static [(&'static str, &'static str)]) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
            let mut said = String::new();
            while stream.read_line(&mut said).await.unwrap_or(0) > 0 {
                let (tag, command) = said.trim().split_once(' ').unwrap_or((said.trim(), ""));
                let name = command.split(' ').next().unwrap_or_default();
                let answer = answers.iter().find(|(known, _)| *known == name);
                let answer = answer.map_or("@ BAD what?", |(_, answer)| answer);
                let answer = format!("{}\r\n", answer.replace('@', tag));
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
                said.clear();
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_passwords_is_recognised_by_what_it_offers() {
    let offers = "* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2\r\n@ OK";
    let no = "@ NO [AUTHENTICATIONFAILED] no";
    for (answers, remedy) in [
        (
            &[
                ("CAPABILITY", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n@ OK"),
                ("LOGIN", "@ NO [PRIVACYREQUIRED] no"),
            ][..],
            "mostly 993",
        ),
        (Box::leak(Box::new([("CAPABILITY", offers), ("LOGIN", no)])), "auth = \"oauth2\""),
        (
            &[
                ("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n@ OK"),
                ("LOGIN", "@ NO [AUTHENTICATIONFAILED] no"),
            ],
            "Check username and password",
        ),
        (
            &[
                ("CAPABILITY", "* CAPABILITY IMAP4rev1\r\n@ OK"),
                ("LOGIN", "@ NO [UNAVAILABLE] later"),
            ],
            "Nothing at first",
        ),
    ] {
        let port = scripted("* OK ready", answers).await;
        let host = Host::new(&with_servers(
            &format!(
                "host = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"hello\"\npassword_env = \"P\""
            ),
            FOLDER,
        ));
        let checked =
            tokio::task::spawn_blocking(move || host.types_with(&["check"], &[("P", "secret")]));
        let (ok, out, _) = checked.await.unwrap();
        assert!(!ok);
        let failed = line(&out, "FAIL  mailbox");
        assert!(failed.contains("login") && out.contains(remedy), "{out}");
    }
}

/// A desk that is set up and does not run.
fn desk(servers: &MailServers, change: impl FnOnce(String) -> String) -> LiveDesk {
    LiveDesk::prepared(servers, change)
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_named_and_a_group_is_noticed() {
    let servers = MailServers::start(&[DESK, JANE, OFFICER]);
    let mail = "From: jane@example.org\nList-Id: Flexus <hello.flexus.example>\n\nhi\n";
    servers.drop_into(DESK, mail);
    let (_, out) = desk(&servers, |settings| settings).tries(&["check"]);
    let folders = line(&out, "ok    folders");
    assert!(folders.contains("Junk is \"Spam\"") && folders.contains("Sent is \"Sent\""), "{out}");
    assert!(
        out.contains("1 of the 1 newest mails came through a mailing list or Google Group"),
        "{out}"
    );
    assert!(line(&out, "note  probe").contains("nothing was sent"), "{out}");
    let all =
        |settings: String| settings.replace("kind = \"imap\"", "kind = \"imap\"\nfolder = \"All\"");
    let (_, out) = desk(&servers, all).tries(&["check"]);
    assert!(line(&out, "note  folders").contains("shows sent and archived mail, too"), "{out}");
    let off = |settings: String| {
        settings.replace(
            "kind = \"imap\"",
            "kind = \"imap\"\njunk_folder = \"off\"\nsent_folder = \"Nope\"",
        )
    };
    let (ok, out) = desk(&servers, off).tries(&["check"]);
    assert!(
        !ok && line(&out, "FAIL  folders").contains("mailbox.sent_folder: there is no folder Nope"),
        "{out}"
    );
    assert_eq!(servers.mails(DESK).await.len(), 1, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_where_mail_arrives_and_what_is_missing() {
    const RESULTS: &str = "mx.test; spf=softfail smtp.mailfrom=flexus.example; dkim=none; \
        dmarc=fail header.from=flexus.example";
    let servers = MailServers::start_with(&[DESK, JANE, OFFICER], |settings| {
        settings.replace(
            "in_flow_delay = 0",
            &format!("in_flow_delay = 0\nsmtpd_sender_restrictions = check_sender_access static:{{PREPEND Authentication-Results: {RESULTS}}}"),
        )
    });
    let (ok, out) = desk(&servers, |settings| settings).tries(&["check", "--probe"]);
    assert!(!ok, "{out}");
    assert!(line(&out, "ok    probe").contains("arrived in the inbox"), "{out}");
    assert!(line(&out, "ok    answers").contains("plus-address arrives"), "{out}");
    let senders = line(&out, "note  senders   authentication.authserv_id is");
    assert!(
        senders.contains("if that is the mailbox's own server, set it to \"mx.test\""),
        "{out}"
    );
    let spf = line(&out, "FAIL  spf");
    assert!(
        spf.contains("softfail")
            && spf.contains("add ip4: and the address that your mail leaves from to it"),
        "{out}"
    );
    assert!(line(&out, "FAIL  dkim").contains("not signed"), "{out}");
    assert!(
        line(&out, "FAIL  dmarc").contains("neither SPF nor DKIM passes for flexus.example"),
        "{out}"
    );
    assert_eq!(servers.mails(DESK).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_lands_in_junk_or_not_at_all_is_a_failure() {
    let servers = MailServers::start_with(&[DESK, JANE, OFFICER], |settings| {
        settings
            .replace("recipient_delimiter = +", "recipient_delimiter =")
            .replace(&format!("{DESK} {DESK}/\n"), &format!("{DESK} {DESK}/.Spam/\n"))
    });
    let (ok, printed) = desk(&servers, |settings| settings).tries(&["check", "--probe", "--json"]);
    assert!(!ok, "{printed}");
    let lines: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let says = |what: &str| {
        let found = lines.iter().find(|line| line["what"] == what && line["verdict"] == "fail");
        found.unwrap_or_else(|| panic!("no {what} in {printed}"))["says"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(says("probe").contains("arrived in Spam"), "{printed}");
    assert!(says("answers").contains("set identity.plus_addressing = false"), "{printed}");
    let off =
        |settings: String| settings.replace("plus_addressing = true", "plus_addressing = false");
    let (_, out) = desk(&servers, off).tries(&["check", "--probe"]);
    assert!(line(&out, "ok    answers").contains("plus_addressing = false is right"), "{out}");
}

/// As Gmail does with an address that the account was not let send as.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_writes_another_sender_is_noticed() {
    let servers = MailServers::start_with(&[DESK, JANE, OFFICER], |settings| {
        let rewrite = "local_header_rewrite_clients = static:all\n\
            sender_canonical_classes = header_sender\n\
            sender_canonical_maps = static:account@gmail.example\n";
        settings.replace("in_flow_delay = 0\n", &format!("in_flow_delay = 0\n{rewrite}"))
    });
    let (ok, out) = desk(&servers, |settings| settings).tries(&["check", "--probe"]);
    assert!(!ok, "{out}");
    let sender = line(&out, "FAIL  sender");
    assert!(sender.contains("writes account@gmail.example over the sender"), "{out}");
    assert!(sender.contains("\"Send mail as\""), "{out}");
}

/// The desk that runs leaves its own probes alone, wherever they are filed.
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_leaves_a_probe_alone() {
    let servers = MailServers::start(&[DESK, JANE, OFFICER]);
    let mut desk = LiveDesk::over(&servers).await;
    let (_, out) = desk.tries(&["check", "--probe"]);
    assert!(line(&out, "ok    probe").contains("arrived in the inbox"), "{out}");
    assert!(line(&out, "note  sender ").contains("send one mail to a mailbox elsewhere"), "{out}");
    desk.until("both are handled", || {
        (desk.log().matches("reason=own-mail").count() == 2).then_some(())
    })
    .await;
    assert!(desk.command(&["messages", "list"]).contains("No message waits for a person"));
    assert!(desk.cases().is_empty());
    assert_eq!(servers.mails(DESK).await.len(), 2, "no answer");
    desk.stops().await;
}
