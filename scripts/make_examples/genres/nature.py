"""Animals and their classes: definitions, syllogisms, questions that a class answers."""

from random import Random

from ..language import article, plural, sentence, word_count
from ..world import World

CLASSES = {
    "bird": ("feathers", 2, "lays eggs", "can fly", ["heron", "owl", "stork", "crow", "finch", "falcon", "swallow"]),
    "fish": ("scales", 0, "lays eggs", "breathes under water", ["trout", "salmon", "pike", "carp", "herring", "eel"]),
    "mammal": ("fur", 4, "feeds its young with milk", "has warm blood", ["fox", "hare", "otter", "badger", "wolf", "deer", "mouse"]),
    "insect": ("a hard shell", 6, "lays eggs", "has no bones", ["beetle", "ant", "bee", "moth", "wasp", "cricket"]),
    "reptile": ("scales", 4, "lays eggs", "likes warm stones", ["lizard", "turtle", "gecko", "crocodile", "tortoise"]),
}
CLASS_OF = {animal: kind for kind, facts in CLASSES.items() for animal in facts[4]}
FOOD = {"bird": "seeds and worms", "fish": "small water animals", "mammal": "berries and roots", "insect": "leaves and nectar", "reptile": "flies and spiders"}
HABITAT = {"bird": "in the tree tops", "fish": "in rivers and lakes", "mammal": "in woods and fields", "insect": "in the grass", "reptile": "on warm rocks"}


def animal_article(rng: Random, world: World) -> str:
    """An encyclopaedia entry about an animal, with the marks of its class."""
    animal = rng.choice(list(CLASS_OF))
    kind = CLASS_OF[animal]
    cover, legs, birth, mark, _ = CLASSES[kind]
    facts = [
        f"It has {cover}" + (f" and {word_count(legs, 'leg')}." if legs else " and no legs."),
        f"It lives {HABITAT[kind]} and eats {FOOD[kind]}.",
        f"Like every {kind}, it {birth}.",
        f"The {animal} {mark}.",
        f"{sentence(article(animal))} grows up to {rng.randrange(2, 40) * 5} centimetres long.",
    ]
    rng.shuffle(facts)
    return f"# {sentence(animal)}\n\nThe {animal} is {article(kind)}. {' '.join(facts[:4])}"


def syllogism(rng: Random, world: World) -> str:
    """Two premises and what follows from them, or what does not."""
    parts = []
    for _ in range(2):
        kind, other = rng.sample(list(CLASSES), 2)
        animal, stranger = rng.choice(CLASSES[kind][4]), rng.choice(CLASSES[other][4])
        animals, kinds, cover = plural(animal), plural(kind), CLASSES[kind][0]
        parts.append(rng.choice([
            f"All {animals} are {kinds}. All {kinds} have {cover}. Therefore all {animals} have {cover}.",
            f"Is {article(animal)} {article(kind)}? Yes, {article(animal)} is {article(kind)}.",
            f"Is {article(stranger)} {article(kind)}? No, {article(stranger)} is {article(other)}.",
            f"No {kind} is {article(other)}. {sentence(article(stranger))} is {article(other)}. "
            f"Therefore no {stranger} is {article(kind)}.",
        ]))
    return " ".join(parts)


def sorting(rng: Random, world: World) -> str:
    """Animals sorted under the names of their classes."""
    kinds = rng.sample(list(CLASSES), 3)
    lines = [f"{sentence(plural(kind))}: {', '.join(rng.sample(CLASSES[kind][4], 3))}" for kind in kinds]
    animals = [rng.choice(CLASSES[kind][4]) for kind in kinds]
    odd = rng.choice([kind for kind in CLASSES if kind not in kinds])
    return "\n".join(lines) + f"\n{sentence(plural(odd))}: none\nExamples: {', '.join(sorted(animals))}"
