//! Encryption by rustls: what `sslmode` and its files ask for.
//!
//! | sslmode | encrypted | certificate |
//! | --- | --- | --- |
//! | disable | no | |
//! | allow, prefer | if the server wants, if it can | checked against `sslrootcert` if there is one |
//! | require | yes | checked against `sslrootcert` if there is one |
//! | verify-ca | yes | must come from an authority of `sslrootcert` |
//! | verify-full | yes | and must name the host |

use super::address::bad_file;
use crate::sys::{Fault, FaultKind};
use postgres::config::SslMode;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// `sslmode`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    pub const NAMES: &str = "disable, allow, prefer, require, verify-ca, verify-full";

    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// How to connect; if that fails, in the next way.
    pub fn ways(self) -> &'static [SslMode] {
        match self {
            Self::Disable => &[SslMode::Disable],
            Self::Allow => &[SslMode::Disable, SslMode::Require],
            Self::Prefer => &[SslMode::Prefer, SslMode::Disable],
            Self::Require | Self::VerifyCa | Self::VerifyFull => &[SslMode::Require],
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub mode: Mode,
    /// Authorities, as PEM; `system`: those of the machine.
    pub root: Option<PathBuf>,
    /// Our own certificate and its key, as PEM.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl Tls {
    /// What can be said before anybody is asked.
    pub fn check(&self) -> Result<(), String> {
        if self.mode == Mode::Disable {
            return Ok(());
        }
        for (path, name) in [(&self.root, "sslrootcert"), (&self.cert, "sslcert"), (&self.key, "sslkey")] {
            if let Some(path) = path.as_ref().filter(|path| path.as_path() != Path::new("system") && !path.exists()) {
                return Err(format!("the file `{}` ({name}) is not there", path.display()));
            }
        }
        match (self.mode, &self.root) {
            (Mode::VerifyCa | Mode::VerifyFull, None) => Err("`sslmode=verify-ca` and `verify-full` need the \
                 authorities to trust: `sslrootcert=FILE`, or `sslrootcert=system` for those of this machine"
                .to_owned()),
            (mode, Some(root)) if root == Path::new("system") && mode != Mode::VerifyFull => {
                Err("`sslrootcert=system` needs `sslmode=verify-full`: any site could have a certificate of those \
                     authorities"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    /// What speaks TLS in this mode.
    pub fn connector(&self) -> Result<MakeRustlsConnect, Fault> {
        let provider = Arc::new(ring::default_provider());
        let failed = |error: Error| Fault::new(FaultKind::Other, format!("TLS cannot be set up: {error}"));
        let chain = match &self.root {
            None => None,
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let chain = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Some(chain.map_err(|error| Fault::new(FaultKind::Other, error.to_string()))?)
            }
        };
        let algorithms = provider.signature_verification_algorithms;
        let verifier = Verifier { chain, any_name: self.mode != Mode::VerifyFull, algorithms };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let certs = certificates(cert)?;
                let secret = PrivateKeyDer::from_pem_file(key);
                let secret = secret.map_err(|error| bad_file(key, &format!("holds no key in PEM form: {error}")))?;
                builder.with_client_auth_cert(certs, secret).map_err(failed)?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    if path == Path::new("system") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let what = "no authority's certificate was found on this machine, and `sslrootcert=system` trusts no other";
            return Err(Fault::new(FaultKind::Missing, what).help("install the package `ca-certificates`"));
        }
        return Ok(roots);
    }
    for cert in certificates(path)? {
        roots.add(cert).map_err(|error| bad_file(path, &format!("holds a certificate that is wrong: {error}")))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let certs = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certs = certs.map_err(|error| bad_file(path, &format!("cannot be read as PEM: {error}")))?;
    if certs.is_empty() {
        return Err(bad_file(path, "holds no certificate in PEM form"));
    }
    Ok(certs)
}

/// Checks a server's certificate as far as the mode asks for. Signatures of the handshake are always checked.
#[derive(Debug)]
struct Verifier {
    /// `None`: any certificate will do.
    chain: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(cert, between, name, ocsp, now) {
            // The name is looked at last: everything else was right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            done => done,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
