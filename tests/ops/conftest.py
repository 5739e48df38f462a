"""The order of the battery's tests."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of one case together: a worker compiles the programs they share once."""

    def name(item):
        return item.callspec.params["case"].name if hasattr(item, "callspec") else ""

    places = [n for n, item in enumerate(items) if item.path.name == "test_battery.py"]
    for place, item in zip(places, sorted((items[n] for n in places), key=name), strict=True):
        items[place] = item
