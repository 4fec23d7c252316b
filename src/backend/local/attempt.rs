//! One attempt, from its order to its report, on the thread of a slot.

use super::blot::{self, Pipes, Secrets};
use super::boxed::Boxed;
use super::environment::{OUTPUT, VARS, Variable, c_path};
use super::executor::World;
use super::logs::Segment;
use super::running::{Running, Then, Why};
use super::staging::{Staged, remove};
use super::{explain, output};
use crate::base::digest::Stat;
use crate::event::{Failure, LogRange, Outcome, Produced, Results, Usage};
use crate::lang::shell::plain;
use crate::port::{Job, JobOutputKind, Report};
use crate::sys::fault::{At, Fault, is_full};
use crate::sys::spawn::{self, End, Leads, Spawn};
use crate::sys::{content, find, process};
use rustix::process::Pid;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest single word that Linux takes (`MAX_ARG_STRLEN`), its NUL not counted.
const LONGEST_WORD: usize = 131_071;
/// How much of standard error is read to say which command was not found.
const TAIL: u64 = 2048;
/// The longest text that is taken for a value or for all values.
const LONGEST_VALUES: u64 = 64 << 20;

/// An attempt that is over so soon tells its start and its end at once, so that the driver is woken once for both.
const SOON: Duration = Duration::from_millis(5);

/// A place for one attempt at a time.
pub struct Slot {
    world: Arc<World>,
    /// That the attempt has started, if it was over before that was told.
    untold: Option<Report>,
    segment: Option<Segment>,
    /// The orphans that lived after the last attempt; they cannot write to this slot's segment.
    orphans: Vec<Pid>,
}

/// How a process ended, and what was learnt on the way.
struct Ran {
    end: End,
    why: Option<Why>,
    oom: bool,
    /// Whether a secret was blotted out of standard output.
    blotted: bool,
}

impl Slot {
    /// A slot without a segment yet.
    pub fn new(world: Arc<World>) -> Self {
        Self { world, untold: None, segment: None, orphans: Vec::new() }
    }

    /// That the last attempt has started, to be told before its end.
    pub fn untold(&mut self) -> Option<Report> {
        self.untold.take()
    }

    /// Executes an attempt.
    pub fn execute(&mut self, job: &Job, running: &Arc<Running>) -> Report {
        let mut usage = Usage { began: now_ms(), ..Usage::default() };
        let mut log = None;
        let result = Secrets::of(job).and_then(|secrets| {
            let result = self.whole(job, &secrets, running, &mut usage, &mut log);
            result.map_err(|failure| secrets.blot(failure))
        });
        let (result, stats) = match result {
            Ok((results, stats)) => (Ok(results), stats),
            Err(failure) => (Err(failure), Vec::new()),
        };
        let trusted = result.is_ok()
            && job.watched.iter().all(|(path, stat)| content::stat_path(path).is_ok_and(|now| now == *stat));
        Report::Ended {
            instance: job.instance,
            attempt: job.attempt,
            outcome: Outcome { result, usage, log, host: None, doubtful: false },
            stats,
            trusted,
        }
    }

