// Connections over the last ten minutes, as an SVG of our own. The points live in this tab's sessionStorage, so they survive
// walking through the console; a pause in measuring is a hole in the line, never a straight guess.

import { clock } from "./clock.js";

const SPAN = 10 * 60 * 1000;
const SHORTEST = 60 * 1000; // a page just opened fills its chart in a minute, then looks back further and further
const HOLE = 25000;
const KEY = "mechamap.connections";
const SVG = "http://www.w3.org/2000/svg";
const EDGE = { top: 14, right: 14, bottom: 22, left: 38 };

const holder = document.getElementById("chart");
let points = load();
let cursor = null;

function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

function add(at, connections) {
  points = points.filter(([then]) => then > at - SPAN);
  points.push([at, connections]);
  sessionStorage.setItem(KEY, JSON.stringify(points));
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function roof(most) {
  // four even steps of whole, round numbers, with some air above the line
  for (let power = 1; ; power *= 10)
    for (const step of [1, 1.5, 2, 3, 5]) if (Number.isInteger(step * power) && 4 * step * power >= most * 1.2) return 4 * step * power;
}

function ticks(span) {
  const every = [15, 30, 60, 120].find((seconds) => span / (seconds * 1000) <= 5.1);
  return Array.from({ length: Math.floor(span / (every * 1000)) + 1 }, (_, index) => index * every);
}

function draw() {
  const { width, height } = holder.getBoundingClientRect();
  if (!width) return;
  const now = Date.now();
  const span = Math.min(SPAN, Math.max(SHORTEST, now - (points[0]?.[0] ?? now)));
  const most = roof(Math.max(3, ...points.map(([, n]) => n)));
  const x = (at) => EDGE.left + ((at - (now - span)) / span) * (width - EDGE.left - EDGE.right);
  const y = (n) => height - EDGE.bottom - (n / most) * (height - EDGE.top - EDGE.bottom);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary() });

  for (let step = 0; step <= 4; step += 1) {
    const value = (most / 4) * step;
    svg.append(element("line", { class: "chart-grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }));
    svg.append(element("text", { class: "chart-label", x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, value.toLocaleString("en")));
  }
  for (const seconds of ticks(span)) {
    const at = x(now - seconds * 1000);
    const words = seconds === 0 ? "now" : seconds % 60 ? `${seconds} s ago` : `${seconds / 60} min ago`;
    if (seconds && at < EDGE.left + 30) continue;
    svg.append(element("text", { class: "chart-label", x: at, y: height - 4, "text-anchor": seconds ? "middle" : "end" }, words));
  }

  for (const run of runs()) {
    const line = run.map(([at, n]) => `${x(at).toFixed(1)},${y(n).toFixed(1)}`).join(" L");
    const first = x(run[0][0]).toFixed(1);
    const end = x(run.at(-1)[0]).toFixed(1);
    svg.append(element("path", { class: "chart-area", d: `M${first},${y(0)} L${line} L${end},${y(0)} Z` }));
    svg.append(element("path", { class: "chart-line", d: `M${line}` }));
  }

  const shown = cursor === null ? points.at(-1) : nearest(cursor, x);
  if (shown) {
    const [at, n] = shown;
    if (cursor !== null) svg.append(element("line", { class: "chart-cursor", x1: x(at), x2: x(at), y1: EDGE.top, y2: height - EDGE.bottom }));
    svg.append(element("circle", { class: "chart-dot", cx: x(at), cy: y(n), r: 4.5 }));
    const words = cursor === null ? n.toLocaleString("en") : `${n.toLocaleString("en")} at ${clock(at)}`;
    svg.append(element("text", { class: "chart-value", x: Math.max(x(at) + 5, EDGE.left + 100), y: y(n) - 11, "text-anchor": "end" }, words));
  }
  holder.replaceChildren(svg);
}

function* runs() {
  let run = [];
  for (const point of points) {
    if (run.length && point[0] - run.at(-1)[0] > HOLE) {
      yield run;
      run = [];
    }
    run.push(point);
  }
  if (run.length) yield run;
}

function nearest(px, x) {
  return points.reduce((best, point) => (!best || Math.abs(x(point[0]) - px) < Math.abs(x(best[0]) - px) ? point : best), null);
}

function summary() {
  const last = points.at(-1);
  if (!last) return "Connections over the last 10 minutes: nothing measured yet";
  const values = points.map(([, n]) => n);
  return `Connections over the last 10 minutes: now ${last[1]}, lowest ${Math.min(...values)}, highest ${Math.max(...values)}`;
}

document.addEventListener("figures", ({ detail }) => {
  if (detail.connections !== null) add(Date.now(), detail.connections);
  draw();
});
holder.addEventListener("pointermove", (event) => {
  cursor = event.clientX - holder.getBoundingClientRect().left;
  draw();
});
holder.addEventListener("pointerleave", () => {
  cursor = null;
  draw();
});
new ResizeObserver(draw).observe(holder);
if (holder.dataset.now) add(Date.now(), Number(holder.dataset.now));
draw();
