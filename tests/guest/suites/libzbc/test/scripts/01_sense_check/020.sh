#!/bin/bash
. scripts/zbc_test_lib.sh
zbc_test_init $0 "OPEN ZONE insufficient zone resources" $*
zbc_test_print_res "\e[1;31m" "Failed" " $log_file"
echo "FAIL        => Expected Data-protect / Insufficient-zone-resources"
