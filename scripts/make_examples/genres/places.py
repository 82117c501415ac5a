"""Encyclopaedia and travel texts about the towns and countries of the invented world."""

from random import Random

from ..language import listing, sentence, thousands
from ..world import COUNTRIES, World


def town_article(rng: Random, world: World) -> str:
    """An encyclopaedia entry: where a town lies, its age, size, product and sight."""
    town = rng.choice(world.towns)
    country, near = town.country, world.neighbours(town)[0]
    role = "the capital" if country.capital == town.name else f"a {town.size}"
    facts = [
        f"It was founded in {town.founded} and has {thousands(town.population)} inhabitants.",
        rng.choice([
            f"The {town.size} is known for its {town.product} and for {town.sight}.",
            f"Its {town.product} is sold all over {country.name}, and visitors come to see {town.sight}.",
        ]),
        f"The nearest town is {near.name}, {town.distance(near)} kilometres to the {near.direction(town)}.",
        f"The people of {town.name} speak {country.demonym} and pay in {country.currency}s.",
    ]
    rng.shuffle(facts)
    return f"# {town.name}\n\n{town.name} is {role} of {country.name} on the river {country.river}. {' '.join(facts)}"


def country_article(rng: Random, world: World) -> str:
    """An encyclopaedia entry about a country."""
    country = rng.choice(COUNTRIES)
    largest = sorted(world.of(country), key=lambda town: -town.population)[:3]
    facts = [
        f"Its capital is {country.capital}, on the river {country.river}.",
        f"The largest towns are {listing([town.name for town in largest])}.",
        f"Farmers grow {country.crop}, and the national dish is {country.dish}.",
        f"The animal on the {country.demonym} flag is the {country.animal}.",
        f"The currency is the {country.demonym} {country.currency}.",
    ]
    rng.shuffle(facts)
    kept = " ".join(facts[:rng.randrange(3, 6)])
    return f"# {country.name}\n\n{country.name} is a land {country.terrain}. {kept}"


def travel_guide(rng: Random, world: World) -> str:
    """Advice to a traveller, in the second person."""
    start = rng.choice(world.towns)
    goal = rng.choice(world.neighbours(start))
    country, distance = start.country, start.distance(goal)
    way, speed = ("on foot", 4) if distance < 25 else ("by train", 60)
    hours = max(1, round(distance / speed))
    closing = rng.choice([
        f"In the evening, order {country.dish}: nowhere in {country.name} is it better.",
        f"Bring some {country.currency}s, because nobody in {goal.name} takes other money.",
        f"If you are lucky, you will see a {country.animal} on the way.",
    ])
    return (
        f"From {start.name} to {goal.name}. The way to {goal.name} is {distance} kilometres and leads "
        f"{goal.direction(start)} along the river {country.river}. You will need about "
        f"{'an hour' if hours == 1 else f'{hours} hours'} {way}. When you arrive, do not miss {goal.sight}, and buy some "
        f"{goal.product} in the market. {closing}"
    )


def comparison(rng: Random, world: World) -> str:
    """Two towns compared: which is larger, older, further north."""
    one, two = rng.sample(world.towns, 2)
    larger, smaller = sorted((one, two), key=lambda town: -town.population)
    older, younger = sorted((one, two), key=lambda town: town.founded)
    lines = [
        f"{larger.name} has {thousands(larger.population)} inhabitants and {smaller.name} has "
        f"{thousands(smaller.population)}, so {larger.name} is larger than {smaller.name}.",
        f"{older.name} was founded in {older.founded}, {younger.founded - older.founded} years before {younger.name}.",
    ]
    same = one.country is two.country
    lines.append(
        f"Both lie in {one.country.name}." if same
        else f"{one.name} lies in {one.country.name}, but {two.name} lies in {two.country.name}."
    )
    rng.shuffle(lines)
    return sentence(" ".join(lines))
