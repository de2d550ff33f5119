"""`python -m sidecar.demo.apiserver`: the stand-in as a process of its own, until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
from pathlib import Path

from sidecar.demo.apiserver import Store, Webhook, kubeconfig, serving


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sidecar.demo.apiserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0, the default, takes a free one")
    parser.add_argument("--history", type=_count, default=1000, help="writes that a watch can resume from (1000)")
    parser.add_argument("--bookmark-seconds", type=float, default=60.0, help="between two bookmarks (60)")
    parser.add_argument("--kubeconfig", type=Path, help="write one for this server to this file, before it is ready")
    parser.add_argument("--webhook", help="the URL of a validating webhook that is called for every write")
    parser.add_argument("--webhook-ca", type=Path, help="the certificates that an https webhook is checked against")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(
        Store(arguments.history),
        port=arguments.port,
        bookmark_seconds=arguments.bookmark_seconds,
        webhooks=[Webhook(arguments.webhook, arguments.webhook_ca)] if arguments.webhook else [],
    ) as url:
        if arguments.kubeconfig:
            await asyncio.to_thread(arguments.kubeconfig.write_text, kubeconfig(url))
        print(url, flush=True)  # the one line of output: it serves, and where
        await stop.wait()


asyncio.run(_main(_arguments()))
