"""What several test folders share: a real API server, and the suites that run on more than one."""

import pytest

# They assert, but are not named like test modules: without this their failures would show no values.
pytest.register_assert_rewrite("tests.support.conformance", "tests.support.seed_steps")
