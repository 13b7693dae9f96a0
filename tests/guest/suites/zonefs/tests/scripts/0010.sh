#!/bin/bash
[ $# = 0 ] && { echo "mkzonefs"; exit 0; }
mkzonefs | grep -q source
