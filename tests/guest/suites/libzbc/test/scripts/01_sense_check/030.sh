#!/bin/bash
. scripts/zbc_test_lib.sh
zbc_test_init $0 "a test that hangs" $*
sleep 600
