// What the page's network thinks of puzzles, for tests: logits and q after every segment, y and z
// after the last; float32 in base64.
function thoughts(name, puzzles, segments) {
  const {settings, tensors} = MANIFEST.models[name];
  const network = new TRM(settings, unpacked(WEIGHTS[name], tensors));
  const said = {logits: [], q: [], y: [], z: []}, seconds = [];
  for (const tokens of puzzles) {
    let state = network.start();
    for (let segment = 0; segment < segments; segment++) {
      const began = performance.now();
      const end = network.segment(tokens, state);
      seconds.push((performance.now() - began) / 1000);
      state = end.state;
      said.logits.push(end.logits);
      said.q.push(end.q);
    }
    said.y.push(state.y);
    said.z.push(state.z);
  }
  const packed = Object.entries(said).map(([part, arrays]) => {
    const signs = arrays.map(numbers =>
      Array.from(new Uint8Array(numbers.buffer), byte => String.fromCharCode(byte)).join(""));
    return [part, btoa(signs.join(""))];
  });
  return {...Object.fromEntries(packed), seconds};
}
