"""The step player: a page's window on the loop.

The player is plain HTML with its own style and script, so it works wherever
HTML does: a static page, a file on disk, JupyterLab, Colab. What each step
shows is computed here; the script only turns the pages.
"""

import hashlib
import html
import json
from string import Template

import numpy as np

from tinyrec.show.grids import BOXES, captions, marks, side_of
from tinyrec.show.style import COLOURS, INK, PAPER, tint

# Every rule starts with the id: it beats the themes of the book and of
# Jupyter, and two players on one page leave each other alone.
STYLE = Template("""
#$id{background:$paper;color:$ink;border:1px solid #999;border-radius:8px;padding:12px;
 max-width:24rem;margin:8px 0;box-sizing:border-box;container-type:inline-size;
 font:16px/1.4 system-ui,sans-serif;color-scheme:light}
#$id :focus-visible,#$id:focus-visible{outline:3px solid $answer;outline-offset:2px}
#$id p{margin:0 0 8px;color:$ink;font-size:16px}
#$id .title{font-weight:bold}
#$id table{font-size:24px;font-size:min(24px,calc(58cqi/$side));border-collapse:collapse;
 table-layout:fixed;width:auto;margin:0 auto 8px;border:3px solid $ink;background:#fff}
#$id tr{background:#fff}
#$id td{position:relative;box-sizing:border-box;width:1.7em;min-width:1.7em;height:1.7em;padding:0;
 border:1px solid #999;background:#fff;color:$answer;font-size:1em;line-height:1;
 text-align:center;vertical-align:middle}
#$id td:nth-child(${columns}n){border-right:3px solid $ink}
#$id tr:nth-child(${rows}n) td{border-bottom:3px solid $ink}
#$id .given{color:$ink;font-weight:bold}
#$id .wrong{background:$pale}
#$id .wrong::after{content:"";position:absolute;top:0;right:0;border:.28em solid $wrong;
 border-left-color:transparent;border-bottom-color:transparent}
#$id .changed::before{content:"";position:absolute;inset:.1em;border:.13em solid $changed;
 border-radius:50%}
#$id .controls{display:flex;flex-wrap:wrap;gap:6px;margin:0 0 8px}
#$id button{flex:1 0 auto;min-width:3.1rem;min-height:40px;padding:0 4px;font:inherit;
 font-size:15px;color:$ink;background:#fff;border:1px solid #666;border-radius:6px;cursor:pointer}
#$id button:hover{background:#e8f1f8}
#$id input{display:block;width:100%;min-height:28px;margin:0 0 8px;accent-color:$answer}
#$id .status{min-height:2.8em}
#$id .key{margin:0;font-size:14px}
""")

SCRIPT = Template("""
for (const root of document.querySelectorAll('[id="$id"]:not([data-ready])')) {
  root.dataset.ready = "";
  const {grids, marks, says} = JSON.parse(root.dataset.steps);
  const cells = root.querySelectorAll("td"), last = grids.length - 1;
  const [status, slider, play] = [".status", "input", "[data-go=play]"].map(
    name => root.querySelector(name));
  const wait = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2000 : 900;
  let step = 0, timer = 0;
  const show = to => {
    step = Math.max(0, Math.min(last, to));
    cells.forEach((cell, i) => {
      const digit = grids[step][i], wrong = marks[step][i] & 1, changed = marks[step][i] & 2;
      cell.textContent = digit === "0" ? "" : digit;
      cell.classList.toggle("wrong", wrong);
      cell.classList.toggle("changed", changed);
      if (wrong || changed) cell.setAttribute("aria-label",
        digit + (wrong ? ", wrong" : "") + (changed ? ", changed" : ""));
      else cell.removeAttribute("aria-label");
    });
    slider.value = step;
    slider.setAttribute("aria-valuetext", says[step]);
    status.textContent = says[step];
  };
  const live = on => {  // a screen reader hears the last step, not each on the way
    play.textContent = on ? "Pause" : "Play";
    status.setAttribute("aria-live", on ? "off" : "polite");
  };
  const stop = () => { clearInterval(timer); timer = 0; live(false); };
  const start = () => {
    if (step === last) show(0);
    live(true);
    timer = setInterval(() => { if (step >= last - 1) stop(); show(step + 1); }, wait);
  };
  const go = where => {
    if (where === "play") return timer ? stop() : start();
    stop();
    show({first: 0, back: step - 1, next: step + 1, last}[where]);
  };
  const keys = {ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", " ": "play"};
  root.addEventListener("click", event => {
    if (event.target.dataset.go) go(event.target.dataset.go);
  });
  slider.addEventListener("input", () => { stop(); show(+slider.value); });
  root.addEventListener("keydown", event => {
    const own = event.key === " " ? event.target.matches("button") : event.target === slider;
    if (own || !keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    go(keys[event.key]);
  });
  show(0);
}
""")

