// All of TRM, the Tiny Recursion Model, in one page of JavaScript.
//
// A matrix is a Float32Array, row by row. S = prefix + length is the number of positions, d the
// width. The tensors are those of the PyTorch model, by their names there.

/** a (rows, inner) times b (inner, columns); a row adds up in float64, four products at a time. */
function product(a, b, rows, inner, columns) {
  const out = new Float32Array(rows * columns);
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    let k = 0;
    for (; k + 3 < inner; k += 4) {
      const at = i * inner + k, b0 = k * columns;
      const [b1, b2, b3] = [b0 + columns, b0 + 2 * columns, b0 + 3 * columns];
      const [p, q, r, s] = [a[at], a[at + 1], a[at + 2], a[at + 3]];
      for (let j = 0; j < columns; j++) {
        row[j] += p * b[b0 + j] + q * b[b1 + j] + r * b[b2 + j] + s * b[b3 + j];
      }
    }
    for (; k < inner; k++) {
      for (let j = 0; j < columns; j++) row[j] += a[i * inner + k] * b[k * columns + j];
    }
    out.set(row, i * columns);
  }
  return out;
}

/** a (rows, columns) turned over its diagonal. */
function transposed(a, rows, columns) {
  return Float32Array.from(a, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]);
}

/** a + b, number by number. */
function sum(a, b) {
  return a.map((value, i) => value + b[i]);
}

/** Divide by the root mean square: of each row of h (rows, columns), or of each column. */
function rmsNorm(h, rows, columns, axis) {
  const [lines, length] = axis === "row" ? [rows, columns] : [columns, rows];
  const [line, step] = axis === "row" ? [columns, 1] : [1, columns];
  const out = new Float32Array(h.length);
  for (let i = 0; i < lines; i++) {
    let squares = 0;
    for (let k = 0; k < length; k++) squares += h[i * line + k * step] ** 2;
    const scale = 1 / Math.sqrt(squares / length + 1e-5);
    for (let k = 0; k < length; k++) out[i * line + k * step] = h[i * line + k * step] * scale;
  }
  return out;
}

/** silu(gate) * up, number by number. */
function gated(gate, up) {
  return gate.map((value, i) => (value / (1 + Math.exp(-value))) * up[i]);
}

class TRM {
  /** What this page knows of TRM's settings; any other value is refused. */
  static known = {mixing: "mlp", positions: "none", puzzles: 0, networks: 1, latents: 1};

  /** settings: those of TRMConfig; tensors: name -> Float32Array, of the model's state_dict. */
  constructor(settings, tensors) {
    for (const [name, value] of Object.entries(TRM.known)) {
      if (settings[name] !== value) {
        throw new Error(`${name} is ${settings[name]}; this page knows only ${value}`);
      }
    }
    Object.assign(this, {settings, tensors, positions: settings.prefix + settings.length});
    this.blocks = Array.from({length: settings.layers}, (_, i) => ({
      tokens: this.swiGLU(`network.${i}.token_mixer`, this.positions),
      channels: this.swiGLU(`network.${i}.channel_mixer`, settings.width),
    }));
  }

  /** The three matrices of a SwiGLU; gate and up stand one above the other in one tensor. */
  swiGLU(name, size) {
    const both = this.tensors[`${name}.gate_up.weight`];
    const down = this.tensors[`${name}.down.weight`];
    const inner = down.length / size;
    const [gate, up] = [both.subarray(0, inner * size), both.subarray(inner * size)];
    if (name.endsWith("token_mixer")) return {inner, gate, up, down};
    return {  // the channels are mixed from the right
      inner,
      gate: transposed(gate, inner, size),
      up: transposed(up, inner, size),
      down: transposed(down, size, inner),
    };
  }

  /** The state before the first segment: y and z, each (S, d), one vector at every position. */
  start() {
    const [d, start] = [this.settings.width, this.tensors.start];
    const spread = first =>
      Float32Array.from({length: this.positions * d}, (_, i) => start[first + (i % d)]);
    return {y: spread(0), z: spread(d)};
  }

  /** One segment: T times (n times z <- net(z + y + x), then y <- net(y + z)).
   *
   * tokens (L), state {y, z} -> {state, logits (L, vocab), q: [halt, continue]}.
   * heard(improved, state) is told of every call of the network: "z" or "y", and the state then.
   */
  segment(tokens, {y, z}, heard = () => {}) {
    const x = this.embed(tokens);
    for (let t = 0; t < this.settings.recursions; t++) {
      for (let n = 0; n < this.settings.latent_steps; n++) {
        z = this.network(sum(z, sum(y, x)));
        heard("z", {y, z});
      }
      y = this.network(sum(y, z));
      heard("y", {y, z});
    }
    return {state: {y, z}, logits: this.cells(y), q: this.halt(y)};
  }

  /** Tokens (L) -> x (S, d); the prefix in front is zero. */
  embed(tokens) {
    const {width: d, prefix} = this.settings;
    const x = new Float32Array(this.positions * d);
    tokens.forEach((token, cell) => {
      for (let j = 0; j < d; j++) {
        x[(prefix + cell) * d + j] = Math.sqrt(d) * this.tensors["embed.tokens"][token * d + j];
      }
    });
    return x;
  }

  /** A block mixes over the positions, then over the channels. h (S, d) -> (S, d). */
  network(h) {
    const [S, d] = [this.positions, this.settings.width];
    for (const {tokens: t, channels: c} of this.blocks) {
      const inside = gated(product(t.gate, h, t.inner, S, d), product(t.up, h, t.inner, S, d));
      h = rmsNorm(sum(h, product(t.down, inside, S, t.inner, d)), S, d, "column");
      const within = gated(product(h, c.gate, S, d, c.inner), product(h, c.up, S, d, c.inner));
      h = rmsNorm(sum(h, product(within, c.down, S, c.inner, d)), S, d, "row");
    }
    return h;
  }

  /** What y (or z) says of each cell: logits (L, vocab). */
  cells(y) {
    const {width: d, prefix, length, vocab} = this.settings;
    const head = transposed(this.tensors["heads.cells.weight"], vocab, d);
    return product(y.subarray(prefix * d), head, length, d, vocab);
  }

  /** Is every cell right? Two logits, to halt and to go on, from the first position. */
  halt(y) {
    const d = this.settings.width;
    const q = product(this.tensors["heads.halt.weight"], y.subarray(0, d), 2, d, 1);
    return sum(q, this.tensors["heads.halt.bias"]);
  }
}
