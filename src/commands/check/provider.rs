//! Part of `check`: what is known of providers. Recognises their servers, settings that cannot
//! work there, and refused logins, each with the remedy. Pure.

use std::collections::BTreeSet;

/// A provider with ways of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    /// Gmail and Google Workspace.
    Google,
    /// Microsoft 365 and Outlook.com.
    Microsoft,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Reading.
    Imap,
    /// Sending.
    Smtp,
}

/// A server as `bot.toml` names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server<'a> {
    /// What for.
    pub(super) service: Service,
    /// Its name.
    pub(super) host: &'a str,
    /// Its port.
    pub(super) port: u16,
    /// Whether the connection begins in plain text and becomes TLS by STARTTLS.
    pub(super) starttls: bool,
    /// Whether a password is shown to it, and no token.
    pub(super) by_password: bool,
}

const GOOGLE: [&str; 4] = ["gmail.com", "googlemail.com", "google.com", "googlegroups.com"];
const MICROSOFT: [&str; 6] =
    ["outlook.com", "office365.com", "office.com", "hotmail.com", "live.com", "onmicrosoft.com"];

const GOOGLE_PASSWORD: &str = "Google takes an app password in place of the account's: switch on \
    2-step verification, make one at https://myaccount.google.com/apppasswords and put it into the \
    password file; or set auth = \"oauth2\" and run `deletion-desk login`";
const GOOGLE_GROUP: &str = "a Google Group has no mailbox, so nobody can log in as the group: make \
    its address an alias of a user (Admin console: Directory, Users, Alternate emails) and log in as \
    that user, or let the group forward to a mailbox";
const MICROSOFT_PASSWORD: &str = "Microsoft takes no passwords over IMAP, of no kind: set auth = \
    \"oauth2\" and run `deletion-desk login`";

/// Providers where a program needs a password of its own, by the end of their servers' names.
const APP_PASSWORDS: [(&str, &str); 8] = [
    (
        "mail.me.com",
        "Apple wants an app-specific password: https://account.apple.com, Sign-In and Security",
    ),
    ("yahoo.com", "Yahoo wants an app password: Account security, Generate app password"),
    ("aol.com", "AOL wants an app password: Account security, Generate app password"),
    ("fastmail.com", "Fastmail wants an app password: Settings, Privacy & Security"),
    ("zoho.com", "Zoho wants IMAP switched on in the mail settings, and an app-specific password"),
    ("zoho.eu", "Zoho wants IMAP switched on in the mail settings, and an app-specific password"),
    ("gmx.net", "GMX wants IMAP switched on: E-Mail, Einstellungen, POP3/IMAP-Abruf"),
    ("web.de", "WEB.DE wants IMAP switched on: E-Mail, Einstellungen, POP3/IMAP-Abruf"),
];

/// Senders' servers and what a domain's SPF record has to include for them.
const SPF_INCLUDES: [(&str, &str); 9] = [
    ("gmail.com", "_spf.google.com"),
    ("googlemail.com", "_spf.google.com"),
    ("google.com", "_spf.google.com"),
    ("office365.com", "spf.protection.outlook.com"),
    ("outlook.com", "spf.protection.outlook.com"),
    ("amazonaws.com", "amazonses.com"),
    ("sendgrid.net", "sendgrid.net"),
    ("mailgun.org", "mailgun.org"),
    ("fastmail.com", "spf.messagingengine.com"),
];

