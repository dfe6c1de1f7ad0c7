// Asks the server and writes what it answers. Texts are set as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const MOVES = 5;
let asked = 0; // an answer to an earlier question than the last is dropped

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  if (typeof content === "string") made.textContent = content;
  else if (content) made.append(...content.filter((part) => part !== null));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

async function answer(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  let told;
  try {
    told = await response.json();
  } catch {
    throw new Error(`the server answered with an error (${response.status})`);
  }
  if (!response.ok) throw new Error(told.error);
  return told;
}

function clear() {
  for (const id of ["found", "moves", "jump", "error", "heard"]) $(id).hidden = true;
  for (const id of ["results", "tables"]) $(id).replaceChildren();
  const heard = $("heard");
  heard.pause();
  if (heard.src) URL.revokeObjectURL(heard.src);
  heard.removeAttribute("src");
}

function fail(error) {
  $("status").textContent = "";
  $("error").textContent = error.message;
  $("error").hidden = false;
}

const seconds = (value) => `${value.toFixed(1)} s`;
const name = (clip) => `${clip.dataset} ${clip.clip_id}`;
const words = (clip) => clip.captions[0] || clip.label || name(clip);

function width(item, among) {
  if (item.variance === undefined) return null;
  const place = item.percentile === null ? "" : ` (percentile ${item.percentile} of the gallery's ${among})`;
  return `total variance ${item.variance.toPrecision(3)}${place}`;
}

function player(clip) {
  return element("audio", null, {
    controls: "", preload: "metadata", src: clip.audio, "aria-label": `Clip ${clip.clip_id}: ${words(clip)}`,
  });
}

function fact(item, among) {
  const told = [element("b", `similarity ${item.similarity.toFixed(3)}`)];
  const certainty = width(item, among);
  if (certainty) told.push(element("span", certainty, { class: "width" }));
  return element("p", told, { class: "facts" });
}

function credit(clip) {
  return element("p", [name(clip), seconds(clip.duration_s), clip.credit].filter(Boolean).join(" · "), { class: "credit" });
}

function clipCard(clip) {
  const captions = clip.captions.map((caption) => element("li", caption));
  return element("li", [
    element("span", `${clip.rank}`, { class: "rank", "aria-label": `rank ${clip.rank}` }),
    element("div", [
      clip.label ? element("p", clip.label, { class: "label" }) : null,
      captions.length ? element("ul", captions, { class: "captions" }) : null,
      player(clip),
      fact(clip, "clips"),
      credit(clip),
    ]),
  ]);
}

function captionCard(caption) {
  const others = caption.clips > 1 ? `one of its ${caption.clips} clips: ` : "its clip: ";
  return element("li", [
    element("span", `${caption.rank}`, { class: "rank", "aria-label": `rank ${caption.rank}` }),
    element("div", [
      element("p", caption.text, { class: "text" }),
      fact(caption, document.body.dataset.kind),
      element("details", [element("summary", `Hear ${others}${caption.clip.clip_id}`), player(caption.clip), credit(caption.clip)]),
    ]),
  ]);
}

function show(title, about, cards) {
  $("status").textContent = "";
  $("found-title").textContent = title;
  $("about").textContent = about || "";
  $("about").hidden = !about;
  $("results").replaceChildren(...cards);
  $("found").hidden = false;
  reach($("found-title"));
}

function moveTable(paraphrase) {
  const rows = paraphrase.moved.map((step) => {
    const change = step.before - step.after;
    const sign = change > 0 ? `▲ ${change}` : change < 0 ? `▼ ${-change}` : "=";
    const said = change > 0 ? `up ${change}` : change < 0 ? `down ${-change}` : "unmoved";
    return element("tr", [
      element("th", [
        step.own ? element("span", "its own clip", { class: "own" }) : null,
        document.createTextNode(words(step)),
      ], { scope: "row" }),
      element("td", `${step.before}`, { class: "number" }),
      element("td", `${step.after}`, { class: "number" }),
      element("td", [
        element("span", sign, { "aria-hidden": "true", class: change > 0 ? "gain" : change < 0 ? "loss" : "soft" }),
        element("span", said, { class: "unseen" }),
      ], { class: "number" }),
    ]);
  });
  const heads = ["clip", "rank before", "rank after", "moved"];
  const head = element("tr", heads.map((title, column) => element("th", title, { scope: "col", class: column ? "number" : "" })));
  const title = `Level ${paraphrase.level}: “${paraphrase.text}”`;
  return element("table", [
    element("caption", [element("b", title), document.createTextNode(` (by ${paraphrase.model})`)]),
    element("thead", [head]),
    element("tbody", rows),
  ]);
}

