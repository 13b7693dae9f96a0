#!/bin/bash
[ $# = 0 ] && { echo "mount (aggregated conventional zones)"; exit 0; }
exit_skip "Not enough conventional zones"
