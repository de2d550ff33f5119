"""The commands: `python -m sidecar [COMMAND]`.

Exit codes: 0 done, 1 failed or a difference was found, 2 a person must change a setting or the command line.
"""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import structlog

from sidecar import logs
from sidecar.errors import Misconfigured, SidecarError
from sidecar.settings import Settings

_log = structlog.get_logger()


async def _run(settings: Settings, _: argparse.Namespace) -> int:
    from sidecar import service  # noqa: PLC0415 - the other commands start without a cluster's client

    await service.run(settings)
    return 0


async def _migrate(settings: Settings, _: argparse.Namespace) -> int:
    from sidecar.ledger import connected  # noqa: PLC0415 - as above

    async with connected(settings.database_url.reveal()):
        print("The database has every migration that this version knows.")
    return 0


async def _verify(settings: Settings, _: argparse.Namespace) -> int:
    from sidecar.ledger import connected  # noqa: PLC0415 - as above
    from sidecar.verify import verify  # noqa: PLC0415 - as above

    async with connected(settings.database_url.reveal()) as connection:
        report = await verify(connection)
    for line in report.lines():
        _say(line)
    return 1 if report.differences else 0


async def _accept_removals(settings: Settings, arguments: argparse.Namespace) -> int:
    from sidecar.ledger import Ledger  # noqa: PLC0415 - as above

    ledger = Ledger(settings.database_url.reveal())
    try:
        ended = await ledger.accept_removals(_person(arguments))
    finally:
        await ledger.close()
    print(f"{ended} tenants have ended.")
    return 0


async def _backfill(settings: Settings, arguments: argparse.Namespace) -> int:
    from sidecar import service  # noqa: PLC0415 - as above

    def bar(examined: int, total: int) -> None:
        if sys.stderr.isatty():
            done = "#" * (40 * examined // max(total, 1))
            end = "\n" if examined == total else ""
            print(f"\r[{done:<40}] {examined} of {total} tenants", end=end, file=sys.stderr, flush=True)

    run = await service.backfill(settings, _person(arguments), bar)
    print(
        f"Backfill complete: {run.tenants_examined} tenants examined, {run.lifecycle_inserted} lifecycle rows, "
        f"{run.events_inserted} events and {run.suspension_events_inserted} suspension events inserted."
    )
    for problem in run.problems:
        _say(f"problem: {problem}")
    return 1 if run.problems else 0


async def _ingest(settings: Settings, arguments: argparse.Namespace) -> int:
    from sidecar import service  # noqa: PLC0415 - as above

    report = await service.ingest(settings, arguments.files)
    for line in report.lines():
        _say(line)
    return 1 if report.unreadable or report.set_aside else 0


async def _timeline(settings: Settings, arguments: argparse.Namespace) -> int:
    from sidecar.timeline import told  # noqa: PLC0415 - as above

    found = False
    async for line in told(settings.database_url.reveal(), arguments.name):
        found = True
        _say(line)
    if not found:
        print(f"No tenant has had the name {arguments.name}.", file=sys.stderr)
    return 0 if found else 1


async def _certificates(settings: Settings, arguments: argparse.Namespace) -> int:
    from sidecar import certificates  # noqa: PLC0415 - as above

    if arguments.dir is not None:
        certificates.write(arguments.dir, arguments.host, print)
        return 0
    complete = await certificates.keep(
        settings.kubeconfig,
        namespace=arguments.namespace,
        secret=arguments.secret,
        service=arguments.service,
        webhook=arguments.webhook,
        hosts=arguments.host,
        say=print,
    )
    return 0 if complete else 1


async def _demo(_: Settings, arguments: argparse.Namespace) -> int:
    from sidecar.demo.story import tell  # noqa: PLC0415 - nothing else needs the demo's parts

    return await tell(fast=arguments.fast, keep=arguments.keep)


def _person(arguments: argparse.Namespace) -> str:
    """Who gave the command: as they say, or by their account. A pod's uid may have no name."""
    if arguments.by:
        return str(arguments.by)
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sidecar",
        description="Records every committed change of a PiecedTenant as billing events in Postgres, once. "
        "Without a command: run the sidecar. Settings come from the environment (see the README).",
    )
    parser.set_defaults(act=_run, needs_database=True)
    commands = parser.add_subparsers(metavar="COMMAND")

    def command(name: str, act: Callable[..., Awaitable[int]], says: str) -> argparse.ArgumentParser:
        each = commands.add_parser(name, help=says, description=says)
        each.set_defaults(act=act)
        return each

    command("run", _run, "run the sidecar (the default)")
    command("migrate", _migrate, "bring the database's schema up to date and end")
    command(
        "verify",
        _verify,
        "derive the ledger from its facts again; exit 1 on a difference, list what is missing",
    )
    backfill = command("backfill", _backfill, "record all tenants, adopt those older than us; exit 1 on a problem")
    backfill.add_argument("--by", help="who asks for it (default: you)")
    accept = command("accept-removals", _accept_removals, "end the tenants that held censuses lack")
    accept.add_argument("--by", help="who says so (default: you)")
    ingest = command("ingest", _ingest, "record what audit logs tell; exit 1 if not all could be read and recorded")
    ingest.add_argument("files", nargs="+", metavar="FILE", help="JSON lines; .gz is unpacked, - is standard input")
    timeline = command("timeline", _timeline, "print who changed what in the tenants of a name, and when")
    timeline.add_argument("name", metavar="NAME", help="the tenant's name")
    _add_certificates(command("certificates", _certificates, "make and renew the certificates of the TLS port"))
    demo = command("demo", _demo, "tell the main story on embedded parts")
    demo.set_defaults(needs_database=False)
    demo.add_argument("--fast", action="store_true", help="without pauses")
    demo.add_argument("--keep", action="store_true", help="leave it running afterwards")
    return parser


def _add_certificates(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(needs_database=False)
    parser.add_argument(
        "--dir", type=Path, metavar="DIR", help="write ca.crt, tls.crt and tls.key for this machine there; no cluster"
    )
    parser.add_argument("--namespace", metavar="NS", help="of the Secrets and the Service (default: this pod's)")
    parser.add_argument(
        "--secret",
        default="billing-sidecar-tls",
        metavar="NAME",
        help="that the servers mount; NAME-ca has the CA's key (default: %(default)s)",
    )
    parser.add_argument(
        "--service", default="billing-sidecar", metavar="NAME", help="that the API server calls (default: %(default)s)"
    )
    parser.add_argument(
        "--webhook",
        default="billing-sidecar",
        metavar="NAME",
        help="ValidatingWebhookConfiguration whose caBundle is kept (default: %(default)s)",
    )
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME_OR_IP",
        help="one more name or address that the certificate bears; may be repeated",
    )


def _say(line: str) -> None:
    """Prints a line in which others may have chosen names: what a terminal would obey is shown as an escape."""
    print("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        settings = Settings.from_environment(os.environ, needs_database=arguments.needs_database)
        logs.configure(settings.log, settings.log_level)
        code: int = asyncio.run(arguments.act(settings, arguments))
    except (SidecarError, BaseExceptionGroup) as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 130
    return code


def _failed(error: BaseException) -> int:
    causes = list(_leaves(error))
    for cause in causes:
        if isinstance(cause, SidecarError):
            print(cause, file=sys.stderr)
        else:
            _log.critical("crashed", exc_info=cause)
    return 2 if any(isinstance(cause, Misconfigured) for cause in causes) else 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


if __name__ == "__main__":
    sys.exit(main())
