//! Signing in with tokens: the real program between a provider of the tests, a Dovecot that
//! asks that provider (its oauth2 passdb), and a Postfix that asks Dovecot.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deletion_desk::config::Config;
use deletion_desk::https::Https;
use deletion_desk::mailbox::{ImapMailbox, ImapSettings};
use deletion_desk::oauth::{
    Flow, OAuthError, OAuthSettings, Provider, SecretPlace, SignIn, TokenFile, TokenSource,
};
use deletion_desk::trouble::Trouble;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{DESK, JANE, OFFICER};
use crate::lying_imap::{At, Fault, LyingImap};
use crate::servers::{MailServers, program};
use crate::token_server::{CLIENT, Rotation, TokenServer};
use crate::wire::{LiveDesk, request};

const JOHN: &str = "john@example.org";
const REFRESH: &str = "refresh_token";

/// Instead of passwords; the provider's addresses follow.
const OAUTH2: &str = r#"
[oauth2]
provider = "custom"
client_id = "desk-app"
scope = "mail"
"#;

async fn world() -> (TokenServer, MailServers) {
    let tokens = TokenServer::start(DESK).await;
    let addresses = [DESK, OFFICER, JANE, JOHN];
    let servers = MailServers::with_tokens(&addresses, &tokens.url("/introspect"));
    (tokens, servers)
}

/// A desk that signs in at the provider; `more` goes into `[oauth2]`.
fn desk(servers: &MailServers, tokens: &TokenServer, more: &str) -> LiveDesk {
    let urls = format!(
        "token_url = \"{}\"\ndevice_url = \"{}\"\nauthorize_url = \"{}\"\n",
        tokens.url("/token"),
        tokens.url("/device"),
        tokens.url("/authorize")
    );
    LiveDesk::prepared(servers, |settings| {
        settings.replace("password_file = \"password\"", "auth = \"oauth2\"")
            + OAUTH2
            + &urls
            + more
    })
}

