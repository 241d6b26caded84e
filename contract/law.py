"""Laws of duration: how long simulated work takes. Pure: chance comes in as a generator."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol, Self

LONGEST_S: Final = 86_400.0
"""No law draws more than a day."""
UNKNOWN_VIDEO_S: Final = 60.0
"""How long a video is taken to be when its submitter did not say."""


class Law(Protocol):
    """A law of duration."""

    def draw(self, rng: Random, video_duration_s: float | None) -> float:
        """Return a duration in seconds for a video of that length (None: unknown)."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same."""

    seconds: float

    @classmethod
    def of(cls, seconds: float) -> Self:
        """Make `fixed:seconds`."""
        _check_seconds("the duration", seconds)
        return cls(seconds)

    def draw(self, rng: Random, video_duration_s: float | None) -> float:  # noqa: ARG002
        """Return the one duration."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything between two bounds, all equally likely."""

    low_s: float
    high_s: float

    @classmethod
    def of(cls, low_s: float, high_s: float) -> Self:
        """Make `uniform:low:high`."""
        _check_seconds("the lower bound", low_s)
        _check_seconds("the upper bound", high_s)
        if low_s > high_s:
            raise ValueError(f"the lower bound {low_s:g} is above the upper bound {high_s:g}")
        return cls(low_s, high_s)

    def draw(self, rng: Random, video_duration_s: float | None) -> float:  # noqa: ARG002
        """Return a duration between the bounds."""
        return rng.uniform(self.low_s, self.high_s)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Mostly near the mean, now and then much longer: what real work looks like. `sigma` is that of the logarithm."""

    mean_s: float
    sigma: float

    @classmethod
    def of(cls, mean_s: float, sigma: float) -> Self:
        """Make `lognormal:mean:sigma`."""
        _check_seconds("the mean", mean_s)
        if mean_s == 0:
            raise ValueError("the mean has to be above 0")
        if not 0 <= sigma <= _MAX_SIGMA:
            raise ValueError(f"sigma has to be from 0 to {_MAX_SIGMA:g}, not {sigma:g}")
        return cls(mean_s, sigma)

    def draw(self, rng: Random, video_duration_s: float | None) -> float:  # noqa: ARG002
        """Return a duration; over many draws their mean is `mean_s`."""
        # the mean of a lognormal law is exp(mu + sigma²/2)
        mu = math.log(self.mean_s) - self.sigma**2 / 2
        return min(LONGEST_S, rng.lognormvariate(mu, self.sigma))


@dataclass(frozen=True, slots=True)
class PerMinute:
    """Minutes of work per minute of video."""

    minutes: float

    @classmethod
    def of(cls, minutes: float) -> Self:
        """Make `per-minute:minutes`."""
        if not 0 <= minutes <= _MAX_MINUTES:
            raise ValueError(f"minutes per minute have to be from 0 to {_MAX_MINUTES:g}, not {minutes:g}")
        return cls(minutes)

    def draw(self, rng: Random, video_duration_s: float | None) -> float:  # noqa: ARG002
        """Return the duration for this video."""
        return min(LONGEST_S, self.minutes * (UNKNOWN_VIDEO_S if video_duration_s is None else video_duration_s))


_MAX_SIGMA: Final = 3.0
_MAX_MINUTES: Final = 1000.0
_FORMS: Final[Mapping[str, tuple[Callable[..., Law], int, str]]] = {
    "fixed": (Fixed.of, 1, "fixed:10"),
    "uniform": (Uniform.of, 2, "uniform:5:15"),
    "lognormal": (Lognormal.of, 2, "lognormal:10:0.5"),
    "per-minute": (PerMinute.of, 1, "per-minute:0.3"),
}


def parse(text: str) -> Law:
    """Read a law such as `uniform:5:15`. Raises ValueError, which says what is wrong with it."""
    name, *words = text.strip().lower().split(":")
    if name not in _FORMS:
        raise ValueError(f"has to be a law such as {', '.join(example for *_, example in _FORMS.values())}")
    make, count, example = _FORMS[name]
    if len(words) != count:
        raise ValueError(f"{name} takes {count} number{'s' * (count > 1)}, as in {example}")
    return make(*(_number(word, example) for word in words))


def _number(word: str, example: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{word!r} is not a number; an example is {example}") from None


def _check_seconds(what: str, seconds: float) -> None:
    if not 0 <= seconds <= LONGEST_S:  # NaN is neither
        raise ValueError(f"{what} has to be from 0 to {LONGEST_S:g} seconds, not {seconds:g}")
