"""Whether all records are there that a mark promises, and another can be stored.

Usage: check.py DEVICE [BUG].
"""

import os
import sys
from pathlib import Path

from store import Store

device = sys.argv[1]
store = Store(*sys.argv[1:])
for mark in Path(os.environ["ZONEVM_MARKS"]).read_text().splitlines():
    key = mark.removeprefix("stored ")
    if key.startswith(f"{device}:"):
        number = int(key.partition(":")[2])
        if store.records.get(key) != key.encode() * 500 * number:
            sys.exit(f"{key} was stored, and is lost")
try:
    store.put("one more", b"a value")
except OSError as error:
    sys.exit(f"another record cannot be stored: {error}")
if Store(device).records.get("one more") != b"a value":
    sys.exit("what is stored after the power cut is not found")