/// A file as `login` leaves it.
fn signed_in(tokens: &TokenServer, file: &Path) {
    let kept = json!({"provider": "custom", "client_id": CLIENT,
        "signed_in_at": "2026-06-01T12:00:00Z", "refresh_token": tokens.signs_in()});
    fs::write(file, kept.to_string()).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

fn kept_token(file: &Path) -> String {
    let kept: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    kept["refresh_token"].as_str().unwrap().to_owned()
}

/// `login` while it runs.
struct Login {
    child: Child,
    said: std::path::PathBuf,
}

impl Login {
    fn begins(desk: &LiveDesk, typed: Stdio) -> Login {
        let said = desk.file("login.said");
        let out = fs::File::create(&said).unwrap();
        let mut login = desk.program(&["login"]);
        login.stdin(typed).stdout(out.try_clone().unwrap()).stderr(out);
        Login { child: login.spawn().unwrap(), said }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    async fn says(&self, desk: &LiveDesk, words: &str) {
        desk.until(words, || self.said().contains(words).then_some(())).await;
    }

    async fn ends(mut self, desk: &LiveDesk) -> (bool, String) {
        let child = &mut self.child;
        let status = desk.until("login has ended", || child.try_wait().unwrap()).await;
        (status.success(), self.said())
    }
}

/// Somebody signs in by device, from the first line to the last.
async fn login_by_device(desk: &LiveDesk, tokens: &TokenServer) -> String {
    let login = Login::begins(desk, Stdio::null());
    login.says(desk, "Waiting").await;
    tokens.person_agrees(true);
    let (works, said) = login.ends(desk).await;
    assert!(works, "{said}");
    said
}

fn assert_no_token_in(texts: &[(&str, String)], tokens: &TokenServer) {
    for token in tokens.all_tokens() {
        for (what, text) in texts {
            assert!(!text.contains(&token), "a token in {what}: {text}");
        }
    }
}

/// Connections that were open end, and every server has to be logged in at again.
async fn connections_end(servers: &MailServers) {
    servers.stop_smtp();
    servers.stop_imap();
    servers.start_imap();
    servers.start_smtp();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_by_device_and_the_desk_reads_and_answers() {
    let (tokens, servers) = world().await;
    let tls = format!("https://localhost:{}", tokens.over_tls(&servers).await);
    let ca = format!("ca_file = \"{}\"\n", servers.ca_file().display());
    let mut desk = desk(&servers, &tokens, &ca);
    let settings = fs::read_to_string(desk.file("bot.toml")).unwrap();
    fs::write(desk.file("bot.toml"), settings.replace(&tokens.url(""), &tls)).unwrap();

    let failure = desk.check_fails_at("sign-in");
    assert!(failure.contains("Nobody has signed in yet"), "{failure}");
    assert!(failure.contains("Run `deletion-desk login` on the host"), "{failure}");

    let login = Login::begins(&desk, Stdio::null());
    login.says(&desk, "Waiting").await;
    let said = login.said();
    for words in ["https://login.example/device", "BDWP-HQPK", "Sign in as hello@flexus.example"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    desk.until("the device was told to slow down", || (tokens.polls() >= 2).then_some(())).await;
    tokens.person_agrees(true);
    let (works, said) = login.ends(&desk).await;
    assert!(works, "{said}");
    assert!(said.contains("The mailbox takes the sign-in."), "{said}");
    assert!(said.contains("The mail server takes the sign-in."), "{said}");
    let file = desk.file("oauth2.token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(tokens.refresh_tokens(), [kept_token(&file)]);

    let checked = desk.command(&["check"]);
    assert!(checked.contains("renews the token of hello@flexus.example"), "{checked}");

    desk.starts().await;
    servers.post(JANE, DESK, &request(JANE)).await;
    let letter = desk.letter(&servers, JANE, 1).await;
    assert_eq!(letter.subject(), "Please confirm your data deletion request");
    desk.stops().await;
    assert_no_token_in(&[("the log", desk.log()), ("login", said), ("check", checked)], &tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_expire_and_rotate_under_a_desk_that_runs() {
    let (tokens, servers) = world().await;
    tokens.rotates(Rotation::Strict);
    tokens.tokens_live(3);
    let mut desk = desk(&servers, &tokens, "");
    let file = desk.file("oauth2.token");
    signed_in(&tokens, &file);
    let first = kept_token(&file);
    desk.starts().await;
    for (from, round) in [(JANE, 1), (JOHN, 2)] {
        let asked = tokens.asked_for(REFRESH);
        tokio::time::sleep(Duration::from_secs(4)).await;
        connections_end(&servers).await;
        servers.post(from, DESK, &request(from)).await;
        desk.letter(&servers, from, 1).await;
        assert!(tokens.asked_for(REFRESH) > asked, "round {round}: no new token");
        assert_ne!(kept_token(&file), first);
        assert_eq!(tokens.refresh_tokens(), [kept_token(&file)]);
    }
    desk.stops().await;
    assert_no_token_in(&[("the log", desk.log())], &tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_a_server_refuses_is_replaced_once() {
    let (tokens, servers) = world().await;
    let mut desk = desk(&servers, &tokens, "");
    signed_in(&tokens, &desk.file("oauth2.token"));
    desk.starts().await;
    assert_eq!(tokens.asked_for(REFRESH), 1);
    // A fresh token would not be replaced: another would fare no better.
    tokio::time::sleep(Duration::from_secs(16)).await;
    tokens.access_tokens_end();
    connections_end(&servers).await;
    servers.post(JANE, DESK, &request(JANE)).await;
    desk.letter(&servers, JANE, 1).await;
    assert_eq!(tokens.asked_for(REFRESH), 2);
    assert!(!desk.log().contains("refuses the token"), "{}", desk.log());
    desk.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_sign_in_is_told_with_its_remedy_and_the_next_one_needs_no_restart() {
    let (tokens, servers) = world().await;
    let mut desk = desk(&servers, &tokens, "");
    signed_in(&tokens, &desk.file("oauth2.token"));
    tokens.tokens_live(4);
    desk.starts().await;
    tokens.is_revoked();
    tokio::time::sleep(Duration::from_secs(4)).await;
    connections_end(&servers).await;
    desk.until_log_says("no longer accepts the sign-in (invalid_grant)").await;
    desk.until_log_says("Run `deletion-desk login` on the host and sign in again").await;
    let failure = desk.check_fails_at("sign-in");
    assert!(failure.contains("(invalid_grant)"), "{failure}");
    assert!(desk.runs());

    servers.post(JANE, DESK, &request(JANE)).await;
    tokens.tokens_live(3600);
    login_by_device(&desk, &tokens).await;
    desk.letter(&servers, JANE, 1).await;
    assert!(desk.runs());
    desk.stops().await;
    assert_no_token_in(&[("the log", desk.log())], &tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_the_token_does_not_open_is_said_so() {
    let (tokens, servers) = world().await;
    let desk = desk(&servers, &tokens, "");
    signed_in(&tokens, &desk.file("oauth2.token"));
    let settings = fs::read_to_string(desk.file("bot.toml")).unwrap();
    let other = settings.replace("username = \"hello@", "username = \"officer@");
    fs::write(desk.file("bot.toml"), other).unwrap();
    for what in ["mailbox", "smtp"] {
        let failure = desk.check_fails_at(what);
        assert!(failure.contains("localhost refuses the token of the provider"), "{failure}");
        assert!(failure.contains("Check that username is a mailbox of the account"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_with_a_browser_here_or_elsewhere() {
    let (tokens, servers) = world().await;
    let desk = desk(&servers, &tokens, "flow = \"browser\"\n");
    let file = desk.file("oauth2.token");

    // A browser on this machine follows where the provider sends it.
    let login = Login::begins(&desk, Stdio::null());
    login.says(&desk, "Waiting").await;
    let sent_to = agreed_at(&login.said()).await;
    assert!(sent_to.starts_with("http://127.0.0.1:"), "{sent_to}");
    let strange = get(&sent_to.replace("state=", "state=x")).await;
    assert!(strange.starts_with("HTTP/1.1 404 "), "{strange}");
    let page = get(&sent_to).await;
    assert!(page.contains("You can close this page"), "{page}");
    let (works, said) = login.ends(&desk).await;
    assert!(works, "{said}");
    assert_eq!(tokens.refresh_tokens(), [kept_token(&file)]);

    // One elsewhere cannot; its address is pasted.
    tokens.is_revoked();
    let mut login = Login::begins(&desk, Stdio::piped());
    login.says(&desk, "Waiting").await;
    let sent_to = agreed_at(&login.said()).await;
    let mut typed = login.child.stdin.take().unwrap();
    std::io::Write::write_all(&mut typed, format!("{sent_to}\n").as_bytes()).unwrap();
    let (works, said) = login.ends(&desk).await;
    assert!(works, "{said}");
    assert_eq!(tokens.refresh_tokens(), [kept_token(&file)]);

    // And whoever says no is believed.
    let login = Login::begins(&desk, Stdio::null());
    login.says(&desk, "Waiting").await;
    let no = agreed_at(&login.said()).await.replace("&code=", "&error=access_denied&x=");
    get(&no).await;
    let (works, said) = login.ends(&desk).await;
    assert!(!works && said.contains("The sign-in was declined"), "{said}");
}

/// Opens the link that `login` printed, agrees, and returns where the browser is sent.
async fn agreed_at(said: &str) -> String {
    let link = said.lines().find(|line| line.contains("/authorize?")).unwrap();
    let answer = get(link).await;
    let to = answer.lines().find_map(|line| line.strip_prefix("Location: "));
    to.unwrap().to_owned()
}

async fn get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_needs_nobody_to_sign_in_and_its_secret_is_renewed_in_place() {
    let (tokens, servers) = world().await;
    tokens.client_secret_is("open sesame");
    let more = "flow = \"client-credentials\"\nclient_secret_file = \"secret\"\n";
    let mut desk = desk(&servers, &tokens, more);
    let failure = desk.check_fails_at("sign-in");
    assert!(failure.contains("The client secret cannot be read"), "{failure}");
    fs::write(desk.file("secret"), "wrong").unwrap();
    let failure = desk.check_fails_at("sign-in");
    assert!(failure.contains("does not know this app or its secret"), "{failure}");
    fs::write(desk.file("secret"), "open sesame\n").unwrap();
    let said = desk.command(&["login"]);
    assert!(said.contains("nobody has to sign in"), "{said}");
    assert!(!desk.file("oauth2.token").exists());

    tokens.tokens_live(4);
    desk.starts().await;
    // Secrets of apps end, too.
    tokens.refuses("invalid_client", "AADSTS7000222: The provided client secret keys are expired.");
    tokio::time::sleep(Duration::from_secs(4)).await;
    connections_end(&servers).await;
    desk.until_log_says("The client secret has expired (invalid_client, AADSTS7000222)").await;
    assert!(desk.runs());
    tokens.refuses_no_more();
    tokens.client_secret_is("sesame two");
    fs::write(desk.file("secret"), "sesame two").unwrap();
    servers.post(JANE, DESK, &request(JANE)).await;
    desk.letter(&servers, JANE, 1).await;
    desk.stops().await;
    assert!(!desk.log().contains("sesame"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_signs_for_the_mailbox() {
    let (tokens, servers) = world().await;
    let desk = LiveDesk::prepared(&servers, |settings| {
        settings.replace("password_file = \"password\"", "auth = \"oauth2\"")
            + "[oauth2]\nprovider = \"google\"\nflow = \"client-credentials\"\n"
            + "service_account_file = \"account.json\"\n"
            + &format!("token_url = \"{}\"\n", tokens.url("/token"))
    });
    let openssl = |arguments: &[&str]| {
        let mut openssl = Command::new(program("openssl"));
        let output = openssl.current_dir(desk.file("")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let account = || {
        openssl(&["genpkey", "-algorithm", "RSA", "-out", "key.pem"]);
        let key = fs::read_to_string(desk.file("key.pem")).unwrap();
        let account = json!({"type": "service_account", "private_key_id": "1", "private_key": key,
            "client_email": "desk@project.iam.example"});
        fs::write(desk.file("account.json"), account.to_string()).unwrap();
    };
    account();
    openssl(&["rsa", "-in", "key.pem", "-RSAPublicKey_out", "-outform", "DER", "-out", "public"]);
    tokens.account_key_is(&desk.file("public"));
    let said = desk.command(&["login"]);
    assert!(said.contains("Google gives a token; nobody has to sign in."), "{said}");
    assert!(said.contains("The mailbox takes the sign-in."), "{said}");
    // Another key is not believed.
    account();
    let failure = desk.check_fails_at("sign-in");
    assert!(failure.contains("does not take the service account's word"), "{failure}");
    fs::write(desk.file("account.json"), "{}").unwrap();
    let failure = desk.check_fails_at("sign-in");
    assert!(failure.contains("it is not the JSON file"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_agree_is_believed() {
    let (tokens, servers) = world().await;
    let desk = desk(&servers, &tokens, "");
    let login = Login::begins(&desk, Stdio::null());
    login.says(&desk, "Waiting").await;
    tokens.person_agrees(false);
    let (works, said) = login.ends(&desk).await;
    assert!(!works && said.contains("The sign-in was declined"), "{said}");
    assert!(!desk.file("oauth2.token").exists());
}

/// Killed on both sides of each boundary: the sign-in is there afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_a_token_rotates_loses_no_sign_in() {
    let tokens = TokenServer::start(DESK).await;
    let (folder, source) = in_process(&tokens);
    let file = folder.path().join("token");
    for (step, rotation) in [
        // Here a provider that ends the old token at once has given the new one to nobody.
        ("before-token-written", Rotation::WithGrace),
        ("before-token-renamed", Rotation::Strict),
        ("after-token-renamed", Rotation::Strict),
    ] {
        tokens.rotates(rotation);
        signed_in(&tokens, &file);
        let settings = crate::settings::SETTINGS.replace(
            "[smtp]\nkind = \"maildir\"\npath = \"out\"",
            "[smtp]\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = 9\ntls = \"none\"\n\
             username = \"hello@flexus.example\"\nauth = \"oauth2\"",
        ) + OAUTH2
            + &format!(
                "token_file = \"token\"\ntoken_url = \"{}\"\ndevice_url = \"{}\"\n",
                tokens.url("/token"),
                tokens.url("/device")
            );
        fs::write(folder.path().join("bot.toml"), settings).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_deletion-desk"));
        check.arg("--config").arg(folder.path().join("bot.toml")).arg("check");
        check.env("DELETION_DESK_DIE_AT", step).stdout(Stdio::null()).stderr(Stdio::null());
        let asked = tokens.asked_for(REFRESH);
        assert!(!check.status().unwrap().success());
        assert_eq!(tokens.asked_for(REFRESH), asked + 1, "{step}: it died after the answer");
        source.try_renewal().await.unwrap_or_else(|why| panic!("{step}: {why}"));
        assert!(tokens.refresh_tokens().contains(&kept_token(&file)), "{step}");
    }
}

/// A source of tokens in this process.
fn in_process(tokens: &TokenServer) -> (TempDir, TokenSource) {
    let folder = TempDir::new().unwrap();
    let source = source(tokens, &folder.path().join("token"), None);
    (folder, source)
}

fn source(tokens: &TokenServer, file: &Path, secret: Option<SecretPlace>) -> TokenSource {
    TokenSource::new(OAuthSettings {
        provider: Provider::Custom,
        flow: Flow::Device,
        client_id: CLIENT.to_owned(),
        client_secret: secret,
        token_url: tokens.url("/token").parse().unwrap(),
        device_url: None,
        authorize_url: None,
        scope: "mail".to_owned(),
        token_file: TokenFile::new(file.to_owned()),
        service_account: None,
        mailbox: DESK.to_owned(),
        https: Https::new(None).unwrap(),
    })
}

/// Gmail turns whoever opens too many connections away where it refuses tokens, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_has_not_refused_the_token() {
    let tokens = TokenServer::start(DESK).await;
    let (folder, source) = in_process(&tokens);
    signed_in(&tokens, &folder.path().join("token"));
    let server = LyingImap::start(None).await;
    let busy = b"TAG NO [ALERT] Too many simultaneous connections. (Failure)\r\n".to_vec();
    server.lies(At::Login, Fault::SaysInstead(busy), 2);
    let mut inbox = ImapMailbox::new(ImapSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        tls: false,
        username: DESK.to_owned(),
        sign_in: SignIn::OAuth2(source),
        folder: "INBOX".to_owned(),
        ca_pem: None,
        idle: false,
        message_bytes_max: 1 << 20,
    });
    let why = inbox.try_login().await.unwrap_err();
    assert_eq!(Trouble::of(&why), Trouble::Busy, "{why:#}");
    assert_eq!((server.lies_left(), tokens.asked_for(REFRESH)), (1, 1), "once, with one token");
}

/// `login` and `check` are run by root, and the daemon by a user of its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_root_renews_belongs_to_whom_the_folder_belongs_to() {
    let tokens = TokenServer::start(DESK).await;
    tokens.rotates(Rotation::Strict);
    let (folder, source) = in_process(&tokens);
    std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
    signed_in(&tokens, &folder.path().join("token"));
    source.token().await.unwrap();
    for name in ["token", "token.lock"] {
        let file = fs::metadata(folder.path().join(name)).unwrap();
        let owned = (file.uid(), file.gid(), file.mode() & 0o777);
        assert_eq!(owned, (65_534, 65_534, 0o600), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_connections_share_one_renewal() {
    let tokens = TokenServer::start(DESK).await;
    let (folder, source) = in_process(&tokens);
    signed_in(&tokens, &folder.path().join("token"));
    let mut lines = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let source = source.clone();
        lines.spawn(async move { source.token().await.map(|_| ()) });
    }
    assert!(lines.join_all().await.iter().all(Result::is_ok));
    assert_eq!(tokens.asked_for(REFRESH), 1);
}

/// `check` beside a running desk: with a provider that ends a token at its use, two that spend
/// the same one would lose the sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn two_programs_never_spend_the_same_token() {
    let tokens = TokenServer::start(DESK).await;
    tokens.rotates(Rotation::Strict);
    let (folder, one) = in_process(&tokens);
    let file = folder.path().join("token");
    signed_in(&tokens, &file);
    let other = source(&tokens, &file, None);
    let mut programs = tokio::task::JoinSet::new();
    for source in [one, other] {
        programs.spawn(async move {
            for _ in 0..20 {
                source.try_renewal().await.unwrap();
            }
        });
    }
    programs.join_all().await;
    assert_eq!(tokens.asked_for(REFRESH), 40);
    assert_eq!(tokens.refresh_tokens(), [kept_token(&file)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_not_spent_where_the_next_cannot_be_kept() {
    let tokens = TokenServer::start(DESK).await;
    tokens.rotates(Rotation::Strict);
    let (folder, source) = in_process(&tokens);
    let file = folder.path().join("token");
    signed_in(&tokens, &file);
    fs::create_dir(folder.path().join("token.next")).unwrap();
    let why = source.token().await.unwrap_err();
    assert!(matches!(why, OAuthError::CannotKeep { .. }), "{why}");
    assert_eq!(tokens.asked_for(REFRESH), 0);
    fs::remove_dir(folder.path().join("token.next")).unwrap();
    source.token().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_asked_once_about_a_dead_sign_in_and_at_once_about_the_next() {
    let tokens = TokenServer::start(DESK).await;
    let (folder, source) = in_process(&tokens);
    let file = folder.path().join("token");
    signed_in(&tokens, &file);
    tokens.is_revoked();
    for _ in 0..3 {
        let why = source.token().await.unwrap_err();
        assert!(matches!(why, OAuthError::SignInEnded { .. }), "{why}");
    }
    assert_eq!(tokens.asked_for(REFRESH), 1);
    signed_in(&tokens, &file);
    source.token().await.unwrap();
    assert_eq!(tokens.asked_for(REFRESH), 2);
}

/// The provider has ended the old token, and the new one cannot take its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_sign_in_that_cannot_be_kept_is_kept_later() {
    let tokens = TokenServer::start(DESK).await;
    tokens.rotates(Rotation::Strict);
    let (folder, source) = in_process(&tokens);
    let file = folder.path().join("token");
    signed_in(&tokens, &file);
    let in_the_way = file.clone();
    tokens.meanwhile(move || {
        fs::remove_file(&in_the_way).unwrap();
        fs::create_dir(&in_the_way).unwrap();
        fs::write(in_the_way.join("x"), "").unwrap();
    });
    source.token().await.unwrap();
    let why = source.try_renewal().await.unwrap_err();
    assert!(matches!(why, OAuthError::CannotKeep { .. }), "{why}");
    assert_eq!(tokens.asked_for(REFRESH), 1, "the new one is not spent");
    source.token().await.expect("the token that there is");
    fs::remove_dir_all(&file).unwrap();
    source.try_renewal().await.unwrap();
    assert_eq!(tokens.refresh_tokens(), [kept_token(&file)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_stops_nothing_while_the_token_is_good() {
    let tokens = TokenServer::start(DESK).await;
    tokens.tokens_live(30);
    let (folder, source) = in_process(&tokens);
    signed_in(&tokens, &folder.path().join("token"));
    let shown = async || source.token().await.map(|t| t.expose_secret().to_owned());
    let first = shown().await.unwrap();
    tokens.refuses("temporarily_unavailable", "");
    // In the last fifth of its life a token is renewed.
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(shown().await.unwrap(), first);
    assert_eq!(tokens.asked_for(REFRESH), 2);
    tokens.refuses_no_more();
    assert_ne!(shown().await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_others_can_read_or_that_is_of_another_app_is_refused() {
    let tokens = TokenServer::start(DESK).await;
    let (folder, source) = in_process(&tokens);
    let file = folder.path().join("token");
    let told = |why: OAuthError| why.to_string();
    assert!(told(source.token().await.unwrap_err()).starts_with("Nobody has signed in yet"));
    signed_in(&tokens, &file);
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let why = told(source.token().await.unwrap_err());
    assert!(why.contains("(mode 640); run: chmod 600 "), "{why}");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(CLIENT, "another-app")).unwrap();
    let why = told(source.token().await.unwrap_err());
    assert!(why.contains("made for another provider or client_id"), "{why}");
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    let why = told(source.token().await.unwrap_err());
    assert!(why.contains("cannot be read (no sign-in in it)"), "{why}");
    assert_eq!(tokens.asked_for(REFRESH), 0);
    fs::write(&file, text).unwrap();
    source.token().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_goes_with_the_renewal_and_nothing_prints() {
    let tokens = TokenServer::start(DESK).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    signed_in(&tokens, &file);
    fs::write(folder.path().join("secret"), "open sesame\n").unwrap();
    let place = SecretPlace::File(folder.path().join("secret"));
    let source = source(&tokens, &file, Some(place));
    let token = source.token().await.unwrap();
    assert_eq!(tokens.last_form(REFRESH)["client_secret"], "open sesame");
    let kept = source.settings().token_file.read().unwrap();
    let printed = format!("{source:?} {:?} {token:?} {kept:?}", source.settings());
    assert_no_token_in(&[("debug", printed)], &tokens);
}

fn parsed(change: impl FnOnce(String) -> String) -> Result<Config, String> {
    let imap = "kind = \"imap\"\nhost = \"imap.example\"\nusername = \"hello@flexus.example\"\n\
                auth = \"oauth2\"";
    let settings = crate::settings::SETTINGS
        .replace("kind = \"maildir\"\npath = \"in\"", imap)
        .replace("kind = \"maildir\"\npath = \"out\"", &imap.replace("imap", "smtp"));
    Config::parse(Path::new("bot.toml"), &change(settings)).map_err(|why| why.to_string())
}

/// What the providers' own pages say.
#[test]
fn the_known_providers_need_no_addresses() {
    let oauth2 = |text: &str| parsed(|s| format!("{s}[oauth2]\n{text}")).unwrap().oauth2.unwrap();
    let google = oauth2("provider = \"google\"\nclient_id = \"x\"");
    assert_eq!(google.flow(), Flow::Browser);
    assert_eq!(google.token_url().unwrap().as_str(), "https://oauth2.googleapis.com/token");
    assert_eq!(google.scope().unwrap(), "https://mail.google.com/");
    assert_eq!(
        google.authorize_url().unwrap().unwrap().as_str(),
        "https://accounts.google.com/o/oauth2/v2/auth"
    );
    let microsoft =
        oauth2("provider = \"microsoft\"\nclient_id = \"x\"\ntenant = \"flexus.example\"");
    assert_eq!(microsoft.flow(), Flow::Device);
    let at = "https://login.microsoftonline.com/flexus.example/oauth2/v2.0/";
    assert_eq!(microsoft.token_url().unwrap().as_str(), format!("{at}token"));
    assert_eq!(microsoft.device_url().unwrap().unwrap().as_str(), format!("{at}devicecode"));
    assert_eq!(
        microsoft.scope().unwrap(),
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send \
         offline_access"
    );
    let alone = oauth2(
        "provider = \"microsoft\"\nclient_id = \"x\"\ntenant = \"flexus.example\"\n\
         flow = \"client-credentials\"\nclient_secret_env = \"S\"",
    );
    assert_eq!(alone.scope().unwrap(), "https://outlook.office365.com/.default");
}

#[test]
fn wrong_settings_are_told_with_their_key() {
    let google = "[oauth2]\nprovider = \"google\"\n";
    let microsoft = "[oauth2]\nprovider = \"microsoft\"\nclient_id = \"x\"\n";
    let custom = "[oauth2]\nprovider = \"custom\"\nclient_id = \"x\"\n";
    for (text, says) in [
        ("", "mailbox.auth: \"oauth2\" needs a section [oauth2]"),
        (google, "oauth2.client_id: set it to the ID of the app"),
        (
            &format!("{google}client_id = \"x\"\nflow = \"device\""),
            "oauth2.flow: Google's device sign-in gives no access to mail; use \"browser\"",
        ),
        (
            &format!("{google}client_id = \"x\"\nflow = \"client-credentials\""),
            "oauth2.service_account_file: at Google",
        ),
        (
            &format!("{google}service_account_file = \"x\""),
            "oauth2.service_account_file: it goes with flow = \"client-credentials\"",
        ),
        (
            &format!("{microsoft}flow = \"client-credentials\""),
            "oauth2.client_secret_file: flow = \"client-credentials\" needs it",
        ),
        (
            &format!("{microsoft}flow = \"client-credentials\"\nclient_secret_env = \"S\""),
            "oauth2.tenant: flow = \"client-credentials\" needs that of your organization",
        ),
        (&format!("{microsoft}tenant = \"a/b\""), "oauth2.tenant: it is a domain"),
        (custom, "oauth2.token_url: a provider of your own needs it"),
        (
            &format!("{custom}scope = \"mail\"\ntoken_url = \"http://login.example/\""),
            "oauth2.token_url: it has to begin with https://",
        ),
        (
            &format!("{custom}scope = \"mail\"\ntoken_url = \"https://login.example/\""),
            "oauth2.device_url: flow = \"device\" needs it",
        ),
        (&format!("{microsoft}tennant = \"x\""), "unknown field `tennant`"),
        (
            &format!("{microsoft}[watch]\nping_url = \"http://hc-ping.example/x\""),
            "watch.ping_url: it has to begin with https://",
        ),
    ] {
        let why = parsed(|settings| settings + text).unwrap_err();
        assert!(why.contains(says), "{text}\n{why}");
    }
    let password = |s: String| s.replacen("auth =", "password_file = \"p\"\nauth =", 1) + microsoft;
    let why = parsed(password).unwrap_err();
    assert!(why.contains("mailbox.password_file: auth = \"oauth2\" uses no password"), "{why}");
    assert!(parsed(|settings| settings + microsoft).is_ok());
}

/// The lines that stand commented in the shipped file are true keys.
#[test]
fn the_shipped_settings_name_every_key() {
    let shipped = include_str!("../../bot.toml");
    let at = shipped.find("# [oauth2]").unwrap();
    let (before, rest) = shipped.split_at(at);
    let end = rest.find("\n\n").unwrap();
    let (section, after) = rest.split_at(end);
    let keys: String = section
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with('[') || line.contains(" = ") && !line.starts_with("google"))
        .filter(|line| !line.starts_with("client_secret_env"))
        .map(|line| format!("{line}\n"))
        .collect();
    for key in ["flow", "tenant", "service_account_file", "token_file", "scope", "ca_file"] {
        assert!(keys.contains(&format!("\n{key} = ")), "{key} in\n{keys}");
    }
    // That one goes with another flow than the rest.
    let keys = keys.replace("service_account_file", "# service_account_file");
    let text = format!("{before}{keys}{after}");
    let config = Config::parse(Path::new("bot.toml"), &text).unwrap();
    assert_eq!(config.oauth2.unwrap().provider, Provider::Microsoft);
}
