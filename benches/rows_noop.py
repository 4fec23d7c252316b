"""Rows in which little or nothing has to be executed: planning, nothing to do, one thing changed, a killed run."""

import glob
import os
import signal
import subprocess
import time

from harness import FLOWRUN, Contestant, Goal, Row, Sample, bare, debian, measure, remove, write


def written_out(many):
    """`many` tasks, each copying one source to its own file: for flowrun, ninja, make."""
    pipeline = "".join(
        f"""
[task.t{i}]
command = "cp {{{{ inputs.a }}}} {{{{ outputs.b }}}}"
inputs.a = "in/{i // 1000}/{i}"
outputs.b = {{ file = "out/{i // 1000}/{i}" }}
"""
        for i in range(many)
    )
    ninja = "rule r\n  command = cp $in $out\n"
    ninja += "".join(f"build out/{i // 1000}/{i}: r in/{i // 1000}/{i}\n" for i in range(many))
    makefile = "all: " + " ".join(f"out/{i // 1000}/{i}" for i in range(many)) + "\n"
    makefile += "".join(f"out/{i // 1000}/{i}: in/{i // 1000}/{i}\n\tcp $< $@\n" for i in range(many))
    return pipeline, ninja, makefile


def sources(folder, many):
    for part in range((many + 999) // 1000):
        (folder / f"in/{part}").mkdir(parents=True)
        (folder / f"out/{part}").mkdir(parents=True)
    for i in range(many):
        (folder / f"in/{i // 1000}/{i}").write_text(f"{i}\n")


def done(name, text, many, words):
    """Builds a folder in which everything is done."""

    def make(folder):
        write(folder, name, text)
        sources(folder, many)
        measure(words, folder)
        time.sleep(2.1)  # so that no file is too young to be trusted

    return make


def stats(many):
    def make(folder):
        sources(folder, many)
        for i in range(many):
            (folder / f"out/{i // 1000}/{i}").write_text(f"{i}\n")
        write(folder, "paths", "".join(f"{way}/{i // 1000}/{i}\n" for i in range(many) for way in ("in", "out")))

    return Contestant("bare stats", [bare(), "stat", "paths"], make)


def noop(many):
    debian("ninja", "make")
    pipeline, ninja, makefile = written_out(many)
    run = [FLOWRUN, "run", "-j", "2"]
    return Row(
        f"noop-{many // 1000}k",
        f"nothing to do, {many:,} tasks written out",
        [
            Contestant("flowrun", run, done("pipeline.toml", pipeline, many, run)),
            Contestant("make", ["make", "-rs"], done("Makefile", makefile, many, ["make", "-rs", "-j2"])),
            Contestant("ninja", ["ninja", "--quiet"], done("build.ninja", ninja, many, ["ninja", "--quiet", "-j2"])),
            stats(many),
        ],
        [Goal("make", 1.0), Goal("ninja", 1.0), Goal("bare stats", 2.5)],
    )


MAP = """
[task.many]
over = {{ range = [0, {many}] }}
chunk = {chunk}
command = "cp {{{{ inputs.a }}}} {{{{ outputs.b }}}}"
inputs.a = "in/{{{{ item // 1000 }}}}/{{{{ item }}}}"
outputs.b = {{ file = "out/{{{{ item // 1000 }}}}/{{{{ item }}}}" }}
"""


def mapped(many):
    return MAP.replace("chunk = {chunk}\n", "").format(many=many)


def noop_map(many):
    run = [FLOWRUN, "run", "-j", "2"]
    name = f"{many // 1000}k" if many < 1_000_000 else "1m"
    return Row(
        f"noop-map-{name}",
        f"nothing to do, a map of {many:,} items with a file each",
        [Contestant("flowrun", run, done("pipeline.toml", mapped(many), many, run)), stats(many)],
        [Goal("bare stats", 2.0)],
    )


def edit(many):
    turn = [0]

    def reset(folder):
        turn[0] += 1
        i = many // 2
        (folder / f"in/{i // 1000}/{i}").write_text(f"{i} changed {turn[0]}\n")

    return reset


def changed():
    many = 10_000
    debian("ninja", "make")
    pipeline, ninja, makefile = written_out(many)
    run = [FLOWRUN, "run", "-j", "2"]
    return Row(
        "changed",
        f"one source changed of {many:,} tasks",
        [
            Contestant("flowrun", run, done("pipeline.toml", pipeline, many, run), edit(many)),
            Contestant("make", ["make", "-rs"], done("Makefile", makefile, many, ["make", "-rs", "-j2"]), edit(many)),
            Contestant("ninja", ["ninja", "--quiet"], done("build.ninja", ninja, many, ["ninja", "--quiet"]), edit(many)),
        ],
        [Goal("make", 1.1), Goal("ninja", 1.1)],
    )


def changed_map():
    many = 1_000_000
    run = [FLOWRUN, "run", "-j", "2"]
    make = done("pipeline.toml", mapped(many), many, run)
    return Row(
        "changed-1m",
        f"one item changed among {many:,}",
        [Contestant("flowrun", run, make, edit(many)), Contestant("flowrun, nothing changed", run, make)],
        [Goal("flowrun, nothing changed", 1.2)],
        rounds=3,
    )


def plan():
    many = 1_000_000
    debian("ninja", "make")
    pipeline = f"""
[map.many]
over = {{ range = [0, {many}] }}
[map.many.task.work]
command = "work {{{{ item }}}} > {{{{ outputs.file }}}}"
outputs.file = {{ file = "out/{{{{ item }}}}" }}
"""

    def ninja(folder):
        with open(folder / "build.ninja", "w") as out:
            out.write("rule r\n  command = work $in > $out\n")
            out.writelines(f"build out/{i}: r\n" for i in range(many))

    def makefile(folder):
        with open(folder / "Makefile", "w") as out:
            out.write("all:")
            out.writelines(f" out/{i}" for i in range(many))
            out.writelines(f"\nout/{i}:\n\twork > $@\n" for i in range(many))

    def small(row):
        peak = row.contestants[0].peak
        return "peak memory", f"{peak:.0f} MiB", peak < 300

    return Row(
        "plan-1m",
        f"plan a map of {many:,} items, cold",
        [
            Contestant(
                "flowrun",
                [FLOWRUN, "plan", "--summary"],
                lambda f: write(f, "pipeline.toml", pipeline),
                remove(".flowrun"),
            ),
            Contestant("make -n", ["make", "-rn"], makefile),
            Contestant("ninja -n", ["ninja", "-n", "--quiet"], ninja),
        ],
        [Goal("make -n", 0.4), Goal("ninja -n", 0.4)],
        rounds=3,
        facts=[small],
    )


def resume():
    """A run killed with `kill -9` when 100,000 of its tasks have ended, to the start of the first new one."""
    many, more = 100_000, 100
    text = f"""
[task.many]
over = {{ range = [0, {many + more}] }}
command = "cp in/0/0 {{{{ outputs.b }}}}{{{{ '' if item < {many} else '; touch begun-' ~ item ~ '; sleep 1000' | raw }}}}"
outputs.b = {{ file = "out/{{{{ item // 1000 }}}}/{{{{ item }}}}" }}
"""
    run = [FLOWRUN, "run", "-j", "2"]

    def until_begun(folder):
        """Seconds from the start of flowrun to the first task that sleeps; then it is killed."""
        for left in glob.glob(str(folder / "begun-*")):
            (folder / left).unlink()
        begin = time.perf_counter()
        with open(folder / ".said", "wb") as said:
            child = subprocess.Popen(run, cwd=folder, stdout=said, stderr=said)
            while not glob.glob(str(folder / "begun-*")):
                time.sleep(0.001)
            wall = time.perf_counter() - begin
            child.send_signal(signal.SIGKILL)
            _, _, usage = os.wait4(child.pid, 0)
            child.returncode = -9
        time.sleep(1)  # its executor lets go of the lock
        return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

    def killed(folder):
        write(folder, "pipeline.toml", text)
        sources(folder, many + more)
        until_begun(folder)

    return Row(
        "resume",
        f"resume after `kill -9` with {many:,} done, to the first new task",
        [
            Contestant("flowrun", run, killed, least=lambda _, folder: until_begun(folder)),
            Contestant("flowrun, nothing to do", run, done("pipeline.toml", mapped(many), many, run)),
        ],
        [Goal("flowrun, nothing to do", 1.5)],
    )


ROWS = {
    "noop-10k": lambda: noop(10_000),
    "noop-100k": lambda: noop(100_000),
    "noop-map-100k": lambda: noop_map(100_000),
    "noop-map-1m": lambda: noop_map(1_000_000),
    "changed": changed,
    "changed-1m": changed_map,
    "plan-1m": plan,
    "resume": resume,
}
