//! What a run tells, from recorded events: the lines of a log, and the JSON lines of `--events`.

#![allow(clippy::unwrap_used)]

use flowrun::base::InstanceId;
use flowrun::base::paint::Paint;
use flowrun::engine::Counts;
use flowrun::event::{Cause, Event, Failure, Outcome, Produced, RunState, Usage};
use flowrun::port::{Named, Sink};
use flowrun::view::{JsonLines, Lines};
use snapbox::{IntoData, assert_data_eq, str};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// What a view wrote.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn id(n: u32) -> InstanceId {
    InstanceId(n)
}

fn ended(n: u32, attempt: u32, result: Result<Vec<Produced>, Failure>) -> Event {
    let usage = Usage { wall_us: 1_500_000, peak_bytes: 1024, ..Usage::default() };
    let outcome = Outcome { result: result.map(Arc::new), usage, log: None, host: None, doubtful: false };
    Event::Ended { instance: id(n), attempt, outcome }
}

fn failure(cause: Cause, message: &str) -> Failure {
    Failure { cause, message: message.into(), help: None }
}

/// One turn: its time, the events with their names, and the counts after them.
type Turn = (u64, Vec<(Event, &'static str)>, Counts);

/// A run in which everything happens once.
fn recorded() -> Vec<Turn> {
    let counts = |succeeded, cached, failed, running, waiting| Counts {
        succeeded,
        cached,
        failed,
        running,
        waiting,
        ..Counts::default()
    };
    let submitted = |n, attempt, why: Option<&str>| Event::Submitted {
        instance: id(n),
        attempt,
        key: None,
        why: why.map(Into::into),
    };
    let started = |n, attempt| Event::Started { instance: id(n), attempt, log: None, host: None };
    vec![
        (0, vec![(Event::Begun { by: "flowrun 0.1.0, process 7 on host h".into() }, "")], counts(0, 0, 0, 0, 2)),
        (10, vec![(submitted(0, 1, Some("command changed")), "gen"), (started(0, 1), "gen")], counts(0, 0, 0, 1, 1)),
        (
            1500,
            vec![
                (ended(0, 1, Ok(vec![Produced::Value(flowrun::base::Value::Int(3))])), "gen"),
                (Event::Listed { instance: id(1), len: 5, list: flowrun::base::Digest::of(b"") }, "align"),
                (Event::Cached { from: id(2), count: 2 }, "align[a]"),
            ],
            counts(1, 2, 0, 0, 4),
        ),
        (1600, vec![(Event::Cached { from: id(4), count: 1 }, "align[c]")], counts(1, 3, 0, 0, 3)),
        (
            1700,
            vec![(submitted(5, 1, None), "align[d]"), (submitted(6, 1, None), "align[\u{1b}[2J]")],
            counts(1, 3, 0, 2, 1),
        ),
        (
            3200,
            vec![
                (ended(5, 1, Err(failure(Cause::Exit(75), "exit status 75"))), "align[d]"),
                (Event::Delayed { instance: id(5), until: 13_200 }, "align[d]"),
                (submitted(5, 2, None), "align[d]"),
            ],
            counts(1, 3, 0, 2, 1),
        ),
        (
            5000,
            vec![
                (ended(5, 2, Err(failure(Cause::Exit(137), "exit status 137"))), "align[d]"),
                (Event::Stopping { reason: "`align[d]` failed".into() }, ""),
                (ended(6, 1, Err(failure(Cause::Stopped, "stopped on request"))), "align[\u{1b}[2J]"),
                (Event::Cancelled { from: id(7), count: 1 }, "report"),
                (Event::Finished { state: RunState::Failed }, ""),
            ],
            Counts { cancelled: 2, ..counts(1, 3, 1, 0, 0) },
        ),
    ]
}

fn play(sink: &mut dyn Sink) {
    let mut last = Counts::default();
    for (at, events, counts) in recorded() {
        let named: Vec<_> = events.iter().map(|(event, name)| Named { event, name }).collect();
        sink.turn(at, &named, &counts);
        if at == 0 {
            sink.note("run 7 of letters, 2 cores");
        }
        last = counts;
    }
    sink.end(5001, &last);
}

#[test]
fn a_log_has_one_line_an_event() {
    let paper = Paper::default();
    play(&mut Lines::new(paper.clone(), Paint::OFF));
    assert_data_eq!(
        paper.text(),
        str![[r#"
run 7 of letters, 2 cores
[0/2] started   gen  command changed
[1/7] done      gen  1.5 s
[1/7] listed    align  5 items
[4/7] cached    align  3 instances
[4/7] started   align[d]
[4/7] started   align[\u{1b}[2J]
[4/7] failed    align[d]  exit status 75; attempt 2 in 10 s
[4/7] started   align[d]  attempt 2
[5/7] failed    align[d]  exit status 137: most often for lack of memory
nothing new starts: `align[d]` failed
[6/7] stopped   align[\u{1b}[2J]
[7/7] cancelled report

"#]]
        .raw()
    );
}

#[test]
fn events_are_json_lines_with_names() {
    let paper = Paper::default();
    play(&mut JsonLines::new(paper.clone(), |error| panic!("{error}")));
    for line in paper.text().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_data_eq!(paper.text(), str![[r#"
{"at":0,"event":"begun","by":"flowrun 0.1.0, process 7 on host h"}
{"at":10,"event":"submitted","instance":"gen","attempt":1,"why":"command changed"}
{"at":10,"event":"started","instance":"gen","attempt":1}
{"at":1500,"event":"ended","instance":"gen","attempt":1,"state":"succeeded","results":[{"value":3}],"usage":{"began":0,"wall_us":1500000,"user_us":0,"system_us":0,"peak_bytes":1024,"read_bytes":0,"written_bytes":0}}
{"at":1500,"event":"listed","instance":"align","count":5}
{"at":1500,"event":"cached","instance":"align[a]","count":2}
{"at":1600,"event":"cached","instance":"align[c]","count":1}
{"at":1700,"event":"submitted","instance":"align[d]","attempt":1}
{"at":1700,"event":"submitted","instance":"align[\u001b[2J]","attempt":1}
{"at":3200,"event":"ended","instance":"align[d]","attempt":1,"state":"failed","cause":"exit","exit":75,"message":"exit status 75","usage":{"began":0,"wall_us":1500000,"user_us":0,"system_us":0,"peak_bytes":1024,"read_bytes":0,"written_bytes":0}}
{"at":3200,"event":"delayed","instance":"align[d]","until":13200}
{"at":3200,"event":"submitted","instance":"align[d]","attempt":2}
{"at":5000,"event":"ended","instance":"align[d]","attempt":2,"state":"failed","cause":"exit","exit":137,"message":"exit status 137","usage":{"began":0,"wall_us":1500000,"user_us":0,"system_us":0,"peak_bytes":1024,"read_bytes":0,"written_bytes":0}}
{"at":5000,"event":"stopping","why":"`align[d]` failed"}
{"at":5000,"event":"ended","instance":"align[\u001b[2J]","attempt":1,"state":"failed","cause":"stopped","message":"stopped on request","usage":{"began":0,"wall_us":1500000,"user_us":0,"system_us":0,"peak_bytes":1024,"read_bytes":0,"written_bytes":0}}
{"at":5000,"event":"cancelled","instance":"report","count":1}
{"at":5000,"event":"finished","state":"failed"}
{"at":5001,"event":"end","counts":{"succeeded":1,"cached":3,"failed":1,"ignored":0,"skipped":0,"cancelled":2}}

"#]].raw());
}

#[test]
fn events_that_cannot_be_written_are_told_once_at_the_end() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let for_view = Arc::clone(&told);
    play(&mut JsonLines::new(Full, move |error| for_view.lock().unwrap().push(error.kind())));
    assert_eq!(*told.lock().unwrap(), [std::io::ErrorKind::StorageFull]);
}
