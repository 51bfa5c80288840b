"""What can go wrong while publishing, as three things that a script can tell apart.

Each message is a sentence: what was got, where, and what to do next.
"""


class PipelineError(Exception):
    """Nothing more was published. `exit_code` is what the command ends with."""

    exit_code = 1


class Refused(PipelineError):
    """A service said no: asking again changes nothing."""


class BadInput(PipelineError):
    """A file or an argument is not what it should be."""

    exit_code = 2


class Unavailable(PipelineError):
    """A service cannot be reached or failed: worth asking again."""

    exit_code = 3
