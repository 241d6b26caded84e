"""`dubq notify`, against the application without a socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from api.app import create_app
from api.settings import ApiSettings
from cli.main import dubq
from store.settings import StoreSettings

if TYPE_CHECKING:
    import fakeredis
    from flask.testing import FlaskClient

ADMIN = "the-admin-s-own-token"
URL = "slack://token-a/token-b/token-c"


class Answered:
    """What the application answers, as requests has it."""

    def __init__(self, web: FlaskClient, method: str, url: str, body: Any, headers: dict[str, str]) -> None:
        self._answer = web.open(url.removeprefix("http://127.0.0.1:5000"), method=method, json=body, headers=headers)
        self.content, self.status_code = self._answer.data, self._answer.status_code
        self.ok = self.status_code < 400

    def json(self) -> Any:
        return self._answer.get_json()


@pytest.fixture
def run(fake: fakeredis.FakeRedis, monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = ApiSettings(auth=True, admin_token=ADMIN, store=StoreSettings(notify_schemes=frozenset({"slack"})))
    web = create_app(settings, fake).test_client()

    def request(method: str, url: str, *, json: Any, headers: dict[str, str] | None, **_: Any) -> Answered:
        return Answered(web, method, url, json, {"Authorization": f"Bearer {ADMIN}", **(headers or {})})

    monkeypatch.setattr("cli.admin.requests.request", request)
    monkeypatch.delenv("DUBQ_URL", raising=False)

    def invoke(*words: str, given: str | None = None) -> Result:
        with capture_logs():  # the application's, which have another standard output of their own
            return CliRunner().invoke(dubq, ["notify", *words], input=given)

    return invoke


def test_a_target_is_added_listed_and_removed_and_its_url_never_shown(run: Any) -> None:
    assert run("list").stdout == "nobody is told\nallowed: slack\n"
    added = run("add", "--on", "error", "--json", given=f"{URL}\n")
    made = json.loads(added.stdout)
    assert (made["scheme"], made["on"]) == ("slack", ["error"])
    listed = run("list")
    assert listed.stdout.splitlines()[1].split() == [made["target_id"], "slack", "error"]
    assert "token-a" not in added.output + listed.output
    assert run("remove", made["target_id"]).stdout == f"{made['target_id']} is told no more\n"
    assert run("remove", made["target_id"]).exit_code == 2


def test_the_admin_acts_for_a_client(run: Any) -> None:
    assert run("add", URL, "--client", "acme").exit_code == 0
    assert json.loads(run("list", "--json").stdout)["targets"] == []
    assert len(json.loads(run("list", "--client", "acme", "--json").stdout)["targets"]) == 1
    assert run("list", "--client", "No_client").exit_code == 2


def test_what_is_not_allowed_is_refused_without_repeating_it(run: Any) -> None:
    refused = run("add", "json://127.0.0.1/token-a")
    assert (refused.exit_code, "does not allow json: there are slack" in refused.stderr) == (2, True)
    assert "token-a" not in refused.output
