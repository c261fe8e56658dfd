"""Answers that are remembered, in this process and, for all replicas, in Redis."""

from abyssal_server.cache.answers import AnswerCache

__all__ = ["AnswerCache"]
