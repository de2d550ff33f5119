"""Log lines: one format for ours and for the libraries', and no secret in any of them.

An event is constant and in the past tense (`flushed`, `watch_lost`), its data are in keys:
`structlog.get_logger().info("flushed", facts=500)`.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

_SECRETS = (
    # RFC 6750, section 2.1: what a bearer token may consist of.
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/-]+=*"), r"\1***"),
    # A JSON Web Token, wherever it stands: two base64url objects, which begin with `{"`, and a signature.
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), "***"),
    # The password of an address (RFC 3986, section 3.2.1), up to the last @ before the path. Here and below a
    # backslash and what it escapes go together, or a JSON line would be none any more.
    (re.compile(r"(://[^/\s:@\"'\\]*:)(?:\\.|[^/\s\"'\\])+@"), r"\1***@"),
    # The same in libpq's other form, and as a parameter of the address.
    (re.compile(r"(?i)\b((?:ssl)?password=)(?:'(?:\\.|[^'\"\\])*'|(?:\\.|[^&\s\"'\\])+)"), r"\1***"),
)

_QUIET = {
    "kubernetes_asyncio": logging.INFO,  # logs whole bodies at DEBUG, and a TokenReview's holds the token
    "client": logging.INFO,  # the name that the Kubernetes client's configuration takes for its own logger
    "aiosqlite": logging.INFO,  # logs every statement with its parameters at DEBUG: what the tenants have
    "aiohttp.access": logging.WARNING,  # a line for each request: the metrics count them
    # A traceback for each request that is no HTTP, whoever sends it. What fails in ours, `web.problems` logs.
    "aiohttp.server": logging.CRITICAL,
    "asyncio": logging.INFO,  # names its selector at DEBUG
}
"""The least level of loggers that say more than they should, whatever the setting."""


def configure(form: Literal["json", "console"] | None, level: str, stream: TextIO | None = None) -> None:
    """From here on, structlog's and the standard library's loggers write such lines to `stream`.

    `form`: JSON objects or text for people; None: text if the stream is a terminal. `level`: debug, info,
    warning or error. `stream`: standard error if not given, because commands print to standard output.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    text = form == "console" or (form is None and terminal)
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain tracebacks: prettier ones show local variables, and break lines where a secret then hides.
    plain = structlog.dev.plain_traceback
    render: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)]
        if text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render, masked],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def masked(_logger: object, _method: str, line: str | MutableMapping[str, Any]) -> str:
    """The finished line without what looks like a token or a password.

    It works on the finished line because a secret can come from anywhere: a value, an exception's text, a
    traceback, a library's message.
    """
    text = str(line)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
