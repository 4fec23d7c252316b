//! The accounting of a cluster: mariadbd on a data folder of its own, which nobody else can reach, and slurmdbd.

use super::{Cluster, until, whoami};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

impl Cluster {
    /// Lines for slurm.conf, and slurmdbd's own file.
    pub(super) fn configure_accounting(&self, conf: &mut String, slurmdbd: u16, mariadbd: u16) {
        let (dir, user) = (self.path(""), whoami());
        let dir = dir.display();
        writeln!(
            conf,
            "AccountingStorageType=accounting_storage/slurmdbd\n\
             AccountingStorageHost=127.0.0.1\n\
             AccountingStoragePort={slurmdbd}\n\
             AccountingStoragePass={dir}munge.sock\n\
             AccountingStorageEnforce=associations,limits,qos"
        )
        .unwrap();
        let mut own = format!(
            "AuthType=auth/munge\n\
             AuthInfo=socket={dir}munge.sock\n\
             DbdHost=localhost\n\
             DbdAddr=127.0.0.1\n\
             DbdPort={slurmdbd}\n\
             SlurmUser={user}\n\
             LogFile={dir}slurmdbd.log\n\
             PidFile={dir}slurmdbd.pid\n\
             StorageType=accounting_storage/mysql\n\
             StorageHost=127.0.0.1\n\
             StoragePort={mariadbd}\n\
             StorageUser=slurm\n\
             StorageLoc=slurm\n\
             CommitDelay=0\n"
        );
        if super::loopback_name() {
            own.push_str("CommunicationParameters=NoInAddrAny\n");
        }
        let path = self.path("slurmdbd.conf");
        std::fs::write(&path, own).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(self.path("mariadbd.port"), mariadbd.to_string()).unwrap();
    }

    /// `mariadbd` or `slurmdbd`, in the foreground.
    pub(super) fn accounting_command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        if name == "slurmdbd" {
            // It looks for its file beside that of the cluster.
            command.arg("-D").env("SLURM_CONF", self.path("slurm.conf"));
            return command;
        }
        let port = std::fs::read_to_string(self.path("mariadbd.port")).unwrap();
        command.args(self.database()).args([
            "--bind-address=127.0.0.1",
            &format!("--port={port}"),
            // Nobody else reaches it, and it lives as long as a test.
            "--skip-grant-tables",
            "--skip-networking=0",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-lock-wait-timeout=900",
            &format!("--socket={}", self.path("mariadbd.sock").display()),
            &format!("--pid-file={}", self.path("mariadbd.pid").display()),
            &format!("--tmpdir={}", self.path("").display()),
        ]);
        command
    }

    fn database(&self) -> Vec<String> {
        let (user, dir) = (whoami(), self.path("database"));
        let mut words: Vec<String> = vec!["--no-defaults".into(), format!("--user={user}")];
        words.push(format!("--datadir={}", dir.display()));
        let quick = [
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=OFF",
            "--innodb-log-file-size=16M",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-method=nosync",
            "--debug-no-sync",
        ];
        words.extend(quick.map(str::to_owned));
        words
    }

    /// Starts both, and makes the cluster and its user known: the account `lab`, and the limits that a test wants.
    pub(super) fn start_accounting(&mut self) {
        let made = Command::new("mariadb-install-db")
            .args(self.database())
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.start_daemon("mariadbd");
        until("mariadbd listens", || self.path("mariadbd.sock").exists());
        self.start_daemon("slurmdbd");
        // The cluster must be known before slurmctld registers.
        self.account("add cluster flowrun");
        self.account("add account lab");
        self.account(&format!("add user {} account=lab", whoami()));
        self.account(&format!("modify user where name={} set defaultaccount=lab", whoami()));
    }

    /// Changes something in the accounting.
    pub fn account(&self, words: &str) {
        let words: Vec<&str> = ["sacctmgr", "-i", "-Q"].into_iter().chain(words.split(' ')).collect();
        let asked = || {
            let out = self.reach(Command::new(words[0]).args(&words[1..])).stdin(Stdio::null()).output().unwrap();
            // It fails where there is nothing to change, too.
            let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
            out.status.success() || said.contains("Nothing") || said.contains("already")
        };
        until("slurmdbd does it", asked);
    }
}