    fn whole(
        &mut self,
        job: &Job,
        secrets: &Secrets,
        running: &Arc<Running>,
        usage: &mut Usage,
        log: &mut Option<LogRange>,
    ) -> Result<(Results, Vec<Option<Stat>>), Failure> {
        let world = self.world.clone();
        let files = Files::new(job, &world.work);
        let staged = Staged::prepare(job, &world.notes)?;
        let undo = Undo(Some(&staged));
        files.write(job).map_err(explain::fault)?;
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(world.logs.segment().map_err(explain::fault)?),
        };
        let before = world.oom_kills.load(Ordering::Relaxed);
        let (variables, boxed) = (files.variables(job)?, Boxed::of(job, &files)?);
        if let Some(kill) = boxed.as_ref().and_then(|boxed| boxed.kill.as_ref()) {
            world.containers.begin(kill);
        }
        let what = What { files: &files, secrets, boxed: boxed.as_ref(), variables: &variables };
        let ran = run(&world, job, running, &what, segment, (usage, &mut self.untold));
        if let Some(kill) = boxed.as_ref().and_then(|boxed| boxed.kill.as_ref()) {
            let stopped = ran.as_ref().is_ok_and(|ran| ran.why.is_some() || matches!(ran.end, End::Signal(_)));
            world.containers.end(kill, stopped);
        }
        let ran = ran?;
        let range = segment.take_range();
        *log = Some(range);
        let errors = || segment.tail_of_err(range.err, TAIL);
        let oom = ran.oom && world.killed_for_memory(before);
        let result = match ran {
            Ran { why: Some(Why::Time), .. } => Err(explain::timeout(job.time_ms.unwrap_or_default())),
            Ran { why: Some(Why::Asked), .. } => Err(explain::stopped()),
            Ran { end: End::Exit(0), blotted, .. } => collect(job, &files, (secrets, blotted), segment, range, &staged),
            Ran { .. } if oom => Err(explain::out_of_memory()),
            Ran { end, .. } => {
                let mut failure = explain::ended(end, &errors(), world.environment.path(&variables));
                if let Some(container) = &job.container {
                    failure = explain::ended_inside(end, container.engine.word(), failure);
                }
                // Asked before what the attempt left is removed; its own words may have found no room in the log.
                let full = [&world.work, &job.project].into_iter().find(|folder| is_full(folder));
                Err(match full {
                    Some(folder) => explain::full_disk(failure, folder),
                    None => failure,
                })
            }
        };
        if result.is_ok() {
            undo.disarm();
        }
        self.check_orphans();
        result
    }

    /// A segment that a living descendant may write to is not used again.
    fn check_orphans(&mut self) {
        // A kernel that does not tell about orphans leaves one segment to a slot.
        let living = self.world.gate.pass().map(|_open| self.world.orphans.living());
        let Some(living) = living.unwrap_or_else(|| self.world.gate.wait_for_the_end()) else { return };
        if living.iter().any(|pid| !self.orphans.contains(pid)) {
            self.segment = None;
        }
        self.orphans = living;
    }
}

/// Puts everything back unless told otherwise.
struct Undo<'a, 'b>(Option<&'a Staged<'b>>);

impl Undo<'_, '_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Undo<'_, '_> {
    fn drop(&mut self) {
        if let Some(staged) = self.0 {
            staged.undo();
        }
    }
}

/// What is to be started, and with what.
struct What<'a> {
    files: &'a Files,
    secrets: &'a Secrets,
    boxed: Option<&'a Boxed>,
    variables: &'a [Variable],
}

/// Starts the process, waits for its end and measures it.
fn run(
    world: &Arc<World>,
    job: &Job,
    running: &Arc<Running>,
    &What { files, secrets, boxed, variables }: &What<'_>,
    segment: &Segment,
    (usage, untold): (&mut Usage, &mut Option<Report>),
) -> Result<Ran, Failure> {
    let dir = files.scratch.as_deref().or(job.workdir.as_deref()).unwrap_or(&job.project);
    // The task's own variables are for the inside of its container.
    let variables = boxed.map_or(variables, |boxed| &boxed.variables);
    let path = world.environment.path(variables);
    let args = match boxed {
        Some(boxed) => checked(boxed.words.iter().map(Vec::as_slice), &boxed.words[0])?,
        None => arguments(job, files)?,
    };
    let name = OsStr::from_bytes(args.first().map_or(b"", |a| a.as_bytes()));
    let nul = || explain::nul("a path");
    let no_pipe = |error: std::io::Error| explain::fault(Fault::io("make a pipe for", Path::new("the log"), &error));
    let pipes = secrets.any().then(|| Pipes::into(segment, secrets)).transpose().map_err(no_pipe)?;
    let stdio = match &pipes {
        Some(pipes) => [world.nothing.as_fd(), pipes.out.as_fd(), pipes.err.as_fd()],
        None => [world.nothing.as_fd(), segment.out.as_fd(), segment.err.as_fd()],
    };
    let c_dir = c_path(dir).ok_or_else(nul)?;
    let start = |program: &Path, args: &[CString], on_top: &[Variable]| {
        let what = Spawn {
            program: &c_path(program).ok_or_else(nul)?,
            args,
            env: &world.environment.with(variables.iter().chain(&secrets.variables).chain(on_top)),
            dir: Some(&c_dir),
            stdio,
            leads: Leads::Group,
            open_files: world.open_files,
        };
        let Some(_open) = world.gate.pass() else { world.gate.wait_for_the_end() };
        let begin = Instant::now();
        let started = running.start(|| spawn::spawn(&what));
        world.spawned[0].fetch_add(1, Ordering::Relaxed);
        world.spawned[1].fetch_add(micros(begin.elapsed()) * 1000, Ordering::Relaxed);
        Ok(started)
    };
    let began = Instant::now();
    let direct = match boxed {
        Some(_) => None,
        None => Direct::of(world, job, (variables, secrets), (path, dir)),
    };
    // What cannot be started so is the shell's matter: it says why, or has a way of its own.
    let started = match direct.map(|direct| start(&direct.program, &direct.args, &direct.on_top)).transpose()? {
        Some(Ok(started)) => started,
        Some(Err(_)) | None => {
            let program = find::program(name, path, dir).map_err(|why| explain::no_program(name, &why, path, dir))?;
            start(&program, &args, &[])?.map_err(|e| explain::not_spawned(&e, &program, dir))?
        }
    };
    let Some(pid) = started else { return Err(explain::stopped()) };
    let carried = pipes.map(Pipes::started);
    let io = process::Io::open(pid);
    if let Some(limit) = job.time_ms {
        world.serve_timer();
        world.timer.add(began + Duration::from_millis(limit), Then::Stop, running);
    }
    let log = Some(segment.begin());
    let started = Report::Started { instance: job.instance, attempt: job.attempt, log, host: None };
    match process::Handle::open(pid).is_some_and(|handle| process::wait_all(&[handle], Instant::now() + SOON)) {
        true => *untold = Some(started),
        false => world.send(&[started]),
    }
    if !process::wait(pid) {
        // Only the end of the executor reaps what is a slot's.
        world.gate.wait_for_the_end();
    }
    usage.wall_us = micros(began.elapsed());
    let why = running.ended(&world.gate);
    let blotted = carried.is_some_and(|carried| carried.ended()[0]);
    (usage.read_bytes, usage.written_bytes) = io.read();
    // The end of the executor learns of deaths by reaping, so nobody else may then.
    let reaped = world.gate.pass().and_then(|_open| spawn::reap(pid));
    let Some((end, used)) = reaped else { world.gate.wait_for_the_end() };
    usage.user_us = used.user_us;
    usage.system_us = used.system_us;
    usage.peak_bytes = used.peak_bytes;
    // A shell says 137 when what it ran was killed.
    let oom = matches!(end, End::Signal(libc::SIGKILL) | End::Exit(137));
    Ok(Ran { end, why, oom, blotted })
}

