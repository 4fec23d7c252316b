//! `postgres://user@host:port/database?sslmode=verify-full`: where a store is and how to get there, as libpq means it,
//! its environment (`PGHOST` and its kin) and its file of passwords included. No password is ever shown.

use super::tls::{Mode, Tls};
use crate::sys::{Fault, FaultKind};
use postgres::Config;
use postgres::config::Host;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a store on PostgreSQL is.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// How long a run waits for a server that is away.
    pub(super) patience: Duration,
    shown: String,
}

/// When an address does not say `patience=SECONDS`.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks up a variable of the environment.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Address {
    /// Reads an address; what it leaves out comes from the environment, as with every client of PostgreSQL.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it. The address itself is not in it, for it may hold a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        Self::parse_with(url, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn parse_with(url: &str, env: Env<'_>) -> Result<Self, String> {
        let (mut rest, mut mode, mut root, mut cert, mut key) = (Vec::new(), None, None, None, None);
        let mut patience = PATIENCE;
        let (before, query) = url.split_once('?').unwrap_or((url, ""));
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "sslmode" => mode = Some(decoded(value)?),
                "sslrootcert" => root = Some(decoded(value)?),
                "sslcert" => cert = Some(decoded(value)?),
                "sslkey" => key = Some(decoded(value)?),
                "patience" => {
                    let seconds =
                        value.parse().map_err(|_| format!("`patience={value}` is not a number of seconds"))?;
                    patience = Duration::from_secs(seconds);
                }
                _ => rest.push(part),
            }
        }
        let url = if rest.is_empty() { before.to_owned() } else { format!("{before}?{}", rest.join("&")) };
        let mut config: Config = url.parse().map_err(|error| reason(&error))?;
        fill(&mut config, env)?;

        let home = env("HOME").map(|home| PathBuf::from(home).join(".postgresql"));
        let in_home = |name: &str| home.as_ref().map(|home| home.join(name)).filter(|path| path.exists());
        let file = |given: Option<String>, variable: &str, name: &str| {
            given.or_else(|| env(variable)).map(PathBuf::from).or_else(|| in_home(name))
        };
        let root = file(root, "PGSSLROOTCERT", "root.crt");
        let mode = match mode.or_else(|| env("PGSSLMODE")) {
            Some(text) => {
                Mode::parse(&text).ok_or_else(|| format!("`sslmode={text}` is not one of {}", Mode::NAMES))?
            }
            // libpq's word for the authorities of the machine; weaker modes make no sense with it.
            None if root.as_deref() == Some(Path::new("system")) => Mode::VerifyFull,
            None => Mode::Prefer,
        };
        let tls = Tls {
            mode,
            root,
            cert: file(cert, "PGSSLCERT", "postgresql.crt"),
            key: file(key, "PGSSLKEY", "postgresql.key"),
        };
        tls.check()?;
        let shown = shown(&config);
        Ok(Self { config, tls, patience, shown })
    }

    /// Whether every host is a Unix socket, where nothing is encrypted.
    pub(super) fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
    }

    /// The user that is logged in.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn reason(error: &postgres::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}

/// What the address leaves out.
fn fill(config: &mut Config, env: Env<'_>) -> Result<(), String> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        let sockets = || ["/var/run/postgresql", "/tmp"].into_iter().find(|dir| Path::new(dir).is_dir());
        config.host(&env("PGHOST").unwrap_or_else(|| sockets().unwrap_or("localhost").to_owned()));
    }
    if config.get_ports().is_empty()
        && let Some(port) = env("PGPORT")
    {
        config.port(port.parse().map_err(|_| format!("`PGPORT={port}` is not a port"))?);
    }
    if config.get_user().is_none() {
        let user = env("PGUSER").or_else(|| env("USER")).or_else(|| env("LOGNAME"));
        config.user(&user.ok_or("no user is named, and neither PGUSER nor USER is set")?);
    }
    if config.get_dbname().is_none() {
        let user = config.get_user().unwrap_or_default().to_owned();
        config.dbname(&env("PGDATABASE").unwrap_or(user));
    }
    if config.get_password().is_none()
        && let Some(password) = env("PGPASSWORD").or_else(|| from_file(config, env))
    {
        config.password(password);
    }
    if config.get_application_name().is_none() {
        config.application_name("flowrun");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    // A server whose machine or network is gone must be found out, not waited for.
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(30));
    }
    config.keepalives_idle(config.get_keepalives_idle().min(Duration::from_secs(30)));
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(5));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(4);
    }
    Ok(())
}

