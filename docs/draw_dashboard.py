"""Draws docs/dashboard.png: the dashboard's main panels, with the numbers of a real run of three and a half minutes.

`make picture` runs it. The demo's Postgres and API server, the sidecar, and some hundred tenants that are changed:
steadily, in a burst, while Postgres is away, and then not at all. /metrics is read every second; what a panel shows is
computed here as its query in manifests/components/monitoring/dashboard.json says.
"""

import asyncio
import json
import math
import random
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from prometheus_client import parser

from sidecar.demo.processes import started, stopped
from sidecar.demo.stage import Stage, set_up

DASHBOARD = Path(__file__).parents[1] / "manifests" / "components" / "monitoring" / "dashboard.json"

# Seconds, and changes a second in them; in the third stretch Postgres is away.
STEADY, BURST, AWAY, BACK, QUIET = (45, 15), (25, 90), (45, 25), (30, 15), (65, 0)
TENANTS = 120
PEOPLE = ("alice", "bob", "carol")
PACKAGES = ("jitsi", "nextcloud", "searxng", "threema", "wiki")

WINDOW = 8.0  # seconds that a rate looks back

INK, PAPER, FAINT = "#ccccdc", "#181b1f", "#2f3238"
COLOURS = ("#73bf69", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#fade2a")

Series = tuple[str, list[float | None]]


@dataclass
class Samples:
    """What /metrics said, second by second: name and labels → number."""

    at: list[float] = field(default_factory=list)
    told: list[dict[tuple[str, tuple[str, ...]], float]] = field(default_factory=list)

    def take(self, text: str) -> None:
        found = {}
        for family in parser.text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name, tuple(sample.labels.values())] = sample.value
        self.at.append(time.monotonic())
        self.told.append(found)

    def labels(self, name: str) -> list[tuple[str, ...]]:
        return sorted({labels for told in self.told for known, labels in told if known == name})

    def value(self, name: str, *labels: str) -> list[float | None]:
        return [told.get((name, labels)) for told in self.told]

    def rate(self, name: str, *labels: str) -> list[float | None]:
        """Increase a second over the window; 0 as long as there is no number."""
        numbers = [told.get((name, labels), 0.0) for told in self.told]
        return [
            (numbers[now] - numbers[then]) / (self.at[now] - self.at[then]) if now > then else None
            for now, then in self._windows()
        ]

    def quantile(self, share: float, name: str) -> list[float | None]:
        """histogram_quantile: linear within the bucket."""
        bounds = sorted(self.labels(f"{name}_bucket"), key=lambda labels: float(labels[0]))
        found = []
        for now, then in self._windows():
            counts = [
                self.told[now].get((f"{name}_bucket", bound), 0.0) - self.told[then].get((f"{name}_bucket", bound), 0.0)
                for bound in bounds
            ]
            found.append(_within(share, counts, [float(bound[0]) for bound in bounds]))
        return found

    def _windows(self) -> Iterator[tuple[int, int]]:
        then = 0
        for now, at in enumerate(self.at):
            while self.at[then] < at - WINDOW:
                then += 1
            yield now, then


def _within(share: float, counts: list[float], bounds: list[float]) -> float | None:
    if not counts or counts[-1] <= 0:
        return None
    wanted = share * counts[-1]
    place = next(place for place, count in enumerate(counts) if count >= wanted)
    if place == len(counts) - 1:
        return bounds[-2]
    below, least = (counts[place - 1], bounds[place - 1]) if place else (0.0, 0.0)
    return least + (bounds[place] - least) * (wanted - below) / max(counts[place] - below, 1e-9)


@asynccontextmanager
async def postgres(folder: str) -> AsyncIterator[str]:
    """A server on that folder; gives its address."""
    process = await started("sidecar.demo.postgres", folder, stdout=PIPE, stderr=DEVNULL)
    try:
        yield (await process.stdout.readline()).decode().strip() if process.stdout else ""
    finally:
        await stopped(process)


