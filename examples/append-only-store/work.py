"""Stores records, and writes a mark for each that is stored. Usage: work.py DEVICE [BUG]."""

import subprocess
import sys

from store import Store

store = Store(*sys.argv[1:])
for number in range(6):
    key = f"{sys.argv[1]}:{number}"
    store.put(key, key.encode() * 500 * number)
    subprocess.run(["zonevm-mark", f"stored {key}"], check=True)
