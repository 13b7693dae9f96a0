#!/bin/bash
# Runs tests and talks as libzbc's zbc_test.sh does: its option -e, its logs.
cd "$(dirname "$0")" || exit
tests=()
while [[ $1 == -* ]]; do
	tests+=("$2")
	shift 2
done
[ -c "$1" ] || { echo "Device \"$1\" not found"; exit 1; }
dev=$(basename "$1")
echo "###### $(date -Ins) Device supports URSWRZ enabled only"
for t in "${tests[@]}"; do
	log=$ZBC_TEST_LOG_PATH_BASE/$dev/urswrz_y/${t%.*}
	mkdir -p "$log"
	[ "$section" = "${t%.*}" ] || echo "Executing section ${t%.*} - ZBC tests..."
	section=${t%.*}
	scripts/"$section"_*/"${t#*.}.sh" programs "$log" "$section" "$1"
done
