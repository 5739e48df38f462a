"""Recipes: a module for each trained model, whose `train(folder, seed)` makes it and its card.

A card tells "inputs" and "outputs", "data", "data_license", "steps" of training, and "figures", a
number by name each, measured on data that the model was not trained with. What a user needs to
make inputs stands there too.
"""
