#!/bin/sh
# The most frequent words as a table: table.sh COUNTS TOP OUT
set -eu
head -n "$2" "$1" | while read -r count word; do
    printf '%s\t%s\n' "$word" "$count"
done > "$3"
