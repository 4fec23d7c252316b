//! Opening an SQLite store: version, migrations, and the words for what can go wrong.

use crate::port::Access;
use crate::sys::fault::Result;
use crate::sys::{Fault, FaultKind, durable};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// In order; the version of a store is how many of them it has seen. Never change one that was released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/1_cache_and_runs.sql"),
    include_str!("migrations/2_files.sql"),
    include_str!("migrations/3_whose_runs.sql"),
    include_str!("migrations/4_leases.sql"),
];

/// In the file's header, so that a database of another program is not taken for ours: "flow".
const APPLICATION: i32 = 0x666c_6f77;

/// How long another process may keep the database locked.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The version that this program writes.
fn current() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Whether other processes may be at the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    /// They may, and SQLite's locks keep order.
    No,
    /// Not as long as it is open: there is a lock around it, and SQLite takes none.
    Locked,
    /// Nobody writes, and there is no lock that says so.
    Still,
}

/// Opens the database at `path`.
pub(super) fn open(path: &Path, access: Access, alone: Alone) -> Result<Connection> {
    match access {
        Access::Write => open_writing(path, alone),
        Access::Read => open_reading(path, alone),
    }
}

/// Opens the file. By itself SQLite does it with locks; `unix-none` is its way of doing without.
fn open_file(path: &Path, flags: OpenFlags, alone: Alone) -> rusqlite::Result<Connection> {
    if alone != Alone::Locked {
        return Connection::open_with_flags(path, flags);
    }
    let connection = Connection::open_with_flags_and_vfs(path, flags, "unix-none")?;
    // Before anything else: a write-ahead log that the file brings along is then read without shared memory.
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    Ok(connection)
}

fn open_writing(path: &Path, alone: Alone) -> Result<Connection> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        durable::make_folders(folder)?;
    }
    share(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open_file(path, flags, alone).map_err(|error| fault(path, error))?;
    // SQLite falls back to reading when the file may not be written.
    if connection.is_readonly("main").map_err(|error| fault(path, error))? {
        return Err(Fault::new(FaultKind::Denied, format!("cannot write the store `{}`", path.display()))
            .help("see to it that you may write the file, or name another store with `--store`"));
    }
    prepare_writing(&mut connection, path, alone).map_err(|problem| problem.at(path))?;
    Ok(connection)
}

/// Makes a new store in a folder of a group one that the group may write, whatever the umask; SQLite gives the files
/// beside it the same mode.
fn share(path: &Path) {
    const GROUP: u32 = 0o060;
    const STICKY: u32 = 0o1000;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = folder.metadata().map_or(0, |meta| meta.mode());
    if mode & 0o020 == 0 || mode & STICKY != 0 {
        return;
    }
    // One that cannot be made is SQLite's to tell, as is one that is there.
    if let Ok(file) = File::options().write(true).create_new(true).open(path)
        && let Ok(meta) = file.metadata()
    {
        let _ = file.set_permissions(Permissions::from_mode(meta.mode() & 0o777 | GROUP));
    }
}

fn prepare_writing(connection: &mut Connection, path: &Path, alone: Alone) -> std::result::Result<(), Problem> {
    connection.busy_timeout(PATIENCE)?;
    let version = version_of(connection, path)?;
    let mode = match alone {
        Alone::No => write_ahead(connection)?,
        Alone::Locked | Alone::Still => {
            connection.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |row| row.get::<_, String>(0))?
        }
    };
    // With a write-ahead log a power cut may take the last commits but never the database.
    let level = if mode == "wal" { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", level)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A page of that index is written again and again: its way into the database, after so many pages, can wait.
    connection.pragma_update(None, "wal_autocheckpoint", 8_000)?;
    // Keys are random: their index must stay in memory while a large run is recorded. In KiB.
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    if version < current() {
        migrate(connection, path, current())?;
    }
    Ok(())
}

