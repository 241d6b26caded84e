"""The same job for each of the other queues. Run as a program, each fills its queue with PEER_COUNT of them."""
