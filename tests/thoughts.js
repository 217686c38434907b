// What the page's network thinks of puzzles, for tests: all logits and q, float32 in base64.
function thoughts(name, puzzles, segments) {
  const {settings, tensors} = MANIFEST.models[name];
  const network = new TRM(settings, unpacked(WEIGHTS[name], tensors));
  const logits = [], q = [], seconds = [];
  for (const tokens of puzzles) {
    let state = network.start();
    for (let segment = 0; segment < segments; segment++) {
      const began = performance.now();
      const end = network.segment(tokens, state);
      seconds.push((performance.now() - began) / 1000);
      state = end.state;
      logits.push(...end.logits);
      q.push(...end.q);
    }
  }
  const packed = numbers => {
    const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
  };
  return {logits: packed(logits), q: packed(q), seconds};
}
