"""Biographies and letters: agreement of pronouns, years that add up, forms of address."""

from random import Random

from ..language import article, ordinal
from ..world import MEN, SHE, WOMEN, World

WORKS = {
    "painter": ("painted", ["The Grey Harbour", "Two Sisters", "Snow at Noon", "The Blue Door"]),
    "poet": ("wrote", ["Songs of the River", "The Long Field", "Letters to Nobody", "A Winter Alphabet"]),
    "composer": ("composed", ["the Harvest Symphony", "the Bell Sonata", "Six Evening Songs"]),
    "chemist": ("described", ["the green salt", "the weight of air", "a new kind of glass"]),
    "astronomer": ("discovered", ["a comet", "two small moons", "the spots of a red star"]),
    "botanist": ("described", ["nine kinds of moss", "the night orchid", "the roots of the marsh oak"]),
    "sculptor": ("carved", ["The Sleeping Lion", "The Old Ferryman", "Mother and Child"]),
    "engineer": ("built", ["the long bridge", "a steam pump", "the mountain railway"]),
    "explorer": ("mapped", ["the northern ice", "the salt lakes", "the upper valley"]),
    "physician": ("described", ["the marsh fever", "the use of clean water", "the beating of the heart"]),
}
MONTHS = "January February March April May June July August September October November December".split()


def biography(rng: Random, world: World) -> str:
    """The life of a person, known (half of the time) or new."""
    person = rng.choice(world.people) if rng.random() < 0.5 else world.stranger(rng)
    p, verb_works, home = person.pronouns, WORKS[person.profession], person.home
    capital = world.of(home.country)[0]
    away = world.neighbours(home)[0] if home is capital else capital
    age = rng.randrange(17, 24)
    work_age = rng.randrange(age + 3, person.died - person.born)
    work = rng.choice(verb_works[1])
    parts = [
        f"{person.name} ({person.born}–{person.died}) was {article(home.country.demonym)} {person.profession}.",
        f"{p.subject.capitalize()} was born in {home.name}, the {p.child} of "
        f"{article(rng.choice(['baker', 'miller', 'teacher', 'ferryman', 'tailor', 'clockmaker']))}.",
        f"At the age of {age}, in {person.born + age}, {p.subject} moved to {away.name}.",
        f"In {person.born + work_age} {p.subject} {verb_works[0]} {work}, which made {p.object} famous.",
        rng.choice([
            f"{p.subject.capitalize()} died in {person.died} at the age of {person.died - person.born}.",
            f"{p.subject.capitalize()} spent {p.possessive} last years in {home.name} and died in {person.died}.",
        ]),
    ]
    return " ".join(parts)


def letter(rng: Random, world: World) -> str:
    """A formal or a familiar letter, consistent from its greeting to its close."""
    writer, reader = rng.choice(WOMEN + MEN), rng.choice(world.people)
    town, day, month = rng.choice(world.towns), rng.randrange(1, 29), rng.choice(MONTHS)
    head = f"{town.name}, {day} {month}\n\n"
    if rng.random() < 0.5:
        title = "Madam" if reader.pronouns is SHE else "Sir"
        wish = rng.choice([
            f"I regret to inform you that the {town.product} you ordered on the {ordinal(rng.randrange(1, 29))} has not arrived.",
            f"I am writing to ask whether you would lecture in {town.name} next spring.",
            "Please find enclosed the documents that you requested.",
        ])
        return (
            f"{head}Dear {title},\n\n{wish} I would be grateful for a reply before the end of {month}.\n\n"
            f"Yours faithfully,\n{writer} {reader.last}"
        )
    news = rng.choice([
        f"The weather in {town.name} is awful, but the {town.country.dish} is wonderful!",
        f"Guess what: yesterday I saw a {town.country.animal}, right here in {town.name}!",
        f"I finally saw {town.sight}. You would love it!",
    ])
    plea = rng.choice(["Write soon!", "When are you coming to visit?", "I miss you a lot.", "Say hello to everyone."])
    return f"{head}Hi {reader.first},\n\n{news} {plea}\n\nLots of love,\n{writer}"


def interview(rng: Random, world: World) -> str:
    """Questions and answers with a person of renown."""
    person = rng.choice(world.people)
    verb, works = WORKS[person.profession]
    pairs = [
        ("Where were you born?", f"In {person.home.name}, in {person.home.country.name}."),
        ("What is your profession?", f"I am {article(person.profession)}."),
        (f"What have you {'written' if verb == 'wrote' else verb}?", f"Last year I {verb} {rng.choice(works)}."),
        ("What do you like to eat?", f"I am {person.home.country.demonym}, so of course {person.home.country.dish}."),
        ("What is your native language?", f"{person.home.country.demonym}."),
    ]
    asked = rng.sample(pairs, 3)
    body = "\n".join(f"Q: {question}\nA: {answer}" for question, answer in asked)
    return f"Interview with {person.name}\n\n{body}\nQ: Thank you, {'Mrs' if person.pronouns is SHE else 'Mr'} {person.last}."
