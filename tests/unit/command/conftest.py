"""The scripted server of these tests."""

from tests.support.scripted import client, script  # noqa: F401  (fixtures)
