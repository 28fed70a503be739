"use strict";

// find returns the passages that have all words of a query, the best first. A word may be the beginning of one in the text.
// What stands in a title counts most, then what stands in a heading, then how often it stands in the text.
function find(passages, query, most = 20) {
  const words = query.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || [];
  if (words.length === 0) return [];
  const found = [];
  for (const passage of passages) {
    const title = passage.title.toLowerCase(), heading = passage.heading.toLowerCase(), text = passage.text.toLowerCase();
    let score = 0;
    for (const word of words) {
      const begins = new RegExp("(?<![\\p{L}\\p{N}])" + word, "gu");
      const whole = new RegExp("(?<![\\p{L}\\p{N}_])" + word + "(?![\\p{L}\\p{N}_])", "u");
      const count = (text.match(begins) || []).length;
      const inTitle = title.search(begins) >= 0, inHeading = heading.search(begins) >= 0;
      if (!count && !inTitle && !inHeading) {
        score = 0;
        break;
      }
      score += Math.log2(1 + count) + (inTitle ? 3 : 0) + (inHeading ? 8 : 0);
      if (whole.test(heading)) score += 6;
      else if (whole.test(text)) score += 1;
    }
    if (score > 0) found.push({passage, score});
  }
  found.sort((a, b) => b.score - a.score);
  return found.slice(0, most).map((one) => one.passage);
}

// excerpt is the text around the first of the words: [before, word, after].
function excerpt(text, query, around = 70) {
  const words = query.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || [];
  const places = words.map((word) => text.toLowerCase().search(new RegExp("(?<![\\p{L}\\p{N}])" + word, "u")));
  const at = Math.min(...places.filter((place) => place >= 0));
  if (!Number.isFinite(at)) return [text.slice(0, 2 * around), "", ""];
  const length = words[places.indexOf(at)].length;
  return [(at > around ? "…" : "") + text.slice(Math.max(0, at - around), at), text.slice(at, at + length),
    text.slice(at + length, at + length + around)];
}

function setUpMenu() {
  const button = document.getElementById("menu"), pages = document.getElementById("pages");
  button.hidden = false;
  button.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(pages.classList.toggle("open")));
  });
  const current = pages.querySelector("[aria-current]");
  if (current && current.offsetTop > pages.clientHeight) pages.scrollTop = current.offsetTop - pages.clientHeight / 2;
}

function setUpCopying() {
  for (const block of document.querySelectorAll(".code:not(.answer)")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    button.addEventListener("click", async () => {
      button.textContent = (await copy(block.querySelector("pre"))) ? "Copied" : "Press Ctrl-C";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    block.append(button);
  }
}

// copy puts an element's text on the clipboard, or where that is not allowed selects it.
async function copy(element) {
  const plain = element.cloneNode(true);
  plain.querySelectorAll(".ln").forEach((number) => number.remove());
  try {
    await navigator.clipboard.writeText(plain.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}

function setUpSearch() {
  const root = document.body.dataset.root, form = document.getElementById("search");
  const input = form.querySelector("input"), panel = document.getElementById("found");
  const status = panel.querySelector("p"), list = panel.querySelector("ol");
  let loaded;
  // The words are a script, because a page that was opened as a file may load that, and nothing else.
  const load = () => loaded || (loaded = new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = root + "assets/search.js";
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  }));
  const close = () => { panel.hidden = true; };
  const show = async () => {
    await load();
    const query = input.value.trim();
    if (query === "") return close();
    const found = find(passages, query);
    status.textContent = found.length ? "" : "Nothing has all of these words.";
    list.replaceChildren(...found.map((one) => result(root, one, query)));
    panel.hidden = false;
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  input.addEventListener("focus", load);
  input.addEventListener("input", show);
  list.addEventListener("click", close);
  document.addEventListener("click", (event) => { if (!form.contains(event.target)) close(); });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      input.focus();
    } else if (event.key === "Escape" && form.contains(event.target)) {
      close();
      input.focus();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && form.contains(event.target) && !panel.hidden) {
      event.preventDefault();
      const all = [input, ...list.querySelectorAll("a")];
      const next = all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      all[(next + all.length) % all.length].focus();
    }
  });
}

function result(root, passage, query) {
  const item = document.createElement("li"), link = document.createElement("a");
  link.href = root + passage.page + (passage.anchor ? "#" + passage.anchor : "");
  const name = document.createElement("strong"), small = document.createElement("small"), mark = document.createElement("mark");
  name.textContent = passage.heading === passage.title ? passage.title : passage.title + ": " + passage.heading;
  const [before, word, after] = excerpt(passage.text, query);
  mark.textContent = word;
  small.append(before, mark, after);
  link.append(name, small);
  item.append(link);
  return item;
}

if (typeof document !== "undefined") {
  document.documentElement.classList.add("script");
  setUpMenu();
  setUpCopying();
  setUpSearch();
}
