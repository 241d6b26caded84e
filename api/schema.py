"""The body of a submission: one strict model, from which the first document of the job is made."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from contract import engines
from contract.addresses import EVERYWHERE, Networks, Reach, Target
from contract.ids import JOB_ID
from contract.job import STAGES, Job, Priority
from contract.scenarios import SCENARIOS, find, of_url, resolve
from contract.states import State

from .problems import MAX_ERRORS, invalid, invalid_body

MAX_METADATA_BYTES: Final = 2048
_PAIR_BYTES: Final = len('"":0,')
"""The least that a name takes with its value."""
DAY_S: Final = 86_400
SHORTEST_VIDEO_S: Final = 0.001
"""What a video takes is told per second of it, which a shorter one would put beyond all numbers."""
# larger integers lose digits in readers whose numbers are doubles, Redis's Lua among them (RFC 7493), and JSON does not
# tell integers from other numbers
MAX_NUMBER: Final = 2**53 - 1

ENGINES: Final = "engines"
"""The engines of the service, in the context of a check."""
PRIVATE: Final = "private"
"""Under this name the validation of URLs is told which networks they may lead to."""

_NO_URL: Final = re.compile(r'[\s\x00-\x20\x7f-\xa0<>"\\^`{|}]')
_TOO_LARGE: Final = f"has to be {MAX_METADATA_BYTES} bytes at most, as JSON"


def _web_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets without an address in them, a port that is no number
        good = False
    if not good or _NO_URL.search(text):
        raise ValueError("has to be an http or https URL with a host, without spaces")
    return text


def _callback(url: str, info: ValidationInfo) -> str:
    """Refuse a URL where nothing may be sent, as far as that can be told: a name's addresses are looked at later."""
    return _leading_to(url, _reach(info).webhooks)


def _video(url: str, info: ValidationInfo) -> str:
    """Refuse a URL that an engine may not fetch from, as far as that can be told."""
    allowed = _reach(info).videos
    return url if allowed == EVERYWHERE else _leading_to(url, allowed)


def _reach(info: ValidationInfo) -> Reach:
    found: Reach = (info.context or {}).get(PRIVATE, Reach())
    return found


def _leading_to(url: str, allowed: Networks) -> str:
    if refusal := Target.of(url).refusal(allowed):
        raise ValueError(refusal)
    return url


def _scalar(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("may not contain a NUL character")
    if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
        raise ValueError(f"has to be from -{MAX_NUMBER} to {MAX_NUMBER}")
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError("has to be a string, number, boolean or null")
    return value


def whole(value: Any) -> Any:
    """Take 2.0 for 2, as JSON does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _slim(metadata: Any) -> Any:
    """Refuse what is too large whatever its values are, before each of these is looked at."""
    if isinstance(metadata, dict) and sum(map(len, metadata), _PAIR_BYTES * len(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(_TOO_LARGE)
    return metadata


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if any("\0" in name for name in metadata):
        raise ValueError("a name may not contain a NUL character")
    if len(_canonical(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(_TOO_LARGE)
    return metadata


def _canonical(value: Any) -> bytes:
    """Return the same bytes for the same value, whatever order its names came in."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_NO_NUL: Final = {"type": "string", "pattern": r"^[^\x00]*$"}
_ANY_SCALAR: Final = {
    "anyOf": [
        _NO_NUL,
        {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
        {"type": "boolean"},
        {"type": "null"},
    ]
}

WebUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048),
    Field(json_schema_extra={"format": "uri", "pattern": "^[hH][tT][tT][pP][sS]?://."}),
    AfterValidator(_web_url),
]
VideoUrl = Annotated[WebUrl, AfterValidator(_video)]
CallbackUrl = Annotated[WebUrl, AfterValidator(_callback)]
Title = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
LanguageTag = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
JobId = Annotated[str, StringConstraints(pattern=f"^{JOB_ID.pattern}$")]
Whole = Annotated[int, BeforeValidator(whole)]
Scalar = Annotated[Any, AfterValidator(_scalar), WithJsonSchema(_ANY_SCALAR)]
Metadata = Annotated[
    dict[str, Scalar],
    BeforeValidator(_slim),
    AfterValidator(_small),
    Field(
        description=f"The caller's own, {MAX_METADATA_BYTES} bytes at most as JSON.",
        json_schema_extra={"propertyNames": _NO_NUL},
    ),
]


