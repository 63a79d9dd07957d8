"use strict";
// Interaction: a large chart of a series, and a comparison with another run file.
// The page fetches nothing and sends nothing; text from runs is only ever inserted as text.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const { runs, series, columns } = JSON.parse(document.getElementById("data").textContent);

  function make(name, properties, ...inside) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...inside);
    return made;
  }

  function draw(name, attributes, ...inside) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  }

  function table(caption, heads, rows) {
    const cell = (name, text, scope) => make(name, scope ? { scope } : {}, text);
    return make("table", { className: "cases" }, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...heads.map(text => cell("th", text, "col")))),
      make("tbody", {}, ...rows.map(([first, ...rest]) =>
        make("tr", {}, cell("th", first, "row"), ...rest.map(text => cell("td", text))))));
  }

  function show(title, ...inside) {
    const close = make("button", { type: "button" }, "Close");
    const heading = make("h2", { id: "shown" }, title);
    const dialog = make("dialog", {}, close, heading, ...inside);
    dialog.setAttribute("aria-labelledby", "shown");
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  // Large chart of a series: drag to zoom, or use +, − and the arrow keys.

  const WIDTH = 720, HEIGHT = 240, LEFT = 56, BELOW = 22;
  const three = value => value === null ? "–" : Number(value.toPrecision(3)).toString();
  const day = run => new Date(run.at / 1000).toISOString().slice(0, 16).replace("T", " ");

  function chart(points, from, to) {
    const shown = points.slice(from, to), values = shown.flatMap(([, ...all]) => all).filter(v => v !== null);
    const low = Math.min(...values), high = Math.max(...values), room = (high - low) * .1 || high * .05 || 1;
    const x = k => LEFT + k * (WIDTH - LEFT - 8) / Math.max(shown.length - 1, 1);
    const y = v => 8 + (high + room - v) / (high - low + 2 * room) * (HEIGHT - BELOW - 8);
    const span = values.length ? `from ${three(low)} to ${three(high)}` : "without a value";
    const made = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", tabindex: 0, role: "img",
      "aria-label": `${shown.length} runs ${span}` });
    for (const v of values.length ? [low, (low + high) / 2, high] : [])
      made.append(draw("path", { class: "axis", d: `M${LEFT} ${y(v)}H${WIDTH}` }),
        draw("text", { x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, three(v)));
    let path = "", before = null, environment = null;
    shown.forEach(([r, v], k) => {
      const { fingerprint } = runs[r];
      if (environment !== null && fingerprint !== environment)
        made.append(draw("path", { class: "epoch", d: `M${x(k) - 3} 0V${HEIGHT - BELOW}` }, draw("title", {}, runs[r].version)));
      if (v !== null) path += `${fingerprint === before ? "L" : "M"}${x(k)} ${y(v)}`;
      before = v === null ? null : fingerprint;
      environment = fingerprint;
    });
    made.append(draw("path", { class: "interval", d: path }));
    shown.forEach(([, , least, most], k) => least === undefined || made.append(
      draw("path", { class: "spread", d: `M${x(k)} ${y(least)}V${y(most)}` })));
    shown.forEach(([r, v], k) => v === null || made.append(draw("circle", { cx: x(k), cy: y(v), r: 3 },
      draw("title", {}, `${three(v)}, ${day(runs[r])}, run ${runs[r].id}, ${runs[r].version}`))));
    for (const [k, anchor] of [[0, "start"], [shown.length - 1, "end"]])
      made.append(draw("text", { x: x(k), y: HEIGHT - 4, "text-anchor": anchor }, day(runs[shown[k][0]])));
    return made;
  }

  function open(name, points) {
    let from = 0, to = points.length;
    const place = make("div", {}), all = make("button", { type: "button" }, `All ${points.length} runs`);
    const look = (a, b) => {
      const width = Math.max(2, Math.min(b - a, points.length));
      from = Math.max(0, Math.min(a, points.length - width));
      to = from + width;
      const focused = place.contains(document.activeElement);
      place.replaceChildren(chart(points, from, to));
      all.disabled = to - from === points.length;
      if (focused) place.firstChild.focus();
    };
    const at = event => {
      const box = place.firstChild.getBoundingClientRect();
      const share = ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - 8);
      return from + Math.round(share * (to - from - 1));
    };
    let began = null;
    place.addEventListener("pointerdown", event => { began = at(event); });
    place.addEventListener("pointerup", event => {
      const ended = at(event);
      if (began !== null && began !== ended) look(Math.min(began, ended), Math.max(began, ended) + 1);
      began = null;
    });
    place.addEventListener("keydown", event => {
      const width = to - from, step = Math.max(1, width >> 2);
      const moves = { "+": [from + step, to - step], "-": [from - step, to + step],
        ArrowLeft: [from - step, to - step], ArrowRight: [from + step, to + step] };
      if (moves[event.key]) { event.preventDefault(); look(...moves[event.key]); }
    });
    all.addEventListener("click", () => look(0, points.length));
    look(0, points.length);
    const spread = (least, most) => least === undefined ? "–" : `${three(least)} to ${three(most)}`;
    const rows = points.map(([r, v, least, most]) =>
      [day(runs[r]), three(v), spread(least, most), runs[r].id, runs[r].version]).reverse();
    show(name, make("p", {}, "Drag to zoom, or use +, − and the arrow keys. A dashed line marks a new environment. A vertical line spans the processes of a run."),
      place, all, make("div", { className: "scroll", tabIndex: 0 }, table("Values, the latest first", ["Run", "Value", "Range of processes", "Id", "Version"], rows)));
  }

  for (const { row, name, points } of series) {
    const cell = document.getElementById(row);
    const button = make("button", { type: "button", className: "open" }, "Open");
    button.setAttribute("aria-label", `Open ${name}`);
    button.addEventListener("click", () => open(name, points));
    cell?.append(button);
  }

  // Compare another run file, dropped or chosen, case by case with the cases on the page.

  const ORDER = ["errored", "differs", "inconclusive", "known", "agrees"];
  const status = record => record.outcome === "differs" && record.known ? "known" : record.outcome;

  async function lines(file) {
    const packed = file.name.endsWith(".gz");
    const stream = packed ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
    const text = await new Response(stream).text();
    const whole = text.split("\n"), cut = whole.pop();
    const read = whole.filter(line => line.trim()).map(line => JSON.parse(line));
    try { if (cut.trim()) read.push(JSON.parse(cut)); } catch (error) {
      if (packed) throw error;  // the last line of a .jsonl may be cut off
    }
    return read;
  }

  function listed(column) {
    const found = new Map();
    for (const one of document.querySelectorAll(`[data-column="${column}"] tbody > tr`))
      found.set(one.cells[0].firstChild.textContent.trim(), { status: one.cells[1].className, version: one.cells[1].dataset.v });
    return found;
  }

  function kind(was, is) {
    if (was === is) return null;
    if (!ORDER.includes(was) || !ORDER.includes(is)) return "changed";
    return ORDER.indexOf(is) > ORDER.indexOf(was) ? "better in the file" : "worse in the file";
  }

  async function compare(file) {
    let read;
    try { read = await lines(file); } catch (error) { read = []; }
    const [header] = read, records = read.filter(one => one && one.kind === "conformance");
    if (!header || header.kind !== "header" || !records.length)
      return show(file.name, make("p", {}, "This file has no conformance cases; choose a .jsonl or .jsonl.gz file from results/runs."));
    const column = columns.findIndex(one => one.backend === header.backend && one.device === header.device);
    if (column < 0)
      return show(file.name, make("p", {}, `The file is a run of ${header.backend} on ${header.device}; this page shows no run of it.`));
    const here = listed(column), found = [];
    let compared = 0;
    for (const record of records) {
      const was = here.get(record.case);
      if (was === undefined) continue;
      compared += 1;
      const what = was.version === record.case_version ? kind(was.status, status(record)) : "redefined case";
      if (what) found.push([record.case, what, was.status, status(record)]);
    }
    const summary = `${header.backend} on ${header.device}: ${header.backend_version} in the file, ${columns[column].version} on this page. ` +
      `${compared} of its ${records.length} cases are on this page; ${found.length} of them differ from the file.`;
    show(file.name, make("p", {}, summary), make("div", { className: "scroll", tabIndex: 0 },
      table("Cases with different results", ["Case", "Change", "This page", "File"], found)));
  }

  const chosen = make("input", { type: "file", accept: ".jsonl,.gz" });
  chosen.addEventListener("change", () => { if (chosen.files[0]) compare(chosen.files[0]); chosen.value = ""; });
  if (columns.length) document.querySelector("nav").after(make("p", { className: "repeat" },
    make("label", {}, "Compare with another run file (choose it, or drop it on the page): ", chosen)));
  addEventListener("dragover", event => event.preventDefault());
  addEventListener("drop", event => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) compare(event.dataTransfer.files[0]);
  });
})();
