//! A private mail world for one test: Dovecot (IMAPS) and Postfix (submission over TLS, and an
//! "mx" port as seen from the internet) on free loopback ports, in a folder under `/tmp`.
//!
//! No system configuration is used and no system service touched, so many of them run side by
//! side. Postfix changes users, hence root is needed. Mail for an unknown recipient is accepted
//! and comes back as a bounce (a DSN), as it does when the recipient's server is another one;
//! mail from the mx port for a domain that is not ours is refused at once.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response, Status};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// The password of every mailbox.
pub(crate) const PASSWORD: &str = "secret";

/// `nobody` and `nogroup`, who own the mail.
const MAIL_OWNER: u32 = 65534;

/// How long a server may take to open its port on a busy machine.
const START_SECONDS_MAX: u64 = 20;
/// How long one dialogue (a delivery, the reading of a mailbox) may take.
const DIALOGUE_SECONDS_MAX: u64 = 30;
/// How long `wait_for_mail` waits.
const MAIL_SECONDS_MAX: u64 = 60;

type Failure = Box<dyn Error + Send + Sync>;
type ImapSession = async_imap::Session<tokio_rustls::client::TlsStream<TcpStream>>;

/// Dovecot and Postfix with some mailboxes; everything ends when it is dropped.
///
/// Never keep it in a `static`: those are not dropped (though the servers do end with the test
/// process, however that ends, and then only the folder stays behind).
pub(crate) struct MailServers {
    // Order of the fields = order of dropping: first the processes, then their files.
    smtp: Mutex<Option<ProcessGroup>>,
    imap: Mutex<Option<ProcessGroup>>,
    /// Checks passwords for Postfix. Apart from the IMAP server, so that mail can still be
    /// submitted while that one is stopped.
    _sasl: ProcessGroup,
    imaps: Port,
    plain_imap: Port,
    submissions: Port,
    starttls: Port,
    mx: Port,
    ca_file: PathBuf,
    tls: TlsConnector,
    folder: TempDir,
}

impl MailServers {
    /// Starts both servers with a mailbox for each of these (lower-case) addresses.
    ///
    /// # Panics
    /// When a program is missing or a server does not start: a test that needs mail servers is
    /// never skipped.
    pub(crate) fn start(addresses: &[&str]) -> MailServers {
        MailServers::launch(addresses, "", |settings| settings)
    }

    /// The same, with changes to the settings of Postfix and to its table of mailboxes.
    ///
    /// # Panics
    /// As [`MailServers::start`].
    pub(crate) fn start_with(addresses: &[&str], change: impl Fn(String) -> String) -> MailServers {
        MailServers::launch(addresses, "", change)
    }

    /// As `start`, and Dovecot (for Postfix too) also takes tokens (XOAUTH2) that the server at
    /// `introspection_url` knows.
    pub(crate) fn with_tokens(addresses: &[&str], introspection_url: &str) -> MailServers {
        MailServers::launch(addresses, introspection_url, |settings| settings)
    }

