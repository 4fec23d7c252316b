//! Starting a process without copying this one, and reaping it with what it used.
//!
//! The one place with `unsafe`. The child is made as glibc's `posix_spawn` makes it: `clone(CLONE_VM | CLONE_VFORK)`
//! on a stack of its own. It shares our memory and the calling thread sleeps until the child has called `execve` or
//! has ended, so the cost does not grow with our size and an error comes back through memory. `posix_spawn` itself
//! would do but for three things: the death signal, limits, and the stage at which an error arose.
//!
//! Between `clone` and `execve` the child may call nothing but plain system calls (no allocation, no lock, no panic):
//! other threads go on and may hold any lock. All signals are blocked meanwhile, so that no handler of ours runs there.
#![allow(unsafe_code)]

use rustix::process::Pid;
use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::raw::{c_char, c_int, c_void};
use std::sync::OnceLock;

/// What is to be started. Files not named here stay open in the child unless they are close-on-exec.
pub struct Spawn<'a> {
    /// The file; a path without `/` is one in the folder that it starts in, `PATH` is not searched.
    pub program: &'a CStr,
    /// Arguments, the program's name first.
    pub args: &'a [CString],
    /// The whole environment, `NAME=VALUE` each.
    pub env: &'a [&'a CStr],
    /// The folder that it starts in; `None`: ours.
    pub dir: Option<&'a CStr>,
    /// Standard input, output and error.
    pub stdio: [BorrowedFd<'a>; 3],
    /// What it leads.
    pub leads: Leads,
    /// Its soft limit of open files, where ours was raised.
    pub open_files: Option<libc::rlimit>,
}

/// What the new process leads, and what becomes of it when we die.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// A process group in our session. It is killed when the thread that started it ends.
    Group,
    /// A session without terminal. It goes on when we end.
    Session,
}

/// At which step a process could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No new process: limits, memory.
    Process = 1,
    /// The folder to start in.
    Folder,
    /// The program itself.
    Program,
    /// Standard input, output, error, or the process group.
    Setup,
}

/// Why a process could not be started.
#[derive(Debug)]
pub struct NotSpawned {
    /// Where it went wrong.
    pub stage: Stage,
    /// What the system said.
    pub error: io::Error,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// What a process and its waited-for children used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// User time, microseconds.
    pub user_us: u64,
    /// System time, microseconds.
    pub system_us: u64,
    /// Peak resident memory of the largest of them, bytes. Never below this process's own at the time of the start.
    pub peak_bytes: u64,
}

/// All that the child reads, in one place, and its answer.
struct Order {
    program: *const c_char,
    args: *const *const c_char,
    env: *const *const c_char,
    dir: *const c_char,
    stdio: [RawFd; 3],
    leads: Leads,
    open_files: Option<libc::rlimit>,
    /// The signals that are set to their defaults, a bit each.
    reset: u64,
    parent: libc::pid_t,
    stage: Stage,
    errno: c_int,
}

const STACK: usize = 64 * 1024;

thread_local! {
    static STACK_OF_CHILD: RefCell<Vec<MaybeUninit<u128>>> = const { RefCell::new(Vec::new()) };
}

/// Starts a process; returns when it has become the program.
pub fn spawn(what: &Spawn<'_>) -> Result<Pid, NotSpawned> {
    let terminated = |list: &mut dyn Iterator<Item = *const c_char>| -> Vec<*const c_char> {
        list.chain(std::iter::once(std::ptr::null())).collect()
    };
    let args = terminated(&mut what.args.iter().map(|a| a.as_ptr()));
    let env = terminated(&mut what.env.iter().map(|e| e.as_ptr()));
    let mut order = Order {
        program: what.program.as_ptr(),
        args: args.as_ptr(),
        env: env.as_ptr(),
        dir: what.dir.map_or(std::ptr::null(), CStr::as_ptr),
        stdio: what.stdio.map(|fd| fd.as_raw_fd()),
        leads: what.leads,
        open_files: what.open_files,
        reset: match what.leads {
            Leads::Group => *NOT_DEFAULT.get_or_init(not_default),
            Leads::Session => u64::MAX,
        },
        parent: rustix::process::getpid().as_raw_nonzero().get(),
        stage: Stage::Process,
        errno: 0,
    };
    let pid = STACK_OF_CHILD.with_borrow_mut(|stack| {
        if stack.is_empty() {
            stack.reserve_exact(STACK / 16);
            // SAFETY: `MaybeUninit` needs no initialisation, and the capacity was just reserved.
            unsafe { stack.set_len(STACK / 16) };
        }
        // SAFETY: `top` is the end of the stack's own memory, aligned to 16, and the stack grows down into it.
        // `order` and all that it points to live until `clone` returns, which is after the child has left this memory
        // (CLONE_VFORK). The masks are plain data filled by the calls themselves.
        unsafe {
            let top = stack.as_mut_ptr().add(STACK / 16).cast::<c_void>();
            let mut all = MaybeUninit::<libc::sigset_t>::uninit();
            let mut before = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            let pid = libc::clone(
                child,
                top,
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                (&raw mut order).cast::<c_void>(),
            );
            let error = io::Error::last_os_error();
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
            if pid < 0 { Err(error) } else { Ok(pid) }
        }
    });
    let pid = pid.map_err(|error| NotSpawned { stage: Stage::Process, error })?;
    let pid = Pid::from_raw(pid).expect("a child has a positive id");
    // SAFETY: the child wrote it, unseen by the compiler; it is gone from our memory now.
    let (stage, errno) =
        unsafe { (std::ptr::read_volatile(&raw const order.stage), std::ptr::read_volatile(&raw const order.errno)) };
    if errno == 0 {
        return Ok(pid);
    }
    let _ = reap(pid);
    Err(NotSpawned { stage, error: io::Error::from_raw_os_error(errno) })
}

