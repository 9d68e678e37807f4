"""The questions, by group; importing this registers them in the order in which they are asked."""

from . import store, tasks, restore, encryption, events, quotas, queues  # noqa: F401
