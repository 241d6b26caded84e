"""Resume tokens: what one process hands to another so that it can wait on.

A token is `dubq1.` and the job's id: characters that neither a URL nor a shell takes for anything else, and a point,
which no id has. It holds no secret, and neither the service's address nor what was known of the job: those are the
reader's own settings, and its first look.
"""

import re
from typing import Final

from .errors import ResumeTokenError

VERSION: Final = "1"

_TOKEN: Final = re.compile(r"dubq([0-9]+)\.(.*)", re.DOTALL)


def token(job_id: str) -> str:
    """Return the token of a job."""
    return f"dubq{VERSION}.{job_id}"


def parse(text: str) -> str:
    """Return the job_id that a token names; what is no token stands for itself, be it an id or none.

    Raises ResumeTokenError for a token of another version.
    """
    match = _TOKEN.fullmatch(text)
    if match is None:
        return text
    version, job_id = match.groups()
    if version != VERSION:
        raise ResumeTokenError(
            f"{text!r} is a resume token of version {version}, and this dubq knows version {VERSION}"
        )
    return job_id
