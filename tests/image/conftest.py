"""The image, built once for all of these tests; they are run by `make image` and are no part of `make test`."""

from __future__ import annotations

import pytest

from tests.support.containers import Engine, NoEngine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """What builds and runs images here."""
    try:
        return Engine.find()
    except NoEngine as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The id of the image of this checkout."""
    name, id, *size = engine.script("build.sh").splitlines()[-1].split()
    print(f"\n{name} {id} {' '.join(size)}")
    return id
