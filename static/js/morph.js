// Makes an element's content equal to new HTML with as few changes as possible. Children with data-key are matched by it,
// others by their place.

const KEEP = new Set(["open"]); // what the reader opened stays open

export function morph(holder, html) {
  if (holder.lastHtml === html) return;
  holder.lastHtml = html;
  const wanted = document.createElement("template");
  wanted.innerHTML = html;
  children(holder, wanted.content);
}

function same(a, b) {
  return a && a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.dataset?.key === b.dataset?.key;
}

function children(old, wanted) {
  const keyed = new Map();
  for (const child of old.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  let place = old.firstChild;
  for (const target of [...wanted.childNodes]) {
    const known = target.dataset?.key && keyed.get(target.dataset.key);
    if (known && known !== place) {
      old.insertBefore(known, place);
      place = known;
    }
    if (same(place, target)) {
      node(place, target);
      place = place.nextSibling;
    } else {
      old.insertBefore(target, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function node(old, wanted) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name) && !KEEP.has(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  children(old, wanted);
}