/// A command of bash that needs no shell, ready to be executed as bash would: in its own place.
struct Direct {
    program: PathBuf,
    args: Vec<CString>,
    on_top: Vec<Variable>,
}

impl Direct {
    /// `None`: it needs one, or it is not certain.
    fn of(
        world: &World,
        job: &Job,
        (variables, secrets): (&[Variable], &Secrets),
        (path, dir): (&OsStr, &Path),
    ) -> Option<Self> {
        if job.script.is_some() || secrets.any() {
            return None;
        }
        let words = plain::words(plain::line_of_bash(&job.argv)?)?;
        let name = words[0].as_slice();
        let program = find::program(OsStr::from_bytes(name), path, dir).ok()?;
        // As a builtin it is no program that somebody has put there.
        let builtin = matches!(name, b"true" | b"false");
        if builtin && !matches!(program.parent().map(|p| p.as_os_str().as_bytes()), Some(b"/bin" | b"/usr/bin")) {
            return None;
        }
        let on_top = world.environment.of_program(name, &program, dir, variables)?;
        let args = words.into_iter().map(CString::new).collect::<Result<_, _>>().ok()?;
        Some(Self { program, args, on_top })
    }
}

/// The words that the program gets, the script's file last.
fn arguments(job: &Job, files: &Files) -> Result<Vec<CString>, Failure> {
    let script = job.script.as_ref().map(|_| files.script.as_os_str().as_bytes());
    let words = job.argv.iter().map(Vec::as_slice).chain(script);
    checked(words, job.argv.first().map_or(b"", |program| program))
}

fn checked<'a>(words: impl Iterator<Item = &'a [u8]>, program: &[u8]) -> Result<Vec<CString>, Failure> {
    let program = || String::from_utf8_lossy(program).into_owned();
    words
        .enumerate()
        .map(|(i, word)| {
            let what = || format!("argument {i} of {}", crate::base::text::quote(&program()));
            if word.len() > LONGEST_WORD {
                return Err(explain::too_long(&what(), word.len(), LONGEST_WORD));
            }
            CString::new(word).map_err(|_| explain::nul(&what()))
        })
        .collect()
}

