"""Some seconds of bad weather; `make soak` has the whole minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storm import Weather, survive

if TYPE_CHECKING:
    from service import Service


def test_a_storm_loses_and_doubles_nothing(service: Service) -> None:
    weather = Weather(lasts_s=8, kill_every_s=1.5, freeze_s=9, outages=1)
    survive(service, weather, jobs=30, workers=4, duration_s=0.4)
