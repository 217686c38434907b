// The network in the page: type a puzzle, guess, watch it think, damage it.
{
const BASE = new URL(".", document.currentScript.src);
const SURE = 0.98;  // where q may stop, as in tinyrec.evaluate
const SPEEDS = {slow: 2000, normal: 900, fast: 100};  // ms a step
const SIZES = {4: "sudoku-4x4", 6: "sudoku-6x6", 9: "sudoku-9x9"};
const percent = share => `${Math.round(100 * share)} %`;
const segments = count => `${count} segment${count === 1 ? "" : "s"}`;

/** The networks, each loaded and built in the worker when it is first asked for. */
class Networks {
  constructor() {
    this.thinker = new Thinker();
    this.built = new Map();
  }

  /** A thinking about a puzzle. kind: "trained", "one-pass" or "untrained". */
  async about(puzzle, kind) {
    const own = SIZES[Math.sqrt(puzzle.length)], name = `${own} ${kind}`;
    const file = kind === "one-pass" ? `${own}-one-pass` : own, model = MANIFEST.models[file];
    if (!this.built.has(name)) this.built.set(name, this.build(name, kind, file, model));
    await this.built.get(name);
    return new Thinking(this.thinker, name, model, puzzle);
  }

  async build(name, kind, file, model) {
    if (kind !== "untrained" && !WEIGHTS[file]) {
      const src = new URL(`${file}.js?${model.sha256.slice(0, 8)}`, BASE);
      await new Promise((resolve, reject) => document.head.append(make("script", {
        src, onload: resolve, onerror: () => reject(new Error(`${file}.js cannot be loaded`)),
      })));
    }
    const weights = kind === "untrained" ? null : WEIGHTS[file];
    await this.thinker.ask("build", {name, model, weights, seed: 0});
  }
}

class Panel {
  constructor(root) {
    this.networks = new Networks();
    this.draw = normal(Math.random);
    this.root = root;
    this.build(root.dataset.network);
    if (!this.fromLink()) this.another();
    addEventListener("hashchange", () => this.fromLink());
  }

  // ---- what is on the page ----

  build(name) {
    const button = (text, press, more) => make("button", {type: "button", onclick: press, ...more},
      text);
    const choice = (label, names, value, onchange) => {
      const options = names.map(name => make("option", name === value ? {selected: ""} : {}, name));
      const select = make("select", {onchange}, ...options);
      return [make("label", {}, `${label} `, select), select];
    };
    const line = (...inside) => make("div", {class: "line"}, ...inside);
    const size = name.slice("sudoku-".length);
    let sizes, levels;
    [sizes, this.sizes] = choice("Size", Object.keys(SIZES).map(n => `${n}x${n}`), size,
      () => this.another());
    [levels, this.levels] = choice("Level", ["easy", "medium", "hard"], "medium",
      () => this.another());
    const [speeds, speed] = choice("Speed", Object.keys(SPEEDS), "normal");
    this.speed = speed;
    this.grids = line();
    this.error = make("p", {class: "error", role: "alert"});
    this.guess = make("input", {type: "number", min: 1, max: 16, size: 3});
    this.play = button("Think", () => this.toggle(), {class: "main"});
    this.deep = make("input", {type: "checkbox", onchange: () => this.show(this.at)});
    this.look = make("p", {class: "key"});
    this.status = make("p", {class: "status", role: "status", "aria-live": "polite"});
    this.text = make("textarea", {rows: 3, "aria-label": "A puzzle as text"});
    this.link = make("a", {}, "A link to this puzzle");
    this.rivals = {
      "one-pass": "One pass: as large, trained to answer at once",
      "untrained": "Untrained: the same network with its first random weights",
    };
    this.beside = make("details", {class: "beside", ontoggle: () => this.compare()},
      make("summary", {}, "The same puzzle, two other networks"), line());
    this.panel = make("div", {class: "panel", role: "group", tabindex: 0,
      "aria-label": "The network in the page",
      onkeydown: event => this.key(event)},
      line(sizes, levels, button("New puzzle", () => this.another())),
      this.grids, this.look, this.error,
      line(make("label", {}, "Your guess: ", this.guess, " segments"), this.play,
        button("First", () => this.go(0)), button("Back", () => this.step(-1)),
        button("Next", () => this.step(1))),
      this.status,
      line(speeds, make("label", {}, this.deep, " call by call")),
      make("p", {class: "key"}, "Bar: how sure. Ring: changed. Triangle: breaks a rule. Dashes: "
        + "damaged. Keys: space thinks, left and right step, n brings a new puzzle; in the grid "
        + "arrows move and Enter damages."),
      make("details", {}, make("summary", {}, "Paste a puzzle, or pass it on"), this.text,
        line(button("Use this text", () => this.paste(this.text.value)), this.link)),
      this.beside);
    this.root.replaceChildren(this.panel);
  }

  /** The grids for puzzles of another size. */
  lay(size) {
    const part = (grid, title, kind) =>
      make("figure", {class: `of-${kind}`}, make("figcaption", {}, title), grid.table);
    this.answer = new Grid(size, "The puzzle and the answer", {
      typed: (cell, digit) => this.put(this.puzzle.with(cell, digit)),
      pasted: text => this.paste(text),
      pressed: cell => this.damage(cell),
      looked: cell => { this.look.textContent = this.answer.told(cell); },
    });
    this.latent = new Grid(size, "The latent state z, read as digits");
    this.scratch = part(this.latent, "z, the scratch pad", "z");
    this.grids.replaceChildren(part(this.answer, "y, the answer", "y"), this.scratch);
    const there = kind => kind === "untrained" || MANIFEST.models[`${SIZES[size]}-${kind}`];
    this.others = Object.keys(this.rivals).filter(there).map(kind => {
      const grid = new Grid(size, `The ${kind} network's answer`), words = make("p");
      return {kind, grid, words, figure: part(grid, this.rivals[kind], kind)};
    });
    this.others.forEach(({figure, words}) => figure.append(words));
    this.beside.lastChild.replaceChildren(...this.others.map(({figure}) => figure));
    this.sizes.value = `${size}x${size}`;
    this.guess.max = MANIFEST.models[SIZES[size]].settings.segments;
  }

  // ---- which puzzle ----

  another() {
    const bank = MANIFEST.puzzles[`sudoku-${this.sizes.value}`][this.levels.value];
    const others = bank.filter(line => !this.puzzle || line !== lineOf(this.puzzle));
    this.put(parse(others[Math.floor(Math.random() * others.length)]));
  }

  paste(text) {
    try {
      this.put(parse(text));
    } catch (error) {
      this.error.textContent = error.message;
    }
  }

  /** The puzzle in the page's address; false where there is none. */
  fromLink() {
    const [, line] = location.hash.match(/^#puzzle=(.+)$/) ?? [];
    if (!line) return false;
    this.another();  // what stays where the text is no puzzle
    this.paste(line);
    return true;
  }

  put(puzzle) {
    this.stop();
    if (this.puzzle?.length !== puzzle.length) this.lay(Math.sqrt(puzzle.length));
    this.puzzle = puzzle;
    this.mind = undefined;
    this.minds = {};
    this.link.href = `#puzzle=${lineOf(puzzle)}`;
    this.error.textContent = fault(puzzle) ?? "";
    this.show(0);
  }

  // ---- thinking ----

  get frames() {
    return this.mind?.frames ?? [{segment: 0, since: 0, ends: true, y: {digits: this.puzzle}}];
  }

  done({ends, since, q}) {
    return ends && since > 0 && (q > SURE || since >= this.mind.model.settings.segments);
  }

  /** The next frame to be shown after or before `at`; undefined where it is not thought yet. */
  beyond(at, way) {
    for (let n = at + way; this.frames[n]; n += way) {
      if (this.deep.checked || this.frames[n].ends) return n;
    }
  }

  async step(way) {
    this.stop();
    await this.go(this.beyond(this.at, way) ?? (way > 0 ? undefined : 0));
  }

  /** Show a frame; without a number the one after this, which may have to be thought first. */
  async go(to) {
    if (to === undefined) {
      const why = fault(this.puzzle)
        ?? (this.puzzle.some(Boolean) ? "" : "the grid is empty: give at least one digit");
      this.error.textContent = why;
      if (why) return this.stop();
      const puzzle = this.puzzle;
      try {
        const mind = this.mind ?? await this.networks.about(puzzle, "trained");
        if (puzzle !== this.puzzle) return;
        this.mind ??= mind;
        const {at} = this;
        await this.mind.grow();
        to = this.beyond(at, 1) ?? this.at;
      } catch (error) {
        this.error.textContent = error.message;
        return this.stop();
      }
      if (puzzle !== this.puzzle) return;
    }
    this.show(to);
  }

  async toggle() {
    if (this.playing) return this.stop();
    if (this.done(this.frames[this.at])) this.show(0);
    const run = this.playing = {};
    this.play.textContent = "Pause";
    this.status.setAttribute("aria-live", "off");
    while (this.playing === run) {
      const pause = new Promise(resolve => setTimeout(resolve, SPEEDS[this.speed.value]));
      const puzzle = this.puzzle;
      await this.go(this.beyond(this.at, 1));
      if (puzzle === this.puzzle && this.done(this.frames[this.at])) this.stop();
      await pause;
    }
  }

  stop() {
    this.playing = undefined;
    this.play.textContent = "Think";
    this.status.setAttribute("aria-live", "polite");
  }

  async damage(cell) {
    const mind = this.mind;
    await mind.damage(cell, this.at, this.draw);
    if (mind === this.mind) this.show(mind.frames.length - 1);
  }

  key(event) {
    const {key, target} = event, cell = target.closest("td");
    const typing = !cell && target.matches("textarea, select, input:not([type=checkbox])");
    const own = key === " " && target.matches("button, summary, [type=checkbox]");
    if (typing || own || event.altKey || event.ctrlKey || event.metaKey) return;
    const press = {" ": () => this.toggle(), ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1), n: () => this.another()}[key];
    if (!press) return;
    event.preventDefault();
    event.stopPropagation();
    press();
  }

  // ---- what is seen ----

  show(at) {
    this.at = Math.min(at, this.frames.length - 1);
    const frame = this.frames[this.at], before = this.frames[this.beyond(this.at, -1)];
    const paint = (grid, part) => {
      const {digits, sure} = frame[part] ?? {digits: this.puzzle.map(() => 0)};
      grid.paint({
        digits, sure, given: this.puzzle, editable: this.at === 0,
        changed: digits.map((_, cell) => this.differs(part, cell, frame, before)),
        wrong: this.at > 0 && clashes(this.puzzle, digits),
        damaged: frame.damage && digits.map((_, cell) => frame.damage.cells.includes(cell)),
      });
    };
    paint(this.answer, "y");
    paint(this.latent, "z");
    this.look.textContent = this.answer.told(this.answer.at);
    this.scratch.hidden = !this.deep.checked;
    this.grids.classList.toggle("deep", this.deep.checked);
    this.status.textContent = this.words(frame, before);
    this.compare();
  }

  /** Did a cell of y or z get another digit? Not where there was no answer before. */
  differs(part, cell, frame, before) {
    return before?.segment > 0 && before[part].digits[cell] !== frame[part].digits[cell];
  }

  words(frame, before) {
    const {segment, since, ends, damage, q, improved, y: {digits}} = frame;
    if (segment === 0) return "The puzzle. Guess how many segments it takes, then let it think.";
    const part = ends ? "y" : improved;
    const changed = digits.filter((_, cell) => this.differs(part, cell, frame, before)).length;
    const count = `${changed} digit${changed === 1 ? "" : "s"} changed · `;
    const news = `${before.segment > 0 ? count : ""}q: ${percent(q)} sure.`;
    if (damage && since === 0) {
      return `After segment ${segment}: ${damage.cells.length} of the cells damaged. ${news} `
        + "Does it heal?";
    }
    if (!ends) {
      const {call, calls} = frame;
      return `Segment ${segment}, call ${call} of ${calls}: new ${improved}. ${news}`;
    }
    const words = [`Segment ${segment}: ${news}`];
    const healed = damage && damage.before.every((digit, cell) => digit === digits[cell]);
    if (damage) words.push(healed ? `Healed, ${segments(since)} after the damage.` : "Not healed.");
    if (this.done(frame)) {
      const valid = isSolution(this.puzzle, digits) ? "valid" : "not valid: it breaks the rules";
      const stops = q > SURE ? `It stops here, after ${segments(segment)}.` : "No segment is left.";
      words.push(stops, `The answer is ${valid}.`);
      if (this.guess.value && !damage) words.push(`You guessed ${segments(+this.guess.value)}.`);
    }
    return words.join(" ");
  }

  /** The other networks, as many segments on as this one; the one-pass network has only one. */
  async compare() {
    const {puzzle} = this, {segment} = this.frames[this.at];
    if (!this.beside.open) return;
    for (const {kind, grid, words} of this.others) {
      this.minds[kind] ??= this.networks.about(puzzle, kind);
      const frame = await (await this.minds[kind]).upTo(segment);
      if (puzzle !== this.puzzle || segment !== this.frames[this.at].segment) return;
      const {digits, sure} = frame.y, wrong = clashes(puzzle, digits);
      grid.paint({digits, sure, given: puzzle, wrong: segment > 0 && wrong});
      const count = wrong.filter(Boolean).length;
      const valid = isSolution(puzzle, digits) ? "valid" : `not valid, ${count} cells break a rule`;
      words.textContent = segment > 0 ? `After ${segments(frame.segment)}: ${valid}.` : "";
    }
  }
}

const [root] = document.querySelectorAll("[data-network]");
if (root) new Panel(root);
}
