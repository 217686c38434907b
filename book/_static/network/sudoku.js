// Sudoku as tinyrec.puzzles.sudoku.rules has it: text, rules. A grid is an array, 0 = blank.

const BOXES = {4: [2, 2], 6: [2, 3], 9: [3, 3]};  // size: rows and columns of a box
const BLANKS = "-.0_*?xX";
const BORDERS = "|+=,\u2500-\u257f";
const CROSSING = /(?<!-)-*[+=][-+=]*/g;  // dashes that touch a + or = are a border
// Lines that may be borders: all of nothing but dashes, those where two dashes touch, none.
const DASHED = [`^[-\\s${BORDERS}]*$`, `^(?=.*--)[-\\s${BORDERS}]*$`, "^$"];

/** A grid as people type and paste it. Throws an Error that says where the text is none. */
function parse(text) {
  let lines = text.split(/\r\n|[\n\r\v\f]/);
  if (lines.at(-1) === "") lines.pop();
  lines.forEach((line, n) => {
    const odd = line.search(new RegExp(`[^${BLANKS}\\s1-9${BORDERS}]`, "u"));
    if (odd < 0) return;
    const column = [...line.slice(0, odd)].length + 1;
    const place = lines.length > 1 ? `line ${n + 1}, column ${column}` : `character ${column}`;
    const sign = String.fromCodePoint(line.codePointAt(odd));
    throw new Error(`${place}: '${sign}' is neither a digit nor a blank (. 0 _ * ? x -)`);
  });
  lines = lines.map(line => line.replace(CROSSING, " "));
  const readings = DASHED.map(border => lines
    .filter(line => !new RegExp(border).test(line))
    .map(line => [...line].filter(sign => /\d/.test(sign) || BLANKS.includes(sign))
      .map(sign => BLANKS.includes(sign) ? 0 : +sign))
    .filter(row => row.length));
  const fitting = readings.filter(rows => [16, 36, 81].includes(rows.flat().length));
  if (!fitting.length) {
    const counts = [...new Set(readings.map(rows => rows.flat().length))];
    throw new Error(`expected 16, 36 or 81 cells, found ${counts.join(" or ")}`);
  }
  const square = fitting.find(rows => rows.every(row => row.length === rows.length));
  const grid = (square ?? fitting[0]).flat(), size = Math.sqrt(grid.length);
  const large = grid.findIndex(digit => digit > size);
  if (large < 0) return grid;
  throw new Error(`${cellName(large, size)}: digit ${grid[large]} is larger than ${size}`);
}

/** The name of a cell in messages, counted from 1. */
function cellName(cell, size) {
  return `row ${Math.floor(cell / size) + 1}, column ${cell % size + 1}`;
}

/** One line of a grid, `.` for blanks. */
function lineOf(grid) {
  return grid.map(digit => digit || ".").join("");
}

/** The row, column and box of a cell. */
function unitsOf(cell, size) {
  const [rows, columns] = BOXES[size];
  const [row, column] = [Math.floor(cell / size), cell % size];
  const box = Math.floor(row / rows) * (size / columns) + Math.floor(column / columns);
  return {row, column, box};
}

/** The first cell, in reading order, that breaks a rule, in words; undefined where none does. */
function fault(grid) {
  const size = Math.sqrt(grid.length), seen = new Set();
  for (const [cell, digit] of grid.entries()) {
    for (const [unit, number] of Object.entries(digit ? unitsOf(cell, size) : {})) {
      const mark = `${unit} ${number} ${digit}`;
      if (seen.has(mark)) {
        return `${cellName(cell, size)}: digit ${digit} is repeated in its ${unit}`;
      }
      seen.add(mark);
    }
  }
}

/** For each cell of an answer: does it repeat a digit of its units, or is it not as given? */
function clashes(puzzle, answer) {
  const size = Math.sqrt(answer.length), times = new Map();
  const marks = answer.map((digit, cell) =>
    Object.entries(unitsOf(cell, size)).map(unit => `${unit} ${digit}`));
  for (const mark of marks.flat()) times.set(mark, (times.get(mark) ?? 0) + 1);
  return answer.map((digit, cell) => digit > 0
    && (marks[cell].some(mark => times.get(mark) > 1) || (puzzle[cell] && puzzle[cell] !== digit)));
}

/** Is the answer complete and valid, and does it keep the puzzle's digits? */
function isSolution(puzzle, answer) {
  return !answer.includes(0) && !clashes(puzzle, answer).some(Boolean);
}