function showMoves(told) {
  $("moves-about").textContent = told.paraphrases.length
    ? `Where the first ${MOVES} clips of “${told.query}”, those of each stored paraphrase, and the clip that the sentence is a caption of stand among ${told.clips}.`
    : "No paraphrase of this sentence is stored. Only the gallery's own captions have stored ones; nothing is paraphrased here. Try a caption from the list above.";
  $("tables").replaceChildren(...told.paraphrases.map(moveTable));
  $("moves").hidden = $("jump").hidden = false;
}

function reach(title) {
  title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "start" });
}

async function search(query, wanted) {
  const question = ++asked;
  clear();
  $("query").value = query;
  $("toggle").checked = wanted;
  document.title = query ? `${query} – clapline search` : "clapline search";
  if (!query) {
    $("status").textContent = "";
    return;
  }
  $("status").textContent = "Searching …";
  try {
    const words = encodeURIComponent(query);
    const told = await answer(`/api/search?q=${words}&k=10`);
    if (question !== asked) return;
    const certainty = width(told, document.body.dataset.kind);
    show(`${told.results.length} nearest of ${told.clips} clips`, certainty && `The sentence: ${certainty}.`, told.results.map(clipCard));
    if (!wanted) return;
    const moves = await answer(`/api/paraphrases?q=${words}&k=${MOVES}`);
    if (question === asked) showMoves(moves);
  } catch (error) {
    if (question === asked) fail(error);
  }
}

async function hear(file) {
  const question = ++asked;
  clear();
  if (file.size > Number(document.body.dataset.bytes)) {
    fail(new Error(document.body.dataset.tooLarge));
    return;
  }
  $("status").textContent = `Listening to ${file.name} …`;
  const form = new FormData();
  form.append("file", file);
  try {
    const told = await answer("/api/audio?k=10", { method: "POST", body: form });
    if (question !== asked) return;
    const facts = [`${file.name}, ${seconds(told.duration_s)}`, width(told, "clips")].filter(Boolean);
    show(`${told.captions.length} nearest of ${told.texts} ${document.body.dataset.kind}`, facts.join("; "), told.captions.map(captionCard));
    $("heard").src = URL.createObjectURL(file);
    $("heard").hidden = false;
  } catch (error) {
    if (question === asked) fail(error);
  }
}

function address(query, wanted) {
  const values = new URLSearchParams({ q: query });
  if (wanted) values.set("paraphrases", "1");
  return `/?${values}`;
}

function fromAddress() {
  const values = new URLSearchParams(location.search);
  search((values.get("q") || "").trim(), values.get("paraphrases") === "1" && !$("toggle").disabled);
}

function go(query) {
  const wanted = $("toggle").checked;
  history.pushState(null, "", address(query, wanted));
  search(query, wanted);
}

$("words").addEventListener("submit", (event) => {
  event.preventDefault();
  const query = $("query").value.trim();
  if (query) go(query);
});

$("toggle").addEventListener("change", () => {
  const query = $("query").value.trim();
  if (query) go(query);
});

for (const link of document.querySelectorAll("a.example")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as for any link
    event.preventDefault();
    go(link.textContent);
  });
}

$("jump").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays that of the search
  reach($("moves-title"));
});

const drop = $("drop");
if (drop) {
  $("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) hear(file);
    event.target.value = ""; // or the same file could not be chosen again
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
    });
  }
  document.addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (file) hear(file);
  });
}

// One player at a time.
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
}, true);

window.addEventListener("popstate", fromAddress);
fromAddress();