/// Switches to a write-ahead log. Two processes that do it at once get `busy` without SQLite's own waiting.
fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let begin = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Err(error) if is_busy(&error) && begin.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn open_reading(path: &Path, alone: Alone) -> Result<Connection> {
    if !path.exists() {
        return empty(path);
    }
    let how = match alone {
        // What a writer that was killed left half-written is taken back.
        Alone::Locked => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Alone::No | Alone::Still => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let flags = how | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let as_it_stands = || {
        let address = format!("file:{}?immutable=1", escaped(path));
        Connection::open_with_flags(address, flags | OpenFlags::SQLITE_OPEN_URI)
    };
    let reading = |connection: rusqlite::Result<Connection>| -> std::result::Result<(Connection, i32), Problem> {
        let connection = connection?;
        connection.busy_timeout(PATIENCE)?;
        let version = version_of(&connection, path)?;
        Ok((connection, version))
    };
    if alone == Alone::Still && (has_log(path, "-wal") || has_log(path, "-journal")) {
        let what = format!("the store `{}` was left in the middle of a change", path.display());
        return Err(Fault::new(FaultKind::Denied, what).help("it is mended when somebody who may write it opens it"));
    }
    let first = if alone == Alone::Still { as_it_stands() } else { open_file(path, flags, alone) };
    let opened = match reading(first) {
        // A write-ahead log needs a file beside the database; in a read-only folder that cannot be made. Without a log
        // nobody has written since, and the database can be read as it stands.
        Err(Problem::Sqlite(error)) if cannot_make_files(&error) && !has_log(path, "-wal") => reading(as_it_stands()),
        other => other,
    };
    let (connection, version) = opened.map_err(|problem| problem.at(path))?;
    if version == current() { Ok(connection) } else { upgraded_copy(&connection, path) }
}

/// What a store that does not exist yet reads as.
fn empty(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open_in_memory().map_err(|error| fault(path, error))?;
    migrate(&mut connection, path, current()).map_err(|problem| problem.at(path))?;
    Ok(connection)
}

/// A reader must not change an older store, which an older flowrun may be writing: it migrates a copy in memory.
fn upgraded_copy(old: &Connection, path: &Path) -> Result<Connection> {
    let copy = || -> std::result::Result<Connection, Problem> {
        let mut connection = Connection::open_in_memory()?;
        rusqlite::backup::Backup::new(old, &mut connection)?.run_to_completion(4096, Duration::ZERO, None)?;
        migrate(&mut connection, path, current())?;
        Ok(connection)
    };
    copy().map_err(|problem| problem.at(path))
}

/// Brings a store to a version, all steps or none.
fn migrate(connection: &mut Connection, path: &Path, to: i32) -> std::result::Result<(), Problem> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have done it while we waited for the lock.
    for version in version_of(&transaction, path)?..to {
        transaction.execute_batch(MIGRATIONS[version as usize])?;
        let row = (version + 1, env!("CARGO_PKG_VERSION"));
        transaction.execute("INSERT INTO migration (version, flowrun) VALUES (?1, ?2)", row)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The version of a store, 0 for an empty file; an error for what is not ours or too new.
fn version_of(connection: &Connection, path: &Path) -> std::result::Result<i32, Problem> {
    // One snapshot: another process may be making the store at this moment.
    let _snapshot = if connection.is_autocommit() { Some(connection.unchecked_transaction()?) } else { None };
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application != APPLICATION {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", (), |row| row.get(0))?;
        if tables > 0 || version != 0 {
            return Err(not_ours(path, "is a database of another program").into());
        }
    }
    if version > current() {
        let by: Option<String> = connection
            .query_row("SELECT flowrun FROM migration ORDER BY version DESC LIMIT 1", (), |row| row.get(0))
            .ok();
        let by = by.map_or_else(|| "a newer flowrun".to_owned(), |by| format!("flowrun {by}"));
        let what = format!(
            "the store `{}` was written by {by} and has version {version}; this is flowrun {}, which knows version {}",
            path.display(),
            env!("CARGO_PKG_VERSION"),
            current()
        );
        return Err(Fault::new(FaultKind::Newer, what)
            .help("use the newer flowrun, or name another store with `--store`; this one was not changed")
            .into());
    }
    Ok(version)
}

pub(super) fn not_ours(path: &Path, is: &str) -> Fault {
    Fault::new(FaultKind::Damaged, format!("the store `{}` {is}", path.display())).help(
        "move it away, with the `-wal` beside it: a new store is made, and what the runs of this project had finished is \
         taken from their journals; or name another store with `--store`",
    )
}

/// An SQLite error that has no path yet, or a fault that has its words.
enum Problem {
    Sqlite(rusqlite::Error),
    Fault(Fault),
}

impl Problem {
    fn at(self, path: &Path) -> Fault {
        match self {
            Problem::Sqlite(error) => fault(path, error),
            Problem::Fault(fault) => fault,
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Problem::Sqlite(error)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Problem::Fault(fault)
    }
}

/// The words for an error of the database at `path`.
pub(super) fn fault(path: &Path, error: rusqlite::Error) -> Fault {
    let at = path.display();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Fault::new(FaultKind::Full, format!("no space left for the store `{at}`")).help(
            format!("free some space in `{folder}`, then give the same command again; nothing half-written was kept"),
        ),
        Some(ErrorCode::ReadOnly) => Fault::new(FaultKind::ReadOnly, format!("the store `{at}` can only be read"))
            .help("see to it that you may write it and its folder, or name another store with `--store`"),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Fault::new(FaultKind::Denied, format!("cannot open the store `{at}`")).help(format!(
                "see to it that you may read and write in `{folder}`, or name another store with `--store`"
            ))
        }
        // A quota that is reached comes as this, too.
        Some(ErrorCode::SystemIoFailure) => Fault::new(
            FaultKind::Other,
            format!("cannot read or write the store `{at}`: {error}"),
        )
        .help(format!(
            "look whether the disk of `{folder}` is full, a quota is reached or it is gone; what was recorded is kept"
        )),
        Some(ErrorCode::NotADatabase) => not_ours(path, "is not a database"),
        Some(ErrorCode::DatabaseCorrupt) => not_ours(path, "is damaged"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::new(
            FaultKind::Busy,
            format!("another process has kept the store `{at}` locked for {} s", PATIENCE.as_secs()),
        )
        .help("give the same command again when it has ended"),
        _ => Fault::new(FaultKind::Other, format!("the store `{at}` failed: {error}")),
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn cannot_make_files(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
}

fn has_log(path: &Path, ending: &str) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push(ending);
    PathBuf::from(log).metadata().is_ok_and(|meta| meta.len() > 0)
}

/// A path inside of a `file:` address.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'%' | b'?' | b'#' => text.push_str(&format!("%{byte:02x}")),
            _ => text.push(char::from(byte)),
        }
    }
    text
}
