"""How long an example takes is the machine's affair, and no property: pytest has a time limit for a test that hangs."""

from hypothesis import settings

settings.register_profile("dubq", deadline=None)
settings.load_profile("dubq")
