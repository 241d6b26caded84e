"""Whose jobs a request is about, and which of them it wants: read off its address. The filter itself is pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import flask

from api.caller import caller
from contract.ids import DEFAULT_CLIENT, is_client_id
from contract.job import Job
from contract.states import State
from store.clients import Clients

from .shell import own_only

FILTERS = frozenset({"state", "language", "text", "client"})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are wanted; "" and None: all."""

    state: State | None = None
    language: str = ""
    text: str = ""
    client: str = ""

    @classmethod
    def of(cls, args: Mapping[str, str]) -> Self:
        """Read the query of an address; a state that there is not counts as none."""
        state = args.get("state", "")
        return cls(
            state=State(state) if state in set(State) else None,
            language=args.get("language", "").strip(),
            text=args.get("text", "").strip(),
            client=args.get("client", "").strip(),
        )

    def fits(self, job: Job) -> bool:
        """Whether the job is wanted, whatever its state: `text` may be anywhere in its title, id or URL."""
        words = f"{job.job_id}\n{job.title or ''}\n{job.video_url}".casefold()
        is_spoken = not self.language or (job.target_language or "").casefold() == self.language.casefold()
        return is_spoken and self.text.casefold() in words


def all_clients(clients: Clients) -> list[str]:
    """Return the names of all clients; the one of those who need no token is always among them."""
    return [DEFAULT_CLIENT, *(each.client_id for each in clients.list() if each.client_id != DEFAULT_CLIENT)]


def seen(clients: Clients, client: str) -> list[str]:
    """Return the clients whose jobs the caller wants to see and may: its own, or all of the admin's, or that one.

    Raises RouteNotFoundError for whoever is not the admin and names another.
    """
    if client:
        own_only(client)
        return [client] if is_client_id(client) else []
    return all_clients(clients) if caller().is_admin else [caller().client_id]


def whose() -> str:
    """Return whose job is looked at: the caller's, unless the address names another that it may see.

    Raises RouteNotFoundError.
    """
    named = flask.request.args.get("client", "")
    if not is_client_id(named):
        return caller().client_id
    own_only(named)
    return named
