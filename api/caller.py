"""Who is asking. Tenants come later; until then every caller is the same one."""


def client_id() -> str:
    """Return the tenant on whose behalf the current request is made."""
    return "default"
