"""Weather, matches and market news: what follows agrees with what was measured."""

from random import Random

from ..language import count, word_count
from ..world import MEN, WOMEN, World

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
SKIES = {
    "rain": "Take an umbrella with you.", "snow": "The roads are white, so drive slowly.",
    "sunshine": "Wear a hat and drink enough water.", "storm": "Stay at home and close the windows.",
    "fog": "Drivers should switch on their lights.",
}


def weather(rng: Random, world: World) -> str:
    """A forecast for three days in a row."""
    town, first = rng.choice(world.towns), rng.randrange(7)
    sky = rng.choice(list(SKIES))
    low, high = {"snow": (-12, 1), "sunshine": (18, 34)}.get(sky, (3, 18))
    degrees = [rng.randrange(low, high) for _ in range(3)]
    trend = "warmer" if degrees[2] > degrees[0] else "colder" if degrees[2] < degrees[0] else "no change"
    days = [DAYS[(first + offset) % 7] for offset in range(3)]
    return (
        f"Weather for {town.name}: {sky} from the {rng.choice(['north', 'south', 'east', 'west'])}. "
        f"{days[0]} {degrees[0]} degrees, {days[1]} {degrees[1]} degrees, {days[2]} {degrees[2]} degrees. "
        f"{SKIES[sky]} The trend until {days[2]}: {trend}."
    )


def match_report(rng: Random, world: World) -> str:
    """A football match: the score, who won, who scored."""
    home, guest = rng.sample(world.towns, 2)
    goals = [rng.randrange(0, 5), rng.randrange(0, 5)]
    scorer, minute = rng.choice(MEN + WOMEN), rng.randrange(2, 91)
    if goals[0] == goals[1]:
        result = f"{home.name} and {guest.name} drew {goals[0]}–{goals[1]}, so each team gets one point."
    elif goals[0] > goals[1]:
        result = f"{home.name} won {goals[0]}–{goals[1]} at home against {guest.name} and gets three points."
    else:
        result = f"{home.name} lost {goals[0]}–{goals[1]} at home against {guest.name}, who get three points."
    total = sum(goals)
    detail = (
        "No goal was scored." if total == 0
        else f"The first of the {count(total, 'goal')} was scored by {scorer} in minute {minute}." if total > 1
        else f"The only goal was scored by {scorer} in minute {minute}."
    )
    watched = rng.randrange(3, 60) * 100
    return f"Football, {rng.choice(DAYS)}. {result} {detail} The match was watched by {watched} people."


def market(rng: Random, world: World) -> str:
    """Prices of two goods, yesterday and today."""
    country = rng.choice(world.towns).country
    lines = []
    for good in rng.sample(["wheat", "wool", "salt", "honey", "silver", "glass"], 2):
        before, after = rng.sample(range(10, 90), 2)
        verb, change = ("rose", after - before) if after > before else ("fell", before - after)
        lines.append(
            f"The price of {good} {verb} by {word_count(change, country.currency)}, from {before} to {after}."
        )
    return f"Market news from {country.capital}. {' '.join(lines)} All prices are in {country.demonym} {country.currency}s."


def diary(rng: Random, world: World) -> str:
    """Entries of a diary, one day after the other, in the first person."""
    first, lines = rng.randrange(7), []
    plans = rng.sample([
        "I read a book and drank tea", "I met {name} at the market", "I worked in the garden with {name}",
        "I was ill and stayed in bed", "I wrote a letter to {name}", "I went to {town} by train", "I baked a cake for {name}",
    ], 3)
    for offset, plan in enumerate(plans):
        name, town = rng.choice(MEN + WOMEN), rng.choice(world.towns).name
        lines.append(f"{DAYS[(first + offset) % 7]}: Today {plan.format(name=name, town=town)}.")
    return "My diary\n\n" + "\n".join(lines)
