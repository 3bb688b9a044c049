"""Recipes: the settings of one training run each. Settings only, no code.

`RECIPES` holds them by name. To add one, write it into the list of its learner's file here.
"""

import difflib

from kmeta.recipes import (
    demo,
    lstm_meta_learner,
    maml,
    mann,
    matching,
    metanet,
    prototypical,
    relation,
    reptile,
    siamese,
)
from kmeta.recipes.recipe import Recipe, Tasks

__all__ = ["RECIPES", "Recipe", "Tasks", "get"]

RECIPES = {
    recipe.name: recipe
    for module in (
        demo,
        prototypical,
        matching,
        relation,
        siamese,
        maml,
        reptile,
        lstm_meta_learner,
        mann,
        metanet,
    )
    for recipe in module.RECIPES
}


def get(name: str) -> Recipe:
    """Return the recipe `name`; raises ValueError, with the nearest names, where there is none.

    >>> get("demo-glyphs").learner
    'prototypical'
    >>> get("demo-glyph")
    Traceback (most recent call last):
    ValueError: There is no recipe 'demo-glyph'. Did you mean 'demo-glyphs'?...
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(str(name), RECIPES, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"There is no recipe {name!r}.{hint} Recipes: {', '.join(RECIPES)}")
