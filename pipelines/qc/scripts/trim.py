#!/usr/bin/env python3
"""Cuts reads where the adapter begins and drops those that become too short; a pair goes with either of its reads.

    trim.py OUT ADAPTER MIN_LENGTH READS [MATES]

Writes FASTQ, gzipped, mates behind their reads, and prints `reads=…` and `kept=…`: the reads seen and those left.
"""
import gzip
import sys

SEED = 8  # bases of the adapter that must agree


def records(path):
    with (gzip.open(path, "rt") if path.endswith(".gz") else open(path)) as file:
        while name := file.readline():
            sequence, _, quality = (file.readline().rstrip("\n") for _ in range(3))
            yield name.rstrip("\n"), sequence, quality


def cut(record, adapter):
    name, sequence, quality = record
    at = sequence.find(adapter[:SEED])
    return record if at < 0 else (name, sequence[:at], quality[:at])


out, adapter, min_length, *paths = sys.argv[1:]
seen = kept = 0
# No name and no time in the header: the same reads give the same bytes.
with open(out, "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as trimmed:
    for group in zip(*map(records, paths), strict=True):
        group = [cut(record, adapter) for record in group]
        seen += len(group)
        if min(len(sequence) for _, sequence, _ in group) >= int(min_length):
            kept += len(group)
            for name, sequence, quality in group:
                trimmed.write(f"{name}\n{sequence}\n+\n{quality}\n".encode())
print(f"reads={seen}\nkept={kept}")
