"""The call player: a segment call by call, what is computed, what is kept, where gradient flows."""

import json
import re

from tinyrec.show import controls
from tinyrec.show.call_picture import picture
from tinyrec.show.calls import IN_A_ROW, ROLES, check, hrm_calls, naive_calls, trm_calls

STYLE, SCRIPT = controls.read("call_player.css"), controls.read("call_player.js")

# model: its calls; the states that it keeps, the answer's first; a round of its loop; a start
MODELS = {
    "naive": (naive_calls, ("y",), "loop", "y starts with every answer equally likely"),
    "hrm": (hrm_calls, ("z_H", "z_L"), "high cycle", "z_H and z_L start as fixed random vectors"),
    "trm": (trm_calls, ("y", "z"), "recursion", "y and z start as fixed random vectors"),
}
TOGETHER = 8  # calls of HRM that still stand in one row
LOOPS = 6  # of the naive network in a row of the picture
ARROW = "\N{LEFTWARDS ARROW}"
AHEAD, NOW, DONE, PASSED = ".ndg"  # of a call, the heads, the loss; passed: by the gradient
GRADIENT = {True: "with gradient: stored for its way back", False: "no gradient: not stored"}
START, NEW, READ, KEPT, CUT = "swrkc"  # of x and the states


class CallPlayer:
    """Page through a model's segments call by call: what is computed, what is kept, where the
    gradient flows.

    model: "naive", "hrm" or "trm"; settings: those of its function in `calls`, such as
    high_cycles and gradient. A segment ends with the heads, the loss, the gradient's way back and
    the cut. Raises ValueError for an unknown model, counts below 1, and more calls in a row than
    can be read.
    """

    def __init__(self, model, segments=1, title="", **settings):
        if model not in MODELS:
            raise ValueError(f"model is {model!r}: expected one of {', '.join(MODELS)}")
        check(segments=segments)
        make, self.states, self.round, self.start = MODELS[model]
        self.model, self.title = model, title
        self.calls = make(**settings)
        self.passed = sum(call.gradient for call in self.calls)
        self.ends = ("loss",) if model == "naive" else ("head", "loss")
        self.rows = self._rows()
        if len(self.rows[0]) > IN_A_ROW:
            raise ValueError(
                f"a {self.round} has {len(self.rows[0])} calls: expected at most {IN_A_ROW}"
            )
        pages = [self._opening()]
        for segment in range(1, segments + 1):
            where = f"segment {segment} of {segments} · " if segments > 1 else ""
            for marks, title, place, *lines in (*self._calling(), *self._ending()):
                pages.append((marks, title, controls.unbroken(where + place), *lines))
        self.marks = [marks for marks, *_ in pages]
        self.says = ["\n".join(lines) for _, *lines in pages]

    def _rows(self):
        """The calls as the picture has them: a round in a row; loops, or a short HRM, together."""
        length = len(self.calls) // self.calls[-1].turn
        if self.model == "naive":
            length = LOOPS
        elif self.model == "hrm" and len(self.calls) <= TOGETHER:
            length = len(self.calls)
        return [self.calls[start : start + length] for start in range(0, len(self.calls), length)]

    def _opening(self):
        """The page before the first call: its marks and lines. Without a script, the only one."""
        lit = AHEAD * (len(self.calls) + len(self.ends))
        s = "s" * (len(self.calls) > 1)
        title = f"{len(self.calls)} call{s}, {self.passed} with gradient"
        return lit + KEPT + START * len(self.states), title, self.start

    def _calling(self):
        """For each call its page: marks, title, place and what happens to states and gradient."""
        count, rounds = len(self.calls), self.calls[-1].turn
        for index, call in enumerate(self.calls):
            lit = DONE * index + NOW + AHEAD * (count - index - 1 + len(self.ends))
            told = "".join(
                NEW if state == call.writes else READ if state in call.reads else KEPT
                for state in ("x", *self.states)
            )
            place = f"{self.round} {call.turn} of {rounds}"
            if count > rounds:
                place += f" · call {index + 1} of {count}"
            kept = [state for state in self.states if state != call.writes]
            changes = f"new: {call.writes}" + "".join(f" · kept: {state}" for state in kept)
            yield lit + told, call.rule, place, changes, GRADIENT[call.gradient]

    def _ending(self):
        """The pages of a segment's end: heads, loss, the gradient's way back, the cut."""
        count, heads, answer = len(self.calls), self.ends[:-1], self.states[0]
        done, kept, place = DONE * count, KEPT * (1 + len(self.states)), "the segment's end"
        if heads:
            told = KEPT + READ + kept[2:]
            asks = "logits: an answer for every cell; q: is it time to stop?"
            yield done + NOW + AHEAD + told, f"logits, q {ARROW} heads({answer})", place, asks
        judged = "logits, q" if heads else answer
        error = "how wrong the answer is" + (", and how wrong q" if heads else "")
        lit = done + DONE * len(heads) + NOW
        yield lit + kept, f"loss {ARROW} {judged}, solution", place, error
        partly = self.passed < count
        stop = "what came before was not stored" if partly else "this segment only"
        lit = "".join(PASSED if call.gradient else DONE for call in self.calls)
        lit += PASSED * len(self.ends)
        title = f"gradient through {self.passed} of {count} calls"
        yield lit + kept, title, place, f"no further: {stop}"
        names = ", ".join(self.states)
        step = "the weights take a step; the values go on to the next segment, no gradient does"
        lit = done + DONE * len(self.ends)
        told = KEPT + CUT * len(self.states)
        yield lit + told, f"{names} {ARROW} detach({names})", place, step

    def __repr__(self):
        lines = [f"CallPlayer {self.title or self.model}", self.says[0].split("\n")[0]]
        for number, call in enumerate(self.calls, start=1):
            lines.append(f"{number:3} {call.rule}" + ("" if call.gradient else "  no gradient"))
        return "\n".join(lines)

    def _picture(self):
        names = ", ".join(call.name for call in self.calls)
        label = f"{self.says[0].splitlines()[0]}: {names}"
        told = zip(("x", *self.states), self.marks[0][-1 - len(self.states) :], strict=True)
        chips = "".join(
            f'<span data-is="{mark}"><b>{lowered(name)}</b></span>' for name, mark in told
        )
        drawn = picture(self.rows, self.states, self.ends, label)
        return f'{drawn}<div class="states">{chips}</div>'

    def _repr_html_(self):
        pages = json.dumps(dict(marks=self.marks, says=self.says), ensure_ascii=False)
        tints = {f"pale_{role}": controls.pale(role, 0.25) for role in ROLES.values()}
        dashed = "dashed: made without gradient<br>" if self.passed < len(self.calls) else ""
        key = f"ring: now; tick: done<br>{dashed}triangle: the gradient goes back through it"
        return controls.frame(
            "call", self.title, pages, self.says, 0, self._picture(), key, STYLE, SCRIPT, **tints
        )


def lowered(name):
    """z_H and z_L with real subscripts."""
    return re.sub("_(.)", r"<sub>\1</sub>", name)
