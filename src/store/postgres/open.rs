//! Opening a store on PostgreSQL: connection, version, migrations, the project's mark, and the words for what can go
//! wrong.

use super::address::Address;
use crate::port::Access;
use crate::sys::fault::Result;
use crate::sys::lock::Who;
use crate::sys::{Fault, FaultKind, durable};
use postgres::error::SqlState;
use postgres::types::Type;
use postgres::{Client, GenericClient};
use std::io::Write;
use std::path::Path;

/// In order; the version of a store is how many of them it has seen. Never change one that was released.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1_cache_and_runs.sql"), include_str!("migrations/2_leases.sql")];

/// How long another process may keep something locked, in seconds.
const PATIENCE: u32 = 20;

/// The number of the advisory lock under which a store is brought up to date: "flowrun".
const MIGRATING: i64 = 0x66_6c6f_7772_756e;

/// The file in the state folder that says which project of a shared store this is.
const MARK: &str = "project";

/// An open store.
pub(super) struct Opened {
    pub client: Client,
    /// There is no store yet, and a reader does not make one.
    pub absent: bool,
    /// Whether the role may write all of it.
    pub writable: bool,
    /// The project's row; `None`: none yet, and it may not be made.
    pub project: Option<i64>,
}

/// Connects, and brings the store up to date when it is opened for writing and may be written.
pub(super) fn open(address: &Address, state_dir: &Path, access: Access) -> Result<Opened> {
    let mut client = connect(address)?;
    let version = match version_of(&mut client, address)? {
        version if version < current() && access == Access::Write => migrate(&mut client, address)?,
        version => version,
    };
    match version {
        0 => return Ok(Opened { client, absent: true, writable: true, project: None }),
        version if version < current() => return Err(older(address, version)),
        _ => {}
    }
    let writable = may_write(&mut client).map_err(|error| fault(address, &error))?;
    let project = project(&mut client, address, state_dir, writable && access == Access::Write)?;
    Ok(Opened { client, absent: false, writable, project })
}

fn connect(address: &Address) -> Result<Client> {
    let mut first = None;
    let local = address.is_local();
    let ways = if local { &[postgres::config::SslMode::Disable][..] } else { address.tls.mode.ways() };
    for way in ways {
        let mut config = address.config.clone();
        config.ssl_mode(*way);
        let connected = match way {
            postgres::config::SslMode::Disable => config.connect(postgres::NoTls),
            _ => config.connect(address.tls.connector()?),
        };
        match connected {
            Ok(mut client) => {
                // Compiling a statement takes longer than any of ours.
                let settings = format!("SET lock_timeout = '{PATIENCE}s'; SET jit = off");
                client.batch_execute(&settings).map_err(|error| fault(address, &error))?;
                return Ok(client);
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.map_or_else(|| away(address, "no way to connect"), |error| not_connected(address, &error)))
}

/// The version that this program writes.
fn current() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// The version of a store, 0 where there is none; an error for what is not ours or too new.
fn version_of(client: &mut impl GenericClient, address: &Address) -> Result<i32> {
    let said = |error| fault(address, &error);
    // The catalogue may be read without any right on the schema.
    let sql = "SELECT count(*), count(*) FILTER (WHERE relname = 'migration') FROM pg_class
               WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'flowrun')";
    let row = client.query_one(sql, &[]).map_err(said)?;
    let (tables, ours): (i64, i64) = (row.get(0), row.get(1));
    if ours == 0 {
        if tables > 0 {
            let what = format!("the schema `flowrun` of the database `{address}` belongs to another program");
            return Err(Fault::new(FaultKind::Damaged, what).help("name another database with `--store`"));
        }
        return Ok(0);
    }
    let sql = "SELECT version, flowrun FROM flowrun.migration ORDER BY version DESC LIMIT 1";
    let Some(row) = client.query_opt(sql, &[]).map_err(said)? else { return Ok(0) };
    let (version, by): (i32, String) = (row.get(0), row.get(1));
    if version > current() {
        let what = format!(
            "the store `{address}` was written by flowrun {by} and has version {version}; this is flowrun {}, which \
             knows version {}",
            env!("CARGO_PKG_VERSION"),
            current()
        );
        return Err(Fault::new(FaultKind::Newer, what)
            .help("use the newer flowrun, or name another store with `--store`; this one was not changed"));
    }
    Ok(version)
}

/// Brings a store to the current version, all steps or none. Of several processes that begin at once, one does it.
fn migrate(client: &mut Client, address: &Address) -> Result<i32> {
    let said = |error| fault(address, &error);
    let mut work = client.transaction().map_err(said)?;
    work.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATING]).map_err(said)?;
    // Read again: another process may have done it while we waited for the lock.
    let found = version_of(&mut work, address)?;
    if found == 0 {
        let encoding: String = work.query_one("SHOW server_encoding", &[]).map_err(said)?.get(0);
        if encoding != "UTF8" {
            let what = format!("the database `{address}` keeps text as {encoding}; a store needs UTF8");
            return Err(Fault::new(FaultKind::Other, what).help("create it with `CREATE DATABASE … ENCODING 'UTF8'`"));
        }
        let there = work.query_opt("SELECT FROM pg_namespace WHERE nspname = 'flowrun'", &[]).map_err(said)?;
        if there.is_none() {
            work.batch_execute("CREATE SCHEMA flowrun").map_err(said)?;
        }
    }
    for version in found..current() {
        work.batch_execute(MIGRATIONS[version as usize]).map_err(said)?;
        let sql = "INSERT INTO flowrun.migration (version, flowrun) VALUES ($1, $2)";
        work.execute(sql, &[&(version + 1), &env!("CARGO_PKG_VERSION")]).map_err(said)?;
    }
    work.commit().map_err(said)?;
    Ok(current())
}

