"""The page's sections about the service itself: how it does, the simulator's controls, and who is told."""

import flask

from api.caller import admin_only
from api.statistics import StatisticsRoutes
from contract.errors import RouteNotFoundError
from contract.job import STAGES
from contract.notice import ENDS
from store.outages import Kind

from .shell import Shell

LASTS = (("wait", "waiting"), *((stage, stage) for stage in STAGES), ("run", "whole run"))
"""What is told of how long it takes, as `store.hour` names it, and in words."""


class GlanceRoutes:
    """GET /page/service, /page/simulator and /page/notifications. Their modules ask the API for what they show.

    The page asks for `statistics` under an address of its own, which outages spare.
    """

    def __init__(self, shell: Shell, statistics: StatisticsRoutes, *, simulates: bool, plays_outages: bool) -> None:
        self._shell, self._simulates, self._plays_outages = shell, simulates, plays_outages
        shell.blueprint.add_url_rule("/page/statistics", "statistics", statistics.statistics)
        shell.blueprint.add_url_rule("/page/service", "service", self.service)
        shell.blueprint.add_url_rule("/page/simulator", "simulator", self.simulator)
        shell.blueprint.add_url_rule("/page/notifications", "notifications", self.notifications)

    def service(self) -> flask.Response:
        """Show how the service does."""
        admin_only()
        return self._shell.render("service.html", stages=LASTS)

    def simulator(self) -> flask.Response:
        """Show the clock of the caller's simulated jobs, and to the admin the outages. Raises RouteNotFoundError."""
        if not self._simulates:
            raise RouteNotFoundError
        return self._shell.render("simulator.html", kinds=list(Kind), plays_outages=self._plays_outages)

    def notifications(self) -> flask.Response:
        """Show who is told of the caller's jobs."""
        return self._shell.render("notifications.html", ends=ENDS)
