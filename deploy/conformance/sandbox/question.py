"""A question: what is asked, what it takes, and how the answer follows."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from .cost import Usage
from .faults import Unanswered, brief
from .find import FAILURES


@dataclass
class Answer:
    """What was seen.

    `settings` maps a setting of the simulated AWS ("ec2.one_copy") to the value that makes it behave
    so; `open` maps one that could not be settled to why; `facts` is everything else worth keeping;
    `missing` says which parts of the question were not answered, and why.
    """

    says: str
    settings: dict = field(default_factory=dict)
    open: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    missing: list = field(default_factory=list)

    @contextlib.contextmanager
    def part(self, what, *settings):
        """A part of the question whose failure costs only that part, and the settings it would give."""
        try:
            yield
        except (Unanswered, *FAILURES) as error:
            cause = brief(error)
            self.missing.append(f"{what}: {cause}")
            self.facts[what] = cause
            self.open |= {setting: cause for setting in settings}


@dataclass(frozen=True)
class Question:
    """One question. `usage` takes the size of the image in GiB; `settings` names what the answer can
    set, and is empty where the simulated AWS has no switch."""

    id: str
    group: str
    asks: str
    calls: tuple[str, ...]
    makes: tuple[str, ...]
    usage: Callable[[int], Usage]
    settings: tuple[str, ...]
    ask: Callable
    # Asked only if it is named, because it costs dollars rather than cents.
    by_name_only: bool = False


REGISTERED: list[Question] = []


def question(id, group, asks, calls, makes=(), usage=None, settings=(), by_name_only=False):
    """Registers the function below it as a question."""

    def register(ask):
        REGISTERED.append(Question(
            id, group, asks, tuple(calls), tuple(makes), usage or (lambda gib: Usage(requests=100)),
            tuple(settings), ask, by_name_only,
        ))
        return ask

    return register


def choose(questions, only, skip):
    """The questions that `--only` and `--skip` leave (ids or groups), in order; raises ValueError
    for a name that means nothing."""
    known = {question.id for question in questions} | {question.group for question in questions}
    unknown = sorted((set(only) | set(skip)) - known)
    if unknown:
        raise ValueError(f"no question or group is called {', '.join(unknown)}; there are "
                         f"{', '.join(sorted(known))}")

    def asked(question):
        if question.id in skip or question.group in skip:
            return False
        if question.id in only:
            return True
        named = not only or question.group in only
        return named and not question.by_name_only

    return [question for question in questions if asked(question)]