    fn launch(
        addresses: &[&str],
        introspection_url: &str,
        change: impl Fn(String) -> String,
    ) -> MailServers {
        assert_eq!(
            fs::metadata("/proc/self").expect("/proc is mounted").uid(),
            0,
            "the mail servers of the tests need root (Postfix changes users); see tests/run"
        );
        // A unix socket's path has at most 107 octets, so not in a long $TMPDIR.
        let folder = tempfile::Builder::new().prefix("mail-").tempdir_in("/tmp").expect("folder");
        let root = folder.path();
        let [imaps, plain_imap, submissions, starttls, mx] =
            std::array::from_fn(|_| Port::reserve());
        make_certificates(root);
        let mailboxes = make_mailboxes(root, addresses);
        let (mechanisms, passdb) = match introspection_url {
            "" => ("", ""),
            _ => (" xoauth2 oauthbearer", OAUTH2_PASSDB),
        };
        write(&root.join("oauth2.conf"), OAUTH2_CONF.replace("@URL@", introspection_url));
        let config = |text: &str| {
            text.replace("@MECHANISMS@", mechanisms)
                .replace("@OAUTH2@", passdb)
                .replace("@FOLDER@", root.to_str().expect("a UTF-8 path"))
                .replace("@DOMAINS@", &domains(addresses).join(", "))
                .replace("@OWNER@", &MAIL_OWNER.to_string())
                .replace("@IMAPS@", &imaps.number.to_string())
                .replace("@IMAP@", &plain_imap.number.to_string())
                .replace("@SUBMISSIONS@", &submissions.number.to_string())
                .replace("@STARTTLS@", &starttls.number.to_string())
                .replace("@MX@", &mx.number.to_string())
        };
        write(&root.join("sasl.conf"), config(DOVECOT_CONF).replace("@NAME@", "sasl") + SASL_ONLY);
        write(
            &root.join("imap.conf"),
            config(DOVECOT_CONF).replace("@NAME@", "imap") + &config(IMAP_ONLY),
        );
        make_postfix(root, &change(config(MAIN_CF)), &config(MASTER_CF), &change(mailboxes));

        let sasl = start_dovecot(root, "sasl");
        let socket = root.join("sasl/base/auth-for-postfix");
        wait_until("Dovecot's socket opens", root, || UnixStream::connect(&socket).is_ok());
        let servers = MailServers {
            smtp: Mutex::new(None),
            imap: Mutex::new(None),
            _sasl: sasl,
            imaps,
            plain_imap,
            submissions,
            starttls,
            mx,
            ca_file: root.join("ca.pem"),
            tls: trust(&root.join("ca.pem")),
            folder,
        };
        servers.start_imap();
        servers.start_smtp();
        servers
    }

