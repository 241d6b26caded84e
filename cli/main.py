"""The `dubq` command. Its commands are imported only when they are run, so that help and completion are quick."""

import contextlib
import errno
import os
import sys
from importlib import import_module
from typing import Any, Final, NoReturn

from .exits import Exit


def lack(error: ModuleNotFoundError) -> NoReturn:
    """End because a package is missing: whoever installed the client alone has none of the command line's."""
    package = (error.name or str(error)).partition(".")[0]
    sys.stderr.write(f"dubq: the command line needs the package {package}: pip install 'dubq[service]'\n")
    raise SystemExit(Exit.USAGE) from None


try:
    import click
except ModuleNotFoundError as error:
    lack(error)

UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

COMMANDS: Final = {
    "demo": ("cli.demo", "See the whole service work, in half a minute."),
    "up": ("cli.up", "Run the whole service in the foreground."),
    "stop": ("cli.up", "End the service that `dubq up` runs."),
    "server-status": ("cli.up", "Show the service's processes, health and queues."),
    "submit": ("cli.jobs", "Submit a video, and wait for it with --wait."),
    "status": ("cli.jobs", "Show a job as it is now."),
    "wait": ("cli.jobs", "Wait for jobs to end."),
    "watch": ("cli.jobs", "Watch all jobs, live."),
    "cancel": ("cli.jobs", "Ask a job to stop."),
    "reset": ("cli.jobs", "Run a finished job again."),
    "jobs": ("cli.jobs", "List jobs, newest first."),
    "clients": ("cli.clients", "Make and delete clients, and change their tokens."),
    "deliveries": ("cli.deliveries", "Show the log of a job's webhooks."),
    "redeliver": ("cli.deliveries", "Send a webhook again."),
    "webhook-secret": ("cli.secrets", "Show what webhooks are signed with, or change it."),
    "notify": ("cli.notify", "Have people told of your jobs' ends."),
    "listen": ("cli.listen", "Receive webhooks, and print them."),
    "clock": ("cli.simulated", "Show or move the clock of your simulated jobs."),
    "odds": ("cli.simulated", "Show or set how often your simulated jobs fail."),
    "play": ("cli.play", "Play a recorded day, in a minute."),
    "outage": ("cli.simulated", "Have the service play an outage."),
    "engines": ("cli.simulated", "List the engines that can do the work."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and line of help, and imports what is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names, in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Ctrl-C ends it with the same status while it is still being imported."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dubq", prog_name="dubq")
def dubq() -> None:
    """Translate videos: submit, wait, be told.

    Exit status: 0 done, 1 the job failed or was cancelled, 2 wrong usage or settings, 3 not allowed, 4 timed out,
    5 the service cannot be reached, 130 Ctrl-C.
    """


def main(*args: Any, **extra: Any) -> Any:
    """Run the command line."""
    try:
        return dubq(*args, prog_name="dubq", **extra)
    except ModuleNotFoundError as error:
        lack(error)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        with contextlib.suppress(OSError):
            click.echo(f"dubq: standard output cannot be written: {error.strerror}", err=True)
        # what is still buffered would be written, and fail, once more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)


if __name__ == "__main__":
    main()