/// The results of an attempt that ended well, in order.
fn collect(
    job: &Job,
    files: &Files,
    (secrets, blotted): (&Secrets, bool),
    segment: &Segment,
    range: LogRange,
    staged: &Staged<'_>,
) -> Result<(Results, Vec<Option<Stat>>), Failure> {
    let text = match fs::metadata(&files.output).and_then(|found| match found.len() {
        0..=LONGEST_VALUES => fs::read(&files.output).map(Ok),
        many => Ok(Err(many)),
    }) {
        Ok(Ok(text)) => text,
        Ok(Err(many)) => return Err(output::file_too_long(many)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(explain::fault(Fault::io("read", &files.output, &error))),
    };
    secrets.refuse_text(&text)?;
    let mut values = output::values(&job.outputs, &text)?;
    for (value, output) in values.iter_mut().zip(&job.outputs) {
        if let JobOutputKind::Stdout(ty) = &output.kind {
            if blotted {
                return Err(blot::kept("standard output holds a secret"));
            }
            if range.out.1 > LONGEST_VALUES {
                return Err(output::too_much(&output.name, range.out.1));
            }
            let text = segment.read_out(range.out).at("read", Path::new("standard output")).map_err(explain::fault)?;
            *value = Some(output::of_stdout(&output.name, ty, &text)?);
        }
    }
    let mut results: Vec<Option<Produced>> = values.into_iter().map(|v| v.map(Produced::Value)).collect();
    secrets.refuse_values(&results)?;
    let mut stats = Vec::new();
    for (output, produced, found) in staged.accept()? {
        results[output] = Some(produced);
        stats.extend(found);
    }
    let results = results.into_iter().collect::<Option<Vec<_>>>().expect("every output is a value or a file");
    Ok((Arc::new(results), stats))
}

/// The files of an attempt in the run's `work` folder; dropping them removes them.
pub(super) struct Files {
    pub(super) output: PathBuf,
    pub(super) vars: PathBuf,
    pub(super) script: PathBuf,
    pub(super) scratch: Option<PathBuf>,
    made: [bool; 2],
}

impl Files {
    fn new(job: &Job, work: &Path) -> Self {
        let stem = format!("{}.{}", job.instance.0, job.attempt);
        let at = |ending: &str| work.join(format!("{stem}.{ending}"));
        Self {
            output: at("output"),
            vars: at("vars.json"),
            script: at("script"),
            scratch: job.workdir.is_none().then(|| at("scratch")),
            made: [job.vars.is_some(), job.script.is_some()],
        }
    }

    /// Makes them fresh. `$FLOWRUN_OUTPUT` itself is made by the command, if it has anything to say.
    fn write(&self, job: &Job) -> Result<(), Fault> {
        remove(&self.output)?;
        let write = |path: &Path, bytes: &[u8]| {
            let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
            file.and_then(|mut file| file.write_all(bytes)).at("write", path)
        };
        if let Some(vars) = &job.vars {
            write(&self.vars, vars)?;
        }
        if let Some(script) = &job.script {
            write(&self.script, script)?;
        }
        if let Some(scratch) = &self.scratch {
            remove(scratch)?;
            fs::create_dir(scratch).at("make the folder", scratch)?;
        }
        Ok(())
    }

    /// The job's environment and ours, on top of what is inherited.
    fn variables(&self, job: &Job) -> Result<Vec<Variable>, Failure> {
        let ours = [(OUTPUT, &self.output)].into_iter().chain(job.vars.as_ref().map(|_| (VARS, &self.vars)));
        let ours = ours.map(|(name, path)| (name.as_bytes(), path.as_os_str().as_bytes()));
        let given = job.env.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        let given = given.filter(|(name, _)| *name != OUTPUT.as_bytes() && *name != VARS.as_bytes());
        given
            .chain(ours)
            .map(|(name, value)| {
                let what = || format!("the variable {}", crate::base::text::quote(&String::from_utf8_lossy(name)));
                let variable = Variable::new(name, value).ok_or_else(|| explain::nul(&what()))?;
                if variable.len() > LONGEST_WORD {
                    return Err(explain::too_long(&what(), variable.len(), LONGEST_WORD));
                }
                Ok(variable)
            })
            .collect()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Nothing depends on their absence: the next attempt makes its own.
        let _ = remove(&self.output);
        if self.made[0] {
            let _ = remove(&self.vars);
        }
        if self.made[1] {
            let _ = remove(&self.script);
        }
        if let Some(scratch) = &self.scratch {
            let _ = remove(scratch);
        }
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
