// What is wider than its box says so: its cut edge fades, and the keyboard can scroll it.
addEventListener("load", () => {
  const mark = box => {
    const hidden = box.scrollWidth - box.clientWidth;
    const sides = [];
    if (hidden > 1 && box.scrollLeft > 1) sides.push("left");
    if (hidden > 1 && box.scrollLeft < hidden - 1) sides.push("right");
    box.dataset.more = sides.join(" ");
    if (hidden > 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const article = document.querySelector("article");
  const boxes = [...(article?.querySelectorAll("pre, div, figure") ?? [])].filter(
    box => ["auto", "scroll"].includes(getComputedStyle(box).overflowX));
  const markAll = () => boxes.forEach(mark);
  boxes.forEach(box => box.addEventListener("scroll", () => mark(box), {passive: true}));
  addEventListener("resize", markAll);
  article?.addEventListener("toggle", markAll, true);  // what was folded has had no width
  markAll();
});