class Strict(BaseModel):
    """Takes JSON's own types as they are, and nothing that it does not know."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Check a body. Raises InvalidFieldsError that names the wrong fields."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise invalid_body(error, MAX_ERRORS) from None

    @model_validator(mode="before")
    @classmethod
    def _without_a_flood(cls, fields: Any) -> Any:
        """Leave out the unknown fields beyond those that an answer can name: each would be an error of its own."""
        if not isinstance(fields, dict) or len(fields) <= MAX_ERRORS:
            return fields
        known = {name: fields[name] for name in cls.model_fields if name in fields}
        unknown = (name for name in fields if name not in cls.model_fields)
        return known | {name: fields[name] for name in islice(unknown, MAX_ERRORS)}


def _scenario(name: str) -> str:
    return find(name).name


def _stage(name: str) -> str:
    if name not in STAGES:
        raise ValueError(f"has to be a stage: {', '.join(STAGES)}")
    return name


class Simulate(Strict):
    """The course that the simulator shall give to this one job; docs/how-to/simulator.md says what each field does."""

    scenario: Annotated[str, AfterValidator(_scenario), Field(json_schema_extra={"enum": list(SCENARIOS)})] | None = (
        None
    )
    duration_s: float | None = Field(None, ge=0, le=DAY_S)
    slow_factor: float | None = Field(None, ge=1, le=1000)
    outcome: Literal["completed", "error", "stall"] | None = None
    stage: Annotated[str, AfterValidator(_stage), Field(json_schema_extra={"enum": list(STAGES)})] | None = None
    fail_attempts: Whole | None = Field(None, ge=0, le=10)
    error_code: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")] | None = None
    progress: Literal["smooth", "jumps"] | None = None
    output_late_s: float | None = Field(None, ge=0, le=3600)

    @classmethod
    def of_url(cls, video_url: str) -> Self | None:
        """Return what a magic URL asks for, None if it is an ordinary one. Raises InvalidFieldsError."""
        try:
            asked = of_url(video_url)
            return None if asked is None else cls.model_validate(asked)
        except ValidationError as error:
            wrong = (f"{each.pointer[1:]}: {each.message}" for each in invalid_body(error, MAX_ERRORS).errors)
            raise invalid("/video_url", "; ".join(wrong)) from None
        except ValueError as error:
            raise invalid("/video_url", str(error)) from None


def _engine(name: str, info: ValidationInfo) -> str:
    known: Sequence[str] = (info.context or {}).get(ENGINES, engines.DEFAULT)
    if name not in known:
        raise ValueError(f"has to be an engine of this service: {', '.join(known)}")
    return name


class Submission(Strict):
    """What a caller may say of a new job; null is the same as leaving out."""

    video_url: VideoUrl
    title: Title | None = None
    source_language: LanguageTag | None = None
    target_language: LanguageTag | None = None
    video_duration_s: float | None = Field(None, ge=SHORTEST_VIDEO_S, le=DAY_S)
    priority: Annotated[Priority, Field(strict=False)] = Priority.DEFAULT
    metadata: Metadata = Field(default_factory=dict)
    callback_url: CallbackUrl | None = None
    job_id: JobId | None = None
    max_attempts: Whole = Field(3, ge=1, le=10)
    engine: Annotated[str, AfterValidator(_engine)] | None = None
    simulate: Simulate | None = None

    @classmethod
    def parse(
        cls,
        body: dict[str, Any],
        *,
        private: Reach = Reach(),  # noqa: B008 - frozen
        engines: Sequence[str] = engines.DEFAULT,
        most_errors: int = MAX_ERRORS,
    ) -> Self:
        """Check a body that may name one of `engines`.

        `private` are the networks that URLs may lead to besides public addresses.

        Raises InvalidFieldsError that names the wrong fields, `most_errors` of them at most.
        """
        try:
            submission = cls.model_validate(body, context={PRIVATE: private, ENGINES: engines})
        except ValidationError as error:
            raise invalid_body(error, most_errors) from None
        Simulate.of_url(submission.video_url)
        return submission

    @property
    def fingerprint(self) -> str:
        """The same for every body that says the same, however it is written; also by a version with more fields."""
        return hashlib.sha256(_canonical(self.model_dump(mode="json", exclude_defaults=True))).hexdigest()

    @property
    def course(self) -> dict[str, Any] | None:
        """What the simulator was told, by `simulate` or (which counts less) the URL, if anything."""
        told = [each for each in (Simulate.of_url(self.video_url), self.simulate) if each]
        if not told:
            return None
        wish: dict[str, Any] = {}
        for each in told:
            wish |= each.model_dump(exclude_none=True)
        return resolve(wish)

    def job(self, job_id: str, client_id: str, at: datetime) -> Job:
        """Return the first document of the job that is asked for."""
        asked = {name: getattr(self, name) for name in _AS_SUBMITTED}
        return Job(job_id=job_id, client_id=client_id, state=State.QUEUED, seq=1, created_at=at, updated_at=at, **asked)


_AS_SUBMITTED: Final = tuple(name for name in Submission.model_fields if name not in ("job_id", "simulate"))