    /// The certificate authority that signed the servers' certificate (for `localhost` and
    /// 127.0.0.1); PEM.
    pub(crate) fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The servers' certificate and its key; PEM.
    pub(crate) fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("cert.pem"), self.folder.path().join("key.pem"))
    }

    /// IMAP over TLS.
    pub(crate) fn imaps_port(&self) -> u16 {
        self.imaps.number
    }

    /// IMAP in plain text, for what benchmarks are compared with.
    pub(crate) fn imap_port(&self) -> u16 {
        self.plain_imap.number
    }

    /// Submission over TLS from the first octet; the password is asked for.
    pub(crate) fn submissions_port(&self) -> u16 {
        self.submissions.number
    }

    /// Submission that becomes TLS by STARTTLS; the password is asked for, and only then.
    pub(crate) fn starttls_port(&self) -> u16 {
        self.starttls.number
    }

    /// Where mail from the internet comes in: no TLS, no password, only for our domains.
    pub(crate) fn mx_port(&self) -> u16 {
        self.mx.number
    }

    /// The Maildir of one address.
    ///
    /// # Panics
    /// When the servers were started without that address.
    pub(crate) fn maildir(&self, address: &str) -> PathBuf {
        let maildir = self.folder.path().join("mail").join(address);
        assert!(maildir.is_dir(), "the servers were started without the mailbox {address}");
        maildir
    }

    /// Kills the IMAP server with all its connections; there is no BYE.
    pub(crate) fn stop_imap(&self) {
        locked(&self.imap).take();
        remove_locks(&self.folder.path().join("mail"));
    }

    /// Starts the IMAP server again, on the same port.
    pub(crate) fn start_imap(&self) {
        let root = self.folder.path();
        locked(&self.imap).get_or_insert_with(|| start_dovecot(root, "imap"));
        wait_until("the IMAP port opens", root, || accepts(self.imaps.number));
    }

    /// Kills the SMTP server with all its connections. Mail it has accepted stays queued; what
    /// is just being put into a mailbox may be there twice after the next start.
    pub(crate) fn stop_smtp(&self) {
        locked(&self.smtp).take();
    }

    /// Starts the SMTP server again, on the same ports.
    pub(crate) fn start_smtp(&self) {
        let root = self.folder.path();
        locked(&self.smtp).get_or_insert_with(|| start_postfix(root));
        let ports = [self.submissions.number, self.starttls.number, self.mx.number];
        wait_until("the SMTP ports open", root, || ports.iter().all(|port| accepts(*port)));
    }

    /// Delivers a message from the internet. Line ends may be LF or CRLF; an empty `from` is the
    /// null return path, as bounces have it.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub(crate) async fn post(&self, from: &str, to: &str, raw: impl AsRef<[u8]>) {
        let result = limited(smtp_dialogue(self.mx.number, from, to, raw.as_ref())).await;
        result.unwrap_or_else(|e| panic!("{to} was not delivered to: {e}\n{}", self.logs()));
    }

    /// Puts a message into a mailbox, past the SMTP server: exactly these octets.
    pub(crate) fn drop_into(&self, address: &str, raw: impl AsRef<[u8]>) {
        self.drop_below(&self.maildir(address), raw);
    }

    /// The same with another folder, `Spam` (marked `\Junk`) or `Sent`, once somebody opened it.
    pub(crate) fn drop_into_folder(&self, address: &str, folder: &str, raw: impl AsRef<[u8]>) {
        self.drop_below(&self.maildir(address).join(format!(".{folder}")), raw);
    }

    fn drop_below(&self, maildir: &Path, raw: impl AsRef<[u8]>) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let written = maildir.join("tmp").join(format!("{}.{next}", std::process::id()));
        write(&written, raw);
        chown(&written, Some(MAIL_OWNER), Some(MAIL_OWNER)).expect("give the mail away");
        // Dovecot numbers new messages in the order of their names, which begin with the time.
        let time = fs::metadata(&written).and_then(|m| m.modified()).expect("time of a file");
        let time = time.duration_since(UNIX_EPOCH).expect("a time after 1970");
        let name = format!("{}.M{:06}Q{next:06}.test", time.as_secs(), time.subsec_micros());
        fs::rename(&written, maildir.join("new").join(name)).expect("mail into new/");
    }

    /// All messages of a mailbox as they are on the server, in UID order. Nothing gets read
    /// (`\Seen`) by it.
    ///
    /// # Panics
    /// When the IMAP server does not answer as it should.
    pub(crate) async fn mails(&self, address: &str) -> Vec<String> {
        let result = limited(self.fetch(address)).await;
        result.unwrap_or_else(|e| panic!("{address} cannot be read: {e}\n{}", self.logs()))
    }

    /// Waits until a mailbox has at least so many messages, and returns all of them.
    ///
    /// # Panics
    /// When they are not there after 60 seconds.
    pub(crate) async fn wait_for_mail(&self, address: &str, count: usize) -> Vec<String> {
        let give_up_at = Instant::now() + Duration::from_secs(MAIL_SECONDS_MAX);
        let mut failure = String::new();
        loop {
            // Looking at the folder first spares the server a login every 50 ms.
            let present = self.message_files(address);
            if present >= count {
                match limited(self.fetch(address)).await {
                    Ok(mails) if mails.len() >= count => return mails,
                    Ok(_) => {}
                    Err(e) => failure = format!(" ({e})"),
                }
            }
            assert!(
                Instant::now() < give_up_at,
                "{address} has {present} of {count} messages, after {MAIL_SECONDS_MAX} s\
                 {failure}\n{}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many messages of a mailbox nobody has read.
    ///
    /// # Panics
    /// When the IMAP server does not answer as it should.
    pub(crate) async fn unseen(&self, address: &str) -> usize {
        let result = limited(async {
            let mut session = self.examine(address).await?;
            let mut unseen = 0;
            imap_command(&mut session, "UID SEARCH UNSEEN", |response| {
                if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                    unseen += uids.len();
                }
            })
            .await?;
            session.logout().await?;
            Ok(unseen)
        })
        .await;
        result.unwrap_or_else(|e| panic!("{address} cannot be searched: {e}\n{}", self.logs()))
    }

    /// The last lines of each server's log, for the message of a failing test.
    pub(crate) fn logs(&self) -> String {
        logs(self.folder.path())
    }

    async fn fetch(&self, address: &str) -> Result<Vec<String>, Failure> {
        let mut session = self.examine(address).await?;
        let mut mails = BTreeMap::new();
        imap_command(&mut session, "UID FETCH 1:* (UID BODY.PEEK[])", |response| {
            let Response::Fetch(_, attributes) = response else {
                return;
            };
            let uid = attributes.iter().find_map(|attribute| match attribute {
                AttributeValue::Uid(uid) => Some(*uid),
                _ => None,
            });
            let raw = attributes.iter().find_map(|attribute| match attribute {
                AttributeValue::BodySection { section: None, data: Some(data), .. } => Some(data),
                _ => None,
            });
            // An unsolicited FETCH (someone else set a flag) has no body.
            if let (Some(uid), Some(raw)) = (uid, raw) {
                mails.insert(uid, String::from_utf8_lossy(raw).into_owned());
            }
        })
        .await?;
        session.logout().await?;
        Ok(mails.into_values().collect())
    }

    /// A session that looks into the inbox without changing anything in it.
    async fn examine(&self, address: &str) -> Result<ImapSession, Failure> {
        self.maildir(address);
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.imaps.number)).await?;
        let tls = self.tls.connect(ServerName::try_from("localhost")?, tcp).await?;
        let mut client = async_imap::Client::new(tls);
        client.read_response().await?.ok_or("no greeting")?;
        let mut session = client.login(address, PASSWORD).await.map_err(|(e, _)| e)?;
        imap_command(&mut session, "EXAMINE INBOX", |_| {}).await?;
        Ok(session)
    }

    fn message_files(&self, address: &str) -> usize {
        let maildir = self.maildir(address);
        let count = |name| fs::read_dir(maildir.join(name)).map_or(0, Iterator::count);
        count("new") + count("cur")
    }
}

