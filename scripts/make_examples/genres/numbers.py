"""Small sums, sequences and word problems whose answers are right."""

from random import Random

from ..language import clock, count, plural, word
from ..world import HE, MEN, SHE, WOMEN, World

FRUIT = ["apple", "pear", "plum", "nut", "cherry", "egg", "stone", "shell", "coin", "button"]


def word_problem(rng: Random, world: World) -> str:
    """Somebody has things, gets some, gives some away: how many are left?"""
    name, p = rng.choice([(name, SHE) for name in WOMEN] + [(name, HE) for name in MEN])
    friend = rng.choice([other for other in WOMEN + MEN if other != name])
    noun, have = rng.choice(FRUIT), rng.randrange(2, 11)
    text, steps = [f"{name} has {count(have, noun)}."], []
    for _ in range(rng.randrange(1, 4)):
        if have > 1 and rng.random() < 0.5:
            number = rng.randrange(1, have)
            text.append(f"{p.subject.capitalize()} {rng.choice(['gives', 'sells'])} {count(number, noun)} to {friend}.")
            steps.append(f"{have} - {number} = {have - number}")
            have -= number
        else:
            number = rng.randrange(1, 7)
            text.append(f"{p.subject.capitalize()} {rng.choice(['finds', 'buys'])} {count(number, noun)}.")
            steps.append(f"{have} + {number} = {have + number}")
            have += number
    question = f"How many {plural(noun)} does {p.subject} have now?"
    return f"{' '.join(text)} {question}\nAnswer: {', '.join(steps)}. {name} has {count(have, noun)}."


def sums(rng: Random, world: World) -> str:
    """A sheet of sums, all of one kind."""
    sign = rng.choice("+-×")
    lines = []
    for _ in range(rng.randrange(8, 15)):
        if sign == "×":
            a, b = rng.randrange(2, 10), rng.randrange(2, 10)
            lines.append(f"{a} × {b} = {a * b}")
        else:
            a, b = rng.randrange(1, 11), rng.randrange(1, 11)
            low, high = min(a, b), max(a, b)
            lines.append(f"{a} + {b} = {a + b}" if sign == "+" else f"{high} - {low} = {high - low}")
    title = {"+": "Addition", "-": "Subtraction", "×": "Multiplication"}[sign]
    return f"{title}\n\n" + "\n".join(lines)


def sequence(rng: Random, world: World) -> str:
    """A sequence with a fixed step, named before or after it."""
    step, start = rng.choice([1, 2, 3, 5, 10]), rng.randrange(0, 21)
    numbers = [start + step * index for index in range(rng.randrange(6, 10))]
    if rng.random() < 0.4:
        numbers.reverse()
    verb = "up" if numbers[-1] > numbers[0] else "down"
    line = ", ".join(str(number) for number in numbers)
    rule = f"count {verb} by {word(step)}"
    if rng.random() < 0.5:
        return f"Start at {numbers[0]} and {rule}: {line}."
    return f"{line}. What is the rule? We start at {numbers[0]} and {rule}."


def comparisons(rng: Random, world: World) -> str:
    """Which of two numbers is greater, and which are even or odd."""
    lines = []
    for _ in range(rng.randrange(4, 7)):
        a, b = rng.sample(range(1, 100), 2)
        lines.append(rng.choice([
            f"{max(a, b)} is greater than {min(a, b)}.",
            f"{min(a, b)} is less than {max(a, b)}.",
            f"{a} is {'even' if a % 2 == 0 else 'odd'}, and {b} is {'even' if b % 2 == 0 else 'odd'}.",
            f"{min(a, b)} in words is {word(min(a, b))}.",
        ]))
    return " ".join(lines)


def time_table(rng: Random, world: World) -> str:
    """A bus that calls at every stop of a country, some minutes apart."""
    country = rng.choice(world.towns).country
    stops, now = rng.sample(world.of(country), 4), 60 * rng.randrange(5, 22) + 5 * rng.randrange(12)
    gap = 5 * rng.randrange(2, 8)
    rows = [f"{clock(now + gap * index):>5}  {stop.name}" for index, stop in enumerate(stops)]
    return f"Bus {rng.randrange(10, 60)}, every {gap} minutes a stop\n\n" + "\n".join(rows)
