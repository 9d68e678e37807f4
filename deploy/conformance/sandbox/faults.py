"""What ends a run or a question early."""


class Misuse(Exception):
    """The run cannot begin: what is wrong, and what to do. `status` is the exit status."""

    def __init__(self, message, status=10):
        super().__init__(message)
        self.status = status


class Unanswered(Exception):
    """A question has no answer here; the text says why."""


def brief(error):
    """An error on one line: what does not answer as AWS does may send a page."""
    return str(error).partition("\n")[0][:300]
