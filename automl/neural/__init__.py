"""Training of neural networks, for any modality: a plugin brings a network and its rows, this the rest.

    network, train, valid = ...                      # a torch module, two `Material`s
    goal = Goal.of(problem, scale)                   # what is made small, and what is judged
    trained = train_network(network, train, valid, goal, Recipe(epochs=20), progress, problem.seed)

Imports torch, so only workers and code that predicts with torch come here.
"""
