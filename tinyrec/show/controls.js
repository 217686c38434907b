// Turns a player's pages: paint(step) draws one, says[step] tells it in words.
const turn = (root, says, paint) => {
  root.dataset.ready = "";
  for (const part of root.querySelectorAll("[hidden]")) part.hidden = false;
  const last = says.length - 1;
  const [status, slider, play] = [".status", "input", "[data-go=play]"].map(
    name => root.querySelector(name));
  const wait = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2000 : 900;
  let step = 0, timer = 0;
  const show = to => {
    step = Math.max(0, Math.min(last, to));
    paint(step);
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
  show(+slider.value);
};