/// Runs one command and hands over each response to it. async-imap's own methods take a NO and
/// a lost connection for an empty success.
async fn imap_command(
    session: &mut ImapSession,
    command: &str,
    mut take: impl FnMut(&Response<'_>),
) -> Result<(), Failure> {
    let id = session.run_command(command).await?;
    loop {
        let response = session.read_response().await?.ok_or("the connection was lost")?;
        match response.parsed() {
            Response::Done { tag, status: Status::Ok, .. } if *tag == id => return Ok(()),
            Response::Done { tag, .. } if *tag == id => {
                return Err(format!("{command}: {:?}", response.parsed()).into());
            }
            other => take(other),
        }
    }
}

async fn smtp_dialogue(port: u16, from: &str, to: &str, raw: &[u8]) -> Result<(), Failure> {
    let mut stream = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?);
    expect_reply(&mut stream, "220").await?;
    let utf8 = if from.is_ascii() && to.is_ascii() { "" } else { " SMTPUTF8" };
    for (command, reply) in [
        ("EHLO internet.test".to_owned(), "250"),
        (format!("MAIL FROM:<{from}> BODY=8BITMIME{utf8}"), "250"),
        (format!("RCPT TO:<{to}>"), "250"),
        ("DATA".to_owned(), "354"),
    ] {
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        expect_reply(&mut stream, reply).await?;
    }
    let mut data = Vec::with_capacity(raw.len() + 1024);
    for line in raw.strip_suffix(b"\n").unwrap_or(raw).split(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        data.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    stream.write_all(&data).await?;
    expect_reply(&mut stream, "250").await?;
    stream.write_all(b"QUIT\r\n").await?;
    expect_reply(&mut stream, "221").await
}

async fn expect_reply(stream: &mut BufReader<TcpStream>, code: &str) -> Result<(), Failure> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err("the SMTP server hung up".into());
        }
        match line.strip_prefix(code) {
            Some(rest) if rest.starts_with('-') => {}
            Some(_) => return Ok(()),
            None => return Err(line.into()),
        }
    }
}

