//! `retry` and what stands in it.

use super::Kind::*;
use super::{Key, Table, U32, key, required};

pub(super) const KEYS: &[Key] = &[
    required(
        Table::Retry,
        "attempts",
        Int(1, U32),
        "How many attempts there are in all. Interruptions and losses do not count; failures before a resume do.",
        "attempts = 3",
    ),
    key(
        Table::Retry,
        "backoff",
        PlainDuration,
        "no pause",
        "The pause before the second attempt. Each later one is twice as long, up to an hour; up to a quarter of a \
         pause is left out, differently for each instance, so that they do not come back all at once.",
        r#"attempts = 3
backoff = "10s""#,
    ),
    key(
        Table::Retry,
        "on",
        Causes,
        "every cause but `output invalid`",
        "After which causes there is another attempt: `exit`, `exit:75`, `signal`, `signal:9`, `timeout`, `oom`, \
         `output missing`, `output invalid`, `not started`, `lost`.",
        r#"attempts = 3
on = ["timeout", "exit:75"]"#,
    ),
    key(
        Table::Retry,
        "on_oom",
        Table(Table::OnOom),
        "",
        "What grows when memory was too little.",
        r#"attempts = 3
on_oom = { memory = "x2" }"#,
    ),
    key(
        Table::Retry,
        "on_timeout",
        Table(Table::OnTimeout),
        "",
        "What grows when time was too little.",
        r#"attempts = 3
on_timeout = { time = "x1.5" }"#,
    ),
    key(
        Table::Retry,
        "cap",
        Table(Table::Cap),
        "",
        "How far that may grow.",
        r#"attempts = 5
on_oom = { memory = "x2" }
cap = { memory = "64GiB" }"#,
    ),
    //
    required(
        Table::OnOom,
        "memory",
        Factor,
        "How many times as much memory the next attempt gets: `\"x2\"`.",
        r#"memory = "x2""#,
    ),
    //
    required(
        Table::OnTimeout,
        "time",
        Factor,
        "How many times as long the next attempt may take: `\"x2\"`.",
        r#"time = "x1.5""#,
    ),
    //
    key(Table::Cap, "memory", PlainMemory, "what the backend has", "The most memory: `64GiB`.", r#"memory = "64GiB""#),
    key(Table::Cap, "time", PlainDuration, "no limit", "The most time: `2d`.", r#"time = "2d""#),
    //
    key(
        Table::Pack,
        "tasks",
        Count(1),
        "as many as are worth a job",
        "The most instances that one job runs, one after another; with 1 each is a job of its own.",
        "tasks = 100",
    ),
    key(
        Table::Pack,
        "time",
        Duration,
        "the time of one instance and some more",
        "How long a job may run; near its end it begins nothing that would not fit. At least the time of one instance.",
        r#"time = "10m""#,
    ),
    key(
        Table::Pack,
        "width",
        Count(1),
        "1",
        "Instances that a job runs at once: it asks for so many times their cpus, memory and gpus.",
        "width = 4",
    ),
];