async def run() -> Samples:
    """The whole run."""
    samples = Samples()
    with tempfile.TemporaryDirectory(prefix="billing-sidecar-picture-") as folder:
        async with AsyncExitStack() as servers:
            address = await servers.enter_async_context(postgres(folder))
            async with set_up(address) as stage:
                await stage.start_sidecar()
                url = await metrics_of(stage)
                async with asyncio.TaskGroup() as tasks:
                    scraping = tasks.create_task(scrape(stage, url, samples))
                    await create(stage)
                    await change(stage, *STEADY)
                    await change(stage, *BURST)
                    await servers.aclose()
                    await change(stage, *AWAY)
                    await servers.enter_async_context(postgres(folder))
                    await change(stage, *BACK)
                    await change(stage, *QUIET)
                    scraping.cancel()
    return samples


async def metrics_of(stage: Stage) -> str:
    """Where the sidecar tells them, once it watches."""
    async with asyncio.timeout(60):
        while True:
            lines = [json.loads(line) for line in stage.log.read_text().splitlines() if line.startswith("{")]
            if any(line["event"] == "watch_caught_up" for line in lines):
                (port,) = (line["http_port"] for line in lines if line["event"] == "started")
                return f"http://127.0.0.1:{port}/metrics"
            await asyncio.sleep(0.1)


async def scrape(stage: Stage, url: str, samples: Samples) -> None:
    """Every second, until it is cancelled."""
    while True:
        async with stage.session.get(url) as answer:
            samples.take(await answer.text())
        await asyncio.sleep(1)


async def create(stage: Stage) -> None:
    """The tenants."""
    for number in range(TENANTS):
        body = {
            "apiVersion": "pieced.ch/v1alpha1",
            "kind": "PiecedTenant",
            "metadata": {"name": f"tenant-{number}", "labels": {"pieced.ch/zitadel-org-id": f"org-{number % 20}"}},
            "spec": {"packages": ["jitsi"]},
        }
        await stage.ask("POST", body=body, who=random.choice(PEOPLE))


async def change(stage: Stage, seconds: float, rate: float) -> None:
    """So many changes a second, by people, of packages."""
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as tasks:
        while time.monotonic() < until:
            if rate:
                packages = random.sample(PACKAGES, random.randint(1, len(PACKAGES)))
                name, who = f"tenant-{random.randrange(TENANTS)}", random.choice(PEOPLE)
                tasks.create_task(stage.ask("PATCH", name, {"spec": {"packages": packages}}, who=who))
            await asyncio.sleep(random.expovariate(rate) if rate else 1)


# What is drawn ------------------------------------------------------------------------------------------------


def stacked(samples: Samples) -> list[Series]:
    name = "sidecar_facts_total"
    return [(" ".join(reversed(labels)), samples.rate(name, *labels)) for labels in samples.labels(name)]


def by(name: str) -> Callable[[Samples], list[Series]]:
    return lambda samples: [(" ".join(labels), samples.rate(name, *labels)) for labels in samples.labels(name)]


def quantiles(name: str) -> Callable[[Samples], list[Series]]:
    return lambda samples: [("p50", samples.quantile(0.5, name)), ("p99", samples.quantile(0.99, name))]


def gauge(name: str) -> Callable[[Samples], list[Series]]:
    return lambda samples: [("sidecar-0", samples.value(name))]


def delivered(samples: Samples) -> list[Series]:
    return [
        ("facts", samples.rate("sidecar_flush_facts_total")),
        ("known already", samples.rate("sidecar_duplicates_ignored_total")),
    ]


# The dashboard's title → its unit here, and its series.
PANELS: dict[str, tuple[str, Callable[[Samples], list[Series]]]] = {
    "Facts recorded": ("a second", stacked),
    "Facts owed": ("", gauge("sidecar_spool_facts")),
    "Age of the oldest": ("s", gauge("sidecar_spool_oldest_seconds")),
    "Delivered": ("a second", delivered),
    "Batches": ("a second", by("sidecar_flush_batches_total")),
    "Seconds of a delivery": ("s", quantiles("sidecar_flush_seconds")),
    "Commits and their requests": ("a second", by("sidecar_claims_total")),
    "Seconds of a review": ("s", quantiles("sidecar_admission_seconds")),
    "Last word of the API server": ("s", gauge("sidecar_watch_signal_age_seconds")),
}

