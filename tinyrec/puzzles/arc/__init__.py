"""ARC-AGI: tasks, each a handful of pairs of grids, and a rule that only the pairs tell.

tasks reads them, grids turns them into tokens and into images of themselves, views numbers these
images, votes counts the answers under all of them. family is the contract with the rest.
"""
