"""RQ's configuration file for workers of dubq, for `rq worker -S json -c worker.rq_config`.

RQ imports it once, in the process that forks a work horse for each job. What is imported here is not imported in
every horse again, which makes a short job three times as fast; wrong settings end the worker before its first job;
and Redis is found by DUBQ_REDIS_URL. A worker that is started without it works just as well, only not as fast.
"""

import os

from store.workers import QUEUE, WEBHOOKS

from . import logs, notifying, tasks, webhooks
from .settings import settings_or_exit

__all__ = ["DICT_CONFIG", "QUEUES", "REDIS_URL", "tasks", "webhooks"]

QUEUES = [WEBHOOKS, QUEUE]
"""What to listen on, unless queues are named on the command line.

RQ empties the first before it looks at the second. There is one webhook for each end of a job, so they cannot keep jobs
waiting for long; a queue that never is empty would keep webhooks waiting for ever.
"""

_settings = settings_or_exit(os.environ)
DICT_CONFIG = logs.config(_settings.log_level, _settings.log_format)
"""How RQ logs: as we do."""

REDIS_URL = _settings.store.redis_url
"""Where RQ works, unless its own `--url` or RQ_REDIS_URL says otherwise."""

if _settings.store.notify_schemes:
    notifying.load()  # seconds, in which jobs that are under way would beat no more
