"""`python -m bench.readers KIND URL CHANGES`: one reader of the stream as a process of its own.

On SIGUSR1 it prints the CPU seconds (user and system) that it has used; the bare ones do so after the last line, too,
and end. KIND `sidecar` is `python -m sidecar` in every respect but that signal.
"""

import asyncio
import resource
import signal
import sys

import aiohttp
import msgspec

from bench.stream import BASE_VERSION

_PATH = "/apis/pieced.ch/v1alpha1/piecedtenants"


async def _kubernetes_asyncio(url: str, changes: int) -> None:
    """The library's own Watch, as its documentation shows it. It decodes, and its user does nothing."""
    from kubernetes_asyncio import client, watch  # noqa: PLC0415 - the others start without it

    async with client.ApiClient(client.Configuration(host=url)) as api:
        tenants = client.CustomObjectsApi(api).list_cluster_custom_object
        seen = 0
        async with watch.Watch() as stream:
            async for _ in stream.stream(
                tenants, "pieced.ch", "v1alpha1", "piecedtenants", resource_version=str(BASE_VERSION)
            ):
                seen += 1
                if seen == changes:
                    break


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str
    name: str
    generation: int
    resource_version: str
    labels: dict[str, str]


class _Spec(msgspec.Struct):
    packages: list[str]
    suspend: bool


class _Object(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec


class _Event(msgspec.Struct):
    type: str
    object: _Object


async def _bare(url: str, changes: int) -> None:
    """The least that reads this stream: aiohttp's chunks, split into lines, decoded into structs."""
    decoder = msgspec.json.Decoder(_Event)
    query = {"watch": "1", "resourceVersion": str(BASE_VERSION)}
    limits = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=limits) as session,
        session.get(url + _PATH, params=query) as response,
    ):
        seen, rest = 0, b""
        async for chunk in response.content.iter_any():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                decoder.decode(line)
            seen += len(whole)
            if seen == changes:
                break


def _print_cpu(*_: object) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(usage.ru_utime + usage.ru_stime, flush=True)


def _main(kind: str, url: str, changes: int) -> int:
    signal.signal(signal.SIGUSR1, _print_cpu)
    if kind == "sidecar":
        from sidecar.__main__ import main  # noqa: PLC0415 - the others start without it

        return main(["run"])
    asyncio.run({"kubernetes_asyncio": _kubernetes_asyncio, "bare": _bare}[kind](url, changes))
    _print_cpu()
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
