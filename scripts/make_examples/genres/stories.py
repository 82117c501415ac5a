"""Short tales: cause and consequence, dialogue, feelings, where things are and who knows it."""

from random import Random

from ..language import article, sentence
from ..world import HE, MEN, SHE, WOMEN, World

TRAITS = {
    "clever": "whoever thinks first will not regret it",
    "proud": "pride does not help you when you need a friend",
    "greedy": "whoever wants everything may lose everything",
    "kind": "a good deed comes back one day",
    "lazy": "what is not done today is harder tomorrow",
    "brave": "courage is half of the victory",
}
ANIMALS = ["fox", "owl", "hare", "bear", "mouse", "hedgehog", "goose", "wolf", "crow", "badger", "frog", "donkey"]
HOMES = ["an old mill", "a dark forest", "the edge of a lake", "a hollow tree", "a green hill", "a quiet barn"]
THINGS = ["golden key", "red scarf", "silver bell", "last apple", "little lantern", "wooden flute"]
SEASONS = {"spring": "the first flowers opened", "summer": "the sun burned", "autumn": "the leaves fell", "winter": "the snow lay deep"}
BOXES = ["box", "basket", "drawer", "cupboard", "bag", "chest"]
TOYS = ["red ball", "blue boat", "green kite", "yellow duck", "black horse", "white doll"]


def animal_tale(rng: Random, world: World) -> str:
    """A fable: something is lost, another animal helps or is sent away, and the moral fits the trait."""
    hero, helper = rng.sample(ANIMALS, 2)
    trait, thing, season = rng.choice(list(TRAITS)), rng.choice(THINGS), rng.choice(list(SEASONS))
    opening = (
        f"Once upon a time there was {article(trait)} {hero} who lived by {rng.choice(HOMES)}. One {season} morning, when "
        f"{SEASONS[season]}, the {hero} lost its {thing} and was very sad."
    )
    if trait in ("proud", "greedy", "lazy"):
        middle = (
            f'"I can help you," said the {helper}. "Go away," said the {hero}, "I need no {helper}." '
            f"So the {helper} went away, and the {hero} never found the {thing}."
        )
    else:
        middle = (
            f'"Why do you cry?" asked the {helper}. "I have lost my {thing}," said the {hero}. '
            f"Together they looked for it until evening, and at last they found it. The {hero} was glad and thanked the {helper}."
        )
    return f"{opening} {middle} And so we see: {TRAITS[trait]}."


def hidden_toy(rng: Random, world: World) -> str:
    """A toy is moved while its owner is away: where it is, and where she or he thinks it is."""
    toy, (first, second) = rng.choice(TOYS), rng.sample(BOXES, 2)
    mine, other = rng.sample([(name, SHE) for name in WOMEN] + [(name, HE) for name in MEN], 2)
    (owner, p), (friend, q) = mine, other
    ending = rng.choice([
        f"{owner} looked in the {first}, but it was empty. \"I moved it,\" said {friend}, and {q.subject} opened the {second}.",
        f"Where did {owner} look for it? In the {first}, because {p.subject} did not know that it was in the {second}.",
    ])
    return (
        f"{owner} put {p.possessive} {toy} into the {first} and went outside. While {p.subject} was away, {friend} took the {toy} "
        f"out of the {first} and put it into the {second}. Then {owner} came back and wanted {p.possessive} {toy}. {ending}"
    )


def journey(rng: Random, world: World) -> str:
    """A walk past three sights, told in order and then told backwards."""
    name, p = rng.choice([(name, SHE) for name in WOMEN] + [(name, HE) for name in MEN])
    stops = rng.sample(["mill", "bridge", "church", "well", "orchard", "school", "tower", "inn"], 3)
    feeling = rng.choice(["tired but happy", "hungry", "wet to the skin", "full of joy"])
    home = {
        "tired but happy": "went straight to bed", "hungry": "ate a whole loaf of bread",
        "wet to the skin": "sat down by the fire", "full of joy": "sang a song",
    }[feeling]
    return (
        f"{name} left home at dawn. First {p.subject} came to the {stops[0]}, then to the {stops[1]}, and then to the {stops[2]}. "
        f"There {p.subject} turned round. On the way back {p.subject} passed the {stops[2]}, the {stops[1]} and the {stops[0]} again. "
        f"In the evening {p.subject} was {feeling}, so {p.subject} {home}."
    )


RHYMES = [
    ["all through the night", "in the morning light", "so clear and bright", "in coats of white"],
    ["at break of day", "so far away", "in robes of grey", "along the way"],
    ["beside the sea", "under the tree", "so wild and free", "alone with me"],
    ["under the snow", "where rivers go", "so calm and slow", "in the vale below"],
    ["in the summer rain", "down the lane", "once again", "over the plain"],
    ["so proud and tall", "behind the wall", "for one and all", "in the empty hall"],
    ["across the sand", "all through the land", "with open hand", "where the old oaks stand"],
    ["so cold and deep", "half asleep", "among the sheep", "for us to keep"],
]
SUBJECTS = ["the moon", "the wind", "a bell", "a bird", "my heart", "a boat", "the night", "the river"]
VERBS = ["resting", "ringing", "singing", "calling", "shining", "waiting", "drifting", "dreaming"]


def poem(rng: Random, world: World) -> str:
    """One or two stanzas that rhyme crosswise."""
    stanzas = []
    for _ in range(rng.randrange(1, 3)):
        (a, c), (b, d) = (rng.sample(group, 2) for group in rng.sample(RHYMES, 2))
        lines = [f"{rng.choice(SUBJECTS)} is {rng.choice(VERBS)} {end}" for end in (a, b, c, d)]
        stanzas.append(",\n".join(sentence(line) for line in lines) + ".")
    return "\n\n".join(stanzas)
