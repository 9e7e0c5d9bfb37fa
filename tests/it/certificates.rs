//! Certificates of servers that can be trusted, and of some that cannot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::servers::program;

/// What a server shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    /// Of the authority, for `localhost`, valid.
    Good,
    Expired,
    WrongName,
    SelfSigned,
}

/// A certificate authority of one test.
pub(crate) struct Authority {
    folder: TempDir,
}

const CONF: &str = "
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[localhost]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
[elsewhere]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:mail.elsewhere.example
[ca]
default_ca = the_ca
[the_ca]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
";

impl Authority {
    pub(crate) fn new() -> Authority {
        let authority = Authority { folder: TempDir::new().unwrap() };
        fs::write(authority.file("conf"), CONF).unwrap();
        fs::write(authority.file("index.txt"), "").unwrap();
        fs::write(authority.file("serial"), "01\n").unwrap();
        authority.openssl(
            "req -config conf -x509 -days 365 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -extensions authority -subj /CN=Tests -keyout ca-key.pem -out ca.pem",
        );
        authority
    }

    /// Where its own certificate is, PEM.
    pub(crate) fn file_of_ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    pub(crate) fn ca_pem(&self) -> Vec<u8> {
        fs::read(self.file_of_ca()).unwrap()
    }

    /// A server that shows such a certificate.
    pub(crate) fn acceptor(&self, shown: Shown) -> TlsAcceptor {
        let (names, dates) = match shown {
            Shown::Good | Shown::SelfSigned => ("localhost", "-days 30"),
            Shown::WrongName => ("elsewhere", "-days 30"),
            Shown::Expired => ("localhost", "-startdate 200101000000Z -enddate 210101000000Z"),
        };
        let key =
            "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout key.pem";
        if let Shown::SelfSigned = shown {
            self.openssl(&format!(
                "req -config conf -x509 {dates} {key} -extensions {names} -out cert.pem"
            ));
        } else {
            self.openssl(&format!("req -config conf -new {key} -out request.pem"));
            self.openssl(&format!(
                "ca -config conf -batch -notext {dates} -cert ca.pem -keyfile ca-key.pem \
                 -extensions {names} -in request.pem -out cert.pem"
            ));
        }
        let chain = vec![CertificateDer::from_pem_file(self.file("cert.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.file("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut openssl = Command::new(program("openssl"));
        openssl.args(arguments.split_whitespace()).current_dir(self.folder.path() as &Path);
        let output = openssl.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }
}
