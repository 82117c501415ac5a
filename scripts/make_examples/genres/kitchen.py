"""Recipes: the steps use what the list of ingredients names, in the way that suits the dish."""

from random import Random

from ..language import count, listing, plural
from ..world import COUNTRIES, World

DISHES = {
    "soup": (["onion", "carrot", "potato", "leek", "tomato"], "Boil in {liquid} for {minutes} minutes", ["a pot", "water"]),
    "salad": (["cucumber", "tomato", "radish", "pepper", "lemon"], "Mix with {liquid} and chill for {minutes} minutes", ["a bowl", "olive oil"]),
    "pie": (["apple", "plum", "pear", "cherry"], "Bake with {liquid} for {minutes} minutes", ["a tin", "butter"]),
    "stew": (["carrot", "potato", "turnip", "mushroom", "onion"], "Simmer in {liquid} for {minutes} minutes", ["a pan", "broth"]),
}
SEASONING = {"soup": ["salt", "pepper", "parsley"], "salad": ["salt", "vinegar", "mint"], "pie": ["sugar", "cinnamon"], "stew": ["salt", "thyme", "garlic"]}


def recipe(rng: Random, world: World) -> str:
    """A recipe with a list of ingredients and numbered steps."""
    kind, demonym = rng.choice(list(DISHES)), rng.choice(COUNTRIES).demonym
    vegetables, method, (vessel, liquid) = DISHES[kind]
    chosen = rng.sample(vegetables, 2)
    numbers = [rng.randrange(1, 7) for _ in chosen]
    spice, minutes = rng.choice(SEASONING[kind]), 5 * rng.randrange(2, 13)
    items = [f"- {count(number, noun)}" for number, noun in zip(numbers, chosen)] + [f"- {liquid}", f"- {spice}"]
    names = [noun if number == 1 else plural(noun) for number, noun in zip(numbers, chosen)]
    steps = [
        f"1. Wash and cut {listing(['the ' + name for name in names])}.",
        f"2. Put the {names[0]} into {vessel}, then add the {names[1]}.",
        f"3. {method.format(liquid=liquid, minutes=minutes)}.",
        f"4. Season with {spice} and serve.",
    ]
    serves = rng.randrange(2, 7)
    return f"{demonym} {chosen[0]} {kind} (serves {serves})\n\n" + "\n".join(items) + "\n\n" + "\n".join(steps)


def shopping_list(rng: Random, world: World) -> str:
    """A list in alphabetical order, with the number of its items."""
    goods = rng.sample(sorted({noun for vegetables, _, _ in DISHES.values() for noun in vegetables}), rng.randrange(4, 8))
    goods.sort()
    rows = [f"- {count(rng.randrange(1, 10), noun)}" for noun in goods]
    return f"Shopping list, {len(goods)} things from A to Z:\n" + "\n".join(rows)