/// A role that lacks one right on one table is a reader, and so is everybody on a standby.
fn may_write(client: &mut Client) -> std::result::Result<bool, postgres::Error> {
    let sql = "SELECT NOT pg_is_in_recovery() AND coalesce(bool_and(has_table_privilege(oid, 'INSERT')
                   AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')), false)
                   AND current_setting('transaction_read_only') = 'off'
               FROM pg_class WHERE relkind = 'r' AND relname <> 'migration'
                   AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'flowrun')";
    Ok(client.query_one(sql, &[])?.get(0))
}

/// The project's row, found by the mark in the state folder, and made with it when it may be.
fn project(client: &mut Client, address: &Address, state_dir: &Path, make: bool) -> Result<Option<i64>> {
    let said = |error| fault(address, &error);
    let path = state_dir.join(MARK);
    let mark = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Fault::io("read", &path, &error)),
    };
    // Anything but a mark is as good as none: another one is made.
    let mark = mark.filter(|mark| mark.len() == 36 && mark.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'));
    if !make {
        let Some(mark) = mark else { return Ok(None) };
        let sql = "SELECT id FROM flowrun.project WHERE mark::text = $1";
        return Ok(client.query_typed_opt(sql, &[(&mark, Type::TEXT)]).map_err(said)?.map(|row| row.get(0)));
    }
    durable::make_folders(state_dir)?;
    let mark = match mark {
        Some(mark) => mark,
        None => {
            let mark: String = client.query_one("SELECT gen_random_uuid()::text", &[]).map_err(said)?.get(0);
            placed(&path, &mark)?
        }
    };
    let folder = state_dir.canonicalize().map_err(|error| Fault::io("find the folder", state_dir, &error))?;
    let folder = folder.parent().unwrap_or(&folder).to_string_lossy().into_owned();
    let sql = "INSERT INTO flowrun.project (mark, host, path) VALUES ($1::text::uuid, $2, $3)
               ON CONFLICT (mark) DO UPDATE SET host = excluded.host, path = excluded.path RETURNING id";
    let host = Who::me(0).host;
    let row = [(&mark as _, Type::TEXT), (&host as _, Type::TEXT), (&folder as _, Type::TEXT)];
    let row = client.query_typed_one(sql, &row).map_err(said)?;
    Ok(Some(row.get(0)))
}

/// Writes the mark, whole, unless another process was faster; gives the one that stands there.
fn placed(path: &Path, mark: &str) -> Result<String> {
    let folder = path.parent().unwrap_or(path);
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{mark}")?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(mark.to_owned()),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                Ok(std::fs::read_to_string(path)?.trim().to_owned())
            }
            Err(error) => Err(error.error),
        }
    })();
    written.map_err(|error: std::io::Error| Fault::io("write", path, &error))
}

fn older(address: &Address, version: i32) -> Fault {
    let what = format!(
        "the store `{address}` has version {version}; this is flowrun {}, which needs version {}",
        env!("CARGO_PKG_VERSION"),
        current()
    );
    Fault::new(FaultKind::Other, what).help("`flowrun run` brings it up to date, for all who use it")
}

