//! Two users on two hosts, with one database and one folder of artifacts.

mod needs_mount {
    mod needs_postgres {
        use crate::common::{Project, Said};
        use crate::server::Server;
        use snapbox::str;
        use std::process::Command;

        const MEASURED: &str = r#"
[pipeline]
name = "measured"

[task.measure]
command = 'echo measure >> ran; date +%N > {{ outputs.file }}; echo "n=7" >> "$FLOWRUN_OUTPUT"'
outputs.file = { file = "measured" }
outputs.n = "int"

[outputs]
n = "{{ measure.n }}"
"#;

        /// `flowrun` as somebody somewhere: user and host are what the environment and the kernel say.
        fn by(project: &Project, user: &str, host: &str, line: &str) -> Said {
            let plain = project.command([""; 0]);
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--uts", "sh", "-c"]);
            command.arg(format!("hostname {host}; exec \"$0\" {line}")).arg(env!("CARGO_BIN_EXE_flowrun"));
            command.current_dir(project.dir()).env_clear();
            command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("USER", user);
            project.said(&mut command)
        }

        #[test]
        #[ignore = "needs mount and postgres"]
        fn a_hit_says_who_made_it_and_where() {
            let server = Server::start();
            let url = server.database("team");
            let (ann, bob, kept) = (Project::new(MEASURED), Project::new(MEASURED), Project::empty());
            let place = format!("--store '{url}' --artifacts {}", kept.dir().display());
            by(&ann, "ann", "alpha", &format!("run {place}")).exits(0);
            by(&bob, "bob", "beta", &format!("run {place} --output json")).shows(str![[r#"
exit 0
--- out
{"run": 2, "state": "succeeded", "outputs": {"n": 7}, "counts": {"succeeded": 0, "cached": 1, "failed": 0, "ignored": 0, "skipped": 0, "cancelled": 0}, "wall_s": [TIME], "failures": []}
--- err
[1/1] cached    measure
outputs
  n = 7
run 2 succeeded: 1 cached in [TIME]

"#]]);
            assert_eq!((ann.read("measured"), bob.lines("ran").len()), (bob.read("measured"), 0));
            let explained = by(&bob, "bob", "beta", &format!("explain --store '{url}' measure"));
            assert!(explained.out().contains("\n  made by run 1 at "), "{}", explained.text());
            assert!(explained.out().contains(" UTC on alpha in "), "{}", explained.text());
            let shown = by(&bob, "bob", "beta", &format!("cache show --store '{url}' measure"));
            assert!(shown.out().contains("\n  made by ann on host alpha at "), "{}", shown.text());
            let all = by(&bob, "bob", "beta", &format!("runs --all --store '{url}' --output json")).json();
            let seen = |i: usize| ["run", "user", "host", "state"].map(|name| all["runs"][i][name].to_string());
            assert_eq!(seen(0), ["2", "\"bob\"", "\"beta\"", "\"succeeded\""]);
            assert_eq!(seen(1), ["1", "\"ann\"", "\"alpha\"", "\"succeeded\""]);
        }
    }
}
