//! Stories: `retry`, `on_error`, `max_failures` and `require` that cannot be meant.

use super::mistakes;
use snapbox::{IntoData, str};

#[track_caller]
fn shows(text: &str, expected: impl IntoData) {
    let same = snapbox::Assert::new().action_env("SNAPSHOTS");
    same.eq(mistakes(text).into_data().raw(), expected.into_data().raw());
}

#[test]
fn wrong_types_and_unknown_words() {
    shows(
        r#"
[task.a]
command = "true"
retry = 3
on_error = "ingore"
require = "most"

[task.b]
command = "true"
retry = { attempts = "3", on = "timeout", backof = "1s" }
on_error = true
require = 3

[task.c]
command = "true"
retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }

[task.d]
command = "true"
retry = { attempts = 0, on = [], on_timeout = { time = "x0.5", memory = "x2" }, cap = { time = "{{ 3 }}" } }
on_error = "abort"
"#,
        str![[r#"

error[E0103]: `retry` is an integer, not a table
 --> pipeline.toml:3:9
  |
3 | retry = 3
  |         ^ an integer
  |
  = help: for example: `retry = { attempts = 3 }`

error[E0120]: `ingore` is no policy
 --> pipeline.toml:4:12
  |
4 | on_error = "ingore"
  |            ^^^^^^^^
  |
  = help: did you mean `ignore`?

error[E0111]: `most` is not a share
 --> pipeline.toml:5:11
  |
5 | require = "most"
  |           ^^^^^^
  |
  = help: write `all`, `any`, or a percentage such as `80%`

error[E0103]: `attempts` is a string, not a whole number
 --> pipeline.toml:9:22
  |
9 | retry = { attempts = "3", on = "timeout", backof = "1s" }
  |                      ^^^ a string
  |
  = help: write it without quotes: `attempts = 3`

error[E0103]: `on` is a string, not an array of strings
 --> pipeline.toml:9:32
  |
9 | retry = { attempts = "3", on = "timeout", backof = "1s" }
  |                                ^^^^^^^^^ a string
  |
  = help: for example: `on = ["timeout", "exit:75"]`

error[E0102]: `retry` has no key `backof`
 --> pipeline.toml:9:43
  |
9 | retry = { attempts = "3", on = "timeout", backof = "1s" }
  |                                           ^^^^^^ unknown key
  |
  = help: did you mean `backoff`?

error[E0103]: `on_error` is a boolean, not a string
  --> pipeline.toml:10:12
   |
10 | on_error = true
   |            ^^^^ a boolean
   |
   = help: for example: `on_error = "continue"`

error[E0103]: `require` is an integer, not `all`, `any` or a share
  --> pipeline.toml:11:11
   |
11 | require = 3
   |           ^ an integer
   |
   = help: for example: `require = "all"`

error[E0104]: `retry` needs `attempts`
  --> pipeline.toml:15:9
   |
15 | retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }
   |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no `attempts` here
   |
   = help: add `attempts`

error[E0111]: `soon` is not a duration
  --> pipeline.toml:15:21
   |
15 | retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }
   |                     ^^^^^^
   |
   = help: write parts of `d`, `h`, `m`, `s`, `ms`, the largest first: `90s`, `10m`, `1h30m`, `2d`

error[E0120]: `tiemout` is no cause of failure
  --> pipeline.toml:15:35
   |
15 | retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }
   |                                   ^^^^^^^^^
   |
   = help: did you mean `timeout`?

error[E0120]: `exit:0` is no cause of failure
  --> pipeline.toml:15:46
   |
15 | retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }
   |                                              ^^^^^^^^
   |
   = help: write `exit:75` for one exit status from 1 to 255, `signal:9` for one signal

error[E0103]: an element of `on` is an integer, not a string
  --> pipeline.toml:15:56
   |
15 | retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }
   |                                                        ^^ an integer
   |
   = help: put it in quotes: `"75"`

error[E0103]: `memory` is an integer, not a string
  --> pipeline.toml:15:81
   |
15 | retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }
   |                                                                                 ^ an integer
   |
   = help: for example: `memory = "x2"`

error[E0103]: `cap` is a string, not a table
  --> pipeline.toml:15:92
   |
15 | retry = { backoff = "soon", on = ["tiemout", "exit:0", 75], on_oom = { memory = 2 }, cap = "64GiB" }
   |                                                                                            ^^^^^^^ a string
   |
   = help: for example: `cap = { memory = "64GiB" }`

error[E0116]: `attempts` must be at least 1
  --> pipeline.toml:19:22
   |
19 | retry = { attempts = 0, on = [], on_timeout = { time = "x0.5", memory = "x2" }, cap = { time = "{{ 3 }}" } }
   |                      ^
   |
   = help: write a whole number from 1 to 4294967295

error[E0118]: `on` names no cause, so nothing is run again
  --> pipeline.toml:19:30
   |
19 | retry = { attempts = 0, on = [], on_timeout = { time = "x0.5", memory = "x2" }, cap = { time = "{{ 3 }}" } }
   |                              ^^
   |
   = help: name one, as in `on = ["timeout"]`, or leave `on` out for every cause

error[E0111]: `x0.5` is no factor above 1
  --> pipeline.toml:19:56
   |
