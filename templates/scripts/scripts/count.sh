#!/bin/sh
# Counts the words of a file: count.sh IN OUT
set -eu
tr -s '[:space:]' '\n' < "$1" | sed '/^$/d' | sort | uniq -c | sort -k1,1nr -k2 > "$2"
