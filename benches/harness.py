"""Measuring: contestants in turn, round by round; medians and ratios as a Markdown table."""

import dataclasses
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOWRUN = pathlib.Path(os.environ.get("FLOWRUN_BENCH", ROOT / "target/release/flowrun"))
TOOLS = ROOT / "target/bench-tools"
FOLDERS = ROOT / "target/bench-folders"
MEMORY = pathlib.Path("/dev/shm")
BASH = "bash -euo pipefail -c"


@dataclasses.dataclass
class Sample:
    """Wall and CPU (user and system, all descendants) in seconds; the peak of the tree in MiB, if it was watched."""

    wall: float
    cpu: float
    peak: float = 0.0


class Watch(threading.Thread):
    """Looks at the resident memory of a process and all its descendants, every few milliseconds."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.over = pid, 0, threading.Event()
        self.page = os.sysconf("SC_PAGE_SIZE")

    def run(self):
        while not self.over.wait(0.005):
            self.peak = max(self.peak, self.resident(self.pid))

    def resident(self, pid):
        total = 0
        try:
            with open(f"/proc/{pid}/statm") as statm:
                total = int(statm.read().split()[1]) * self.page
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as children:
                    total += sum(self.resident(child) for child in children.read().split())
        except (OSError, IndexError):
            pass  # it has ended
        return total


def measure(words, folder, watch=False, allowed=(0,), stdin=None):
    """Runs a command that must succeed."""
    said = folder / ".said"
    begin = time.perf_counter()
    with open(said, "wb") as out, open(stdin or os.devnull, "rb") as given:
        child = subprocess.Popen([str(w) for w in words], cwd=folder, stdin=given, stdout=out, stderr=out)
        eyes = Watch(child.pid) if watch else None
        if eyes:
            eyes.start()
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if eyes:
        eyes.over.set()
        eyes.join()
    if child.returncode not in allowed:
        sys.exit(f"{' '.join(map(str, words))} ended with {child.returncode}:\n{said.read_text(errors='replace')[-3000:]}")
    peak = max(usage.ru_maxrss * 1024, eyes.peak if eyes else 0) / 2**20
    return Sample(wall, usage.ru_utime + usage.ru_stime, peak)


class Contestant:
    """One program at one work. `make` builds its folder once, `reset` goes before each measured `words`."""

    def __init__(self, name, words, make=None, reset=None, where=None, stdin=None, least=None):
        self.name, self.words, self.stdin = name, words, stdin
        self.make, self.reset = make or (lambda folder: None), reset or (lambda folder: None)
        self.where, self.least = where, least
        self.samples, self.peak, self.folder = [], 0.0, None

    def ready(self, row):
        base = (self.where or FOLDERS) / f"flowrun-bench-{os.getpid()}" / row
        self.folder = base / "".join(c if c.isalnum() else "-" for c in self.name)
        self.folder.mkdir(parents=True)
        self.make(self.folder)

    def once(self, watch):
        self.reset(self.folder)
        words = self.words(self.folder) if callable(self.words) else self.words
        if self.least:
            return self.least(words, self.folder)
        return measure(words, self.folder, watch, stdin=self.stdin and self.folder / self.stdin)


@dataclasses.dataclass
class Goal:
    """At most `times` the wall time of a peer (or CPU), or so many seconds more, whichever is larger."""

    peer: str
    times: float = 0.0
    more: float = 0.0
    of: str = "wall"

    def text(self, peers):
        parts = [f"≤ {self.times:g} ×"] if self.times else []
        parts += [f"{self.more * 1000:g} ms more"] if self.more else []
        return " or ".join(parts) + f" {'CPU of ' if self.of == 'cpu' else ''}{self.peer}"

    def met(self, ours, theirs):
        pairs = [(getattr(a, self.of), getattr(b, self.of)) for a, b in zip(ours, theirs)]
        ratio = statistics.median(a / b for a, b in pairs)
        more = statistics.median(a - b for a, b in pairs)
        return bool(self.times and ratio <= self.times) or bool(self.more and more <= self.more)


@dataclasses.dataclass
class Row:
    """One work, those who do it (flowrun first), and what flowrun's share may be."""

    name: str
    title: str
    contestants: list
    goals: list = dataclasses.field(default_factory=list)
    rounds: int = 0
    #: Seconds, MiB or bytes that stand by themselves: (text, function of the row) -> (value text, met)
    facts: list = dataclasses.field(default_factory=list)


