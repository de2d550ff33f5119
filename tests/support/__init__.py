"""What several test folders share: a real API server, and the suite that both API servers must pass."""

import pytest

# It asserts, but is not named like a test module: without this its failures would show no values.
pytest.register_assert_rewrite("tests.support.conformance")
