"""The API, with limits of time that a test can wait for."""

from api import gunicorn_worker
from api.app import from_env

__all__ = ["from_env"]

gunicorn_worker.BODY_S = 0.5
gunicorn_worker.STUCK_S = 2.5  # longer than gunicorn lets a connection idle
