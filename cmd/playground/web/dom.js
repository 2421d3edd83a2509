// Makes elements. Text always becomes a text node, never markup.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return node;
}

// link is a link if the address is one of the web, else only its label.
export function link(address, ...label) {
  if (!/^https?:\/\//i.test(address)) return el('span', {}, ...label);
  return el('a', { href: address, target: '_blank', rel: 'noopener noreferrer' }, ...label);
}

// sync makes the children of a box those of the items: an element whose item is
// the same as before stays, with its focus and its open details.
export function sync(box, items, draw) {
  const before = new Map([...box.children].map((c) => [c.dataset.key, c]));
  let at = null;
  let changed = false;
  for (const { key, data } of items) {
    const state = JSON.stringify(data);
    let node = before.get(key);
    if (!node || node.shown !== state) {
      const open = node ? [...node.querySelectorAll('details')].map((d) => d.open) : [];
      const fresh = draw(data);
      fresh.querySelectorAll('details').forEach((d, i) => { if (i < open.length) d.open = open[i]; });
      fresh.dataset.key = key;
      fresh.shown = state;
      if (node) node.replaceWith(fresh);
      else fresh.classList.add('new');
      node = fresh;
      changed = true;
    }
    before.delete(key);
    const next = at ? at.nextElementSibling : box.firstElementChild;
    if (node !== next) box.insertBefore(node, next);
    at = node;
  }
  for (const gone of before.values()) gone.remove();
  return changed;
}

// sticky keeps a box scrolled to its end, unless the reader scrolled away from
// it. Only a scroll in a box that has not changed is the reader's: one that comes
// with another size, of the box or of what is in it, is the browser's.
export function sticky(box) {
  if (!box.sticks) {
    const sticks = { end: true, height: 0, room: 0 };
    const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    const sizeKept = () => sticks.height === box.scrollHeight && sticks.room === box.clientHeight;
    sticks.down = () => {
      sticks.end ||= atEnd();
      if (sticks.end) box.scrollTop = box.scrollHeight;
      [sticks.height, sticks.room] = [box.scrollHeight, box.clientHeight];
    };
    box.addEventListener('scroll', () => {
      if (sizeKept()) sticks.end = atEnd();
      else sticks.down();
    });
    // Who opens or closes something wants to see it where it is.
    box.addEventListener('click', (event) => { if (event.target.closest('summary')) sticks.end = false; });
    const sizes = new ResizeObserver(sticks.down);
    sizes.observe(box);
    new MutationObserver(() => [...box.children].forEach((c) => sizes.observe(c))).observe(box, { childList: true });
    [...box.children].forEach((c) => sizes.observe(c));
    box.sticks = sticks;
  }
  box.sticks.down();
}

const colours = { mona: '#2f7d4f', octavia: '#c2571a', eve: '#6b4fbb' };

export function avatar(name) {
  if (name.startsWith('shipmate')) return el('img', { class: 'avatar', src: 'icon.svg', alt: '' });
  const a = el('span', { class: 'avatar', 'aria-hidden': 'true' }, name.slice(0, 1).toUpperCase());
  a.style.background = colours[name] ?? '#567';
  return a;
}

export async function post(what, body) {
  let problem = '';
  try {
    const answer = await fetch(`/act/${what}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    if (!answer.ok) problem = await answer.text();
  } catch {
    problem = 'The playground does not answer. Was it ended?';
  }
  if (problem) toast(problem);
  return problem === '';
}

let hide;

// toast tells what went wrong: in the open form, else in a line of its own that
// takes the room it needs, so that it covers nothing.
export function toast(text) {
  const dialog = document.querySelector('dialog[open]');
  if (dialog) dialog.querySelector('.problem')?.remove();
  if (dialog) return dialog.append(el('p', { class: 'wrong problem', role: 'alert' }, text));
  const box = document.getElementById('toast');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => { box.hidden = true; }, 5000 + 40 * text.length);
  return undefined;
}