async fn limited<T>(dialogue: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(Duration::from_secs(DIALOGUE_SECONDS_MAX), dialogue).await?
}

/// A server with everything it starts: one process group, led by a shell that kills the whole
/// group as soon as its standard input closes. That happens when this is dropped and also when
/// the test process is killed, so nothing is ever left running.
pub(crate) struct ProcessGroup {
    leader: Child,
}

impl ProcessGroup {
    /// Starts a command (its program, arguments and environment count) that stays in the
    /// foreground; what it prints goes to the end of `log`.
    pub(crate) fn start(command: &Command, log: &Path) -> ProcessGroup {
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#""$@" </dev/null & read -r _; kill -9 0"#, "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let leader = shell
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("the log file twice"))
            .stderr(log)
            .spawn()
            .expect("/bin/sh starts");
        ProcessGroup { leader }
    }

    /// Whether a process of the group still lives: a killed one holds its ports and connections
    /// until it is gone.
    fn lives(&self) -> bool {
        let group = self.leader.id().to_string();
        fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // pid (name) state parent group …; a name may contain anything.
            let Some((_, fields)) = stat.rsplit_once(") ") else {
                return false;
            };
            let mut fields = fields.split(' ');
            !matches!(fields.next(), Some("Z" | "X")) && fields.nth(1) == Some(&group)
        })
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        drop(self.leader.stdin.take());
        // No panic here: most often a failing test is being unwound already.
        let _ = self.leader.wait();
        let give_up_at = Instant::now() + Duration::from_secs(5);
        while self.lives() && Instant::now() < give_up_at {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Where a program is. Those of servers are often not on the `PATH`.
///
/// # Panics
/// When it is not installed.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; tests/run installs all the tests need"))
}

fn start_dovecot(root: &Path, name: &str) -> ProcessGroup {
    // Left behind by a killed Dovecot; it would count as running if its id were in use again.
    let _ = fs::remove_file(root.join(name).join("base/master.pid"));
    let mut dovecot = Command::new(program("dovecot"));
    dovecot.arg("-F").arg("-c").arg(root.join(format!("{name}.conf")));
    ProcessGroup::start(&dovecot, &root.join(format!("{name}.log")))
}

/// A Dovecot that is killed while it makes a folder leaves lock files behind; the next one would
/// answer `Mailbox is locked` until they are two minutes old.
fn remove_locks(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder of mail").flatten() {
        let path = entry.path();
        if path.is_dir() {
            remove_locks(&path);
        } else if path.as_os_str().as_encoded_bytes().ends_with(b"lock") {
            fs::remove_file(&path).expect("remove a lock");
        }
    }
}

fn start_postfix(root: &Path) -> ProcessGroup {
    let folder = run(&program("postconf"), ["-d", "-h", "daemon_directory"]);
    // Without -d it would leave our process group.
    let mut master = Command::new(Path::new(folder.trim()).join("master"));
    master.arg("-d").arg("-c").arg(root.join("postfix/etc"));
    ProcessGroup::start(&master, &root.join("postfix/stderr.log"))
}

fn make_certificates(root: &Path) {
    write(&root.join("openssl.conf"), OPENSSL_CONF);
    let openssl = |arguments: &str| {
        let words = arguments.split(' ').map(|word| match word.strip_prefix('@') {
            Some(file) => root.join(file).into_os_string(),
            None => word.into(),
        });
        run(&program("openssl"), words);
    };
    let new_key = "req -config @openssl.conf -x509 -days 365 \
                   -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("{new_key} -extensions ca -subj /CN=Tests -keyout @ca-key.pem -out @ca.pem"));
    // rustls wants the server's own certificate to be no CA's: hence two.
    openssl(&format!(
        "{new_key} -extensions server -subj /CN=localhost -CA @ca.pem -CAkey @ca-key.pem \
         -keyout @key.pem -out @cert.pem"
    ));
}

