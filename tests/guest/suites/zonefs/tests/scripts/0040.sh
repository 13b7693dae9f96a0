#!/bin/bash
[ $# = 0 ] && { echo "a test that hangs"; exit 0; }
sleep 600
