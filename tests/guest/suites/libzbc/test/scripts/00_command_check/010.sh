#!/bin/bash
. scripts/zbc_test_lib.sh
zbc_test_init $0 "REPORT ZONES command completion" $*
zbc_test_print_res "\e[1;32m" "Passed"