/// A server that cannot be reached, for now.
pub(super) fn away(address: &Address, reason: &str) -> Fault {
    Fault::new(FaultKind::Away, format!("the store `{address}` cannot be reached: {reason}"))
        .help("see to it that the server runs and that this machine can reach it, or name another store with `--store`")
}

fn not_connected(address: &Address, error: &postgres::Error) -> Fault {
    if error.code().is_none() {
        let reason = innermost(error);
        if reason.contains("certificate") {
            return Fault::new(
                FaultKind::Denied,
                format!("the server of the store `{address}` is not trusted: {reason}"),
            )
            .help("`sslrootcert=FILE` names the authorities to trust; the certificate must name the host");
        }
        if reason.contains("does not support TLS") {
            return Fault::new(FaultKind::Denied, format!("the server of the store `{address}` does not encrypt"))
                .help("let the server use TLS (`ssl = on`), or ask for less by `sslmode=prefer` in the address");
        }
        if error.to_string().starts_with("invalid configuration") {
            let help = "give one in the address, in PGPASSWORD or in ~/.pgpass";
            return Fault::new(FaultKind::Denied, format!("the store `{address}`: {reason}")).help(help);
        }
    }
    fault(address, error)
}

/// Whether the server or the way to it is gone, and the same may work later.
pub(super) fn is_away(error: &postgres::Error) -> bool {
    match error.code() {
        Some(code) => {
            let gone = [
                &SqlState::ADMIN_SHUTDOWN,
                &SqlState::CRASH_SHUTDOWN,
                &SqlState::CANNOT_CONNECT_NOW,
                &SqlState::TOO_MANY_CONNECTIONS,
                &SqlState::IDLE_SESSION_TIMEOUT,
            ];
            gone.contains(&code) || code.code().starts_with("08")
        }
        None => error.is_closed() || has_io(error),
    }
}

fn has_io(error: &postgres::Error) -> bool {
    let text = error.to_string();
    std::iter::successors(std::error::Error::source(error), |error| error.source())
        .any(|error| error.is::<std::io::Error>())
        || text.starts_with("error connecting")
        || text.starts_with("error communicating")
        || text.starts_with("timeout")
}

/// The words for an error of the store at `address`.
pub(super) fn fault(address: &Address, error: &postgres::Error) -> Fault {
    if is_away(error) {
        return away(address, &innermost(error));
    }
    let Some(code) = error.code() else {
        return Fault::new(FaultKind::Other, format!("the store `{address}` failed: {}", innermost(error)));
    };
    let text = innermost(error);
    let user = address.user();
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Fault::new(FaultKind::Denied, format!("the store `{address}` does not let `{user}` in: {text}"))
                .help("give the password in PGPASSWORD or ~/.pgpass; `pg_hba.conf` of the server says who may come in")
        }
        SqlState::INVALID_CATALOG_NAME => {
            Fault::new(FaultKind::Missing, format!("the store `{address}` is not there: {text}"))
                .help("make the database by `createdb`; flowrun makes the tables itself")
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            Fault::new(FaultKind::Denied, format!("`{user}` may not do this in the store `{address}`: {text}")).help(
                "the owner of the database gives the rights: `GRANT USAGE ON SCHEMA flowrun` and `GRANT SELECT` on its \
                 tables to read, `INSERT, UPDATE, DELETE` to write too, `CREATE ON DATABASE` to make it",
            )
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            Fault::new(FaultKind::ReadOnly, format!("the store `{address}` can only be read"))
                .help("use the server that may be written, or a role that may write")
        }
        SqlState::DISK_FULL | SqlState::OUT_OF_MEMORY => {
            Fault::new(FaultKind::Full, format!("no space left for the store `{address}`: {text}"))
                .help("free some space on the server, then give the same command again; nothing half-written was kept")
        }
        SqlState::LOCK_NOT_AVAILABLE => Fault::new(
            FaultKind::Busy,
            format!("another process has kept the store `{address}` locked for {PATIENCE} s"),
        )
        .help("give the same command again when it has ended"),
        _ => Fault::new(FaultKind::Other, format!("the store `{address}` failed: {text} ({})", code.code())),
    }
}

/// What the server or the system said, without the layers around it.
fn innermost(error: &postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return server.message().to_owned();
    }
    let last = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
    match last {
        Some(inner) => match inner.downcast_ref::<std::io::Error>() {
            Some(io) => crate::sys::fault::reason(io),
            None => inner.to_string(),
        },
        None => error.to_string(),
    }
}
