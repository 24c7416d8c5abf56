// Keeps the open page current: takes pieces from /live, says when it can't, never reloads.
"use strict";

const SILENCE_MS = 35_000; // the server speaks at least every 10 s; three times nothing is a cut
const POLL_MS = 15_000;
const AGE_MS = 5_000;
const NEWS_MS = 15_000; // a screen reader hears one sentence in this time, not one a change

const main = document.getElementById("main");
const live = document.getElementById("live");
const liveText = document.getElementById("live-text");
const news = document.getElementById("news");

let token = main.dataset.token;
let source = null;
let lastHeard = Date.now(); // of the event stream
// The server's time of what is shown, and the page's own clock then: a tablet's may be wrong.
let lastAt = live.querySelector("time").dateTime;
let lastAtHere = Date.now();
let pending = new Map();
let replacing = false;

function clock(iso) {
  return new Date(iso).toLocaleTimeString("en-GB", { timeZoneName: "short" });
}

function say(state, text) {
  if (live.dataset.live !== state || state !== "yes") {
    if (liveText.textContent !== text) liveText.textContent = text;
    live.dataset.live = state;
    document.body.classList.toggle("cut", state !== "yes" && state !== "poll");
  }
}

function asOf(at) {
  lastAt = at;
  lastAtHere = Date.now();
}

function cut(why) {
  say("no", `Not live since ${clock(lastAt)}: ${why}`);
}

function notice(before, after) {
  if (before.dataset.mark === after.dataset.mark) return;
  const name = after.id.replace(/^node-/, "");
  pending.set(name, `${name}: ${after.dataset.trouble || "well again"}`);
}

function tellNews() {
  if (!pending.size) return;
  const [first, ...others] = pending.values();
  news.textContent = others.length ? `${first}; and ${others.length} more nodes changed` : first;
  pending = new Map();
}

function replace(id, html) {
  const before = document.getElementById(id);
  if (!before) return;
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const after = holder.content.firstElementChild;
  if (!after) return;
  const focus = before.contains(document.activeElement) ? document.activeElement : null;
  const href = focus && focus.getAttribute("href");
  if (id.startsWith("node-")) notice(before, after);
  before.replaceWith(after);
  if (focus === before) after.focus({ preventScroll: true });
  else if (href) {
    const same = [...after.querySelectorAll("a")].find((a) => a.getAttribute("href") === href);
    if (same) same.focus({ preventScroll: true });
  }
}

function apply(pieces) {
  for (const [id, html] of Object.entries(pieces)) replace(id, html);
  showAges();
}

// A node came, went or moved: the whole of main is another, scroll and headers stay.
async function replaceAll() {
  if (replacing) return;
  replacing = true;
  try {
    const answer = await fetch("/", { cache: "no-store" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("main");
    if (!next || !next.dataset.token) return;
    main.replaceChildren(...next.childNodes);
    token = next.dataset.token;
    asOf(page.querySelector("#live time").dateTime);
    news.textContent = "The list of nodes has changed";
    showAges();
    connect();
  } catch {
    cut("the server can't be reached");
  } finally {
    replacing = false;
  }
}

function connect() {
  if (source) source.close();
  source = new EventSource(`/live?token=${encodeURIComponent(token)}`);
  source.addEventListener("pieces", (event) => {
    const body = JSON.parse(event.data);
    if (event.lastEventId) token = event.lastEventId;
    lastHeard = Date.now();
    asOf(body.at);
    apply(body.pieces);
    say("yes", "Live");
  });
  source.addEventListener("reload", () => {
    lastHeard = Date.now();
    replaceAll();
  });
  source.addEventListener("down", (event) => {
    lastHeard = Date.now();
    cut(JSON.parse(event.data).why);
  });
  source.onerror = () => {
    cut("the connection is lost; trying again");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5_000);
  };
}

// Where a proxy swallows the event stream, ask instead.
async function poll() {
  if (Date.now() - lastHeard < SILENCE_MS) return;
  try {
    const answer = await fetch(`/live/changes?token=${encodeURIComponent(token)}`, { cache: "no-store" });
    if (!answer.ok) {
      cut(answer.status === 503 ? "the database gives no answer" : "the server refuses");
      return;
    }
    const body = await answer.json();
    asOf(body.at);
    if (body.reload) {
      await replaceAll();
      return;
    }
    token = body.token;
    apply(body.pieces);
    say("poll", "Live, every 15 s");
  } catch {
    cut("the server can't be reached; trying again");
  }
  if (source && source.readyState === EventSource.CLOSED) connect();
}

function age(seconds) {
  if (seconds < 5) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

function showAges() {
  const now = Date.parse(lastAt) + (Date.now() - lastAtHere);
  for (const time of document.querySelectorAll("time[data-age]")) {
    const text = age(Math.max(0, (now - Date.parse(time.dateTime)) / 1000));
    if (time.nextElementSibling) time.nextElementSibling.textContent = ` (${text})`;
    else {
      const words = document.createElement("span");
      words.textContent = ` (${text})`;
      time.after(words);
    }
  }
}

setInterval(showAges, AGE_MS);
setInterval(poll, POLL_MS);
setInterval(tellNews, NEWS_MS);
showAges();
connect();
