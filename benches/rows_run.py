"""Rows in which tasks are executed."""

import json
import shutil

from harness import BASH, FLOWRUN, MEMORY, Contestant, Goal, Row, Sample, bare, debian, measure, python, remove, write


def flowrun(text, words=("run", "-j", "2"), **more):
    """flowrun on a pipeline, each time from nothing."""
    gone = more.pop("gone", (".flowrun",))
    sources = more.pop("sources", lambda folder: None)

    def make(folder):
        write(folder, "pipeline.toml", text)
        sources(folder)

    return Contestant("flowrun", [FLOWRUN, *words], make, remove(*gone), **more)


def one():
    pipeline = """
[task.one]
command = "echo hello > {{ outputs.file }}"
outputs.file = { file = "one.txt" }
"""
    makefile = f"one.txt:\n\texec {BASH} 'echo hello > one.txt'\n"
    debian("make")
    return Row(
        "one",
        "one task, from nothing to its end",
        [
            flowrun(pipeline, ("run",), gone=(".flowrun", "one.txt")),
            Contestant("make", ["make", "-rj2"], lambda f: write(f, "Makefile", makefile), remove("one.txt")),
        ],
        [Goal("make", more=0.010, of="cpu")],
    )


def independent(name, many, command, vector, everybody):
    """`many` times one command. `vector` is what flowrun executes, as the words of a Makefile and of a rule."""
    debian("ninja", "make", "xargs", *(["parallel"] if everybody else []))
    pipeline = f"""
[task.many]
over = {{ range = [0, {many}] }}
command = "{command}"
cache = false
"""
    plain = vector == [command]
    shown = " ".join(vector) if plain else f"{BASH} '{vector[-1]}'"
    ninja = f"rule r\n  command = exec {shown}\n" + "".join(f"build t{i}: r\n" for i in range(many))
    targets = " ".join(f"t{i}" for i in range(many))
    makefile = f".PHONY: all {targets}\nall: {targets}\n{targets}:\n\t@{'' if plain else 'exec '}{shown}\n"
    numbers = "".join(f"{i}\n" for i in range(many))
    give = lambda folder: write(folder, "numbers", numbers)
    contestants = [
        flowrun(pipeline),
        Contestant("bare loop", [bare(), "spawn", many, 2, *vector]),
        Contestant("ninja", ["ninja", "-j2", "--quiet"], lambda f: write(f, "build.ninja", ninja), remove(".ninja_log")),
        Contestant("make", ["make", "-rj2"], lambda f: write(f, "Makefile", makefile)),
        Contestant("xargs -P2", ["xargs", "-P2", "-I{}", *vector], give, stdin="numbers"),
    ]
    goals = [Goal("bare loop", 1.25)]
    if plain:
        goals += [Goal("ninja", 1.0), Goal("xargs -P2", 1.0), Goal("make", 1.1)]
    if everybody:
        contestants.append(Contestant("GNU parallel", ["parallel", "-j2", "-n0", shown, "::::", "numbers"], give))
        contestants.append(Contestant("HyperQueue", [], least=hyperqueue(many, vector)))
        goals.append(Goal("HyperQueue", 1 / 3))
    return Row(name, f"{many:,} × `{shown}`, `-j 2`", contestants, goals)


def hyperqueue(many, vector):
    """From the first submission to the last end; the start of its server and worker is not counted."""
    text = f"""
import json, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=2))
    client, job = cluster.client(), Job()
    begin = time.perf_counter()
    for _ in range({many}):
        job.program({vector!r})
    client.wait_for_jobs([client.submit(job)])
    print(json.dumps(time.perf_counter() - begin))
"""

    def run(_, folder):
        write(folder, "hq.py", text)
        whole = measure([python() / "python", "hq.py"], folder, True)
        inner = json.loads((folder / ".said").read_text().strip().splitlines()[-1])
        return Sample(inner, whole.cpu, whole.peak)

    return run


def true_10k():
    return independent("true-10k", 10_000, "true", ["true"], True)


def true_100k():
    return independent("true-100k", 100_000, "true", ["true"], False)


def bash_10k():
    return independent("bash-10k", 10_000, "true && true", BASH.split() + ["true && true"], False)


def bash_100k():
    return independent("bash-100k", 100_000, "true && true", BASH.split() + ["true && true"], False)


def chain():
    many = 1_000
    tasks = "".join(
        f"""
[task.t{i}]
command = "cat {{{{ inputs.a }}}} > {{{{ outputs.b }}}}"
inputs.a = "{f'f{i}' if i else 'source'}"
outputs.b = {{ file = "f{i + 1}" }}
"""
        for i in range(many)
    )
    debian("ninja")
    ninja = f"rule r\n  command = exec {BASH} 'cat $in > $out'\n"
    ninja += "".join(f"build f{i + 1}: r {f'f{i}' if i else 'source'}\n" for i in range(many))
    source = lambda folder: write(folder, "source", "x\n")
    made = [f"f{i + 1}" for i in range(many)]

    def build(folder):
        write(folder, "build.ninja", ninja)
        source(folder)

    return Row(
        "chain",
        f"a chain of {many:,} tasks through files",
        [
            flowrun(tasks, gone=(".flowrun", *made), sources=source),
            Contestant("ninja", ["ninja", "-j2", "--quiet"], build, remove(".ninja_log", ".ninja_deps", *made)),
        ],
        [Goal("ninja", 1.1, more=many * 100e-6)],
    )