def run_row(row, rounds):
    """All rounds of a row; the first, in which memory is watched, does not count for time."""
    begin = time.time()
    rounds = min(rounds, row.rounds or rounds)
    try:
        for one in row.contestants:
            one.ready(row.name)
        for one in row.contestants:
            one.peak = one.once(watch=True).peak
        for turn in range(rounds):
            for one in row.contestants:
                one.samples.append(one.once(watch=False))
            print(f"  {row.name}: round {turn + 1} of {rounds}, {time.time() - begin:.0f} s", file=sys.stderr)
        facts = [fact(row) for fact in row.facts]
    finally:
        for where in {one.where or FOLDERS for one in row.contestants}:
            shutil.rmtree(where / f"flowrun-bench-{os.getpid()}", ignore_errors=True)
    return table(row, facts)


def table(row, facts):
    """The lines of a row, and whether all its goals are met."""
    ours, lines, good = row.contestants[0], [], True
    for one in row.contestants:
        wall, cpu = (statistics.median(getattr(s, of) for s in one.samples) for of in ("wall", "cpu"))
        ratio = lambda of: statistics.median(getattr(a, of) / max(getattr(b, of), 1e-9) for a, b in zip(ours.samples, one.samples))
        goals = [g for g in row.goals if g.peer == one.name]
        met = [g.met(ours.samples, one.samples) for g in goals]
        good = good and all(met)
        verdict = "; ".join(f"{g.text(one)}: {'met' if ok else '**missed**'}" for g, ok in zip(goals, met))
        compared = ("", "") if one is ours else (f"{ratio('wall'):.2f}", f"{ratio('cpu'):.2f}")
        title = row.title if one is ours else ""
        lines.append(f"| {title} | {one.name} | {seconds(wall)} | {seconds(cpu)} | {one.peak:.0f} MiB | "
                     f"{compared[0]} | {compared[1]} | {verdict} |")
    for text, value, met in facts:
        good = good and met is not False
        verdict = "" if met is None else "met" if met else "**missed**"
        lines.append(f"| | {text} | {value} | | | | | {verdict} |")
    return lines, good


def seconds(value):
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def head(rounds):
    with open("/proc/cpuinfo") as info:
        model = next((l.split(":")[1].strip() for l in info if l.startswith("model name")), "?")
    return [
        f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, {time.strftime('%d %B %Y')}; medians of "
        f"{rounds} rounds in turn, ratios of the same round; load {os.getloadavg()[0]:.1f}.",
        "",
        "| work | by | wall | CPU | peak of the tree | flowrun's wall ÷ | flowrun's CPU ÷ | goal |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]


def debian(*programs):
    """Installs what is missing."""
    packages = {"ninja": "ninja-build"}
    missing = [packages.get(p, p) for p in programs if not shutil.which(p)]
    if missing:
        print(f"  installing {' '.join(missing)}", file=sys.stderr)
        done = subprocess.run(["apt-get", "install", "-y", "-qq", *missing], stdout=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"`apt-get install {' '.join(missing)}` failed: install them, or choose other rows")


def python():
    """A Python with Snakemake and HyperQueue."""
    venv = TOOLS / "py"
    if not (venv / "bin/snakemake").exists():
        print("  installing Snakemake and HyperQueue from PyPI", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", "snakemake", "hyperqueue"], check=True)
    return venv / "bin"


def bare():
    """The C loops."""
    program, source = TOOLS / "bare", ROOT / "benches/bare.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        TOOLS.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-pthread", "-o", program, source], check=True)
    return program


def remove(*names):
    """A `reset` that removes files and folders."""

    def reset(folder):
        for name in names:
            path = folder / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    return reset


def write(folder, name, text):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
