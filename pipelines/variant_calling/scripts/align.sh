#!/bin/bash
# Aligns paired reads; SAM goes to standard output. `-K` makes the result independent of the number of threads.
# Usage: align.sh GENOME SAMPLE READS1 READS2
set -euo pipefail
exec bwa mem -K 10000000 -R "@RG\tID:$2\tSM:$2" "$1" "$3" "$4"
