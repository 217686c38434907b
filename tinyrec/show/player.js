// Starts every player on the page that does not run yet.
for (const root of document.querySelectorAll("[id^=tinyrec-][data-steps]:not([data-ready])")) {
  root.dataset.ready = "";
  const {grids, marks, says} = JSON.parse(root.dataset.steps);
  const cells = root.querySelectorAll("td"), last = grids.length - 1;
  const [status, slider, play] = [".status", "input", "[data-go=play]"].map(
    name => root.querySelector(name));
  const wait = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2000 : 900;
  let step = 0, timer = 0;
  const show = to => {
    step = Math.max(0, Math.min(last, to));
    cells.forEach((cell, i) => {
      const sign = grids[step][i], wrong = marks[step][i] & 1, changed = marks[step][i] & 2;
      cell.textContent = sign === "." ? "" : sign;
      cell.classList.toggle("wrong", wrong);
      cell.classList.toggle("changed", changed);
      if (wrong || changed) cell.setAttribute("aria-label", (sign === "." ? "blank" : sign)
        + (wrong ? ", wrong" : "") + (changed ? ", changed" : ""));
      else cell.removeAttribute("aria-label");
    });
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
  show(0);
}
