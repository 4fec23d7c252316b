//! Stories: what a failure means, node by node; and policies with nothing to work on.

use super::{given, said};
use crate::plan::{Allowance, NodeKind, OnError};
use snapbox::{IntoData, str};

#[track_caller]
fn shows(text: &str, expected: impl IntoData) {
    let same = snapbox::Assert::new().action_env("SNAPSHOTS");
    same.eq(said(text, &given()).1.into_data().raw(), expected.into_data().raw());
}

#[test]
fn nothing_to_raise_and_nothing_to_require() {
    shows(
        r#"
[task.a]
command = "true"
retry = { attempts = 3, on_oom = { memory = "x2" }, on_timeout = { time = "x2" } }
outputs.x = "int"
[task.b]
command = "true {{ a.x }}"
resources = { memory = "2GiB", time = 90 }
require = "all"
[task.b.retry]
attempts = 3
on_oom = { memory = "x2" }
on_timeout = { time = "x2" }
cap = { memory = "1GiB", time = "1m" }
"#,
        str![[r#"
error[E0409]: `a` asks for no `memory` that could be raised
 --> p.toml:4:45
  |
4 | retry = { attempts = 3, on_oom = { memory = "x2" }, on_timeout = { time = "x2" } }
  |                                             ^^^^
  |
  = help: say what the first attempt gets: `resources.memory = …`

error[E0409]: `a` asks for no `time` that could be raised
 --> p.toml:4:75
  |
4 | retry = { attempts = 3, on_oom = { memory = "x2" }, on_timeout = { time = "x2" } }
  |                                                                           ^^^^
  |
  = help: say what the first attempt gets: `resources.time = …`

error[E0410]: `require` has no meaning: `b` reads no map
 --> p.toml:9:11
  |
9 | require = "all"
  |           ^^^^^
  |
  = help: leave it out, or read a map's results: `{{ some_map.task.output }}`

error[E0409]: the cap is below the `memory` that `b` asks for at first
  --> p.toml:14:18
   |
 8 | resources = { memory = "2GiB", time = 90 }
   |                        ------ asked for here
...
14 | cap = { memory = "1GiB", time = "1m" }
   |                  ^^^^^^
   |
   = help: raise the cap, or ask for less

error[E0409]: the cap is below the `time` that `b` asks for at first
  --> p.toml:14:33
   |
 8 | resources = { memory = "2GiB", time = 90 }
   |                                       -- asked for here
...
14 | cap = { memory = "1GiB", time = "1m" }
   |                                 ^^^^
   |
   = help: raise the cap, or ask for less

"#]],
    );
}

#[test]
fn the_innermost_word_counts() {
    let text = r#"
[map.outer]
over = [1, 2]
on_error = "continue"
retry = { attempts = 3 }
[map.outer.task.a]
command = "true {{ item }}"
[map.outer.task.b]
command = "true {{ item }}"
on_error = "ignore"
retry = { attempts = 1 }
[map.outer.map.limited]
over = [1, 2]
max_failures = "5%"
[map.outer.map.limited.task.c]
command = "true {{ item }}"
[map.outer.map.limited.task.d]
command = "true {{ item }}"
on_error = "ignore"
"#;
    let plan = said(text, &given()).0.expect("it has no mistakes");
    let told = plan.nodes.iter().map(|(_, node)| {
        let more = match &node.kind {
            NodeKind::Task(task) => task.retry.as_ref().map_or(0, |retry| retry.attempts),
            kind => kind.as_map().and_then(|map| map.max_failures).map_or(0, |limit| limit.of(100)),
        };
        (&*node.path, node.on_error, more)
    });
    use OnError::*;
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("outer", Continue, 0),
            ("outer.a", Continue, 3),
            ("outer.b", Ignore, 1),
            ("outer.limited", Continue, 5),
            ("outer.limited.c", Fail, 3),
            ("outer.limited.d", Ignore, 3),
        ]
    );
    assert_eq!(Allowance::Count(3).of(100), 3);
}
