// The networks think in a worker, so that the page never freezes.

/** What the worker does: build a network; its start, a segment, what a state says. */
function serve() {
  const networks = {};
  const says = (network, {y, z}) =>
    ({y: network.cells(y), z: network.cells(z), q: network.halt(y)[0]});
  const answers = {
    build({name, model, weights, seed}) {
      const tensors = weights ? unpacked(weights, model.tensors) : untrained(model, seed);
      networks[name] = new TRM(model.settings, tensors);
    },
    start: ({name}) => networks[name].start(),
    decode: ({name, state}) => says(networks[name], state),
    segment({name, tokens, state}) {
      const calls = [];
      const heard = (improved, now) => calls.push({improved, ...says(networks[name], now)});
      const end = networks[name].segment(tokens, state, heard);
      return {calls, state: end.state};
    },
  };
  onmessage = ({data: {id, ask, what}}) => {
    try {
      postMessage({id, answer: answers[ask](what)});
    } catch (error) {
      postMessage({id, error: error.message});
    }
  };
}

class Thinker {
  constructor() {
    // A worker's own file cannot be loaded from file://, so it gets the text of these.
    const parts = [
      product, transposed, sum, rmsNorm, gated, TRM,
      half, unpacked, uniform, normal, untrained, serve,
    ];
    const blob = new Blob([parts.join("\n"), "\nserve();"], {type: "text/javascript"});
    this.worker = new Worker(URL.createObjectURL(blob));
    this.waiting = new Map();
    this.count = 0;
    this.worker.onmessage = ({data: {id, answer, error}}) => {
      const {resolve, reject} = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(new Error(error));
    };
  }

  /** One of `serve`'s answers, as a promise; errors of the network reject it. */
  ask(ask, what) {
    const id = this.count++;
    this.worker.postMessage({id, ask, what});
    return new Promise((resolve, reject) => this.waiting.set(id, {resolve, reject}));
  }
}
