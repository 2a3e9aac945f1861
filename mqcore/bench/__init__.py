"""The command `mqcore bench`: what a store, its driver and the server on it can do.

Every figure is a ratio to something that ran beside it, in the same run and round by round, so
that a busy machine hits both alike. `docs/bench.md` says how to read it.
"""
