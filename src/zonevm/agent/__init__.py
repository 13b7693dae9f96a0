"""Commands in the guest: the program there, its protocol, and its client on this side."""
