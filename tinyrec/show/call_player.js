// Starts every call player on the page that does not run yet.
for (const root of document.querySelectorAll("[id^=tinyrec-][data-calls]:not([data-ready])")) {
  const {marks, says} = JSON.parse(root.dataset.calls);
  const parts = root.querySelectorAll("[data-is]");
  turn(root, says, step => parts.forEach((part, i) => { part.dataset.is = marks[step][i]; }));
}
