// The last hour as lines, each an SVG of our own. The server keeps the points (ten seconds each) and hands them over with the
// page and with every renewal; a time in which nothing was measured is a hole in the line, never a straight guess.

import { clock } from "./clock.js";

const SPAN = 60 * 60;
const SHORTEST = 2 * 60; // a server just started fills its chart in two minutes, then looks back further and further
const HOLE = 25;
const SVG = "http://www.w3.org/2000/svg";
const EDGE = { top: 16, right: 14, bottom: 22, left: 46 };

const whole = (n) => Math.round(n).toLocaleString("en");
const rate = (n) => n.toLocaleString("en", { maximumFractionDigits: n < 10 ? 1 : 0 });
const milliseconds = (n) => `${n.toLocaleString("en", { maximumFractionDigits: n < 10 ? 1 : 0 })} ms`;
const KINDS = { whole, rate, milliseconds };

const source = document.getElementById("charts");
const charts = [...source.querySelectorAll(".chart")].map((holder) => ({
  holder,
  title: holder.dataset.title,
  names: holder.dataset.series.split(" "),
  words: KINDS[holder.dataset.kind],
  step: holder.dataset.kind === "whole" ? 1 : 0.01,
}));
let hour = JSON.parse(source.dataset.hour);
let cursor = null; // the time that is pointed at, on all charts at once

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function roof(most, smallest) {
  // four even steps of round numbers, with some air above the line
  for (let power = smallest; ; power *= 10)
    for (const step of [1, 2, 2.5, 5]) {
      const size = step * power;
      if ((smallest < 1 || Number.isInteger(size)) && 4 * size >= most * 1.1) return 4 * size;
    }
}

function ticks(span, width) {
  const most = Math.max(2, Math.floor(width / 95));
  const every = [30, 60, 120, 300, 600, 900, 1800].find((seconds) => span / seconds <= most) ?? 3600;
  return Array.from({ length: Math.floor(span / every) + 1 }, (_, index) => index * every);
}

function ago(seconds, width) {
  if (seconds === 0) return "now";
  const number = seconds % 60 ? `${seconds} s` : `${seconds / 60} min`;
  return width < 400 ? number : `${number} ago`;
}

function draw(chart) {
  const { holder, names, words } = chart;
  const { width, height } = holder.getBoundingClientRect();
  if (!width) return;
  const now = hour.now;
  const span = Math.min(SPAN, Math.max(SHORTEST, now - (hour.at[0] ?? now)));
  const values = names.flatMap((name) => hour[name].filter((n) => n !== null));
  const most = roof(Math.max(chart.step === 1 ? 3 : chart.step, ...values), chart.step);
  const x = (at) => EDGE.left + (Math.max(0, at - (now - span)) / span) * (width - EDGE.left - EDGE.right);
  const y = (n) => height - EDGE.bottom - (n / most) * (height - EDGE.top - EDGE.bottom);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary(chart) });
  chart.time = (px) => now - span + ((px - EDGE.left) / (width - EDGE.left - EDGE.right)) * span;

  for (let step = 0; step <= 4; step += 1) {
    const value = (most / 4) * step;
    svg.append(element("line", { class: "chart-grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }));
    if (step % 2 === 0)
      svg.append(element("text", { class: "chart-label", x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, label(value, chart)));
  }
  for (const seconds of ticks(span, width)) {
    const at = x(now - seconds);
    if (seconds && at < EDGE.left + 20) continue;
    const anchor = seconds ? "middle" : "end";
    svg.append(element("text", { class: "chart-label", x: seconds ? at : width - EDGE.right, y: height - 4, "text-anchor": anchor }, ago(seconds, width)));
  }

  names.forEach((name, index) => {
    for (const run of runs(name)) {
      const line = run.map(([at, n]) => `${x(at).toFixed(1)},${y(n).toFixed(1)}`).join(" L");
      const [first, end] = [x(run[0][0]), x(run.at(-1)[0])].map((n) => n.toFixed(1));
      if (index === 0) svg.append(element("path", { class: "chart-area", d: `M${first},${y(0)} L${line} L${end},${y(0)} Z` }));
      svg.append(element("path", { class: `chart-line line-${index}`, d: `M${line}` }));
    }
  });

  const shown = cursor === null ? lastOf(names) : nearest(cursor);
  if (shown !== null) {
    const at = x(middle(shown));
    if (cursor !== null) svg.append(element("line", { class: "chart-cursor", x1: at, x2: at, y1: EDGE.top, y2: height - EDGE.bottom }));
    names.forEach((name, index) => {
      const n = hour[name][shown];
      if (n !== null) svg.append(element("circle", { class: `chart-dot line-${index}`, cx: at, cy: y(n), r: 4 }));
    });
  }
  holder.replaceChildren(svg);
  holder.previousElementSibling.querySelector(".chart-value").textContent = shown === null ? "" : told(names, words, shown);
}

function label(value, { step, words }) {
  if (value >= 10_000) return `${(value / 1000).toLocaleString("en")}k`;
  return step === 1 ? words(value) : value.toLocaleString("en", { maximumFractionDigits: 2 });
}

function told(names, words, place) {
  const each = names.map((name) => {
    const n = hour[name][place];
    const value = n === null ? "none" : words(n);
    return names.length > 1 ? `${name} ${value}` : value;
  });
  return cursor === null ? each.join(" · ") : `${each.join(" · ")} at ${clock(middle(place) * 1000)}`;
}

function middle(place) {
  return Math.min(hour.at[place] + 5, hour.now);
}

function* runs(name) {
  let run = [];
  for (const [place, value] of hour[name].entries()) {
    const at = middle(place);
    if (run.length && (value === null || at - run.at(-1)[0] > HOLE)) {
      yield run;
      run = [];
    }
    if (value !== null) run.push([at, value]);
  }
  if (run.length) yield run;
}

function lastOf(names) {
  const place = hour.at.length - 1;
  return place >= 0 && names.some((name) => hour[name][place] !== null) ? place : null;
}

function nearest(time) {
  let best = null;
  for (let place = 0; place < hour.at.length; place += 1)
    if (best === null || Math.abs(middle(place) - time) < Math.abs(middle(best) - time)) best = place;
  return best;
}

function summary({ title, names, words }) {
  const each = names.map((name) => {
    const values = hour[name].filter((n) => n !== null);
    if (!values.length) return null;
    const last = hour[name].at(-1);
    const now = last === null ? "none now" : `now ${words(last)}`;
    return `${names.length > 1 ? `${name} ` : ""}${now}, lowest ${words(Math.min(...values))}, highest ${words(Math.max(...values))}`;
  });
  const known = each.filter(Boolean);
  return `${title} over the last hour: ${known.length ? known.join("; ") : "nothing measured yet"}`;
}

function drawAll() {
  charts.forEach(draw);
}

for (const chart of charts) {
  chart.holder.addEventListener("pointermove", (event) => {
    cursor = chart.time?.(event.clientX - chart.holder.getBoundingClientRect().left) ?? null;
    drawAll();
  });
  chart.holder.addEventListener("pointerleave", () => {
    cursor = null;
    drawAll();
  });
  new ResizeObserver(() => draw(chart)).observe(chart.holder);
}
document.addEventListener("figures", ({ detail }) => {
  if (detail.hour) hour = detail.hour;
  drawAll();
});
drawAll();
