#!/bin/bash
. scripts/zbc_test_lib.sh
zbc_test_init $0 "ZONE ACTIVATE command completion" $*
zbc_test_print_res "" "N/A Zone Domains are not supported by the device"
