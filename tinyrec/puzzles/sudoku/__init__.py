"""Sudoku of 4x4, 6x6 and 9x9: the family (`family`) and what it is made of.

`rules` grids, text, tokens, symmetries · `generate` puzzles from a seed, honest splits · `dig` them
out of solutions, make them hard · `solve` and rate · `classes` which puzzles are images of one
another · `files` CSV.
"""
