"""Tests: unit, integration (one real neighbour), acceptance and e2e (whole processes); `support` is what they share."""
