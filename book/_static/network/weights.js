// The weights of a network: unpacked from a generated script, or random ones.

/** By the name of a model, its numbers in float16, base64; the generated scripts put them here. */
const WEIGHTS = {};

/** The number that 16 bits mean. */
function half(bits) {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

/** base64 and tensors [[name, shape]], in the order of the numbers -> name -> Float32Array. */
function unpacked(base64, tensors) {
  const bytes = Uint8Array.from(atob(base64), sign => sign.charCodeAt(0));
  const numbers = Float32Array.from(new Uint16Array(bytes.buffer), half);
  let from = 0;
  return Object.fromEntries(tensors.map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b);
    return [name, numbers.subarray(from, from += size)];
  }));
}

/** Evenly distributed numbers from 0 to 1, the same for the same seed (mulberry32). */
function uniform(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed numbers, mean 0 and standard deviation 1. */
function normal(random) {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** What a model has before its training: normal numbers cut at two sigma, std 1/sqrt(inputs). */
function untrained({settings, tensors}, seed) {
  const draw = normal(uniform(seed));
  const kept = 0.8796256610342398;  // standard deviation of what the cut leaves of a unit normal
  const cut = std => {
    let number;
    do number = draw(); while (Math.abs(number) > 2);
    return number * std / kept;
  };
  const fill = {"heads.halt.weight": () => 0, "heads.halt.bias": () => settings.halt_bias,
    start: () => cut(1)};
  return Object.fromEntries(tensors.map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b);
    const one = fill[name] ?? (() => cut(shape[1] ** -0.5));
    return [name, Float32Array.from({length: size}, one)];
  }));
}
