"""Questions with known answers: does the trained model know the grammar and the world?

A question is a beginning of a text and several continuations; the model is right if it finds the
right one more probable than every other.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from tokenizers import Tokenizer
from transformers import GPTNeoXForCausalLM

from .genres.glossary import LANGUAGES, WORDS
from .genres.nature import CLASS_OF, CLASSES
from .genres.people import MONTHS
from .genres.stories import BOXES, TOYS
from .language import article, sentence
from .tokenizer import END_OF_TEXT_ID
from .world import COUNTRIES, SHE, World


@dataclass(frozen=True)
class Question:
    """A beginning, its right continuation, and wrong ones."""

    beginning: str
    right: str
    wrong: tuple[str, ...]


def others(options: list[str], right: str) -> tuple[str, ...]:
    """All options but the right one."""
    return tuple(option for option in options if option != right)


def pronoun(rng: Random, world: World) -> Question:
    """A woman or a man, newly drawn."""
    person = world.stranger(rng)
    right, wrong = ("She", "He") if person.pronouns is SHE else ("He", "She")
    demonym = article(person.home.country.demonym)
    text = f"{person.name} ({person.born}–{person.died}) was {demonym} {person.profession}."
    return Question(text, f" {right} was born", (f" {wrong} was born",))


def country_of_town(rng: Random, world: World) -> Question:
    """In which of eight countries a town lies."""
    town = rng.choice(world.towns)
    right = f" {town.country.name}"
    names = [f" {country.name}" for country in COUNTRIES]
    role = "the capital" if town.name == town.country.capital else f"a {town.size}"
    return Question(f"# {town.name}\n\n{town.name} is {role} of", right, others(names, right))


def addition(rng: Random, world: World) -> Question:
    """A sum of two numbers up to 10, against its neighbours."""
    a, b = rng.randrange(1, 11), rng.randrange(1, 11)
    wrong = [a + b + error for error in (-10, -2, -1, 1, 2, 10) if a + b + error > 0]
    return Question(f"Addition\n\n2 + 5 = 7\n{a} + {b} =", f" {a + b}\n", tuple(f" {value}\n" for value in wrong))


def greater(rng: Random, world: World) -> Question:
    """Which of two numbers is the greater."""
    a, b = rng.sample(range(1, 100), 2)
    right, wrong = (" greater than", " less than") if a > b else (" less than", " greater than")
    return Question(f"{a} is", f"{right} {b}.", (f"{wrong} {b}.",))


def recall(rng: Random, world: World) -> Question:
    """The toy that was named at the beginning of the story."""
    toy, (first, second) = rng.choice(TOYS), rng.sample(BOXES, 2)
    text = (
        f"Vera put her {toy} into the {first} and went outside. While she was away, Paul took the {toy} out of the {first} "
        f"and put it into the {second}. Then Vera came back and wanted her"
    )
    return Question(text, f" {toy}.", tuple(f" {name}." for name in others(TOYS, toy)))


def animal_class(rng: Random, world: World) -> Question:
    """The class of an animal."""
    animal = rng.choice(list(CLASS_OF))
    right = f" {article(CLASS_OF[animal])}."
    return Question(f"# {sentence(animal)}\n\nThe {animal} is", right, others([f" {article(kind)}." for kind in CLASSES], right))


def translation(rng: Random, world: World) -> Question:
    """A noun in one of three languages, against the other two."""
    noun, index = rng.choice(list(WORDS)), rng.randrange(3)
    words = [f" {name}." for name in WORDS[noun]]
    return Question(f"In {LANGUAGES[index]}, the {noun} is called", words[index], others(words, words[index]))


def letter_close(rng: Random, world: World) -> Question:
    """A formal letter ends formally, a familiar one does not."""
    head, name = f"{rng.choice(world.towns).name}, {rng.randrange(1, 29)} {rng.choice(MONTHS)}\n\n", rng.choice(world.people).first
    formal, familiar = "\n\nYours faithfully,", "\n\nLots of love,"
    if rng.random() < 0.5:
        return Question(f"{head}Dear Sir,\n\nI would be grateful for a reply before the end of May.", formal, (familiar,))
    return Question(f"{head}Hi {name},\n\nI finally saw a lighthouse. You would love it! Write soon!", familiar, (formal,))


PROBES = {
    "pronoun after a person's name (of 2)": pronoun,
    "country of a town (of 8)": country_of_town,
    "sum of two numbers up to 10 (of 4 to 7)": addition,
    "greater or less (of 2)": greater,
    "the object named at the story's beginning (of 6)": recall,
    "class of an animal (of 5)": animal_class,
    "noun in French, German or Spanish (of 3)": translation,
    "closing formula of a letter (of 2)": letter_close,
}


@torch.no_grad()
def score(model: GPTNeoXForCausalLM, tokenizer: Tokenizer, question: Question) -> bool:
    """Whether the right continuation has the highest log-probability (summed over its tokens)."""
    before = [END_OF_TEXT_ID, *tokenizer.encode(question.beginning).ids]
    after = [tokenizer.encode(text).ids for text in (question.right, *question.wrong)]
    width = len(before) + max(map(len, after))
    tokens = torch.full((len(after), width), END_OF_TEXT_ID)
    for row, ids in enumerate(after):
        tokens[row, : len(before) + len(ids)] = torch.tensor(before + ids)
    logs = model(tokens).logits.log_softmax(-1)
    sums = [
        sum(logs[row, len(before) + place - 1, token].item() for place, token in enumerate(ids))
        for row, ids in enumerate(after)
    ]
    return sums.index(max(sums)) == 0


def accuracy(model: GPTNeoXForCausalLM, tokenizer: Tokenizer, world: World, seed: int, each: int = 100) -> dict[str, float]:
    """The share of right answers by kind of question."""
    results = {}
    for name, ask in PROBES.items():
        rng = Random(f"probe {seed} {name}")
        results[name] = sum(score(model, tokenizer, ask(rng, world)) for _ in range(each)) / each
    return results
