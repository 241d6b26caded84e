"""Ids: what is a legal one, and how to make a job's so that their order is the order of making."""

import re
from typing import Final
from uuid import UUID

JOB_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
CLIENT_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""Nothing in it means anything in a channel's pattern, an ACL rule, a key or a URL."""
DEFAULT_CLIENT: Final = "default"
"""Whose jobs are those of a service that asks nobody for a token."""


def is_job_id(text: str) -> bool:
    """Whether `text` may name a job."""
    return JOB_ID.fullmatch(text) is not None


def is_client_id(text: str) -> bool:
    """Whether `text` may name a client."""
    return CLIENT_ID.fullmatch(text) is not None


def uuid7(now_ms: int, random: bytes) -> UUID:
    """Make a version 7 UUID of a Unix time in milliseconds and 10 random bytes.

    The standard library has one from Python 3.14 on. Source: RFC 9562, section 5.7.
    """
    tail = int.from_bytes(random[:10], "big")
    value = (now_ms & (1 << 48) - 1) << 80 | tail
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    return UUID(int=value)
