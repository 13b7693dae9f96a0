"""What all tests have in common."""

import signal

# A shell's background jobs ignore SIGINT, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
