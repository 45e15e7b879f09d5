
// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0
"use strict";
// Filters the counts in this file and draws the page anew. It says what the server says for the same query: view.go,
// count.go, trend.go and banner.go are its other half, and a test holds the two together. Names from the log only ever
// become text nodes and attributes.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const ANY = 0, SUCCESS = 1, FAILURE = 2, NEITHER = 3, TIMELESS = -2147483648, USER = 0, REASON = 1, APP = 5, OTHERS = 0;
const OUTCOMES = ["", "success", "failure", "not_applied"], LABELS = ["Total", "Success", "Failure", "Not applied"];
const CLASSES = ["total", "success", "failure", "neither"];
const SPANS = {"1h": ["last hour", 3600e3], "24h": ["last 24 hours", 864e5], "7d": ["last 7 days", 6048e5], "30d": ["last 30 days", 2592e6]};
const SHOWN = 8, MOST_ROWS = 50, MOST_LOCKED = 20, MOST_VISITS = 200, MOST_BARS = 96;
const dimensions = data.dimensions, stride = dimensions.length + 3, form = document.getElementById("filters");

// h makes an element; children are nodes or text.
function h(name, attributes, ...children) {
  const svg = ["svg", "g", "rect", "title"].includes(name);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) if (value !== null && value !== false) e.setAttribute(key, value);
  e.append(...children.filter((c) => c !== null));
  return e;
}
const show = (id, ...children) => document.getElementById(id).replaceChildren(...children.filter((c) => c !== null));
const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const plural = (n, what) => number(n) + " " + what + (n === 1 ? "" : "s");
const tenth = (part, whole) => Math.floor(part * 1000 / whole) / 10;
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const stamp = (ms) => (ms ? new Date(ms).toISOString().slice(0, 19).replace("T", " ") : "");

// The query is the fragment, so that filters are links and the back button works.
function readQuery() {
  const p = new URLSearchParams(location.hash.slice(1)), q = {};
  for (const name of ["policy", "outcome", "range", "from", "to", "search", ...dimensions.map((d) => d.param)]) q[name] = p.get(name) || "";
  if (!OUTCOMES.includes(q.outcome)) q.outcome = "";
  if (!SPANS[q.range]) q.range = "";
  for (const name of ["from", "to"]) if (isNaN(Date.parse(q[name] + "Z"))) q[name] = "";
  return q;
}
function link(q) {
  const p = new URLSearchParams();
  for (const name of Object.keys(q).sort()) if (q[name]) p.set(name, q[name]);
  return "#" + p;
}
const having = (q, changes) => ({...q, ...changes});
const toggled = (q, name, value) => having(q, {[name]: q[name] === value ? "" : value});

function bounds(q) {
  let from = -Infinity, to = Infinity;
  if (SPANS[q.range] && data.last) from = data.last - SPANS[q.range][1];
  if (q.from) from = Math.max(from, Date.parse(q.from + "Z"));
  if (q.to) to = Date.parse(q.to + "Z");
  return [from, to];
}
function lensOf(q) {
  const policy = q.policy.startsWith("id:") ? data.policies.findIndex((p) => p.id === q.policy.slice(3)) : -1;
  const state = q.policy === "on" || q.policy === "report_only" ? q.policy : "";
  return {policy, selects: (r) => policy >= 0 ? r[0] === policy : state === "on" ? !r[2] : state === "report_only" ? r[2] === 1 : true};
}
function outcomeOf(lens, results) {
  let sum = NEITHER;
  for (const r of results) if (lens.selects(r)) {
    if (r[1] === FAILURE) return FAILURE;
    if (r[1] === SUCCESS) sum = SUCCESS;
  }
  return sum;
}
const fits = (d, asked, value) => !asked || asked === value || d === USER && value.toLowerCase().includes(asked.toLowerCase());

