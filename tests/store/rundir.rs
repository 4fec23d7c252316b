//! The folder of a run.

use flowrun::base::{Digest, InstanceId, Value};
use flowrun::driver::rundir::{Home, RunDir, StoredPlan};
use flowrun::engine::Items;
use flowrun::event::Event;
use std::path::Path;

fn plan() -> StoredPlan {
    StoredPlan {
        files: vec![("p.toml".into(), "[pipeline]\nname = \"p\"\n".into())],
        params: vec![("x".into(), Value::Float(0.1)), ("path".into(), Value::from_bytes(b"\xff"))],
        select: vec!["compute".into()],
        options: serde_json::json!({"keep_going": true}),
        ..StoredPlan::new("p", Value::str("dir/p.toml"), Digest::of(b"identity"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_has_its_folder_and_resume_finds_all_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::beside(&dir.path().join("p.toml"));
    assert_eq!((home.runs().unwrap(), home.next_run().unwrap()), (vec![], 1));
    let run = RunDir::create(&home, 1, &plan()).unwrap();
    RunDir::create(&home, 12, &plan()).unwrap();
    std::fs::create_dir(home.path().join("runs/.flowrun-1-0.part")).unwrap();
    std::fs::create_dir(home.path().join("runs/007")).unwrap();
    assert_eq!((home.runs().unwrap(), home.next_run().unwrap()), (vec![1, 12], 13));
    assert_eq!(names(run.path()), ["control", "journal", "lists", "logs", "plan", "work"]);
    assert_eq!(names(home.path()), [".gitignore", "runs"]);
    assert_eq!(std::fs::read_to_string(home.path().join(".gitignore")).unwrap(), "*\n");
    assert_eq!(home.lock(Path::new("dir/p.toml")), home.path().join("locks/p.lock"));

    let run = RunDir::open(&home, 12).unwrap();
    assert_eq!(run.read_plan().unwrap(), plan());
    let fault = RunDir::open(&home, 5).unwrap_err();
    assert_eq!(fault.to_string(), format!("there is no run 5 in `{}`", home.path().join("runs").display()));
    assert_eq!(fault.help.unwrap(), "`flowrun runs` lists those there are, 1 to 12");
}

#[test]
fn a_number_that_is_taken_is_not_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join(".flowrun"));
    RunDir::create(&home, 1, &plan()).unwrap();
    let fault = RunDir::create(&home, 1, &plan()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!("cannot make the run's folder `{}`: directory not empty", home.run(1).display())
    );
    assert_eq!(fault.help.unwrap(), "move it away: it belongs to no run of this store");
    assert_eq!(names(&home.path().join("runs")), ["1"]);
}

#[test]
fn a_plan_of_a_newer_flowrun_or_a_broken_one_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let run = RunDir::create(&home, 1, &plan()).unwrap();
    let path = run.path().join("plan");
    std::fs::write(&path, "{\"version\":2,\"flowrun\":\"0.9.0\",\"files\":7}").unwrap();
    let fault = run.read_plan().unwrap_err();
    assert_eq!(fault.to_string(), format!("`{}` was written by flowrun 0.9.0, which is newer", path.display()));
    assert_eq!(fault.help.unwrap(), "continue the run with that flowrun");
    std::fs::write(&path, "{\"version\":1").unwrap();
    let fault = run.read_plan().unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!("`{}` cannot be read: EOF while parsing an object at line 1 column 12", path.display())
    );
    assert_eq!(
        fault.help.unwrap(),
        "this run cannot be continued; `flowrun run` begins a new one and takes from the cache what is done"
    );
}

#[test]
fn a_list_that_a_power_cut_took_ends_the_journal_before_its_event() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let run = RunDir::create(&home, 1, &plan()).unwrap();
    let list = Items::new(vec![Value::Int(1), Value::from_bytes(b"\xff")], vec!["a".into(), "b".into()]);
    run.write_list(&list).unwrap();
    run.write_list(&list).unwrap();
    let begun = Event::Begun { by: "h".into() };
    let listed = Event::Listed { instance: InstanceId(0), len: 2, list: list.digest() };
    let mut journal = run.resume_journal(&mut |_, _, _| panic!("it is empty")).unwrap();
    journal.append(1, &[begun.clone(), listed.clone(), Event::Cached { from: InstanceId(1), count: 2 }]).unwrap();
    journal.sync().unwrap();
    drop(journal);

    let run = RunDir::open(&home, 1).unwrap();
    let mut seen = Vec::new();
    run.read_journal(0, &mut |_, event, items| seen.push((event, items))).unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1].0, listed);
    assert_eq!(seen[1].1.as_deref(), Some(&list));

    let path = run.list(&list.digest());
    for damage in [Some(&b""[..]), Some(b"[[1,2],[]]"), None] {
        match damage {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        assert!(run.read_list(&list.digest()).is_err());
        let mut seen = Vec::new();
        drop(run.resume_journal(&mut |_, event, _| seen.push(event)).unwrap());
        assert_eq!(seen, std::slice::from_ref(&begun));
    }
    assert_eq!(std::fs::read_to_string(run.journal()).unwrap(), "{\"t\":1,\"e\":\"begun\",\"by\":\"h\"}\n");
}
