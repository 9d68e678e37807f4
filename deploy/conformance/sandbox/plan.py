"""What a run would ask, call, make and cost: without a single call."""

from . import cost


def total(questions, gib, table):
    """The most that the questions cost together, in USD."""
    return sum(cost.bound(question.usage(gib), table) for question in questions)


def count(number, noun):
    """A number of things in words."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def text(questions, unasked, gib, table, limit):
    """The plan for people."""
    lines = []
    for question in questions:
        lines += [
            f"{question.id} ({question.group}), at most ${cost.bound(question.usage(gib), table):.2f}",
            f"    asks   {question.asks}",
            f"    calls  {', '.join(question.calls)}",
            f"    makes  {'; '.join(question.makes) or 'nothing'}",
            f"    sets   {', '.join(question.settings) or 'nothing: the simulated AWS has no switch'}",
        ]
    for question in unasked:
        amount = cost.bound(question.usage(gib), table)
        lines.append(f"{question.id} is asked only with --only {question.id}: at most ${amount:.2f}")
    bound = total(questions, gib, table)
    lines += [
        "",
        f"{count(len(questions), 'question')}, images of {gib} GiB, at most ${bound:.2f} in all if everything is "
        f"gone within a day (limit: --max-cost {limit:.2f}).",
        "STS must confirm both accounts. What a run makes carries its id, and is removed by that at the end.",
    ]
    return "\n".join(lines) + "\n"