function count(q) {
  const lens = lensOf(q), outcomes = data.results.map((r) => outcomeOf(lens, r)), wanted = OUTCOMES.indexOf(q.outcome);
  const asked = dimensions.map((d, i) => q[d.param] ? d.names.map((name) => fits(i, q[d.param], name)) : null);
  const [start, end] = bounds(q), unit = data.width * 1000;
  const from = start === -Infinity ? -Infinity : Math.floor(start / unit), to = end === Infinity ? Infinity : Math.floor((end - 1) / unit) + 1;
  const c = {tiles: [0, 0, 0, 0], values: dimensions.map(() => new Map()), buckets: new Map(), lens};
  const l = c.locked = {reportOnly: data.results.some((rs) => rs.some((r) => lens.selects(r) && r[2])), users: new Map(), requests: 0, already: 0, anonymous: 0};
  const add = (t, o, n) => { t[ANY] += n; t[o] += n; };
  const tally = (map, key) => map.get(key) || map.set(key, [0, 0, 0, 0]).get(key);
  for (let i = 0; i < data.cells.length; i += stride) {
    const bucket = data.cells[i], signature = data.cells[i + stride - 2], n = data.cells[i + stride - 1], o = outcomes[signature];
    let missed = 0, which = -1;
    for (let d = 0; d < dimensions.length; d++) if (asked[d] && !asked[d][data.cells[i + 1 + d]]) { missed++; which = d; }
    if (bucket < from && from !== -Infinity || bucket >= to) continue;
    const outcomeFits = wanted === ANY || o === wanted;
    if (!missed) { add(c.tiles, o, n); lock(l, lens, i, n); }
    if (!outcomeFits || missed > 1) continue;
    for (let d = 0; d < dimensions.length; d++) if (!missed || which === d) add(tally(c.values[d], data.cells[i + 1 + d]), o, n);
    if (!missed && bucket !== TIMELESS) add(tally(c.buckets, bucket), o, n);
  }
  return c;
}
function lock(l, lens, i, n) {
  let failed = false, enforced = false;
  for (const r of data.results[data.cells[i + stride - 2]]) if (r[1] === FAILURE) {
    if (lens.selects(r) && !!r[2] === l.reportOnly) failed = true;
    if (!r[2]) enforced = true;
  }
  if (!failed) return;
  if (l.reportOnly && enforced) { l.already += n; return; }
  l.requests += n;
  const user = data.cells[i + 1 + USER], reason = dimensions[REASON].names[data.cells[i + 1 + REASON]];
  if (dimensions[USER].names[user] === "(no user)") { l.anonymous += n; return; }
  if (!l.users.has(user)) l.users.set(user, {requests: 0, remediable: 0, reasons: new Map()});
  const u = l.users.get(user);
  u.requests += n;
  u.reasons.set(reason, (u.reasons.get(reason) || 0) + n);
  if (/^100[34]\b/.test(reason)) u.remediable += n;
}