/// The password from `~/.pgpass`; like libpq, not from a file that others may read.
fn from_file(config: &Config, env: Env<'_>) -> Option<String> {
    let path = env("PGPASSFILE").map(PathBuf::from).or_else(|| Some(PathBuf::from(env("HOME")?).join(".pgpass")))?;
    let meta = path.metadata().ok()?;
    if !meta.is_file() || meta.permissions().mode() & 0o077 != 0 {
        return None;
    }
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(_)) => "localhost".to_owned(),
        None => config.get_hostaddrs().first()?.to_string(),
    };
    let port = config.get_ports().first().unwrap_or(&5432).to_string();
    let wanted = [&*host, &*port, config.get_dbname()?, config.get_user()?];
    password(&std::fs::read_to_string(path).ok()?, wanted)
}

/// The last field of the first line whose first four are these or `*`.
fn password(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let fits =
            fields.len() == 5 && fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
        fits.then(|| fields[4].clone())
    })
}

/// Split at colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '\\' => fields[last].extend(chars.next()),
            ':' if fields.len() < 5 => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |i: usize| ports.get(i).or(if ports.len() == 1 { ports.first() } else { None }).unwrap_or(&5432);
    let mut hosts: Vec<String> = Vec::new();
    for (i, host) in config.get_hosts().iter().enumerate() {
        let host = match host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string().replace('/', "%2F"),
        };
        hosts.push(if *port(i) == 5432 { host } else { format!("{host}:{}", port(i)) });
    }
    if hosts.is_empty() {
        hosts = config.get_hostaddrs().iter().map(ToString::to_string).collect();
    }
    let (user, database) = (config.get_user().unwrap_or_default(), config.get_dbname().unwrap_or_default());
    format!("postgres://{user}@{}/{database}", hosts.join(","))
}

fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` holds a `%` that is not followed by two hexadecimal digits of UTF-8 text");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(wrong);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// A file that an address names and that cannot be used.
pub(super) fn bad_file(path: &Path, what: &str) -> Fault {
    Fault::new(FaultKind::Missing, format!("the file `{}` {what}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(url: &str, env: &[(&str, &str)]) -> Result<Address, String> {
        let find = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Address::parse_with(url, &find)
    }

    fn shown(url: &str, env: &[(&str, &str)]) -> String {
        match parsed(url, env) {
            Ok(address) => format!("{address} {:?}", address.tls.mode),
            Err(error) => error,
        }
    }

    #[test]
    fn what_is_left_out_comes_from_the_environment() {
        assert_eq!(shown("postgres://me:secret@db.org:5433/team", &[]), "postgres://me@db.org:5433/team Prefer");
        assert_eq!(shown("postgresql://me@db.org/", &[]), "postgres://me@db.org/me Prefer");
        let env = [("PGHOST", "h"), ("PGPORT", "99"), ("PGUSER", "u"), ("PGDATABASE", "d"), ("PGSSLMODE", "require")];
        assert_eq!(shown("postgres://", &env), "postgres://u@h:99/d Require");
        assert_eq!(shown("postgres://x@y:1/z?sslmode=disable", &env), "postgres://x@y:1/z Disable");
        assert_eq!(shown("postgres:///d?host=/run/pg&user=u", &[]), "postgres://u@%2Frun%2Fpg/d Prefer");
        assert_eq!(shown("postgres://u@h?sslrootcert=system", &[]), "postgres://u@h/u VerifyFull");
        assert!(parsed("postgres://u@%2Frun%2Fpg/d", &[]).unwrap().is_local());
    }

    #[test]
    fn mistakes_are_named_without_the_password() {
        assert_eq!(
            shown("postgres://u:secret@h?sslmode=full", &[]),
            "`sslmode=full` is not one of disable, allow, prefer, require, verify-ca, verify-full"
        );
        assert_eq!(shown("postgres://u:secret@h?patience=long", &[]), "`patience=long` is not a number of seconds");
        assert_eq!(shown("postgres://u:secret@h?color=red", &[]), "unknown option `color`");
        assert_eq!(
            shown("postgres://u:secret@h?sslmode=verify-full&sslrootcert=%2Fno%2Fca.crt", &[]),
            "the file `/no/ca.crt` (sslrootcert) is not there"
        );
        assert_eq!(shown("postgres://h", &[]), "no user is named, and neither PGUSER nor USER is set");
    }

    #[test]
    fn a_password_is_found_in_the_file_of_passwords() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        std::fs::write(&path, "# ours\nother:*:*:u:no\ndb.org:5432:*:u:a\\:b:c\n*:*:*:*:last\n").unwrap();
        let env = [("PGPASSFILE", path.to_str().unwrap())];
        let password = |url: &str| parsed(url, &env).unwrap().config.get_password().map(<[u8]>::to_vec);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(password("postgres://u@db.org/d").unwrap(), b"a:b:c");
        assert_eq!(password("postgres://u@db.org:99/d").unwrap(), b"last");
        assert_eq!(password("postgres://u:own@db.org/d").unwrap(), b"own");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(password("postgres://u@db.org/d"), None);
    }
}
