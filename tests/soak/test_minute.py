"""A minute of the weather that tests/chaos has seconds of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from storm import Weather, survive

if TYPE_CHECKING:
    from service import Service


@pytest.mark.timeout(400)
def test_a_minute_of_kills_a_freeze_and_two_outages_loses_and_doubles_nothing(service: Service) -> None:
    weather = Weather(lasts_s=60, kill_every_s=2, freeze_s=15, outages=2)
    survive(service, weather, jobs=500, workers=6, duration_s=0.4)
