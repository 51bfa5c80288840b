"""The producer's side: makes and signs the evidence that Interlock asks for.

It shares digests, formats and names with the operator, so that what is published here and what is
judged there are counted by the same code. Three roles use it, each under an identity of its own:
a trainer publishes a model, a builder signs an image, a scanner attaches its findings.
"""
