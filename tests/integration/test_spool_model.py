"""The spool against a model: a list. Whatever is done to it in whatever order, it holds what the list holds."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.spool import Kept, Spool

ROOM = 2**30

sizes = st.lists(st.sampled_from([0, 1, 300, 5000]), max_size=5)
uids = st.sampled_from(["a", "b", "c"])
tenants = st.dictionaries(uids, st.none() | st.integers(0, 9).map(lambda n: b"%d" % n), max_size=2)
positions = st.none() | st.integers(0, 999).map(lambda n: b"%d" % n)
contents = st.tuples(sizes, tenants, positions)


class SpoolMachine(RuleBasedStateMachine):
    """Each rule does the same to a spool and to the model; each invariant compares them."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.opened: list[AbstractAsyncContextManager[Spool]] = []
        self.made = 0
        self.ids: dict[bytes, int] = {}  # of facts that have been taken
        self.waiting: list[bytes] = []
        self.set_aside_bodies: list[bytes] = []
        self.position: bytes | None = None
        self.tenants: dict[str, bytes] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def facts(self, lengths: list[int]) -> list[bytes]:
        """New facts, each unlike any other."""
        self.made += len(lengths)
        return [b"%d " % (self.made - len(lengths) + number) + b"x" * length for number, length in enumerate(lengths)]

    def note_appended(self, facts: list[bytes], known: dict[str, bytes | None], position: bytes | None) -> None:
        self.waiting += facts
        for uid, body in known.items():
            if body is None:
                self.tenants.pop(uid, None)
            else:
                self.tenants[uid] = body
        if position is not None:
            self.position = position

    async def taken(self, limit: int) -> dict[bytes, int]:
        """What `take` gives, checked against the model; ids by body."""
        rows = await self.spool.take(limit)
        assert [body for _, body in rows] == self.waiting[:limit]
        for fact_id, body in rows:
            assert self.ids.setdefault(body, fact_id) == fact_id, "a fact's id changed"
        return {body: fact_id for fact_id, body in rows}

    @initialize()
    def first_start(self) -> None:
        self.start()

    def start(self) -> None:
        opened = Spool.open(self.folder / "spool.db", ROOM)
        self.opened.append(opened)
        self.spool = self.run(opened.__aenter__())
        assert self.spool.moved_aside is None
        self.waiting += self.set_aside_bodies  # by their first ids, whenever they were set aside
        for body in self.set_aside_bodies:
            del self.ids[body]  # it has a new one, which nothing had before
        self.set_aside_bodies = []

    @rule(content=contents)
    def append(self, content: tuple[list[int], dict[str, bytes | None], bytes | None]) -> None:
        lengths, known, position = content
        facts = self.facts(lengths)
        self.run(self.spool.append(facts, known, position))
        self.note_appended(facts, known, position)

    @rule(several=st.lists(contents, min_size=2, max_size=6))
    def append_concurrently(self, several: list[tuple[list[int], dict[str, bytes | None], bytes | None]]) -> None:
        made = [(self.facts(lengths), known, position) for lengths, known, position in several]

        async def together() -> None:
            await asyncio.gather(*(self.spool.append(*each) for each in made))

        self.run(together())
        for each in made:
            self.note_appended(*each)

    @rule(content=contents, steps=st.integers(0, 4))
    def append_and_be_cancelled(
        self, content: tuple[list[int], dict[str, bytes | None], bytes | None], steps: int
    ) -> None:
        (fact,) = self.facts([10])
        _, known, position = content
        known = known | {"a": fact}

        async def cancelled() -> bool:
            task = asyncio.create_task(self.spool.append([fact], known, position))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.spool.append([], {"c": b"after"})  # is stored after what was cancelled, if that is at all
            kept = await self.spool.kept()
            return kept.tenants.get("a") == fact

        if self.run(cancelled()):
            self.note_appended([fact], known, position)
        self.note_appended([], {"c": b"after"}, None)

    @rule(limit=st.integers(1, 10))
    def take(self, limit: int) -> None:
        self.run(self.taken(limit))

    @precondition(lambda self: self.waiting)
    @rule(limit=st.integers(1, 10), data=st.data())
    def confirm_some(self, limit: int, data: st.DataObject) -> None:
        rows = self.run(self.taken(limit))
        chosen = data.draw(st.lists(st.sampled_from(sorted(rows)), unique=True))
        self.run(self.spool.confirm([rows[body] for body in chosen]))
        self.waiting = [body for body in self.waiting if body not in chosen]

    @precondition(lambda self: self.waiting)
    @rule(limit=st.integers(1, 10), content=contents)
    def confirm_while_appending(
        self, limit: int, content: tuple[list[int], dict[str, bytes | None], bytes | None]
    ) -> None:
        lengths, known, position = content
        facts = self.facts(lengths)
        rows = self.run(self.taken(limit))

        async def together() -> None:
            await asyncio.gather(self.spool.confirm(rows.values()), self.spool.append(facts, known, position))

        self.run(together())
        self.waiting = [body for body in self.waiting if body not in rows]
        self.note_appended(facts, known, position)

    @precondition(lambda self: self.waiting)
    @rule(limit=st.integers(1, 10), data=st.data())
    def set_one_aside(self, limit: int, data: st.DataObject) -> None:
        rows = self.run(self.taken(limit))
        body = data.draw(st.sampled_from(sorted(rows)))
        (note,) = self.facts([20])
        self.run(self.spool.set_aside(rows[body], "refused", note))
        self.waiting.remove(body)
        self.waiting.append(note)
        self.set_aside_bodies.append(body)
        self.set_aside_bodies.sort(key=lambda one: self.ids[one])

    @rule()
    def close_and_start_again(self) -> None:
        self.run(self.opened.pop().__aexit__(None, None, None))
        self.start()

    @rule()
    def crash_and_start_again(self) -> None:
        """The files as they are at this instant are all that a killed process leaves."""
        left = self.folder / "left"
        left.mkdir()
        for part in ("spool.db", "spool.db-wal"):
            shutil.copy(self.folder / part, left)
        self.run(self.opened.pop().__aexit__(None, None, None))
        for part in left.iterdir():
            part.replace(self.folder / part.name)
        left.rmdir()
        self.start()

    @invariant()
    def the_spool_holds_what_the_model_holds(self) -> None:
        if not self.opened:
            return
        depth = self.run(self.spool.depth())
        assert (depth.facts, depth.set_aside) == (len(self.waiting), len(self.set_aside_bodies))
        assert (depth.oldest_at is None) == (not self.waiting)
        assert self.run(self.spool.kept()) == Kept(self.position, self.tenants)
        self.run(self.taken(10**6))
        assert len(set(self.ids.values())) == len(self.ids), "an id was given out twice"

    @invariant()
    def whoever_waits_is_woken_only_if_a_fact_waits(self) -> None:
        if not self.opened:
            return

        async def woken() -> bool:
            task = asyncio.create_task(self.spool.waiting())
            await asyncio.sleep(0)
            done = task.done()
            task.cancel()
            return done

        assert self.run(woken()) == bool(self.waiting)

    def teardown(self) -> None:
        for opened in self.opened:
            self.run(opened.__aexit__(None, None, None))
        self.runner.close()
        shutil.rmtree(self.folder)


SpoolMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_the_spool_holds_what_a_list_would_hold = SpoolMachine.TestCase
