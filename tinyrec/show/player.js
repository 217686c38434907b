// Starts every step player on the page that does not run yet.
for (const root of document.querySelectorAll("[id^=tinyrec-][data-steps]:not([data-ready])")) {
  const {grids, marks, says} = JSON.parse(root.dataset.steps);
  const cells = root.querySelectorAll("td");
  turn(root, says, step => cells.forEach((cell, i) => {
    const sign = grids[step][i], wrong = marks[step][i] & 1, changed = marks[step][i] & 2;
    cell.textContent = sign === "." ? "" : sign;
    cell.classList.toggle("solid", sign === "█");
    cell.classList.toggle("wrong", wrong);
    cell.classList.toggle("changed", changed);
    if (wrong || changed) cell.setAttribute("aria-label", (sign === "." ? "blank" : sign)
      + (wrong ? ", wrong" : "") + (changed ? ", changed" : ""));
    else cell.removeAttribute("aria-label");
  }));
}
