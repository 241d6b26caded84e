"""The same jobs for each of the other queues.

Run as a program, each fills its queue with PEER_COUNT jobs that do nothing or, with PEER_HOLD set, take two seconds.
"""
