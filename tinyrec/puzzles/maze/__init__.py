"""Square mazes of any size, as in Maze-Hard: the family (`family`) and what it is made of.

`rules` text, tokens, symmetries, which answers are ways · `paths` shortest paths · `generate` mazes
from a seed, honest splits · `files` CSV.
"""
