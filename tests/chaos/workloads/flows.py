"""Flow control: runs that stand in line for their key, make way, join others, or begin one after the other."""

from collections.abc import Mapping
from random import Random

from tests.chaos.workloads.workload import Scene, Turns, Workload, mark
from workflows.core.definition import JsonValue

_CUSTOMERS = ("ada", "ada", "ada", "bob")
_KEY = "${{ input.customer }}"


class _OfCustomer(Workload):
    """A run of one of a few customers, who are the keys. Several starts come at once, so that there is a crowd."""

    weight = 1
    crowd = 3

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "work": mark(scene, "${{ input.number }}", seconds=0.05),
            "after": mark(scene, "${{ steps.work.output }}", needs="work", queue="io"),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def value(self, *, dice: Random, number: int) -> JsonValue:
        return {"number": number, "customer": dice.choice(_CUSTOMERS)}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}

    def key(self, value: JsonValue) -> str:
        assert isinstance(value, Mapping)
        return str(value["customer"])


class Queued(_OfCustomer):
    """Two runs of a customer at a time; the others wait for their turn."""

    name = "chaos-queued"
    beside = 2

    def rules(self) -> Mapping[str, object]:
        return {"concurrency": {"key": _KEY, "limit": self.beside, "overflow": "queue"}}


class Rejected(_OfCustomer):
    """One run of a customer at a time; the others are refused."""

    name = "chaos-rejected"
    is_api_only = True
    refuses = True
    beside = 1

    def rules(self) -> Mapping[str, object]:
        return {"concurrency": {"key": _KEY, "limit": self.beside, "overflow": "reject"}}


class Latest(_OfCustomer):
    """One run of a customer at a time, the latest: whoever was there is cancelled."""

    name = "chaos-latest"
    makes_way = True

    def rules(self) -> Mapping[str, object]:
        return {"singleton": {"key": _KEY, "mode": "cancel"}}


class Single(_OfCustomer):
    """One run of a customer at a time, which stands for all starts that come meanwhile."""

    name = "chaos-single"
    cancels = 0.0
    is_api_only = True
    is_shared = True
    beside = 1

    def rules(self) -> Mapping[str, object]:
        return {"singleton": {"key": _KEY, "mode": "skip"}}


class Debounced(_OfCustomer):
    """Starts that come close after each other are one run, with the input of the latest."""

    name = "chaos-debounced"
    cancels = 0.0
    is_api_only = True
    is_shared = True

    def rules(self) -> Mapping[str, object]:
        return {"debounce": {"key": _KEY, "period": "1s", "timeout": "3s"}}


class Throttled(_OfCustomer):
    """Runs of a customer that begin evenly spaced, two of them at once after a rest."""

    name = "chaos-throttled"
    turns = Turns(burst=2, every_s=0.5)

    def rules(self) -> Mapping[str, object]:
        return {"throttle": {"key": _KEY, "limit": 2, "period": "1s", "burst": 2}}


class RateLimited(_OfCustomer):
    """So many starts of a customer are taken; the others are refused."""

    name = "chaos-rate-limited"
    is_api_only = True
    refuses = True
    turns = Turns(burst=3, every_s=1.0)

    def rules(self) -> Mapping[str, object]:
        return {"rate_limit": {"key": _KEY, "limit": 3, "period": "3s"}}


class Batched(_OfCustomer):
    """Up to four starts, or those within two seconds, make one run of all their inputs."""

    name = "chaos-batched"
    cancels = 0.0
    is_api_only = True
    is_shared = True

    def rules(self) -> Mapping[str, object]:
        return {"batch": {"key": _KEY, "size": 4, "timeout": "2s"}}

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "each": mark(scene, "${{ item.number }}", for_each="${{ input.items }}", parallel=2),
            "after": mark(scene, "${{ steps.each.output }}", needs="each"),
        }

    def output(self) -> object:
        return {"numbers": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        return {"numbers": [item["number"] for item in items_of(value)]}

    def key(self, value: JsonValue) -> str:
        return super().key(value if isinstance(value, Mapping) and "customer" in value else items_of(value)[0])


def items_of(value: JsonValue) -> list[Mapping[str, JsonValue]]:
    """This will give what is in a batch."""
    items = value["items"] if isinstance(value, Mapping) else None
    assert isinstance(items, list)
    return [item for item in items if isinstance(item, Mapping)]
