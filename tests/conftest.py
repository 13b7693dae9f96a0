"""What all tests have in common."""

import os
import signal

from hypothesis import HealthCheck, settings

# A shell's background jobs ignore SIGINT, those of nohup SIGHUP, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# fuzz/examples has as many as it says, new ones each time.
if "ZONEVM_EXAMPLES" in os.environ:
    settings.register_profile("fuzz", max_examples=int(os.environ["ZONEVM_EXAMPLES"]), database=None)
    settings.load_profile("fuzz")
