"""What the simulator can be asked for by name, and the ways in which translation services fail. Pure.

A *wish* is what `simulate` says of one job: `duration_s`, `outcome` and so on. A scenario is a wish with a name, which
`simulate` or the video's URL may give: `https://simulate.test/flaky?fail_attempts=3`. The reserved domain belongs to
nobody (RFC 6761), so no real video has such an address.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

HOST: Final = "simulate.test"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A way to fail: in which stage, what the submitter is told, and whether the next attempt may well go better."""

    stage: str
    code: str
    message: str
    passes: bool = False


PERMANENT: Final = (
    Flaw("fetch", "video_unreachable", "The video could not be downloaded: its server answered 404"),
    Flaw("fetch", "video_undecodable", "The file holds no video stream that can be decoded"),
    Flaw("fetch", "video_too_long", "The video is longer than this service translates"),
    Flaw("fetch", "resolution_unsupported", "The video's resolution is above what this service takes"),
    Flaw("transcribe", "audio_missing", "The video has no audio track"),
    Flaw("transcribe", "no_speech", "No speech was found in the audio track"),
    Flaw("translate", "language_unknown", "The spoken language could not be recognised"),
    Flaw("translate", "content_refused", "The content was refused by moderation"),
    Flaw("voice", "voices_inseparable", "The speakers' voices could not be told apart"),
    Flaw("lipsync", "no_face", "No face was found that the lips could be synchronised for"),
    Flaw("render", "render_failed", "The translated video could not be rendered"),
)
PASSING: Final = (
    Flaw("fetch", "download_failed", "The download broke off before the video was complete", passes=True),
    Flaw("fetch", "source_timeout", "The video's server did not answer in time", passes=True),
    Flaw("transcribe", "transcriber_busy", "The transcription is overloaded just now", passes=True),
    Flaw("translate", "translator_timeout", "The translation did not answer in time", passes=True),
    Flaw("voice", "model_overloaded", "The speech model has no free capacity just now", passes=True),
    Flaw("lipsync", "gpu_lost", "The machine that synchronised the lips went away", passes=True),
    Flaw("render", "encoder_lost", "The encoder's machine went away", passes=True),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A wish with a name; `does` is its line in the table of docs/how-to/simulator.md."""

    name: str
    does: str
    wish: Mapping[str, Any] = field(default_factory=dict)


def _of_flaw(flaw: Flaw) -> Scenario:
    if flaw.passes:
        words = f"the first attempt fails in `{flaw.stage}`: “{flaw.message}”; the next goes well"
        return Scenario(flaw.code, words, {"fail_attempts": 1, "error_code": flaw.code})
    words = f"fails for good in `{flaw.stage}`: “{flaw.message}”"
    return Scenario(flaw.code, words, {"outcome": "error", "error_code": flaw.code})


SCENARIOS: Final[Mapping[str, Scenario]] = {
    each.name: each
    for each in (
        Scenario("good", "goes well, whatever the error rate", {"outcome": "completed"}),
        Scenario("slow", "takes ten times as long as it would have", {"slow_factor": 10.0}),
        Scenario("stall", "ceases to report in the middle and never ends by itself", {"outcome": "stall"}),
        Scenario("flaky", "two attempts fail in passing, the third goes well", {"fail_attempts": 2}),
        Scenario("fail", "fails for good, in a stage of chance", {"outcome": "error"}),
        Scenario("jumpy", "progress stands still within a stage and jumps at its end", {"progress": "jumps"}),
        Scenario(
            "late-output",
            "runs at progress 1.0 in `render` for 5 s more before it is completed and has its output",
            {"output_late_s": 5.0},
        ),
        *map(_of_flaw, PERMANENT + PASSING),
    )
}


def resolve(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Return a wish whose scenario, if it names one, is spelled out; what it says itself outweighs the scenario.

    Raises ValueError if there is no such scenario.
    """
    said = dict(wish)
    name = said.pop("scenario", None)
    return said if name is None else {**find(name).wish, **said}


def find(name: str) -> Scenario:
    """Return the scenario of a name. Raises ValueError."""
    if name not in SCENARIOS:
        raise ValueError(f"has to be a scenario: {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def of_url(video_url: str) -> dict[str, Any] | None:
    """Return what a magic URL wishes for, unchecked: a scenario, and fields of a wish in the query. None: it is none.

    What follows the scenario in the path may be any file name. Raises ValueError for a field that is given twice.
    """
    parts = urlsplit(video_url)
    if parts.hostname != HOST:
        return None
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    fields = {name: _value(text) for name, text in pairs}
    if len(fields) != len(pairs):
        raise ValueError("names a field of the simulation twice")
    name = parts.path.split("/")[1] if parts.path.strip("/") else ""
    return fields | {"scenario": name} if name else fields


def _value(text: str) -> Any:
    """Return the number that a text is, or the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) else text