STACKED = ("Facts recorded",)

TILES = {
    "Missing changes": "sidecar_ledger_missing_generations",
    "Set aside": "sidecar_set_aside_facts",
    "Held removals": "sidecar_ledger_held_censuses",
}


def draw(samples: Samples, file: Path) -> None:
    """The picture."""
    known = {panel["title"] for panel in json.loads(DASHBOARD.read_text())["panels"]}
    if missing := {*PANELS, *TILES} - known:
        raise SystemExit(f"the dashboard has no panel {missing}")
    style = {"text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "font.size": 7}
    with mpl.rc_context(style):
        figure = plt.figure(figsize=(12, 7.2), facecolor="#111217")
        grid = figure.add_gridspec(4, 12, height_ratios=(0.35, 1, 1, 1), hspace=0.42, wspace=1.3)
        figure.subplots_adjust(left=0.035, right=0.99, top=0.97, bottom=0.05)
        for place, (title, name) in enumerate(TILES.items()):
            tile(figure.add_subplot(grid[0, 4 * place : 4 * place + 4]), title, samples.value(name)[-1])
        for place, (title, (unit, series)) in enumerate(PANELS.items()):
            row, column = divmod(place, 3)
            panel(figure.add_subplot(grid[1 + row, 4 * column : 4 * column + 4]), samples, title, unit, series(samples))
        figure.savefig(file, dpi=100)


def tile(axes: Axes, title: str, number: float | None) -> None:
    """A number on green, or on orange if it is not 0."""
    axes.set_facecolor("#ff9830" if number else "#37872d")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.02, 0.72, title, transform=axes.transAxes, color="white", fontsize=8)
    text = "?" if number is None else f"{number:.0f}"
    axes.text(0.5, 0.42, text, transform=axes.transAxes, color="white", fontsize=17, ha="center", va="center")


def panel(axes: Axes, samples: Samples, title: str, unit: str, series: list[Series]) -> None:
    """Lines over time; what never happened is left out."""
    seconds = [at - samples.at[0] for at in samples.at]
    axes.set_facecolor(PAPER)
    axes.set_title(f"{title}, {unit}" if unit else title, loc="left", fontsize=8.5, color=INK, fontweight="bold", pad=4)
    happened = [(name, values) for name, values in series if any(values)]
    below = [0.0] * len(seconds)
    for (name, values), colour in zip(happened, COLOURS, strict=False):
        numbers = [float("nan") if value is None else value for value in values]
        if title in STACKED:
            numbers = [here + under for here, under in zip(numbers, below, strict=True)]
        axes.plot(seconds, numbers, color=colour, linewidth=1, label=name)
        axes.fill_between(seconds, numbers, below, color=colour, alpha=0.12, linewidth=0)
        below = [0.0 if math.isnan(number) else number for number in numbers] if title in STACKED else below
    axes.set_xlim(0, seconds[-1])
    axes.set_ylim(bottom=0)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.legend(loc="upper right", fontsize=6.5, frameon=False, labelcolor=INK, ncols=2)
    starts = [sum(stretch[0] for stretch in (STEADY, BURST)), sum(stretch[0] for stretch in (STEADY, BURST, AWAY))]
    axes.axvspan(*starts, color="#f2495c", alpha=0.08, linewidth=0)
    if title == "Facts owed":
        axes.text(starts[0] + 2, axes.get_ylim()[1] * 0.9, "Postgres is away", color=INK, fontsize=6.5)


def main() -> None:
    """Runs it all, and draws."""
    (file,) = sys.argv[1:]
    mpl.use("Agg")
    draw(asyncio.run(run()), Path(file))


if __name__ == "__main__":
    main()
