"""The SQL of this folder, by file name: reading the folder is reading what can be asked of it."""

from importlib.resources import files


def load(name: str) -> str:
    """The text of `name`.sql in this package."""
    return files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


BEGIN = load("begin")
SELECT_PLATFORM_PRICING = load("select_platform_pricing")
UPDATE_PLATFORM_PRICING = load("update_platform_pricing")
SELECT_SKILL_PRICES = load("select_skill_prices")
SELECT_SKILL_PRICE = load("select_skill_price")
SET_SKILL_PRICE = load("set_skill_price")
SIGN_SKILL_PRICE = load("sign_skill_price")
DELETE_SKILL_PRICE = load("delete_skill_price")
SELECT_ORG_CONFIG = load("select_org_config")
CREATE_ORG_CONFIG = load("create_org_config")
UPDATE_ORG_CONFIG = load("update_org_config")
SELECT_TENANTS = load("select_tenants")
SELECT_LIVES = load("select_lives")
SELECT_TIMELINE = load("select_timeline")
SELECT_STANDING = load("select_standing")
SELECT_MISSING = load("select_missing")
SELECT_OPEN_ENDS = load("select_open_ends")
SELECT_GAPS = load("select_gaps")
SELECT_HELD_CENSUSES = load("select_held_censuses")
SELECT_ANOMALIES = load("select_anomalies")
COUNT_ANOMALIES = load("count_anomalies")
COUNT_ANOMALIES_BY_KIND = load("count_anomalies_by_kind")
COUNT_SHORTFALL = load("count_shortfall")
