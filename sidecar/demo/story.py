"""The demo: the main story, told on real parts, each step ending with the rows that it left in the ledger."""

import asyncio
import os
import signal
import sys

from sidecar.demo.apiserver import PIECED_TENANTS
from sidecar.demo.landing import Landing
from sidecar.demo.postgres import embedded_psql
from sidecar.demo.stage import Broken, Stage, described, set_up
from sidecar.demo.steps import STEPS, Step
from sidecar.demo.terminal import Terminal

_READ_SECONDS = 12.0
"""To read a step and its rows: 30 words and up to 15 lines. Eight steps and the tables make two minutes."""

_INTERRUPTED = 130  # as a shell says of a command that Ctrl-C ended

_TABLES = (
    (
        "public.tenant_billing_lifecycle",
        "SELECT tenant_name, zitadel_org_id, created_at, deleted_at, deleted_source "
        "FROM public.tenant_billing_lifecycle ORDER BY created_at, tenant_name",
    ),
    (
        "ledger.skill_events",
        "SELECT tenant_name, generation, event_kind, skill_id, occurred_at, time_source, not_before "
        "FROM ledger.skill_events ORDER BY tenant_name, generation, skill_id",
    ),
    (
        "ledger.suspension_events",
        "SELECT tenant_name, generation, event_kind, occurred_at, time_source, not_before "
        "FROM ledger.suspension_events ORDER BY tenant_name, generation",
    ),
    (
        "ledger.timeline: who did it, as the webhook was told (of the time without it, only an audit log could tell)",
        "SELECT tenant_name, generation, change, skill_id, actor, how FROM ledger.timeline "
        "WHERE generation < 4 OR tenant_name <> 'acme' OR generation IS NULL "
        "ORDER BY tenant_name, change <> 'created', generation NULLS LAST, change, skill_id",
    ),
    (
        "ledger.skill_intervals: what an invoice charges for",
        "SELECT tenant_name, skill_id, started_at, ended_at "
        "FROM ledger.skill_intervals ORDER BY tenant_name, skill_id, started_at",
    ),
)


async def tell(*, fast: bool, keep: bool) -> int:
    """Tells the story; the exit code.

    `fast`: without pauses. `keep`: leaves everything running afterwards, until Ctrl-C or SIGTERM. Raises
    `Broken` if something that must happen does not, `Misconfigured` for a DATABASE_URL that it must not use.
    """
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # An event can be set twice: a second Ctrl-C does not cut the cleaning up short.
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    story = asyncio.create_task(_story(Terminal(pauses=not fast), keep=keep))
    waiting = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({story, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:  # also if Ctrl-C came before there was a handler for it, and has cancelled this task
        waiting.cancel()
        if not story.done():
            story.cancel()
            await asyncio.wait({story})
    if story.cancelled():
        return _INTERRUPTED
    story.result()
    return 0


async def _story(terminal: Terminal, *, keep: bool) -> None:
    terminal.heading("What a PieCed tenant costs follows from what the cluster holds, whoever changed it.")
    terminal.say("Starting a Postgres, an API server and the sidecar ...")
    async with set_up(os.environ.get("DATABASE_URL") or None) as stage:
        source = "embedded, in a temporary folder" if stage.embedded else described(stage.database)
        version = await stage.ledger.fetchval("SHOW server_version")
        terminal.say(f"Postgres    {version}, {source}")
        terminal.say(f"API server  {stage.api}, a small stand-in for kube-apiserver")
        landing = Landing(stage)
        process = await stage.start_sidecar()
        await landing.begun()
        terminal.say(f"sidecar     process {process}, watching {PIECED_TENANTS.qualified}")
        await terminal.pause(_READ_SECONDS / 2)
        for number, step in enumerate(STEPS, 1):
            await _tell_step(terminal, stage, landing, number, step)
        await _show_ledger(terminal, stage)
        if keep:
            await _keep(terminal, stage)


async def _tell_step(terminal: Terminal, stage: Stage, landing: Landing, number: int, step: Step) -> None:
    terminal.heading(f"{number}. {step.title}")
    terminal.say(step.text)
    for act in step.acts:
        await act(stage)
    if step.rows:
        rows, seconds = await landing.of(step.rows)
        landed = "1 row has" if len(rows) == 1 else f"{len(rows)} rows have"
        terminal.say(f"{landed} landed, {seconds * 1000:.0f} ms later:")
        terminal.show(rows)
    await terminal.pause(_READ_SECONDS)


async def _show_ledger(terminal: Terminal, stage: Stage) -> None:
    terminal.heading("The ledger now (times in UTC)")
    for name, query in _TABLES:
        terminal.say(name)
        terminal.show([dict(row) for row in await stage.ledger.fetch(query)])
    await terminal.pause(_READ_SECONDS)
    terminal.heading("$ python -m sidecar verify")
    code, output = await stage.run("verify")
    for line in output.splitlines():
        terminal.say(line)
    if code or "complete: nothing is missing" not in output or "incomplete" in output:
        raise Broken(f"verify (exit code {code}) does not say that the ledger is complete")


async def _keep(terminal: Terminal, stage: Stage) -> None:
    terminal.heading("Everything is left running. In another terminal:")
    database = f"'{stage.database}'" if stage.embedded else '"$DATABASE_URL"'
    tenant = '{"apiVersion":"pieced.ch/v1alpha1","kind":"PiecedTenant","metadata":{"name":"umbrella"},'
    for line in (
        f"export KUBECONFIG={stage.kubeconfig}",
        "kubectl get piecedtenants",
        """kubectl patch piecedtenant acme --type merge -p '{"spec":{"packages":["threema"]}}'""",
        f"""echo '{tenant}"spec":{{"packages":["jitsi"]}}}}' | kubectl create --validate=false -f -""",
        "kubectl delete piecedtenant umbrella",
        f"""{embedded_psql()} {database} -c 'TABLE ledger.timeline'""",
        f"DATABASE_URL={database} {sys.executable} -m sidecar verify",
        f"tail -f {stage.log}",
    ):
        terminal.say(f"  {line}")
    terminal.say("Ctrl-C ends everything and removes it.")
    try:
        await stage.sidecar_ended()
    except asyncio.CancelledError:
        return  # Ctrl-C is how this is meant to end
    stage.check_sidecar()
