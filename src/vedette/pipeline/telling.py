"""Who has to be told of hits, by the settings: the store notes it with each hit."""

from __future__ import annotations

from vedette.config import Settings
from vedette.feedback.answering import answers
from vedette.feedback.policy import Policy
from vedette.store import Store


def policy_of(settings: Settings, store: Store) -> Policy:
    """Return what may leave."""
    return Policy.of(settings.feedback, home=settings.pool.home, instance=store.outbox.instance())


def listen(settings: Settings, store: Store) -> None:
    """Let the store note, in the transaction of each hit, what has to be told of it."""
    store.noting.wants_news = bool(settings.notify.targets_file)
    if settings.feedback.sources:
        policy = policy_of(settings, store)
        store.noting.answers = lambda hit, entries: answers(hit, entries, policy)