19 | retry = { attempts = 0, on = [], on_timeout = { time = "x0.5", memory = "x2" }, cap = { time = "{{ 3 }}" } }
   |                                                        ^^^^^^
   |
   = help: write how many times as much the next attempt gets: `"x2"`, `"x1.5"`

error[E0102]: `on_timeout` has no key `memory`
  --> pipeline.toml:19:64
   |
19 | retry = { attempts = 0, on = [], on_timeout = { time = "x0.5", memory = "x2" }, cap = { time = "{{ 3 }}" } }
   |                                                                ^^^^^^ unknown key
   |
   = help: it is a key of `resources`, `on_oom` or `cap`

error[E0111]: no expression can stand in `time`
  --> pipeline.toml:19:96
   |
19 | retry = { attempts = 0, on = [], on_timeout = { time = "x0.5", memory = "x2" }, cap = { time = "{{ 3 }}" } }
   |                                                                                                ^^^^^^^^^
   |
   = help: write the amount as it is

error[E0120]: `abort` is no policy
  --> pipeline.toml:20:12
   |
20 | on_error = "abort"
   |            ^^^^^^^
   |
   = help: write `fail`, `continue` or `ignore`

"#]],
    );
}

#[test]
fn limits_that_are_none() {
    shows(
        r#"
[task.a]
command = "true {{ item }}"
over = [1]
max_failures = "5"

[task.b]
command = "true {{ item }}"
over = [1]
max_failures = -1

[task.c]
command = "true"
max_failures = 3

[map.m]
over = [1]
max_failures = "101%"
[map.m.task.t]
command = "true {{ item }}"
"#,
        str![[r#"

error[E0111]: `5` is not a share
 --> pipeline.toml:4:16
  |
4 | max_failures = "5"
  |                ^^^
  |
  = help: write a whole number, or a percentage of the list such as `5%`

error[E0116]: `max_failures` must be at least 0
 --> pipeline.toml:9:16
  |
9 | max_failures = -1
  |                ^^
  |
  = help: write a whole number from 0 to 4294967295

error[E0118]: `max_failures` has no meaning without `over`
  --> pipeline.toml:13:1
   |
13 | max_failures = 3
   | ^^^^^^^^^^^^
   |
   = help: add `over`, or leave `max_failures` out

error[E0111]: `101%` is not a share
  --> pipeline.toml:17:16
   |
17 | max_failures = "101%"
   |                ^^^^^^
   |
   = help: write a whole number, or a percentage of the list such as `5%`

"#]],
    );
}

#[test]
fn pairs_that_contradict_each_other() {
    shows(
        r#"
[task.a]
command = "true"
retry = { attempts = 3, on = ["exit"], on_oom = { memory = "x2" }, on_timeout = { time = "x2" } }

[task.b]
command = "true"
retry = { attempts = 3, cap = { memory = "64GiB", time = "2d" } }

[task.c]
command = "true"
retry = { attempts = 1, backoff = "10s", on = ["exit"] }

[map.m]
over = [1]
on_error = "ignore"
max_failures = 3
[map.m.task.t]
command = "true {{ item }}"
retry = { attempts = 1 }
"#,
        str![[r#"

error[E0118]: `on_oom` has no meaning: after `oom` there is no other attempt
 --> pipeline.toml:3:40
  |
3 | retry = { attempts = 3, on = ["exit"], on_oom = { memory = "x2" }, on_timeout = { time = "x2" } }
  |                              --------  ^^^^^^
  |                              |
  |                              the causes
  |
  = help: add `"oom"` to `on`, or leave `on_oom` out

error[E0118]: `on_timeout` has no meaning: after `timeout` there is no other attempt
 --> pipeline.toml:3:68
  |
3 | retry = { attempts = 3, on = ["exit"], on_oom = { memory = "x2" }, on_timeout = { time = "x2" } }
  |                              -------- the causes                   ^^^^^^^^^^
  |
  = help: add `"timeout"` to `on`, or leave `on_timeout` out

error[E0118]: `cap.memory` has no meaning without `on_oom`, for nothing raises it
 --> pipeline.toml:7:33
  |
7 | retry = { attempts = 3, cap = { memory = "64GiB", time = "2d" } }
  |                                 ^^^^^^
  |
  = help: add `on_oom = { memory = "x2" }`, or leave it out

error[E0118]: `cap.time` has no meaning without `on_timeout`, for nothing raises it
 --> pipeline.toml:7:51
  |
7 | retry = { attempts = 3, cap = { memory = "64GiB", time = "2d" } }
  |                                                   ^^^^
  |
  = help: add `on_timeout = { time = "x2" }`, or leave it out

error[E0118]: `backoff` has no meaning: there is one attempt in all
  --> pipeline.toml:11:25
   |
11 | retry = { attempts = 1, backoff = "10s", on = ["exit"] }
   |                      -  ^^^^^^^
   |                      |
   |                      in all
   |
   = help: write `attempts = 2` for one more after a failure

error[E0118]: `max_failures` has no meaning where every failure is ignored
  --> pipeline.toml:16:1
   |
15 | on_error = "ignore"
   |            -------- every failure is ignored
16 | max_failures = 3
   | ^^^^^^^^^^^^
   |
   = help: keep one of the two

"#]],
    );
}
