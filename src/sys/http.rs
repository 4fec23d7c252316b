//! One request over HTTP or HTTPS, and what its answer means for somebody who wants a file, whole, whatever breaks.
//! Knows nothing of digests, folders or how often something is tried.

use base64::Engine as _;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, Error};

/// A server that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(30);

/// Makes requests. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY` and the like), authorities those of
/// the machine (`SSL_CERT_FILE`).
pub struct Client {
    agent: Agent,
}

/// What a server sends.
pub enum Answer {
    /// Bytes from `start` on.
    Body {
        /// The bytes; a break before the end is an error.
        body: Box<dyn Read>,
        /// Where in the file they begin.
        start: u64,
        /// How long the whole file is, if the server says it.
        total: Option<u64>,
        /// What the server calls this version of the file, for `If-Range`.
        version: Option<String>,
    },
    /// There is nothing behind the place that was asked for.
    Nothing,
}

/// Why there is no answer.
pub enum Trouble {
    /// It may be different the next time.
    Again {
        /// What happened, in a few words.
        why: String,
        /// How long the server wants to be left alone.
        after: Option<Duration>,
        /// How often in a row this is worth a try.
        tries: u32,
    },
    /// It will not be different.
    Never {
        /// What happened, in a few words.
        why: String,
    },
}

/// Tries in a row that bring nothing, until it is given up: about a minute.
const TRIES: u32 = 8;
/// Of a name that is not known: it is most often misspelt.
const TRIES_OF_A_NAME: u32 = 3;

impl Client {
    /// With what the machine has.
    pub fn new() -> Self {
        let found = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<Certificate<'static>> =
            found.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("flowrun/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent() }
    }

    /// Asks for a file from byte `from` on, if it is still this `version`, else for the whole of it.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn get(&self, url: &str, from: u64, version: Option<&str>) -> Result<Answer, Trouble> {
        let (address, user) = without_user(url);
        let mut request = self.agent.get(&address);
        if let Some(user) = user {
            request =
                request.header("Authorization", format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(user)));
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
            if let Some(version) = version {
                request = request.header("If-Range", version);
            }
        }
        let response = request.call().map_err(|error| trouble(&error))?;
        match response.status() {
            StatusCode::OK => Ok(body(response, 0)),
            StatusCode::PARTIAL_CONTENT => {
                let range = header(response.headers(), "content-range").and_then(|text| content_range(&text));
                match range {
                    Some((start, _)) if start <= from => Ok(body(response, start)),
                    _ => Err(Trouble::Never { why: "the server sends another part than it was asked for".to_owned() }),
                }
            }
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => Ok(Answer::Nothing),
            status => Err(refused(status, response.headers())),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// The address without `user:password@`, which is for no message and no proxy, and those.
pub fn without_user(url: &str) -> (String, Option<&str>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) => (format!("{scheme}://{host}{}", &rest[end..]), Some(user)),
        None => (url.to_owned(), None),
    }
}

/// Host and port of an address: what a limit of connections counts by.
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn body(response: Response<Body>, start: u64) -> Answer {
    let headers = response.headers();
    let range = header(headers, "content-range").and_then(|text| content_range(&text));
    let length = header(headers, "content-length").and_then(|text| text.trim().parse::<u64>().ok());
    let total = range.and_then(|(_, total)| total).or(length.map(|length| start + length));
    // A weak name says nothing of the bytes.
    let strong = header(headers, "etag").filter(|tag| !tag.starts_with("W/"));
    let version = strong.or_else(|| header(headers, "last-modified"));
    Answer::Body { body: Box::new(response.into_body().into_reader()), start, total, version }
}

/// `bytes 100-199/200`: where it starts, and how long the whole is.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

fn refused(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let why = match status.canonical_reason() {
        Some(reason) => format!("the server answers {} ({reason})", status.as_u16()),
        None => format!("the server answers {}", status.as_u16()),
    };
    match status.as_u16() {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => {
            let after = header(headers, "retry-after").and_then(|text| retry_after(text.trim()));
            Trouble::Again { why, after, tries: TRIES }
        }
        _ => Trouble::Never { why },
    }
}

/// Seconds, or the time of day at which the server wants to be asked again.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

fn trouble(error: &Error) -> Trouble {
    let why = said(error);
    match error {
        error if no_host(error) => Trouble::Again { why, after: None, tries: TRIES_OF_A_NAME },
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Trouble::Never { why },
        Error::Io(_) | Error::Timeout(_) | Error::ConnectionFailed | Error::Protocol(_) | Error::BodyStalled => {
            Trouble::Again { why, after: None, tries: TRIES }
        }
        Error::ConnectProxyFailed(_) => Trouble::Again { why, after: None, tries: TRIES_OF_A_NAME },
        _ => Trouble::Never { why },
    }
}

/// Whether the name of a host is not known; the system's resolver has no kind of its own for that.
fn no_host(error: &Error) -> bool {
    match error {
        Error::HostNotFound => true,
        Error::Io(error) => error.to_string().starts_with("failed to lookup address"),
        _ => false,
    }
}

fn said(error: &Error) -> String {
    match error {
        error if no_host(error) => "no such host is known".to_owned(),
        Error::Io(error) => crate::sys::fault::reason(error),
        Error::Timeout(_) => "the server says nothing".to_owned(),
        Error::Rustls(error) => format!("the connection cannot be trusted: {error}"),
        Error::Tls(what) => format!("the connection cannot be trusted: {what}"),
        Error::TooManyRedirects => "the server sends us from one address to the next without end".to_owned(),
        other => other.to_string(),
    }
}

/// What broke while bytes were read.
pub fn broken(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => said(error),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => "the server broke off".to_owned(),
        None => crate::sys::fault::reason(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_address() {
        assert_eq!(host("https://u:p@example.org:8080/a@b?x"), "example.org:8080");
        assert_eq!(without_user("https://u:p@example.org/a@b"), ("https://example.org/a@b".to_owned(), Some("u:p")));
        assert_eq!(without_user("http://example.org/a@b"), ("http://example.org/a@b".to_owned(), None));
    }

    #[test]
    fn headers_that_matter() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 100-199/*"), Some((100, None)));
        assert_eq!(content_range("items 1-2/3"), None);
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO), "a time that is over");
        assert_eq!(retry_after("soon"), None);
    }
}
