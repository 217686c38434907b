"""Peak memory of full-size TRM against T and against the number of segments, each point in a
process of its own.
"""

from dataclasses import replace

from throughput import peak_memory

from tinyrec.models.trm import TRMConfig

FULL_SIZE = TRMConfig()  # Sudoku: width 512, 16 + 81 positions, n = 6


def memory(config: TRMConfig = FULL_SIZE, batch: int = 4, points=(1, 2, 4)) -> dict:
    """MB for tinyrec's training and for a gradient through everything, at a reduced batch."""

    def row(name, value):
        changed = replace(config, **{"recursions": 1, "segments": 1, name: value})
        return {
            name: value,
            "tinyrec": peak_memory(changed, batch, steps=max(3, changed.segments)),
            "unrolled": peak_memory(changed, batch, unrolled=True),
        }

    return {
        "batch": batch,
        "recursions": [row("recursions", value) for value in points],
        "segments": [row("segments", value) for value in points],
    }
