"""Fuzzers of everything that reads foreign bytes: `python -m fuzz TARGET --seconds 20`.

Real inputs are mutated, and what ends in a new way is mutated further. Whatever the bytes are, a
reader answers or refuses, in its own words, within a second and within 256 MiB; an input that
breaks this is made small and shown.
"""