/// Whether a host is `domain` or below it.
fn is_below(host: &str, domain: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whose server it is.
pub(super) fn provider(host: &str) -> Option<Provider> {
    if GOOGLE.iter().any(|domain| is_below(host, domain)) {
        return Some(Provider::Google);
    }
    MICROSOFT.iter().any(|domain| is_below(host, domain)).then_some(Provider::Microsoft)
}

/// What cannot work at this provider, with the remedy; known before anything is tried.
pub(super) fn wrong_settings(server: &Server<'_>) -> Option<String> {
    let host = server.host.trim_end_matches('.').to_ascii_lowercase();
    let names = |known: &[&str]| known.contains(&host.as_str());
    let Server { port, starttls, .. } = *server;
    match (provider(&host)?, server.service) {
        (Provider::Google, Service::Imap) => {
            if is_below(&host, "googlegroups.com") || names(&["groups.google.com"]) {
                return Some(GOOGLE_GROUP.to_owned());
            }
            if !names(&["imap.gmail.com", "imap.googlemail.com"]) {
                return Some(
                    "Google's IMAP server is imap.gmail.com; set mailbox.host to it".into(),
                );
            }
            (port != 993).then(|| "Google's IMAP is on port 993; set mailbox.port = 993".into())
        }
        (Provider::Google, Service::Smtp) => {
            if !names(&["smtp.gmail.com", "smtp.googlemail.com", "smtp-relay.gmail.com"]) {
                return Some("Google's mail server is smtp.gmail.com; set smtp.host to it".into());
            }
            let fits = matches!((port, starttls), (465, false) | (587, true));
            (!fits).then(|| {
                "Google wants tls = \"implicit\" on port 465, or tls = \"starttls\" on port 587"
                    .into()
            })
        }
        (Provider::Microsoft, Service::Imap) => {
            if !names(&["outlook.office365.com", "imap-mail.outlook.com"]) {
                let what =
                    "Microsoft's IMAP server is outlook.office365.com; set mailbox.host to it";
                return Some(what.into());
            }
            if port != 993 {
                return Some("Microsoft's IMAP is on port 993; set mailbox.port = 993".into());
            }
            server.by_password.then(|| MICROSOFT_PASSWORD.to_owned())
        }
        // An organization's own border takes mail for it without a login.
        (Provider::Microsoft, Service::Smtp) if is_below(&host, "mail.protection.outlook.com") => {
            None
        }
        (Provider::Microsoft, Service::Smtp) => {
            if !names(&["smtp.office365.com", "smtp-mail.outlook.com"]) {
                let what = "Microsoft's mail server is smtp.office365.com; set smtp.host to it";
                return Some(what.into());
            }
            (port != 587 || !starttls).then(|| {
                "Microsoft wants STARTTLS: set smtp.tls = \"starttls\" and smtp.port = 587".into()
            })
        }
    }
}

/// The remedy for a login that was refused: out of the server's words, and of what it offers
/// before a login (capabilities in upper case). Nothing where there is no better advice than to
/// look at the password.
pub(super) fn remedy(
    server: &Server<'_>,
    words: &str,
    offers: &BTreeSet<String>,
    is_desk: bool,
) -> Option<String> {
    let words = words.to_ascii_lowercase();
    let says = |all: &[&str]| all.iter().any(|one| words.contains(one));
    let provider = provider(server.host);
    if says(&["[unavailable]", "[inuse]", "temporary", "try again later", "server busy"]) {
        return Some("The server has trouble of its own: try again later".into());
    }
    if says(&["imap access is disabled", "not enabled for imap", "imap is disabled"]) {
        return Some(
            "IMAP is switched off for this mailbox: switch it on in the mailbox's settings, or let \
             the organization's administrator do it"
                .into(),
        );
    }
    if says(&["web login required", "via your web browser", "weblogin"]) {
        return Some("Sign in to that mailbox once with a browser, then try again".into());
    }
    if says(&["application-specific password", "app password", "app-specific password"])
        && provider != Some(Provider::Google)
    {
        return Some(
            "Make an app password at the provider, and put it into the password file".into(),
        );
    }
    match (provider, server.service) {
        (Some(Provider::Google), _) if is_desk => {
            Some(format!("{GOOGLE_PASSWORD}. If that address is a group's: {GOOGLE_GROUP}"))
        }
        (Some(Provider::Google), _) => Some(GOOGLE_PASSWORD.into()),
        (Some(Provider::Microsoft), Service::Imap) if server.by_password => {
            Some(MICROSOFT_PASSWORD.into())
        }
        (Some(Provider::Microsoft), Service::Imap) => None,
        (Some(Provider::Microsoft), Service::Smtp) => Some(
            "Microsoft lets programs send only where that is switched on: Microsoft 365 admin center, \
             Users, this mailbox, Mail, Manage email apps, Authenticated SMTP; with smtp.auth = \"oauth2\" \
             it needs no password"
                .into(),
        ),
        (None, _) => {
            let known = APP_PASSWORDS.iter().find(|(end, _)| is_below(server.host, end));
            known.map(|(_, what)| (*what).to_owned()).or_else(|| without_passwords(&words, offers))
        }
    }
}

/// A server that takes no password in this way at all.
fn without_passwords(words: &str, offers: &BTreeSet<String>) -> Option<String> {
    let by_token = offers.contains("AUTH=XOAUTH2") || offers.contains("AUTH=OAUTHBEARER");
    let by_password = !offers.contains("LOGINDISABLED") || offers.contains("AUTH=PLAIN");
    let says_off = words.contains("basic authentication is disabled")
        || words.contains("basicauthblocked")
        || words.contains("logindisabled");
    if by_password && !says_off {
        return None;
    }
    Some(match by_token {
        true => {
            "The server takes no passwords: set auth = \"oauth2\" with a section [oauth2] and run \
                 `deletion-desk login`"
                .into()
        }
        false => {
            "The server takes no passwords on this port (LOGINDISABLED): use the port with TLS \
                  from the first byte, mostly 993"
                .into()
        }
    })
}

/// What a login at Google as somebody else than the desk may mean.
pub(super) fn other_login(host: &str, username: &str, desk: &str) -> Option<String> {
    let differs = !username.eq_ignore_ascii_case(desk);
    (provider(host) == Some(Provider::Google) && differs).then(|| {
        "the login is not identity.address: well, if that is an alias of the login. If it is a Google \
         Group, its mail comes as mail of a mailing list, which is shown to staff and never answered: \
         make it an alias of the user instead, and allow it under \"Send mail as\""
            .to_owned()
    })
}

/// What the SPF record of the From domain has to hold for this server.
pub(super) fn spf_mechanism(smtp_host: &str) -> String {
    let known = SPF_INCLUDES.iter().find(|(end, _)| is_below(smtp_host, end));
    let is_here = smtp_host == "localhost" || smtp_host.parse::<std::net::IpAddr>().is_ok();
    match known {
        Some((_, include)) => format!("include:{include}"),
        None if is_here => "ip4: and the address that your mail leaves from".to_owned(),
        None => format!("a:{smtp_host}"),
    }
}

/// How to have mail signed.
pub(super) fn signing(smtp_host: &str) -> &'static str {
    match provider(smtp_host) {
        Some(Provider::Google) => {
            "Admin console: Apps, Google Workspace, Gmail, Authenticate email: make a key, publish it as \
             TXT at google._domainkey, then press Start authentication"
        }
        Some(Provider::Microsoft) => {
            "Microsoft Defender: Email authentication settings, DKIM: publish the two CNAME records \
             selector1._domainkey and selector2._domainkey, then switch it on"
        }
        None => "let your mail server sign with a key that is published below _domainkey",
    }
}