BUTTONS = ("first", "back", "play", "next", "last")


class StepPlayer:
    """Page through a model's answers to one puzzle.

    puzzle (cells,) digits, 0 blank; answers (S, cells) digits after each
    segment; solution (cells,), to mark what is wrong; q (S,) halting logits,
    told as sigmoid(q). cells is 16, 36 or 81. Step 0 is the puzzle, step s
    the answer after segment s, with a ring on each cell that changed since
    segment s - 1 and a corner triangle on each wrong one.
    Raises ValueError where the shapes do not fit.
    """

    def __init__(self, puzzle, answers, solution=None, q=None, title=""):
        self.puzzle = np.asarray(puzzle).astype(int).ravel()
        self.answers = np.asarray(answers).astype(int)
        self.solution = solution
        self.title = title
        cells = self.puzzle.size
        self.side = side_of(cells)
        if self.answers.ndim != 2 or self.answers.shape[1] != cells or not len(self.answers):
            raise ValueError(f"answers is {self.answers.shape}: expected (segments, {cells})")
        for name, part, size in (("solution", solution, cells), ("q", q, len(self.answers))):
            if part is not None and np.shape(part) != (size,):
                raise ValueError(f"{name} is {np.shape(part)}: expected ({size},)")
        grids = np.vstack([self.puzzle, self.answers])
        if grids.min() < 0 or grids.max() > self.side:
            raise ValueError(f"digits {grids.min()}..{grids.max()}: expected 0..{self.side}")
        wrong, changed = marks(self.answers, solution)
        signs = np.vstack([np.zeros(cells, int), wrong + 2 * changed])
        given = f"the puzzle · {(self.puzzle > 0).sum()} of {cells} cells given"
        self.says = [given, *(" · ".join(said) for said in captions(self.answers, solution, q))]
        # On a narrow page a line breaks between the parts, not within one.
        said = [text.replace(" ", "\xa0").replace("\xa0·\xa0", " · ") for text in self.says]
        self.steps = json.dumps(
            dict(grids=self._join(grids), marks=self._join(signs), says=said),
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @staticmethod
    def _join(rows):
        return ["".join(map(str, row)) for row in rows.tolist()]

    def __repr__(self):
        lines = [f"StepPlayer {self.title}".rstrip(), self.says[0], self.says[-1]]
        blank = str.maketrans("0", ".")
        for start in range(0, self.puzzle.size, self.side):
            row = slice(start, start + self.side)
            halves = (" ".join(map(str, grid[row])) for grid in (self.puzzle, self.answers[-1]))
            lines.append("    ".join(halves).translate(blank))
        return "\n".join(lines)

    def _repr_html_(self):
        content = f"{self.title}\n{self.steps}".encode()
        name = "tinyrec-" + hashlib.sha256(content).hexdigest()[:10]
        title = html.escape(self.title)
        rows, columns = BOXES[self.side]
        pale = "#" + "".join(f"{round(255 * part):02x}" for part in tint("wrong"))
        colours = COLOURS | dict(ink=INK, paper=PAPER, pale=pale)
        style = STYLE.substitute(colours, id=name, side=self.side, rows=rows, columns=columns)
        cells = [f"<td class=given>{d}</td>" if d else "<td></td>" for d in self.puzzle]
        table = "".join(
            f"<tr>{''.join(cells[start : start + self.side])}</tr>"
            for start in range(0, len(cells), self.side)
        )
        buttons = "".join(
            f'<button type="button" data-go="{go}">{go.title()}</button>' for go in BUTTONS
        )
        wrong = "" if self.solution is None else "<br>corner triangle: wrong"
        # Lumino's attribute keeps JupyterLab from taking the keys for itself.
        return (
            f'<div id="{name}" role="group" tabindex="0" data-lm-suppress-shortcuts="true" '
            f"aria-label=\"Step player {title}\" data-steps='{self.steps}'>"
            f"<style>{style}</style>"
            + (f'<p class="title">{title}</p>' if title else "")
            + f'<table aria-label="Sudoku grid"><tbody>{table}</tbody></table>'
            f'<p class="status" role="status" aria-live="polite">{self.says[0]}</p>'
            f'<div class="controls">{buttons}</div>'
            f'<input type="range" min="0" max="{len(self.answers)}" value="0" aria-label="Step">'
            f'<p class="key">ring: changed in this step{wrong}<br>keys: left, right, space</p>'
            f"<script>{SCRIPT.substitute(id=name)}</script></div>"
        )
