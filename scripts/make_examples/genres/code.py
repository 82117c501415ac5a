"""Program-like texts: small functions, records in JSON, tables, logs."""

import json
from random import Random

from ..language import plural
from ..world import WOMEN, MEN, World

ITEMS = ["price", "score", "number", "length", "weight", "age"]


def fold_function(rng: Random, world: World) -> str:
    """A loop over an array, with a call whose result is right."""
    item = rng.choice(ITEMS)
    items, values = plural(item), [rng.randrange(1, 10) for _ in range(rng.randrange(2, 4))]
    kind = rng.choice(["total", "largest", "smallest", "count"])
    body = {
        "total": ("0", f"total += {item};", sum(values)),
        "largest": (f"{items}[0]", f"if {item} > largest {{ largest = {item}; }}", max(values)),
        "smallest": (f"{items}[0]", f"if {item} < smallest {{ smallest = {item}; }}", min(values)),
        "count": ("0", "count += 1;", len(values)),
    }[kind]
    start, step, result = body
    return (
        f"fn {kind}_{item}({items}) {{\n    let {kind} = {start};\n    for {item} in {items} {{\n        {step}\n    }}\n"
        f"    return {kind};\n}}\n\nprint({kind}_{item}({values})); // {result}"
    )


def branch_function(rng: Random, world: World) -> str:
    """A condition on one number, and what two calls print."""
    item, limit = rng.choice(ITEMS), rng.randrange(10, 60)
    yes, no = rng.choice([("high", "low"), ("large", "small"), ("old", "young"), ("long", "short")])
    low, high = rng.randrange(1, limit), rng.randrange(limit + 1, 100)
    calls = [f"print(check({value})); // {yes if value > limit else no}" for value in rng.sample([low, high], 2)]
    return (
        f"fn check({item}) {{\n    if {item} > {limit} {{\n        return \"{yes}\";\n    }} else {{\n        return \"{no}\";\n"
        f"    }}\n}}\n\n" + "\n".join(calls)
    )


def town_record(rng: Random, world: World) -> str:
    """The facts of a town as JSON."""
    town = rng.choice(world.towns)
    record = {
        "name": town.name, "country": town.country.name, "capital": town.name == town.country.capital,
        "founded": town.founded, "population": town.population, "river": town.country.river, "product": town.product,
    }
    keys = list(record)[1:]
    rng.shuffle(keys)
    return json.dumps({"name": record["name"], **{key: record[key] for key in keys[:5]}}, indent=2)


def table(rng: Random, world: World) -> str:
    """A table in Markdown with a row of totals."""
    names, head = rng.sample(WOMEN + MEN, 3), rng.sample(["apples", "pears", "eggs", "nuts"], 2)
    rows = [[rng.randrange(1, 13) for _ in head] for _ in names]
    lines = [f"| name | {head[0]} | {head[1]} |", "|---|---|---|"]
    lines += [f"| {name} | {row[0]} | {row[1]} |" for name, row in zip(names, rows)]
    lines.append(f"| total | {sum(row[0] for row in rows)} | {sum(row[1] for row in rows)} |")
    return "\n".join(lines)


def server_log(rng: Random, world: World) -> str:
    """The log of a server: time goes forwards, an error is followed by a new attempt."""
    now, lines = rng.randrange(86_000), []
    port = rng.choice([80, 443, 8080, 9000])

    def log(level: str, message: str) -> None:
        nonlocal now
        now += rng.randrange(1, 20)
        lines.append(f"{now // 3600 % 24:02d}:{now // 60 % 60:02d}:{now % 60:02d} {level} {message}")

    log("INFO", f"server started on port {port}")
    for _ in range(rng.randrange(1, 3)):
        user = rng.choice(WOMEN + MEN).lower()
        log("INFO", f"user {user} logged in")
        if rng.random() < 0.5:
            log("ERROR", f"connection to {user} lost")
            log("WARN", f"trying again to reach {user}")
        log("INFO", f"user {user} logged out")
    log("INFO", "server stopped")
    return "\n".join(lines)
