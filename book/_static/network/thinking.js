// A puzzle on its way through a network: frame by frame, as far as it has come.

/** Logits (L, vocab) -> digits and how sure of each, by stablemax, with which it was trained. */
function read(logits, vocab) {
  const digits = [], sure = [];
  for (let from = 0; from < logits.length; from += vocab) {
    const shares = Array.from(logits.subarray(from, from + vocab),
      x => x < 0 ? 1 / (1 - x) : x + 1);
    const best = shares.indexOf(Math.max(...shares));
    digits.push(Math.max(0, best - 1));  // tokens: padding, blank, then the digits
    sure.push(shares[best] / shares.reduce((a, b) => a + b));
  }
  return {digits, sure};
}

class Thinking {
  /**
   * The first frame is the puzzle. Each call of the network adds one; those with `ends` end a
   * segment and hold the state. `since` counts segments since the start or the last damage.
   */
  constructor(thinker, name, model, puzzle) {
    Object.assign(this, {thinker, name, model, puzzle});
    this.tokens = puzzle.map(digit => digit + 1);
    this.frames = [{segment: 0, since: 0, ends: true, y: {digits: puzzle}}];
    this.queue = Promise.resolve();  // one thing at a time
  }

  get last() {
    return this.frames.at(-1);
  }

  /** May it think on? */
  get open() {
    return this.last.since < this.model.settings.segments;
  }

  says({y, z, q}) {
    const {vocab} = this.model.settings;
    return {y: read(y, vocab), z: read(z, vocab), q: 1 / (1 + Math.exp(-q))};
  }

  inTurn(task) {
    const done = this.queue.then(task);
    this.queue = done.catch(() => {});
    return done;
  }

  /** Think one segment on, if it may. */
  grow() {
    return this.inTurn(async () => {
      if (!this.open) return;
      const {segment, since, state: before, damage} = this.last;
      const {name, tokens} = this;
      const state = before ?? await this.thinker.ask("start", {name});
      const end = await this.thinker.ask("segment", {name, tokens, state});
      const frames = end.calls.map(({improved, ...said}, call) => ({
        segment: segment + 1, since: since + 1, call: call + 1, calls: end.calls.length,
        improved, damage, ends: false, ...this.says(said),
      }));
      Object.assign(frames.at(-1), {ends: true, state: end.state});
      this.frames.push(...frames);
    });
  }

  /** The frame that ends a segment, or the last one that there is. */
  async upTo(segment) {
    while (this.last.segment < segment && this.open) await this.grow();
    return this.frames.findLast(frame => frame.ends && frame.segment <= segment);
  }

  /** After the segment of frame `at`, a cell's rows of y and z become noise of the same scale. */
  damage(cell, at, draw) {
    return this.inTurn(async () => {
      const end = this.frames.findIndex((frame, n) => n >= at && frame.ends);
      const {segment, state: {y, z}, damage, y: {digits}} = this.frames[end];
      const {width, prefix} = this.model.settings, from = (prefix + cell) * width;
      const state = {y: y.slice(), z: z.slice()};
      for (const part of [state.y, state.z]) {
        const row = part.subarray(from, from + width);
        const scale = Math.hypot(...row) / Math.sqrt(width);
        row.forEach((_, j) => { row[j] = scale * draw(); });
      }
      const said = await this.thinker.ask("decode", {name: this.name, state});
      const cells = [...damage?.cells ?? [], cell];
      this.frames = [...this.frames.slice(0, end + 1), {
        segment, since: 0, ends: true, state, ...this.says(said),
        damage: {cells, before: damage?.before ?? digits},
      }];
    });
  }
}
