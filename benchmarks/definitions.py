"""The workflows that are measured, as documents; nothing here runs."""

SEQUENCE = "bench-sequence"
THROUGHPUT = "bench-throughput"
FAN_OUT = "bench-fan-out"
START = "bench-start"
WIDE_MAP = "bench-wide-map"
CRITICAL = "bench-critical"
BULK = "bench-bulk"

LIMIT = "bench-limit"
LIMIT_NAME = "bench-legacy-db"
LIMIT_SLOTS = 50
LIMIT_STEP_S = 1.0

SEQUENCE_STEPS = 40
CHAIN_STEPS = 3
FAN_OUT_ITEMS = 200
WIDE_MAP_ITEMS = 10_000
PARALLEL = 2


def sources() -> tuple[str, ...]:
    """This will give every document as it is published."""
    return (
        _chain(SEQUENCE, steps=SEQUENCE_STEPS),
        _chain(THROUGHPUT, steps=CHAIN_STEPS),
        _fan_out(FAN_OUT, items=FAN_OUT_ITEMS),
        _single(START, call="benchmarks.stamp"),
        _single(CRITICAL, call="benchmarks.stamp", queue="critical"),
        _single(BULK, call="benchmarks.compute", queue="bulk"),
        _fan_out(WIDE_MAP, items=WIDE_MAP_ITEMS),
        _limited(LIMIT),
    )


def _chain(name: str, *, steps: int) -> str:
    lines = [f"name: {name}", "steps:"]
    for number in range(steps):
        needs = f"needs: s{number - 1}, " if number else ""
        lines.append(f"  s{number}: {{{needs}uses: python, with: {{call: benchmarks.noop}}}}")
    return "\n".join(lines) + "\n"


def _fan_out(name: str, *, items: int) -> str:
    return f"""
name: {name}
steps:
  split: {{uses: python, with: {{call: benchmarks.split, args: {{count: {items}}}}}}}
  book:
    needs: split
    for_each: "${{{{ steps.split.output }}}}"
    parallel: {PARALLEL}
    uses: python
    with: {{call: benchmarks.book, args: {{item: "${{{{ item }}}}"}}}}
  join: {{needs: book, uses: python, with: {{call: benchmarks.join}}}}
"""


def _single(name: str, *, call: str, queue: str = "default") -> str:
    return f"""
name: {name}
steps:
  first: {{uses: python, queue: {queue}, with: {{call: {call}}}}}
"""


def _limited(name: str) -> str:
    return f"""
name: {name}
steps:
  only:
    uses: python
    limits: [{LIMIT_NAME}]
    with: {{call: benchmarks.hold, args: {{port: "${{{{ input.port }}}}", seconds: {LIMIT_STEP_S}}}}}
"""
