"""The invented world that the texts speak of: countries, their towns and rivers, and people.

The names are written down here; what belongs to them (years, populations, distances, professions)
is drawn once from a seed, so that a fact about a town is the same in every text that mentions it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True)
class Country:
    """A country; its first town is the capital."""

    name: str
    demonym: str
    currency: str
    crop: str
    dish: str
    animal: str
    terrain: str
    river: str
    towns: tuple[str, ...]

    @property
    def capital(self) -> str:
        """The name of the capital."""
        return self.towns[0]


@dataclass(frozen=True)
class Town:
    """A town with its place on the map in kilometres (x to the east, y to the north)."""

    name: str
    country: Country
    founded: int
    population: int
    product: str
    sight: str
    x: float
    y: float

    @property
    def size(self) -> str:
        """Village, town or city, by the number of inhabitants."""
        return "village" if self.population < 4_000 else "town" if self.population < 60_000 else "city"

    def distance(self, other: Town) -> int:
        """Kilometres to another town."""
        return max(1, round(math.hypot(self.x - other.x, self.y - other.y)))

    def direction(self, other: Town) -> str:
        """Where this town lies, seen from the other."""
        angle = math.degrees(math.atan2(self.y - other.y, self.x - other.x)) % 360
        names = ["east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east"]
        return names[round(angle / 45) % 8]


@dataclass(frozen=True)
class Pronouns:
    """The third person singular: he/him/his or she/her/her."""

    subject: str
    object: str
    possessive: str
    child: str
    adult: str


SHE = Pronouns("she", "her", "her", "daughter", "woman")
HE = Pronouns("he", "him", "his", "son", "man")


@dataclass(frozen=True)
class Person:
    """A person of some renown."""

    first: str
    last: str
    pronouns: Pronouns
    profession: str
    home: Town
    born: int
    died: int

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"


COUNTRIES = (
    Country("Arvenia", "Arvenian", "crown", "wheat", "onion soup", "stork", "of wide plains", "Tamber",
            ("Kellin", "Marrow Bridge", "Ostel", "Vanley", "Hatherby")),
    Country("Bolmara", "Bolmaran", "florin", "olives", "fish stew", "dolphin", "on a warm coast", "Ruvo",
            ("Port Sella", "Carrano", "Dimas", "Lutera", "Pellagro")),
    Country("Calthia", "Calthian", "ducat", "grapes", "lamb pie", "goat", "of green hills", "Isker",
            ("Thessan", "Mirovia", "Agra Nera", "Colvento", "Sant Ilde")),
    Country("Dornland", "Dornish", "thaler", "barley", "rye bread", "stag", "of dark forests", "Grell",
            ("Dornburg", "Altwald", "Hexenfeld", "Krumbach", "Steinau")),
    Country("Fjellmark", "Fjellish", "krone", "oats", "smoked salmon", "reindeer", "of high mountains", "Skarn",
            ("Hvalvik", "Nordby", "Trollnes", "Eikland", "Sundhavn")),
    Country("Gorovia", "Gorovian", "groat", "beets", "cabbage rolls", "wolf", "of open steppe", "Volma",
            ("Gorovsk", "Belaya Gora", "Zimny", "Tarnopol Vel", "Krasna")),
    Country("Sahmir", "Sahmiri", "dinar", "dates", "spiced rice", "camel", "of hot deserts", "Wadi Noor",
            ("Qasr Amal", "Hadira", "Nakhla", "Beit Rim", "Zarqan")),
    Country("Motuana", "Motuanan", "shell", "coconuts", "baked yams", "turtle", "of many islands", "Oleanu",
            ("Mahina Bay", "Lakai", "Pua Loa", "Tirikoa", "Waitoru")),
)

PRODUCTS = ["cheese", "glass", "wool", "paper", "clocks", "pottery", "honey", "salt", "silver", "violins", "boats", "lace"]
SIGHTS = [
    "a round stone tower", "an old covered bridge", "a clock that runs backwards", "a garden of white roses",
    "a museum of bells", "a market under blue arches", "a lighthouse", "a library with green doors",
]
WOMEN = "Mira Ada Nora Elsa Ruth Clara Ines Tilda Olga Paula Greta Hanna Lena Sofia Vera Irma".split()
MEN = "Tom Otto Felix Hugo Emil Anton Jonas Karl Bruno Leo Oskar Viktor Simon Paul Ivan Marek".split()
SURNAMES = (
    "Tolvan Berrin Castor Delmark Ellery Farrow Gantry Holm Istvar Jarrow Kestrel Lindal Marsh Novak "
    "Orlin Pellar Quist Rowan Sarkan Thorne Ulver Vask Winter Yarrow"
).split()
PROFESSIONS = ["painter", "poet", "composer", "chemist", "astronomer", "botanist", "sculptor", "engineer", "explorer", "physician"]


@dataclass
class World:
    """All towns and people, with their facts drawn from one seed."""

    towns: list[Town] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)

    @classmethod
    def from_seed(cls, seed: int) -> World:
        """Draws the facts of every town and of sixty people."""
        rng, world = Random(f"world {seed}"), cls()
        for place, country in enumerate(COUNTRIES):
            east, north = 400 * (place % 4), 350 * (place // 4)
            for rank, name in enumerate(country.towns):
                population = rng.randrange(120, 900) * 1000 if rank == 0 else rng.randrange(9, 900) * 100
                world.towns.append(Town(
                    name, country, rng.randrange(780, 1860), population, rng.choice(PRODUCTS), rng.choice(SIGHTS),
                    east + rng.uniform(-150, 150), north + rng.uniform(-130, 130),
                ))
        names = set()
        while len(world.people) < 60:
            person = world.stranger(rng)
            if person.name not in names:
                names.add(person.name)
                world.people.append(person)
        return world

    def stranger(self, rng: Random) -> Person:
        """A newly drawn person, of whom no other text need know."""
        pronouns = rng.choice((SHE, HE))
        born = rng.randrange(1740, 1900)
        return Person(
            rng.choice(WOMEN if pronouns is SHE else MEN), rng.choice(SURNAMES), pronouns, rng.choice(PROFESSIONS),
            rng.choice(self.towns), born, born + rng.randrange(41, 90),
        )

    def of(self, country: Country) -> list[Town]:
        """The towns of a country, the capital first."""
        return [town for town in self.towns if town.country is country]

    def neighbours(self, town: Town) -> list[Town]:
        """The other towns of the same country, the nearest first."""
        return sorted((t for t in self.of(town.country) if t is not town), key=town.distance)