function drawChips(q) {
  const chip = (label, without) => h("a", {class: "chip", href: link(having(q, without))}, h("span", null, label), h("span", {"aria-hidden": "true"}, " ×"), h("span", {class: "hidden"}, " remove this filter"));
  const chips = [];
  if (q.policy) {
    const option = [...form.elements.policy.options].find((o) => o.value === q.policy);
    chips.push(chip("Policy: " + (option ? option.label : q.policy), {policy: ""}));
  }
  if (q.outcome) chips.push(chip("Outcome: " + LABELS[OUTCOMES.indexOf(q.outcome)], {outcome: ""}));
  const time = [q.range && SPANS[q.range][0], q.from && "from " + q.from.replace("T", " "), q.to && "before " + q.to.replace("T", " ")].filter(Boolean);
  if (time.length) chips.push(chip("Time: " + time.join(", "), {range: "", from: "", to: ""}));
  for (const d of dimensions) if (q[d.param]) chips.push(chip(d.title + ": " + q[d.param], {[d.param]: ""}));
  if (q.search) chips.push(chip("Search: " + q.search, {search: ""}));
  show("chips", ...(chips.length ? chips : [h("span", {class: "none"}, "No filter in force.")]));
}
function drawTiles(q, tiles) {
  show("tiles", ...LABELS.map((label, o) => h("li", null, h("a",
    {class: "tile " + CLASSES[o], href: link(toggled(q, "outcome", OUTCOMES[o])), "aria-current": OUTCOMES[o] === q.outcome && "true"},
    h("span", {class: "label"}, label), h("span", {class: "count"}, number(tiles[o])),
    h("span", {class: "share"}, tiles[ANY] ? tenth(tiles[o], tiles[ANY]).toFixed(1) + " %" : "")))));
}
function drawBanner(q, c) {
  const l = c.locked, one = c.lens.policy >= 0 && "“" + data.policies[c.lens.policy].name + "”", names = dimensions[USER].names;
  const title = one ? (l.reportOnly ? "What if " + one + " were on?" : "What " + one + " refuses") : l.reportOnly ? "What if the report-only policies were on?" : "What the policies that are on refuse";
  const users = (l.users.has(OTHERS) ? "at least " : "") + plural(l.users.size, "user");
  let says = "Nothing.";
  if (!l.requests && l.reportOnly) says = "Nobody who gets through today would be locked out.";
  else if (l.requests && l.reportOnly) says = "It would lock out " + users + ": " + plural(l.requests, "request") + " that get through today would be refused.";
  else if (l.requests) says = plural(l.requests, "request") + " of " + users + ".";
  const remediable = [...l.users.values()].filter((u) => u.remediable === u.requests).length;
  if (remediable) says += " " + plural(remediable, "user") + " can cure it by registering the device anew (1003, 1004).";
  if (l.anonymous) says += " " + plural(l.anonymous, "request") + " of these came without a valid token.";
  if (l.already) says += " " + plural(l.already, "request") + " more are refused already, by a policy that is on.";
  const list = [...l.users].sort(([x, a], [y, b]) => b.requests - a.requests || order(names[x], names[y]));
  const most = (u) => [...u.reasons].sort(([r, a], [s, b]) => b - a || order(s, r))[0][0];
  show("banner", h("div", {class: l.requests ? "loud" : "quiet"}, h("h2", null, title), h("p", null, says),
    list.length ? h("ul", null, ...list.slice(0, MOST_LOCKED).map(([user, u]) => h("li", null,
      h("a", {href: link(having(q, {user: names[user], outcome: "failure"}))}, names[user]),
      h("span", {class: "why"}, number(u.requests) + " × " + most(u))))) : null,
    list.length > MOST_LOCKED ? h("p", null, "and " + number(list.length - MOST_LOCKED) + " more") : null));
}
function unitName(seconds) {
  if (seconds >= 86400) return plural(seconds / 86400, "day");
  return seconds >= 3600 ? plural(seconds / 3600, "hour") : plural(seconds / 60, "minute");
}
function drawTrend(buckets) {
  const title = h("h2", {id: "trend-title"}, "Over time");
  if (!buckets.size) return show("trend", title, h("p", null, "Nothing to show."));
  let first = Infinity, last = -Infinity, w = 0;
  for (const b of buckets.keys()) { first = Math.min(first, b); last = Math.max(last, b); }
  const at = (b) => Math.floor(b / (data.widths[w] / data.width));
  while (w + 1 < data.widths.length && at(last) - at(first) >= MOST_BARS) w++;
  const start = at(first), tallies = Array.from({length: Math.min(at(last) - start + 1, MOST_BARS)}, () => [0, 0, 0, 0]);
  for (const [b, t] of buckets) t.forEach((n, o) => { tallies[Math.min(at(b) - start, tallies.length - 1)][o] += n; });
  const top = Math.max(1, ...tallies.map((t) => t[ANY])), space = 100 / tallies.length, unit = unitName(data.widths[w]);
  const when = (i) => stamp((start + i) * data.widths[w] * 1000).slice(0, 16);
  const round = (x) => Math.floor(x * 100 + 0.5) / 100;
  const bars = tallies.map((t, i) => {
    let y = 100;
    const part = (o) => { const height = tenth(t[o], top); y = round(y - height); return h("rect", {class: CLASSES[o], x: round(space * i), y, width: round(space * 0.82), height}); };
    return h("g", null, h("title", null, `${when(i)}: ${number(t[SUCCESS])} success, ${number(t[FAILURE])} failure, ${number(t[NEITHER])} not applied`), part(FAILURE), part(SUCCESS), part(NEITHER));
  });
  const head = (text) => h("th", {scope: "col"}, text), open = document.querySelector("#trend details[open]");
  show("trend", title,
    h("p", {class: "legend"}, h("span", {class: "key success"}, "Success"), h("span", {class: "key failure"}, "Failure"), h("span", {class: "key neither"}, "Not applied"),
      h("span", {class: "unit"}, `one bar is ${unit}; the highest ${number(top)} requests`)),
    h("svg", {viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": `Requests over time, in bars of ${unit}; the table below has the numbers`}, ...bars),
    h("p", {class: "axis"}, h("span", null, when(0)), h("span", null, tallies.length > 2 ? when(Math.floor(tallies.length / 2)) : ""), h("span", null, when(tallies.length - 1))),
    h("details", {open: open && ""}, h("summary", null, "As a table"), h("div", {class: "scroll"}, h("table", null,
      h("thead", null, h("tr", null, ...["From (UTC)", ...LABELS].map(head))),
      h("tbody", null, ...tallies.map((t, i) => h("tr", null, h("th", {scope: "row"}, when(i)), ...t.map((n) => h("td", null, number(n))))))))));
}
function drawBreakdowns(q, c) {
  show("breakdowns", ...dimensions.map((d, i) => {
    const list = [...c.values[i]].sort(([x, a], [y, b]) => i === USER && b[FAILURE] - a[FAILURE] || b[ANY] - a[ANY] || order(d.names[x], d.names[y]));
    const widest = Math.max(1, ...list.map(([, t]) => t[ANY]));
    const rows = list.slice(0, MOST_ROWS).map(([n, t]) => {
      const name = d.names[n], meaning = i === REASON && data.meanings[name] || null;
      const failure = tenth(t[FAILURE], widest), success = tenth(t[SUCCESS], widest), neither = tenth(t[NEITHER], widest);
      const part = (kind, x, width) => h("rect", {class: kind, x, y: 0, width, height: 1});
      return h("li", null, h("a", {href: link(toggled(q, d.param, name)), "aria-current": q[d.param] === name && "true", title: meaning},
        h("span", {class: "label"}, name), h("span", {class: "count"}, number(t[ANY])), meaning ? h("span", {class: "meaning"}, meaning) : null,
        h("svg", {viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true"}, part("failure", 0, failure), part("success", failure, success), part("neither", failure + success, neither)),
        t[FAILURE] ? h("span", {class: "failures"}, number(t[FAILURE]) + " failed") : null));
    });
    const more = list.length - SHOWN;
    return h("section", {class: "breakdown", id: "by-" + d.param}, h("h2", null, d.title),
      rows.length ? h("ul", null, ...rows.slice(0, SHOWN)) : h("p", null, "None."),
      more > 0 ? h("details", null, h("summary", null, number(more) + " more" + (list.length > MOST_ROWS ? `, the first ${MOST_ROWS - SHOWN} of them` : "")), h("ul", null, ...rows.slice(SHOWN))) : null);
  }));
}
function drawVisits(q) {
  const lens = lensOf(q), [from, to] = bounds(q), wanted = OUTCOMES.indexOf(q.outcome), search = q.search.toLowerCase();
  const visits = data.visits || [], fitting = visits.filter((v) => {
    const o = outcomeOf(lens, data.results[v.s]);
    return (wanted === ANY || o === wanted) && (from === -Infinity || v.t >= from) && (to === Infinity || v.t < to) &&
      dimensions.every((d, i) => fits(i, q[d.param], v.v[i])) && (!search || [...v.v, ...v.r].join("\n").toLowerCase().includes(search));
  });
  let says = `${number(fitting.length)} of the newest ${number(visits.length)} sign-ins fit`;
  if (data.read > visits.length) says += `; older ones, of ${number(data.read)} in all, are only counted`;
  if (fitting.length > MOST_VISITS) says += `; the first ${MOST_VISITS} are listed`;
  const span = (text) => h("span", null, text), small = (text) => h("small", null, text);
  const rows = fitting.slice(0, MOST_VISITS).map((v) => {
    const o = outcomeOf(lens, data.results[v.s]), [user, reason, device, platform, client, app, resource] = v.v, [address, deviceName, scheme, correlation] = v.r;
    return h("tr", null, h("td", {class: "time"}, span(stamp(v.t)), small(plural(v.n, "request"))), h("th", {scope: "row"}, span(user), small(address)),
      h("td", null, h("span", {class: "mark " + CLASSES[o]}, LABELS[o])), h("td", {class: "reason"}, span(reason), small(data.meanings[reason] || "")),
      h("td", null, span(app), small(resource)), h("td", null, span(device), small(deviceName)), h("td", null, span(platform), small(client), small(scheme)), h("td", {class: "id"}, correlation));
  });
  const heads = ["Time (UTC)", "User and address", "Outcome", "Reason", "Application and resource", "Device", "Client", "Correlation id"];
  show("details", h("h2", {id: "details-title"}, "Sign-ins"), h("p", null, says + "."),
    rows.length ? h("div", {class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "details-title"}, h("table", {class: "cards"},
      h("thead", null, h("tr", null, ...heads.map((text) => h("th", {scope: "col"}, text)))), h("tbody", null, ...rows))) : null);
}

function draw() {
  const q = readQuery(), c = count(q), focused = document.activeElement, href = focused && focused.getAttribute("href");
  drawChips(q); drawTiles(q, c.tiles); drawBanner(q, c); drawTrend(c.buckets); drawBreakdowns(q, c); drawVisits(q);
  for (const name of ["policy", "range", "from", "to", "user", "app", "search"]) if (form.elements[name] !== focused) form.elements[name].value = q[name];
  if (href && !document.contains(focused)) { // what was followed has been drawn anew: keep the focus near it
    const label = focused.querySelector(".label");
    const again = label && [...document.querySelectorAll("#tiles .label, #breakdowns .label")].find((e) => e.textContent === label.textContent);
    (again ? again.closest("a") : document.getElementById("results")).focus({preventScroll: true});
  }
}
let typing = 0;
function apply() {
  const q = readQuery();
  for (const name of ["policy", "range", "from", "to", "user", "app", "search"]) q[name] = form.elements[name].value;
  history.replaceState(null, "", link(q));
  draw();
}
form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(apply, 150); });
form.addEventListener("submit", (e) => { e.preventDefault(); clearTimeout(typing); apply(); });
window.addEventListener("hashchange", draw);
form.querySelector("button").hidden = true;
form.hidden = false;
if (location.hash.length > 1) draw();
})();