/// Whether a link leads to another site than the address belongs to: spam filters look at
/// that, and people should.
pub(super) fn is_other_site(url: &str, domain: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    let is_local = host == "localhost" || host.chars().all(|c| c.is_ascii_digit() || c == '.');
    !is_local && site(&host) != site(&domain.to_ascii_lowercase())
}

/// The last two labels, or three where the second is one of a registry (`co.uk`).
fn site(host: &str) -> String {
    let labels: Vec<&str> = host.trim_end_matches('.').rsplit('.').collect();
    let is_registry =
        |label: &&&str| ["co", "com", "org", "net", "ac", "gov", "edu"].contains(*label);
    let country = labels.first().is_some_and(|top| top.len() == 2);
    let count = if country && labels.get(1).as_ref().is_some_and(is_registry) { 3 } else { 2 };
    labels.into_iter().take(count).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_recognised_by_their_names() {
        for (host, expected) in [
            ("imap.gmail.com", Some(Provider::Google)),
            ("SMTP.Gmail.com.", Some(Provider::Google)),
            ("smtp-relay.gmail.com", Some(Provider::Google)),
            ("outlook.office365.com", Some(Provider::Microsoft)),
            ("smtp.office365.com", Some(Provider::Microsoft)),
            ("outlook.com", Some(Provider::Microsoft)),
            ("flexus-team.mail.protection.outlook.com", Some(Provider::Microsoft)),
            ("imap.flexus.team", None),
            ("notgmail.com", None),
            ("gmail.com.flexus.team", None),
        ] {
            assert_eq!(provider(host), expected, "{host}");
        }
    }

    #[track_caller]
    fn check(service: Service, host: &str, port: u16, starttls: bool, expected: Option<&str>) {
        let by_password = true;
        let found = wrong_settings(&Server { service, host, port, starttls, by_password });
        match (&found, expected) {
            (Some(found), Some(words)) => assert!(found.contains(words), "{host}: {found}"),
            (None, None) => {}
            _ => panic!("{host}:{port} starttls={starttls}: {found:?}"),
        }
    }

    #[test]
    fn settings_that_cannot_work_are_known() {
        use Service::{Imap, Smtp};
        check(Imap, "imap.gmail.com", 993, false, None);
        check(Imap, "imap.gmail.com", 143, false, Some("mailbox.port = 993"));
        check(Imap, "gmail.com", 993, false, Some("imap.gmail.com"));
        check(Imap, "smtp.gmail.com", 993, false, Some("imap.gmail.com"));
        check(Imap, "groups.google.com", 993, false, Some("alias of a user"));
        check(Imap, "outlook.office365.com", 993, false, Some("takes no passwords"));
        check(Imap, "outlook.office365.com", 143, false, Some("mailbox.port = 993"));
        check(Imap, "outlook.com", 993, false, Some("outlook.office365.com"));
        check(Imap, "imap.flexus.team", 143, true, None);
        check(Smtp, "smtp.gmail.com", 465, false, None);
        check(Smtp, "smtp.gmail.com", 587, true, None);
        check(Smtp, "smtp.gmail.com", 587, false, Some("port 465"));
        check(Smtp, "imap.gmail.com", 465, false, Some("smtp.gmail.com"));
        check(Smtp, "smtp.office365.com", 587, true, None);
        check(Smtp, "smtp.office365.com", 465, false, Some("smtp.port = 587"));
        check(Smtp, "smtp.office365.com", 587, false, Some("starttls"));
        check(Smtp, "outlook.office365.com", 587, true, Some("smtp.office365.com"));
        check(Smtp, "flexus-team.mail.protection.outlook.com", 25, true, None);
        check(Smtp, "smtp.flexus.team", 2525, false, None);
    }

    #[test]
    fn with_a_token_microsoft_is_no_trouble() {
        let host = "outlook.office365.com";
        let (service, port, starttls) = (Service::Imap, 993, false);
        let server = Server { service, host, port, starttls, by_password: false };
        assert_eq!(wrong_settings(&server), None);
    }

    #[track_caller]
    fn refused(
        service: Service,
        host: &str,
        words: &str,
        offers: &[&str],
        is_desk: bool,
        expected: Option<&str>,
    ) {
        let offers = offers.iter().map(|one| (*one).to_owned()).collect();
        let server = Server { service, host, port: 993, starttls: false, by_password: true };
        let found = remedy(&server, words, &offers, is_desk);
        match (&found, expected) {
            (Some(found), Some(words)) => assert!(found.contains(words), "{host}: {found}"),
            (None, None) => {}
            _ => panic!("{host}, {words}: {found:?}"),
        }
    }

    #[test]
    fn a_refused_login_gets_the_remedy_of_its_provider() {
        use Service::{Imap, Smtp};
        let own = |host, words, expected| refused(Imap, host, words, &[], false, Some(expected));
        let gmail = "imap.gmail.com";
        own(
            gmail,
            "[ALERT] Application-specific password required: https://support",
            "apppasswords",
        );
        own(gmail, "[AUTHENTICATIONFAILED] Invalid credentials (Failure)", "apppasswords");
        own(gmail, "[ALERT] IMAP access is disabled for your domain.", "IMAP is switched off");
        own(gmail, "[ALERT] Please log in via your web browser: https://", "with a browser");
        own(gmail, "[ALERT] Web login required (Failure)", "with a browser");
        own("outlook.office365.com", "LOGIN failed.", "takes no passwords over IMAP");
        own(
            "outlook.office365.com",
            "BasicAuthBlocked-LogonDenied",
            "takes no passwords over IMAP",
        );
        own("imap.mail.me.com", "[AUTHENTICATIONFAILED] Authentication failed", "app-specific");
        own(
            "imap.mail.yahoo.com",
            "[AUTHENTICATIONFAILED] LOGIN Invalid credentials",
            "app password",
        );
        own("imap.gmx.net", "[AUTHENTICATIONFAILED] authentication failed", "IMAP switched on");
        own("imap.x.example", "[UNAVAILABLE] Temporary authentication failure.", "later");
        own("imap.x.example", "basic authentication is disabled", "takes no passwords");
        own("imap.x.example", "an application-specific password is needed", "app password");
        refused(Imap, gmail, "[AUTHENTICATIONFAILED]", &[], true, Some("a group's"));
        refused(Smtp, "smtp.gmail.com", "534 5.7.9", &[], false, Some("apppasswords"));
        refused(Smtp, "smtp.office365.com", "535 5.7.139", &[], false, Some("Authenticated SMTP"));
        let failed = "[AUTHENTICATIONFAILED] Authentication failed.";
        refused(Imap, "imap.x.example", failed, &["AUTH=PLAIN"], true, None);
        refused(Imap, "imap.x.example", "[PRIVACYREQUIRED]", &["LOGINDISABLED"], true, Some("993"));
        let tokens_only = ["LOGINDISABLED", "AUTH=XOAUTH2"];
        refused(Imap, "imap.x.example", "NO", &tokens_only, true, Some("oauth2"));
        refused(Imap, "imap.x.example", failed, &["LOGINDISABLED", "AUTH=PLAIN"], true, None);
    }

    #[test]
    fn a_login_beside_the_address_at_google_may_be_a_group() {
        let found = other_login("imap.gmail.com", "bob@flexus.team", "hello@flexus.team");
        assert!(found.unwrap().contains("Google Group"));
        assert_eq!(other_login("imap.gmail.com", "Hello@flexus.team", "hello@flexus.team"), None);
        assert_eq!(other_login("imap.x.example", "bob@flexus.team", "hello@flexus.team"), None);
    }

    #[test]
    fn records_are_named_for_the_server_that_sends() {
        assert_eq!(spf_mechanism("smtp.gmail.com"), "include:_spf.google.com");
        assert_eq!(spf_mechanism("smtp.office365.com"), "include:spf.protection.outlook.com");
        assert_eq!(spf_mechanism("mail.flexus.team"), "a:mail.flexus.team");
        assert!(spf_mechanism("localhost").starts_with("ip4:"));
    }

    #[test]
    fn a_link_on_another_site_is_seen() {
        for (url, domain, other) in [
            ("https://privacy.flexus.team", "flexus.team", false),
            ("https://privacy.flexus.team:8443", "mail.flexus.team", false),
            ("https://Flexus.TEAM", "flexus.team", false),
            ("https://flexus.example", "flexus.team", true),
            ("https://flexus.team.evil.example", "flexus.team", true),
            ("https://privacy.flexus.co.uk", "flexus.co.uk", false),
            ("https://privacy.other.co.uk", "flexus.co.uk", true),
            ("http://127.0.0.1:8080", "flexus.team", false),
            ("http://localhost", "flexus.team", false),
        ] {
            assert_eq!(is_other_site(url, domain), other, "{url} and {domain}");
        }
    }
}
