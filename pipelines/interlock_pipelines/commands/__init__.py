"""The verbs of `interlock-pipeline`, one file each; what they share is in `options`.

A command reads its arguments, checks all that can be checked before anybody sees anything, and
prints what was done, for people or as one JSON object. The work itself is done elsewhere.
"""