/// Makes the Maildirs and the list of users; returns Postfix' table of them.
fn make_mailboxes(root: &Path, addresses: &[&str]) -> String {
    let (mut users, mut mailboxes) = (String::new(), String::new());
    for address in addresses {
        assert_eq!(*address, address.to_lowercase(), "mailboxes have lower-case addresses");
        users += &format!("{address}:{{PLAIN}}{PASSWORD}::::::\n");
        mailboxes += &format!("{address} {address}/\n");
        let maildir = root.join("mail").join(address);
        for folder in
            [maildir.clone(), maildir.join("cur"), maildir.join("new"), maildir.join("tmp")]
        {
            fs::create_dir_all(&folder).expect("a folder for mail");
            chown(&folder, Some(MAIL_OWNER), Some(MAIL_OWNER)).expect("give the folder away");
        }
    }
    chown(root.join("mail"), Some(MAIL_OWNER), Some(MAIL_OWNER)).expect("give the folder away");
    write(&root.join("users"), users);
    mailboxes
}

fn make_postfix(root: &Path, main_cf: &str, master_cf: &str, mailboxes: &str) {
    let config = root.join("postfix/etc");
    fs::create_dir_all(&config).expect("a folder for Postfix");
    for (name, text) in [("main.cf", main_cf), ("master.cf", master_cf), ("mailboxes", mailboxes)] {
        write(&config.join(name), text);
        look_old(&config.join(name));
    }
    fs::create_dir_all(root.join("postfix/spool/pid")).expect("a folder for Postfix");
    // The servers' own users have to read all of it, whatever umask the tests run under.
    let readable = [OsStr::new("-R"), "a+rX".as_ref(), root.as_ref()];
    run(&program("chmod"), readable);
    // `postfix check` would make these too, but takes half a second.
    let queues = "active bounce corrupt defer deferred flush hold incoming maildrop private \
                  public saved trace";
    let mut owned = vec![root.join("postfix/data")];
    owned.extend(queues.split(' ').map(|queue| root.join("postfix/spool").join(queue)));
    for folder in &owned {
        DirBuilder::new().mode(0o700).create(folder).expect("a folder for Postfix");
    }
    run(
        &program("chown"),
        [Path::new("postfix")].into_iter().chain(owned.iter().map(PathBuf::as_path)),
    );
}

/// Postfix waits for more than a second before it reads a file that was just written.
fn look_old(file: &Path) {
    let file = File::open(file).expect("just written");
    let time = file.metadata().and_then(|metadata| metadata.modified()).expect("time of a file");
    file.set_modified(time - Duration::from_secs(60)).expect("another time for a file");
}

/// Runs a program to its end and returns what it printed.
fn run(program: &Path, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed: {printed}{complaint}", program.display());
    printed
}

fn write(file: &Path, content: impl AsRef<[u8]>) {
    fs::write(file, content).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

fn domains<'a>(addresses: &[&'a str]) -> Vec<&'a str> {
    let domains = addresses.iter().filter_map(|address| address.rsplit_once('@'));
    domains.map(|(_, domain)| domain).collect::<BTreeSet<_>>().into_iter().collect()
}

fn trust(ca_file: &Path) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).expect("ca.pem")).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// A loopback port that is ours before its server has started and while that is stopped: the
/// socket is bound and does not listen, which keeps everybody else off but not a server that sets
/// SO_REUSEADDR, as both do. Without it, tests running side by side get each other's mail.
struct Port {
    _reserved: TcpSocket,
    number: u16,
}

impl Port {
    fn reserve() -> Port {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(any).expect("a free port");
        let number = socket.local_addr().expect("its address").port();
        Port { _reserved: socket, number }
    }
}

