"""Runs of this user: their directories, their control sockets, the list of them."""
