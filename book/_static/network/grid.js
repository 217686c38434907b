// A Sudoku grid on the page: digits, and what is known of each.

/** An element with attributes, on... ones are listeners, and what is inside. */
function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

class Grid {
  /**
   * hears: {typed(cell, digit), pasted(text), pressed(cell), looked(cell)}; without it nothing can
   * be typed. `at` is the cell that was looked at last.
   */
  constructor(size, label, hears) {
    this.size = size;
    this.at = 0;
    const [rows, columns] = BOXES[size];
    this.cells = Array.from({length: size * size}, (_, cell) => {
      const inside = hears ? this.input(cell, hears) : make("span");
      return make("td", {}, inside, make("i"));
    });
    const lines = Array.from({length: size}, (_, row) =>
      make("tr", {}, ...this.cells.slice(row * size, (row + 1) * size)));
    const style = `--size: ${size}`;
    this.table = make("table", {class: `grid rows-${rows} columns-${columns}`, style,
      "aria-label": label}, make("tbody", {}, ...lines));
    if (hears) this.cells[0].firstChild.tabIndex = 0;
  }

  input(cell, {typed, pasted, pressed, looked}) {
    const input = make("input", {
      type: "text", inputmode: "numeric", autocomplete: "off", tabindex: -1,
      onfocus: () => {
        this.cells.forEach(td => { td.firstChild.tabIndex = -1; });
        input.tabIndex = 0;
        input.select();
        this.at = cell;
        looked(cell);
      },
      oninput: () => {
        const sign = input.value.trim().at(-1) ?? "";
        typed(cell, sign >= "1" && sign <= String(this.size) ? +sign : 0);
      },
      onpaste: event => {
        event.preventDefault();
        if (!input.readOnly) pasted(event.clipboardData.getData("text"));
      },
      onclick: () => { if (input.readOnly) pressed(cell); },
      onkeydown: event => {
        const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.size, ArrowDown: this.size};
        if (event.key === "Enter" && input.readOnly) pressed(cell);
        if (!step[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        event.stopPropagation();
        this.cells[cell + step[event.key]]?.firstChild.focus();
      },
    });
    return input;
  }

  /** What is known of a cell, in words. */
  told(cell) {
    return `${cellName(cell, this.size)}: ${this.cells[cell].title}`;
  }

  /**
   * digits and given (cells); sure (cells) in 0..1, changed, wrong, damaged (cells) bool: all of
   * them may be missing. editable: may digits be typed now?
   */
  paint({digits, given, sure, changed, wrong, damaged, editable}) {
    this.cells.forEach((td, cell) => {
      const marks = {given: given[cell] > 0, changed: changed?.[cell], wrong: wrong?.[cell],
        damaged: damaged?.[cell]};
      const told = Object.keys(marks).filter(mark => marks[mark]);
      td.className = told.join(" ");
      td.lastChild.style.width = sure ? `${100 * sure[cell]}%` : 0;
      if (sure) told.unshift(`${Math.round(100 * sure[cell])} % sure`);
      const inside = td.firstChild, digit = digits[cell] || "";
      if (inside.tagName === "INPUT") {
        inside.value = digit;
        inside.readOnly = !editable;
        inside.setAttribute("aria-label", [cellName(cell, this.size), ...told].join(", "));
      } else {
        inside.textContent = digit;
      }
      td.title = [digit || "blank", ...told].join(", ");
    });
  }
}
