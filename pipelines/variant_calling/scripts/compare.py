#!/usr/bin/env python3
"""Compares the calls of one sample with the mutations that wgsim made.

One change can be written in several ways: an indel in a repeat has many positions, and two neighbouring changes can
pass for two others. So both sides are first moved left and trimmed, and what then differs is compared by the sequence
that it makes: where all known and all called changes of a neighbourhood give the same sequence, all of them count as
found. Prints NAME=VALUE lines.
"""

import argparse

NEIGHBOURHOOD = 30  # bases between changes that are judged together


def read_contig(path, contig):
    """The sequence of one contig of a FASTA file, in capitals."""
    parts, inside = [], False
    with open(path) as file:
        for line in file:
            if line.startswith(">"):
                inside = line[1:].split()[0] == contig
            elif inside:
                parts.append(line.strip())
    if not parts:
        raise SystemExit(f"{path} has no contig {contig!r}")
    return "".join(parts).upper()


def normalised(genome, position, old, new):
    """The leftmost, shortest form of a change; the position counts from 0."""
    while True:
        if not old or not new:
            if position == 0:
                break
            position -= 1
            old, new = genome[position] + old, genome[position] + new
        elif old[-1] == new[-1] and len(old) + len(new) > 2:
            old, new = old[:-1], new[:-1]
        else:
            break
    while len(old) > 1 and len(new) > 1 and old[0] == new[0]:
        position, old, new = position + 1, old[1:], new[1:]
    return position, old, new


def read_truth(path, genome, contig):
    """wgsim writes one line a deleted base, and an insertion after the base that it names."""
    changes = []
    with open(path) as file:
        for line in file:
            name, position, old, new, _ = line.rstrip("\n").split("\t")
            if name != contig:
                continue
            position = int(position) - 1
            if old == "-":
                changes.append((position + 1, "", new))
            elif new != "-":
                changes.append((position, old, new))
            elif changes and changes[-1][2] == "" and changes[-1][0] + len(changes[-1][1]) == position:
                changes[-1] = (changes[-1][0], changes[-1][1] + old, "")
            else:
                changes.append((position, old, ""))
    return {normalised(genome, *change) for change in changes}


def read_calls(path, genome, contig, sample):
    """The alternative alleles that the sample has, by a VCF file with haploid genotypes."""
    changes, column = set(), None
    with open(path) as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#CHROM"):
                column = fields.index(sample)
            if line.startswith("#") or fields[0] != contig:
                continue
            allele = fields[column].split(":")[0]
            if allele not in ("0", "."):
                new = fields[4].split(",")[int(allele) - 1]
                changes.add(normalised(genome, int(fields[1]) - 1, fields[3].upper(), new.upper()))
    return changes


def applied(genome, changes, start, end):
    """The sequence from start to end with the changes made; None when two of them overlap."""
    parts, at = [], start
    for position, old, new in sorted(changes):
        if position < at:
            return None
        parts += [genome[at:position], new]
        at = position + len(old)
    return "".join(parts + [genome[at:end]])


def neighbourhoods(changes):
    """Changes in groups; between two groups lie more bases than NEIGHBOURHOOD."""
    group, end = [], 0
    for change in sorted(changes):
        if group and change[0] > end + NEIGHBOURHOOD:
            yield group, end
            group = []
        group.append(change)
        end = max(end, change[0] + len(change[1])) if len(group) > 1 else change[0] + len(change[1])
    if group:
        yield group, end


def matched(genome, known, called):
    """How many known changes were called, and how many calls are known changes."""
    found = right = 0
    for group, end in neighbourhoods(known | called):
        ours, theirs, start = known & set(group), called & set(group), group[0][0]
        sequence = applied(genome, ours, start, end)
        if sequence is not None and sequence == applied(genome, theirs, start, end):
            found, right = found + len(ours), right + len(theirs)
        else:
            found, right = found + len(ours & theirs), right + len(ours & theirs)
    return found, right


def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("genome", "contig", "sample", "truth", "calls"):
        options.add_argument(f"--{name}", required=True)
    options = options.parse_args()
    genome = read_contig(options.genome, options.contig)
    known = read_truth(options.truth, genome, options.contig)
    called = read_calls(options.calls, genome, options.contig, options.sample)
    found, right = matched(genome, known, called)
    print(f"known={len(known)}")
    print(f"called={len(called)}")
    print(f"recall={found / len(known) if known else 1.0:.4f}")
    print(f"precision={right / len(called) if called else 1.0:.4f}")


if __name__ == "__main__":
    main()
