#!/bin/bash
# Paired reads of a mutated genome. The mutations go to standard output: contig, position, reference, mutant, strands.
# Usage: simulate.sh GENOME SEED PAIRS READS1 READS2
set -euo pipefail
exec wgsim -S "$2" -N "$3" -1 100 -2 100 -e 0.01 -r 0.002 -R 0.1 -h "$1" "$4" "$5"