/// The child, from its first step to the program. Plain system calls only.
extern "C" fn child(order: *mut c_void) -> c_int {
    // SAFETY: `order` is the parent's, which sleeps; every pointer in it is valid meanwhile, and every call is
    // async-signal-safe.
    unsafe {
        let order = order.cast::<Order>();
        let fail = |stage: Stage| -> ! {
            std::ptr::write_volatile(&raw mut (*order).stage, stage);
            std::ptr::write_volatile(&raw mut (*order).errno, *libc::__errno_location());
            libc::_exit(127)
        };
        match (*order).leads {
            Leads::Group => {
                if libc::setpgid(0, 0) != 0 || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) != 0 {
                    fail(Stage::Setup);
                }
                // The parent may have died before the death signal was asked for.
                if libc::getppid() != (*order).parent {
                    libc::_exit(127);
                }
            }
            Leads::Session => {
                if libc::setsid() < 0 {
                    fail(Stage::Setup);
                }
            }
        }
        if let Some(limit) = (*order).open_files {
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
        let mut to: c_int = 0;
        while to < 3 {
            let from = (*order).stdio[to as usize];
            let done = if from == to { libc::fcntl(to, libc::F_SETFD, 0) } else { libc::dup2(from, to) };
            if done < 0 {
                fail(Stage::Setup);
            }
            to += 1;
        }
        if !(*order).dir.is_null() && libc::chdir((*order).dir) != 0 {
            fail(Stage::Folder);
        }
        // What we ignore would stay ignored, and a handler must not run in shared memory once signals are let through.
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = libc::SIG_DFL;
        let mut signal: c_int = 1;
        while signal <= 64 {
            if (*order).reset & (1 << (signal - 1)) != 0 {
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
            }
            signal += 1;
        }
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
        libc::execve((*order).program, (*order).args, (*order).env);
        fail(Stage::Program)
    }
}

/// The signals that this process does not leave to their defaults. Who starts groups changes none of them later.
static NOT_DEFAULT: OnceLock<u64> = OnceLock::new();

fn not_default() -> u64 {
    let mut found = 0;
    for signal in 1..=64 {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: only asks; all zeroes is a valid `sigaction`.
        let (asked, action) = unsafe {
            let asked = libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
            (asked, action.assume_init())
        };
        if asked != 0 || action.sa_sigaction != libc::SIG_DFL {
            found |= 1 << (signal - 1);
        }
    }
    found
}

/// Takes a child that has ended off the system's list. `None`: somebody else did.
pub fn reap(pid: Pid) -> Option<(End, Used)> {
    let mut status: c_int = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are valid for writing.
        let got = unsafe { libc::wait4(pid.as_raw_nonzero().get(), &raw mut status, 0, usage.as_mut_ptr()) };
        if got > 0 {
            break;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
    // SAFETY: all zeroes is a valid `rusage`, and `wait4` filled it.
    let usage = unsafe { usage.assume_init() };
    let micros = |t: libc::timeval| (t.tv_sec as u64).saturating_mul(1_000_000).saturating_add(t.tv_usec as u64);
    let used = Used {
        user_us: micros(usage.ru_utime),
        system_us: micros(usage.ru_stime),
        peak_bytes: (usage.ru_maxrss as u64).saturating_mul(1024),
    };
    let end = if libc::WIFSIGNALED(status) {
        End::Signal(libc::WTERMSIG(status))
    } else {
        End::Exit(libc::WEXITSTATUS(status))
    };
    Some((end, used))
}

/// Blocks the signals that ask a process to end, for this thread and those it will start, and sets every signal to its
/// default, for what is started from here.
pub fn shield_from_signals() {
    // SAFETY: plain system calls on local data; called before other threads exist, and the one handler that is lost is
    // Rust's own message on a stack overflow.
    unsafe {
        for signal in 1..=64 {
            if signal != libc::SIGPIPE {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2] {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}
