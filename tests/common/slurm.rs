//! A real Slurm on this machine: munged, slurmctld and several slurmd, started by the test on free ports in a temporary
//! folder, with accounting where a test asks for it, and taken down with it. Its daemons stay in the foreground as children, and die with the
//! test's thread.

#![allow(dead_code, clippy::unwrap_used)]

#[path = "accounting.rs"]
mod accounting;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a test may want otherwise.
pub struct Shape {
    /// Nodes, `n1`, `n2`, …
    pub nodes: u32,
    /// Cores that each node claims.
    pub cpus: u32,
    /// GPUs that each node claims.
    pub gpus: u32,
    /// Lines for slurm.conf; `DIR` stands for the cluster's folder.
    pub more: &'static str,
    /// Whether the kernel limits the memory of jobs, where it can: see [`has_cgroups`]. The nodes then have other names,
    /// since the groups of all clusters of a machine lie in one folder.
    pub cgroups: bool,
    /// Whether there is an accounting, which knows the user's account `lab`.
    pub accounting: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { nodes: 4, cpus: 2, gpus: 0, more: "", cgroups: false, accounting: false }
    }
}

/// The cluster.
pub struct Cluster {
    dir: tempfile::TempDir,
    daemons: Vec<(String, Child)>,
    /// What the names of its nodes begin with.
    names: String,
}

impl Cluster {
    /// Starts one and waits until every node is idle.
    pub fn start(shape: &Shape) -> Self {
        let dir = tempfile::Builder::new().prefix("slurm-").tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let cgroups = shape.cgroups && has_cgroups();
        let names = if cgroups { format!("c{}n", std::process::id()) } else { "n".to_owned() };
        let mut cluster = Self { dir, daemons: Vec::new(), names };
        cluster.configure(shape);
        cluster.start_daemon("munged");
        until("munged listens", || cluster.path("munge.sock").exists());
        if shape.accounting {
            cluster.start_accounting();
        }
        cluster.start_daemon("slurmctld");
        for node in 1..=shape.nodes {
            cluster.start_daemon(&cluster.node(node));
        }
        let idle = format!("{} idle", shape.nodes);
        until("all nodes are idle", || cluster.ask(&["sinfo", "-h", "-o", "%D %t"]).trim() == idle);
        cluster
    }

