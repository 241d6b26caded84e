"""Jobs that end before anyone can listen: each is submitted and subscribed to, 500 times in a row."""

from time import perf_counter
from typing import Final

from client import TranslationClient, WaitTimeoutError

from .figures import Load, bar, ms, quantile, table, title
from .house import house

COUNT: Final = 500
LONGEST_S: Final = 1.0
HANG_S: Final = 10.0


def run() -> bool:
    with house(workers=2) as home, TranslationClient(home.url) as client:
        _wait_s(client)  # the road to Redis is asked for once
        load = Load()
        waits = [_wait_s(client) for _ in range(COUNT)]
        busy = load.words()
    title(f"{COUNT} jobs of 0 s in a row, two stock workers: how long `subscribe` waits")
    head = ("min", "median", "p99", "max", "hung", "requests per job")
    hung = sum(wait_s >= HANG_S for wait_s in waits)
    requests = sum(share.requests for share in client.metrics.jobs.values()) / (COUNT + 1)
    shares = (ms(quantile(waits, share)) for share in (0, 0.5, 0.99, 1))
    table(head, [(*shares, hung, f"{requests:.2f}")])
    print(busy)
    return bar(f"no wait takes longer than {LONGEST_S:g} s", is_met=max(waits) <= LONGEST_S)


def _wait_s(client: TranslationClient) -> float:
    job = client.submit("https://example.com/talk.mp4", simulate={"duration_s": 0})
    began_s = perf_counter()
    try:
        client.subscribe(job.job_id, timeout=HANG_S)
    except WaitTimeoutError:
        return HANG_S
    return perf_counter() - began_s
