"""The `dubq` command."""
