#!/bin/bash
# Runs tests and talks as zonefs-tools' zonefs-tests.sh does: its options -t and -g, its logs.
cd "$(dirname "$0")" || exit
. scripts/test_lib

tests=()
while [[ $1 == -* ]]; do
	case $1 in
	-t) tests+=("$2") ;;
	-g) logdir=$2 ;;
	esac
	shift 2
done
[ -b "$1" ] || { echo "Invalid block device"; exit 1; }

echo "Gathering information on $1..."
passed=0 skipped=0 failed=0
for t in "${tests[@]}"; do
	printf '  Test %s: %-60s ... ' "$t" "$("scripts/$t.sh")"
	{
		echo "## Test $t: $("scripts/$t.sh")"
		echo
		"scripts/$t.sh" "$1"
		ret=$?
		case $ret in 0) echo PASS ;; 2) echo skip ;; *) echo FAILED ;; esac
		echo
	} >"$logdir/$t.log" 2>&1
	case $ret in
	0) echo -e "\e[92mPASS\e[0m"; ((passed++)) ;;
	2) echo skip; ((skipped++)) ;;
	*) echo -e "\e[31mFAIL\e[0m"; ((failed++)) ;;
	esac
done
echo
echo "$passed / ${#tests[@]} tests passed ($skipped skipped, $failed failures)"
[ $failed -eq 0 ]
