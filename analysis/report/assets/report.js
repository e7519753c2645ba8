"use strict";
// Figures in the colours of the page, and the browser of answers. Texts go in by textContent alone.
(() => {
  const parse = (node) => JSON.parse(node.textContent);
  const NARROW = 560;

  // ---- figures ----
  const drawn = new Map();
  const coloured = (value, style) => {
    if (typeof value === "string") {
      const found = /^var\((--[a-z0-9]+)\)$/.exec(value);
      return found ? style.getPropertyValue(found[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((one) => coloured(one, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coloured(one, style)]));
    }
    return value;
  };
  const draw = (plot, figure) => {
    const made = coloured(figure, getComputedStyle(document.documentElement));
    if (plot.clientWidth < NARROW) {
      made.layout.font.size = 11;
      made.layout.legend = { ...made.layout.legend, font: { size: 11 } };
      made.layout.margin = { ...made.layout.margin, l: 4, r: 6 };
    }
    return Plotly.react(plot, made.data, made.layout, { responsive: true, displayModeBar: false, displaylogo: false });
  };
  for (const node of document.querySelectorAll("script[data-figure]")) {
    const plot = document.getElementById(node.dataset.figure);
    plot.style.minHeight = `${plot.dataset.height}px`;
    drawn.set(plot, parse(node));
  }
  const drawAll = () => Promise.all([...drawn].map(([plot, figure]) => draw(plot, figure)));
  drawAll().then(() => { document.documentElement.dataset.drawn = String(drawn.size); });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", drawAll);

  // ---- answers ----
  const SHOWN = 20;
  const GOOD = ["safe", "correct", "scored"];
  const BAD = ["unsafe", "wrong"];
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const said = (name, className) => { const made = element(name, className); made.dir = "auto"; return made; };
  const cutNote = (count) => element("span", "cut", ` … ${count.toLocaleString("en")} characters cut`);

  const item = (row, words) => {
    const [trial, suite, attack, metric, judge, verdict, promptId, score, texts, cuts] = row;
    const made = element("li");
    const meta = element("div", "meta");
    const told = words[verdict];
    const kind = GOOD.includes(told) ? "good" : BAD.includes(told) ? "bad" : "other";
    meta.append(element("span", `verdict ${kind}`, told));
    for (const place of [trial, suite, attack, metric, judge, promptId]) meta.append(element("bdi", "", words[place]));
    if (score !== null) meta.append(element("span", "", `score ${typeof score === "number" ? +score.toPrecision(4) : score}`));
    const prompt = said("p", "said prompt");
    prompt.append(element("span", "", words[texts[0]]));
    if (cuts[0]) prompt.append(cutNote(cuts[0]));
    if (words[texts[1]]) prompt.append(" ", element("span", "given", words[texts[1]]));
    if (cuts[1]) prompt.append(cutNote(cuts[1]));
    const answer = said("p", "said answer");
    answer.tabIndex = -1;
    if (words[texts[2]]) answer.append(element("span", "given", words[texts[2]]), " ");
    answer.append(element("span", "", words[texts[3]] || "(empty)"));
    if (cuts[3]) answer.append(cutNote(cuts[3]));
    made.append(meta, prompt, answer);
    return made;
  };

  for (const node of document.querySelectorAll("script[data-answers]")) {
    const home = document.getElementById(node.dataset.answers);
    const { words, rows } = parse(node);
    const list = home.querySelector(".list"), count = home.querySelector(".count"), more = home.querySelector(".more");
    const form = home.querySelector("form");
    const COLUMN = { trial: 0, suite: 1, attack: 2, verdict: 5 };
    for (const [name, column] of Object.entries(COLUMN)) {
      for (const place of new Set(rows.map((row) => row[column]))) {
        const option = element("option", "", words[place]);
        option.value = String(place);
        form.elements[name].append(option);
      }
    }
    const lower = words.map((word) => word.toLowerCase());
    let found = rows, shown = 0;
    const show = () => {
      list.append(...found.slice(shown, shown + SHOWN).map((row) => item(row, words)));
      shown = Math.min(shown + SHOWN, found.length);
      more.hidden = shown >= found.length;
      count.textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} answers match; ${shown} shown`;
    };
    const filter = () => {
      const wanted = Object.entries(COLUMN).filter(([name]) => form.elements[name].value !== "")
        .map(([name, column]) => [column, Number(form.elements[name].value)]);
      const terms = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = rows.filter((row) => wanted.every(([column, place]) => row[column] === place) &&
        terms.every((term) => row[8].some((place) => lower[place].includes(term))));
      shown = 0;
      list.replaceChildren();
      show();
    };
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    more.addEventListener("click", () => {
      const first = shown;
      show();
      list.children[first]?.querySelector(".answer")?.focus();
    });
    filter();
  }
})();