    fn configure(&self, shape: &Shape) {
        // Held until all are known, so that no two are the same.
        let ports: Vec<TcpListener> =
            (0..=shape.nodes + 2).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
        let port = |i: u32| ports[i as usize].local_addr().unwrap().port();
        let cgroups = self.names != "n";
        let (dir, user) = (self.dir.path().display(), whoami());
        let mut conf = format!(
            "ClusterName=flowrun\n\
             SlurmctldHost=localhost(127.0.0.1)\n\
             SlurmctldPort={}\n\
             AuthType=auth/munge\n\
             CredType=cred/munge\n\
             AuthInfo=socket={dir}/munge.sock,cred_expire=5\n\
             SlurmUser={user}\n\
             SlurmdUser={user}\n\
             StateSaveLocation={dir}/state\n\
             SlurmdSpoolDir={dir}/spool/%n\n\
             SlurmctldPidFile={dir}/slurmctld.pid\n\
             SlurmdPidFile={dir}/slurmd.%n.pid\n\
             SlurmctldLogFile={dir}/slurmctld.log\n\
             SlurmdLogFile={dir}/slurmd.%n.log\n\
             PlugStackConfig={dir}/plugstack.conf\n\
             MpiDefault=none\n\
             SwitchType=switch/none\n\
             ProctrackType=proctrack/{}\n\
             TaskPlugin=task/{}\n\
             JobAcctGatherType=jobacct_gather/linux\n\
             JobAcctGatherFrequency=1\n\
             SelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU_Memory\n\
             SlurmdParameters=config_overrides\n\
             DefMemPerCPU=64\n\
             ReturnToService=2\n\
             SchedulerType=sched/backfill\n\
             SchedulerParameters=sched_interval=1,sched_min_interval=1,batch_sched_delay=0,bf_interval=1,bf_continue,\
             default_queue_depth=5000,bf_max_job_test=5000,bf_max_job_array_resv=20\n\
             KillWait=2\n\
             MessageTimeout=10\n\
             TCPTimeout=2\n\
             BatchStartTimeout=10\n\
             SlurmdTimeout=30\n\
             MailProg=/bin/true\n",
            port(0),
            if cgroups { "cgroup" } else { "linuxproc" },
            if cgroups { "cgroup" } else { "none" },
        );
        if cgroups {
            let text = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainRAMSpace=yes\nConstrainCores=no\n\
                        ConstrainDevices=no\n";
            std::fs::write(self.path("cgroup.conf"), text).unwrap();
        }
        // Without it daemons listen on every address; with it they are out of reach where the host's name is not
        // a loopback address.
        if loopback_name() {
            conf.push_str("CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\n");
        }
        if shape.gpus > 0 {
            conf.push_str("GresTypes=gpu\n");
        }
        // A GPU is any device to Slurm.
        let devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random"];
        let mut gres = String::new();
        for node in 1..=shape.nodes {
            let gpus = if shape.gpus > 0 { format!(" Gres=gpu:{}", shape.gpus) } else { String::new() };
            writeln!(
                conf,
                "NodeName={} NodeHostname=localhost NodeAddr=127.0.0.1 Port={} CPUs={} RealMemory=2048 \
                 TmpDisk=4096{gpus} State=UNKNOWN",
                self.node(node),
                port(node),
                shape.cpus
            )
            .unwrap();
            for device in devices.iter().take(shape.gpus as usize) {
                writeln!(gres, "NodeName={} Name=gpu File={device}", self.node(node)).unwrap();
            }
        }
        std::fs::write(self.path("gres.conf"), gres).unwrap();
        writeln!(conf, "PartitionName=main Nodes=ALL Default=YES MaxTime=60 DefaultTime=10 State=UP").unwrap();
        if shape.accounting {
            self.configure_accounting(&mut conf, port(shape.nodes + 1), port(shape.nodes + 2));
        }
        conf.push_str(&shape.more.replace("DIR", &dir.to_string()));
        for folder in ["state", "spool"] {
            std::fs::create_dir(self.path(folder)).unwrap();
        }
        std::fs::write(self.path("plugstack.conf"), "").unwrap();
        std::fs::write(self.path("munge.key"), (0..=127u8).cycle().take(128).collect::<Vec<_>>()).unwrap();
        std::fs::set_permissions(self.path("munge.key"), PermissionsExt::from_mode(0o400)).unwrap();
        std::fs::write(self.path("slurm.conf"), conf).unwrap();
    }

