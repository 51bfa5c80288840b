"""Words only: kinds, value types, reasons, names and digests that every other package shares.

Nothing here does I/O or imports another package of Interlock, so that whoever reads a word
here has read all of its meaning.
"""