def layered(layers=10, wide=1_000):
    """Who reads what: task (l, i) reads three files of the layer above it."""
    for layer in range(layers):
        for i in range(wide):
            above = [f"l{layer - 1}/{(i + k * 7) % wide}" for k in range(3)] if layer else [f"source/{i}"] * 1
            yield layer, i, above


def layers():
    debian("ninja", "make")
    wide, deep = 1_000, 10
    graph = list(layered(deep, wide))
    made = [f"l{layer}" for layer in range(deep)]

    def tree(folder):
        for i in range(wide):
            write(folder, f"source/{i}", f"{i}\n")

    def empty(*names):
        def reset(folder):
            remove(*names)(folder)
            for layer in made:
                shutil.rmtree(folder / layer, ignore_errors=True)
                (folder / layer).mkdir()

        return reset

    def given(name, text):
        def make(folder):
            write(folder, name, text)
            tree(folder)

        return make

    pipeline = "".join(
        f"""
[task.t{layer}_{i}]
command = "cat {{{{ inputs.a }}}} > {{{{ outputs.b }}}}"
inputs.a = {json.dumps(above)}
outputs.b = {{ file = "l{layer}/{i}" }}
"""
        for layer, i, above in graph
    )
    ninja = f"rule r\n  command = exec {BASH} 'cat $in > $out'\n"
    ninja += "".join(f"build l{layer}/{i}: r {' '.join(above)}\n" for layer, i, above in graph)
    makefile = "all: " + " ".join(f"l{deep - 1}/{i}" for i in range(wide)) + "\n"
    makefile += "".join(
        f"l{layer}/{i}: {' '.join(above)}\n\t@exec {BASH} 'cat $^ > $@'\n" for layer, i, above in graph
    )
    snake = f'rule all:\n    input: expand("l{deep - 1}/{{i}}", i=range({wide}))\n'
    for layer in range(deep):
        inputs = '"source/{i}"' if not layer else (
            f"lambda w: [f'l{layer - 1}/{{(int(w.i) + k * 7) % {wide}}}' for k in range(3)]"
        )
        snake += f"""
rule l{layer}:
    input: {inputs}
    output: "l{layer}/{{i}}"
    shell: "cat {{input}} > {{output}}"
"""
    snakemake = [python() / "snakemake", "-c2", "-q", "all", "--nolock"]
    ours = flowrun(pipeline, sources=tree, where=MEMORY)
    ours.reset = empty(".flowrun")
    return Row(
        "layers",
        f"{deep} layers × {wide:,} tasks, 3 inputs each, tmpfs",
        [
            ours,
            Contestant("ninja", ["ninja", "-j2", "--quiet"], given("build.ninja", ninja), empty(".ninja_log"), MEMORY),
            Contestant("make", ["make", "-rsj2"], given("Makefile", makefile), empty(), MEMORY),
            Contestant("Snakemake", snakemake, given("Snakefile", snake), empty(".snakemake"), MEMORY, least=Few(1)),
        ],
        [Goal("ninja", 1.1, more=wide * deep * 100e-6), Goal("Snakemake", 1 / 15)],
    )


class Few:
    """A contestant so slow that it is measured in so many rounds only; the others repeat its last figure."""

    def __init__(self, times):
        self.times, self.last = times, None

    def __call__(self, words, folder):
        if self.times > 0:
            self.times -= 1
            self.last = measure(words, folder, True)
        return self.last


def chunks():
    many, chunk = 1_000_000, 1_000
    pipeline = f"""
[task.many]
over = {{ range = [0, {many}] }}
chunk = {chunk}
command = "true"
cache = false
"""
    return Row("chunks", f"a map of {many:,} items in chunks of {chunk:,}", [flowrun(pipeline)], facts=[instance_bytes])


def instance_bytes(row):
    """What an instance costs in memory: a map of 1,000,000 instances that all have ended, less one of 1,000."""
    def peak(many):
        folder = row.contestants[0].folder / f"plan-{many}"
        pipeline = f'[task.many]\nover = {{ range = [0, {many}] }}\ncommand = "x {{{{ item }}}}"\noutputs.x = "int"\n'
        write(folder, "pipeline.toml", pipeline)
        return measure([FLOWRUN, "plan", "--summary"], folder).peak

    each = (peak(1_000_000) - peak(1_000)) * 2**20 / 999_000
    return "memory an instance, planned", f"{each:.0f} bytes", each < 300


ROWS = {
    "one": one,
    "true-10k": true_10k,
    "true-100k": true_100k,
    "bash-10k": bash_10k,
    "bash-100k": bash_100k,
    "chain": chain,
    "layers": layers,
    "chunks": chunks,
}