fn accepts(port: u16) -> bool {
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn wait_until(what: &str, root: &Path, mut come_true: impl FnMut() -> bool) {
    let give_up_at = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    while !come_true() {
        assert!(Instant::now() < give_up_at, "in vain waited until {what}\n{}", logs(root));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn logs(root: &Path) -> String {
    const LINES_MAX: usize = 40;
    let mut tail = String::new();
    for name in ["imap.log", "sasl.log", "postfix/log", "postfix/stderr.log"] {
        let text = fs::read(root.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let skipped = text.lines().count().saturating_sub(LINES_MAX);
        tail += &format!("--- {name}\n");
        text.lines().skip(skipped).for_each(|line| tail += &format!("{line}\n"));
    }
    tail
}

/// What a panicking test left locked is no worse for it.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const OPENSSL_CONF: &str = "
[req]
distinguished_name = name
prompt = no
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
authorityKeyIdentifier = keyid
";

/// For Dovecot 2.3. Wrong passwords cost no waiting time: there is but one client address here.
const DOVECOT_CONF: &str = "
base_dir = @FOLDER@/@NAME@/base
state_dir = @FOLDER@/@NAME@/state
instance_name = @NAME@
log_path = @FOLDER@/@NAME@.log
listen = 127.0.0.1
auth_mechanisms = plain login@MECHANISMS@
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
@OAUTH2@
passdb {
  driver = passwd-file
  args = username_format=%u @FOLDER@/users
}
userdb {
  driver = static
  args = uid=@OWNER@ gid=@OWNER@ home=@FOLDER@/mail/%u
}
";

const OAUTH2_PASSDB: &str = "
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = @FOLDER@/oauth2.conf
}
";

const OAUTH2_CONF: &str = "
introspection_url = @URL@
introspection_mode = post
active_attribute = active
active_value = true
username_attribute = username
";

const SASL_ONLY: &str = "
protocols =
ssl = no
service auth {
  unix_listener auth-for-postfix {
    mode = 0666
  }
}
";

const IMAP_ONLY: &str = "
protocols = imap
ssl = yes
disable_plaintext_auth = no
ssl_cert = <@FOLDER@/cert.pem
ssl_key = <@FOLDER@/key.pem
first_valid_uid = 1
mail_location = maildir:@FOLDER@/mail/%u
namespace inbox {
  inbox = yes
  separator = /
  mailbox Spam {
    special_use = \\Junk
    auto = create
  }
  mailbox All {
    special_use = \\All
    auto = create
  }
  mailbox Sent {
    special_use = \\Sent
    auto = create
  }
}
service imap-login {
  inet_listener imap {
    port = @IMAP@
  }
  inet_listener imaps {
    port = @IMAPS@
    ssl = yes
  }
}
";

/// Messages arrive as they were sent: no missing header is added, no address completed.
const MAIN_CF: &str = "
compatibility_level = 3.6
maillog_file = @FOLDER@/postfix/log
maillog_file_prefixes = @FOLDER@
queue_directory = @FOLDER@/postfix/spool
data_directory = @FOLDER@/postfix/data
multi_instance_name = postfix-test-@MX@
myhostname = mx.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
notify_classes =
virtual_mailbox_domains = @DOMAINS@
virtual_mailbox_base = @FOLDER@/mail
virtual_mailbox_maps = texthash:@FOLDER@/postfix/etc/mailboxes
virtual_uid_maps = static:@OWNER@
virtual_gid_maps = static:@OWNER@
virtual_mailbox_limit = 0
message_size_limit = 104857600
recipient_delimiter = +
smtpd_reject_unlisted_recipient = no
default_transport = error:no mail leaves this test
relay_transport = error:no mail leaves this test
in_flow_delay = 0
smtpd_tls_cert_file = @FOLDER@/cert.pem
smtpd_tls_key_file = @FOLDER@/key.pem
smtpd_sasl_type = dovecot
smtpd_sasl_path = @FOLDER@/sasl/base/auth-for-postfix
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
";

const MASTER_CF: &str = "
127.0.0.1:@SUBMISSIONS@ inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:@STARTTLS@ inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:@MX@ inet n - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
proxymap unix - - n - - proxymap
";
