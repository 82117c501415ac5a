"""Dialogues with two speakers in a shop, at a station and in a class room."""

from random import Random

from ..language import clock, plural, sentence, word, word_count
from ..world import COUNTRIES, World

GOODS = ["apple", "pear", "loaf of bread", "egg", "candle", "pencil", "potato", "tomato", "lemon", "cabbage"]


def goods_plural(noun: str) -> str:
    """The plural, also of `loaf of bread`."""
    head, *rest = noun.split(" of ")
    return " of ".join([plural(head), *rest])


def shop(rng: Random, world: World) -> str:
    """Buying: price times number, then the change."""
    noun, coin = rng.choice(GOODS), rng.choice(COUNTRIES).currency
    price, number = rng.randrange(2, 7), rng.randrange(2, 7)
    total = price * number
    lines = [
        f"Customer: Good {rng.choice(['morning', 'evening'])}. How much are the {goods_plural(noun)}?",
        f"Seller: {sentence(word_count(price, coin))} each.",
        f"Customer: Then I will take {word(number)}, please.",
        f"Seller: {sentence(word(number))} {goods_plural(noun)} make {word_count(total, coin)}.",
    ]
    paid = total + rng.choice([0, 1, 2, 5, 10])
    if paid == total:
        lines += [f"Customer: Here are {word_count(total, coin)}.", "Seller: Thank you, goodbye!"]
    else:
        lines += [
            f"Customer: Here are {word_count(paid, coin)}.",
            f"Seller: And {word_count(paid - total, coin)} back. Goodbye!",
        ]
    return "\n".join(lines)


def station(rng: Random, world: World) -> str:
    """Asking for a train: departure plus travelling time is arrival."""
    start = rng.choice(world.towns)
    goal = rng.choice(world.neighbours(start))
    leaves, ride = 60 * rng.randrange(6, 22) + 5 * rng.randrange(12), 5 * rng.randrange(3, 12)
    lines = [
        f"Traveller: Excuse me, when does the next train to {goal.name} leave?",
        f"Clerk: At {clock(leaves)}, from platform {rng.randrange(1, 10)}.",
        "Traveller: How long does it take?",
        f"Clerk: {ride} minutes, so you will be in {goal.name} at {clock(leaves + ride)}.",
        f"Traveller: {rng.choice([f'One ticket to {goal.name}, please.', 'Thank you very much.'])}",
    ]
    return "\n".join(lines)


OPPOSITES = {
    "hot": "cold", "big": "small", "old": "young", "fast": "slow", "light": "dark", "wet": "dry", "high": "low",
    "full": "empty", "hard": "soft", "rich": "poor", "early": "late", "open": "closed", "strong": "weak", "loud": "quiet",
}


def class_room(rng: Random, world: World) -> str:
    """A teacher asks for opposites, capitals and letters; one answer is wrong and is put right."""
    pairs = list(OPPOSITES.items()) + [(b, a) for a, b in OPPOSITES.items()]
    lines = []
    for _ in range(rng.randrange(2, 4)):
        kind = rng.randrange(3)
        if kind == 0:
            asked, answer = rng.choice(pairs)
            question, wrong = f"What is the opposite of {asked}?", rng.choice(pairs)[1]
        elif kind == 1:
            country, other = rng.sample(COUNTRIES, 2)
            question, answer, wrong = f"What is the capital of {country.name}?", country.capital, other.capital
        else:
            country, other = rng.sample(COUNTRIES, 2)
            question, answer, wrong = f"Which river flows through {country.name}?", country.river, other.river
        lines.append(f"Teacher: {question}")
        if rng.random() < 0.7 or wrong == answer:
            lines += [f"Pupil: {sentence(answer)}.", "Teacher: Correct."]
        else:
            lines += [f"Pupil: {sentence(wrong)}.", f"Teacher: No, that is wrong. The answer is {answer}."]
    return "\n".join(lines)
