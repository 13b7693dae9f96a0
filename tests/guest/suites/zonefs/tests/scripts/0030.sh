#!/bin/bash
[ $# = 0 ] && { echo "number of files"; exit 0; }
echo " --> Invalid number of files"
exit 1
