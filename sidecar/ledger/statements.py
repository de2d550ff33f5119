"""The SQL of this folder, by file name: reading the folder is reading what the ledger can do."""

from importlib.resources import files


def load(name: str) -> str:
    """The text of `name`.sql in this package."""
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


READ_BY_KEY = load("read_by_key")
BEGIN = load("begin") + READ_BY_KEY  # one round trip
READ_AT_LARGE = load("read_at_large")
STORE_SEEN = load("store_seen")
STORE_REMOVALS = load("store_removals")
STORE_SEGMENTS = load("store_segments")
STORE_ATTRIBUTIONS = load("store_attributions")
STORE_ANOMALIES = load("store_anomalies")
STORE_BEGAN = load("store_began")
STORE_ADOPTED = load("store_adopted")
STORE_CENSUS = load("store_census")
SELECT_BASELINES = load("select_baselines")
SELECT_PAGE_END = load("select_page_end")
SELECT_UNWRITTEN = load("select_unwritten")
SELECT_ROWLESS = load("select_rowless")
SELECT_BACKFILL = load("select_backfill")
BEGIN_BACKFILL = load("begin_backfill")
COUNT_BACKFILL = load("count_backfill")
FINISH_BACKFILL = load("finish_backfill")
SELECT_DELIVERED = load("select_delivered")
WRITE_EVENTS = load("write_events")
WRITE_LIFECYCLE = load("write_lifecycle")
FIND_CONTRADICTIONS = load("find_contradictions")
FIND_OTHER_CONTENT = load("find_other_content")
FIND_RETURNED = load("find_returned")
FIND_SKEW = load("find_skew")
COUNT_VANISHED = load("count_vanished")
HOLD_CENSUS = load("hold_census")
APPLY_CENSUS = load("apply_census")
APPLY_EARLIER_CENSUSES = load("apply_earlier_censuses")
ACCEPT_CENSUSES = load("accept_censuses")