    /// Starts a daemon: `munged`, `slurmctld`, or a node by its name.
    pub fn start_daemon(&mut self, name: &str) {
        let dir = self.dir.path();
        let mut command = match name {
            "munged" => {
                let mut munged = Command::new("munged");
                munged.args(["--foreground", "--force", "--num-threads=2"]);
                for (option, file) in [
                    ("key-file", "munge.key"),
                    ("socket", "munge.sock"),
                    ("pid-file", "munge.pid"),
                    ("seed-file", "seed"),
                ] {
                    munged.arg(format!("--{option}={}/{file}", dir.display()));
                }
                munged
            }
            "slurmctld" => {
                let mut slurmctld = Command::new("slurmctld");
                slurmctld.args(["-D", "-f"]).arg(dir.join("slurm.conf"));
                slurmctld
            }
            "mariadbd" | "slurmdbd" => self.accounting_command(name),
            node => {
                let mut slurmd = Command::new("slurmd");
                slurmd.args(["-D", "-N", node, "-f"]).arg(dir.join("slurm.conf"));
                slurmd
            }
        };
        let log = std::fs::File::options().append(true).create(true).open(dir.join(format!("{name}.out"))).unwrap();
        // Of the environment nothing but what was set above.
        let own: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        let child = command
            .env_clear()
            .envs(own.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        self.daemons.push((name.into(), child));
    }

    /// Stops a daemon by a signal, and waits until it is gone.
    pub fn stop_daemon(&mut self, name: &str, signal: &str) {
        let at = self.daemons.iter().position(|(daemon, _)| daemon == name).expect("it runs");
        let (_, mut child) = self.daemons.remove(at);
        crate::common::signal(child.id(), signal);
        child.wait().unwrap();
    }

    /// A node loses its power: `slurmd` and all that it has begun are gone, and the controller is told so.
    pub fn crash_node(&mut self, node: &str) {
        self.stop_daemon(node, "KILL");
        let (mark, conf) =
            (format!("SLURMD_NODENAME={node}\0"), format!("SLURM_CONF={}\0", self.path("slurm.conf").display()));
        // The parents of its jobs have wiped their environment.
        let mut victims = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment).into_owned();
            if !environment.contains(&mark) || !environment.contains(&conf) {
                continue;
            }
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse::<u32>().ok());
            let step = parent.filter(|parent| {
                std::fs::read_to_string(format!("/proc/{parent}/comm")).is_ok_and(|comm| comm.starts_with("slurmstepd"))
            });
            victims.extend(step.map(|step| (0, step)));
            victims.push((1, pid));
        }
        victims.sort_unstable();
        victims.dedup();
        let victims: Vec<String> = victims.into_iter().map(|(_, pid)| pid.to_string()).collect();
        // They all stand still first: nobody sees another die, as when the power is gone.
        for signal in ["-STOP", "-KILL"] {
            // Some of them die with others.
            let _ = Command::new("kill").arg(signal).args(&victims).stderr(Stdio::null()).status().unwrap();
        }
        self.ask(&["scontrol", "update", &format!("nodename={node}"), "state=down", "reason=crash"]);
    }

    /// The name of a node, from 1.
    pub fn node(&self, node: u32) -> String {
        format!("{}{node}", self.names)
    }

    /// A file of the cluster.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Gives a command what Slurm's programs need to find this cluster.
    pub fn reach<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("SLURM_CONF", self.path("slurm.conf")).env("PATH", format!("{path}:/usr/sbin:/sbin"))
    }

    /// What one of Slurm's programs prints; empty when it fails.
    pub fn ask(&self, words: &[&str]) -> String {
        let out = self.reach(Command::new(words[0]).args(&words[1..])).stdin(Stdio::null()).output().unwrap();
        if out.status.success() { String::from_utf8(out.stdout).unwrap() } else { String::new() }
    }

    /// Jobs that wait or run, one a line.
    pub fn queue(&self) -> String {
        self.ask(&["squeue", "-h", "-r", "-t", "PD,R,CG,S", "-o", "%i %T %j"])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.ask(&["scancel", "--full", "-u", &whoami()]);
        let end = Instant::now() + Duration::from_secs(5);
        while !self.queue().is_empty() && Instant::now() < end {
            std::thread::yield_now();
        }
        for (_, mut daemon) in self.daemons.drain(..).rev() {
            let dead = daemon.kill().and_then(|()| daemon.wait());
            assert!(dead.is_ok(), "{dead:?}");
        }
    }
}

/// Whether jobs can be put into control groups of their own: groups of the first version, and the right to make some.
pub fn has_cgroups() -> bool {
    let folder = Path::new("/sys/fs/cgroup/memory");
    whoami() == "root" && folder.join("memory.limit_in_bytes").exists() && tempfile::tempdir_in(folder).is_ok()
}

fn whoami() -> String {
    let out = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().into()
}

fn loopback_name() -> bool {
    let script = "getent ahostsv4 \"$(hostname)\" | grep -q '^127\\.'";
    Command::new("sh").args(["-c", script]).status().is_ok_and(|status| status.success())
}

/// Programs of Slurm that note each call and its words in `calls.NAME`.
pub fn wrapped(project: &crate::common::Project) -> PathBuf {
    let folder = project.path("wrapped");
    for name in ["sbatch", "squeue", "scancel", "scontrol", "sacct", "sacctmgr", "sinfo"] {
        let calls = project.path(format!("calls.{name}"));
        let text = format!("#!/bin/sh\necho \"$*\" >> '{}'\nexec /usr/bin/{name} \"$@\"\n", calls.display());
        project.write(format!("wrapped/{name}"), text);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.join(name), mode).unwrap();
    }
    folder
}

/// Waits for something that a daemon must do within half a minute.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether Slurm is there at all.
pub fn installed() -> bool {
    ["munged", "slurmctld", "slurmd", "sbatch"].iter().all(|program| {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists())
    })
}
