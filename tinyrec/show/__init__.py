"""Everything a reader looks at: plots, diagrams, the step and the call player."""

from tinyrec.show.call_player import CallPlayer
from tinyrec.show.claims import claim, claims
from tinyrec.show.curves import (
    accuracy_by_segment,
    bars_with_intervals,
    cell_to_exact,
    learning_curve,
)
from tinyrec.show.diagrams import gradient_paths, hrm_segment, naive_loop, unrolled
from tinyrec.show.grids import draw_grid, grid_row, steps_figure
from tinyrec.show.player import StepPlayer
from tinyrec.show.road import road
from tinyrec.show.slots import slots_figure
from tinyrec.show.solver import SolverWidget
from tinyrec.show.stored import against_compute, at_the_end, results, stored
from tinyrec.show.style import COLOURS, use_style
from tinyrec.show.thinking import thinking

__all__ = [
    "COLOURS",
    "CallPlayer",
    "SolverWidget",
    "StepPlayer",
    "accuracy_by_segment",
    "against_compute",
    "at_the_end",
    "bars_with_intervals",
    "cell_to_exact",
    "claim",
    "claims",
    "draw_grid",
    "gradient_paths",
    "grid_row",
    "hrm_segment",
    "learning_curve",
    "naive_loop",
    "results",
    "road",
    "slots_figure",
    "steps_figure",
    "stored",
    "thinking",
    "unrolled",
    "use_style",
]
