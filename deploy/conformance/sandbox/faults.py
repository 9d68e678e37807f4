"""What ends a run or a question early."""


class Misuse(Exception):
    """The run cannot begin: what is wrong, and what to do. `status` is the exit status."""

    def __init__(self, message, status=10):
        super().__init__(message)
        self.status = status


class Unanswered(Exception):
    """A question has no answer here; the text says why."""
