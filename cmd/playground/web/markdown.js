// The part of GitHub's Markdown that comments here use. It makes elements, so
// nothing somebody typed can become markup that is not listed here.
import { el, link } from './dom.js';
import { withIcons } from './icons.js';

export function markdown(text) {
  const clean = text.replace(/<!--[\s\S]*?-->/g, '').replace(/\r\n?/g, '\n');
  return blocks(clean.split('\n'));
}

function blocks(lines) {
  const out = [];
  let i = 0;
  while (i < lines.length) {
    const [node, used] = block(lines, i);
    if (node) out.push(node);
    i += used;
  }
  return out;
}

// block reads one block at line i, and says how many lines it took.
function block(lines, i) {
  const line = lines[i];
  if (line.trim() === '') return [null, 1];
  for (const read of [fence, details, table, list, quote]) {
    const found = read(lines, i);
    if (found) return found;
  }
  const heading = /^ {0,3}(#{1,6}) +(.*?)\s*#*$/.exec(line);
  if (heading) return [el(`h${Math.min(6, heading[1].length + 1)}`, {}, inline(heading[2])), 1];
  if (/^ {0,3}([-*_])( *\1){2,} *$/.test(line)) return [el('hr'), 1];
  return paragraph(lines, i);
}

function fence(lines, i) {
  const open = /^ {0,3}(`{3,}|~{3,})/.exec(lines[i]);
  if (!open) return null;
  let end = i + 1;
  const closes = (l) => { const t = l.trim(); return t.length >= open[1].length && t.split('').every((c) => c === open[1][0]); };
  while (end < lines.length && !closes(lines[end])) end++;
  return [el('pre', {}, el('code', {}, lines.slice(i + 1, end).join('\n'))), end - i + 1];
}

function details(lines, i) {
  const open = /^ {0,3}<details>\s*(?:<summary>(.*?)<\/summary>)?\s*$/.exec(lines[i]);
  if (!open) return null;
  let depth = 1;
  let end = i + 1;
  for (; end < lines.length; end++) {
    if (/^ {0,3}<details>/.test(lines[end])) depth++;
    if (/<\/details>\s*$/.test(lines[end]) && --depth === 0) break;
  }
  let inside = lines.slice(i + 1, end);
  let summary = open[1];
  const own = /^ {0,3}<summary>(.*?)<\/summary>\s*$/.exec(inside[0] ?? '');
  if (summary === undefined && own) {
    summary = own[1];
    inside = inside.slice(1);
  }
  return [el('details', {}, el('summary', {}, inline(summary ?? 'Details')), blocks(inside)), end - i + 1];
}

const cells = (line) => line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((c) => c.trim());

function table(lines, i) {
  if (!lines[i].includes('|') || !/^\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*$/.test(lines[i + 1] ?? '')) return null;
  let end = i + 2;
  while (end < lines.length && lines[end].includes('|')) end++;
  const row = (tag) => (line) => el('tr', {}, cells(line).map((c) => el(tag, {}, inline(c))));
  const head = cells(lines[i]).some((c) => c !== '' && c !== 'step') ? el('thead', {}, row('th')(lines[i])) : null;
  return [el('table', {}, head, el('tbody', {}, lines.slice(i + 2, end).map(row('td')))), end - i];
}

const item = /^( {0,3})([-*+]|\d+[.)]) +(.*)$/;

function list(lines, i) {
  const first = item.exec(lines[i]);
  if (!first) return null;
  const ordered = /\d/.test(first[2]);
  const items = [];
  let end = i;
  for (; end < lines.length; end++) {
    const m = item.exec(lines[end]);
    if (m) items.push([m[3]]);
    else if (/^ {2,}\S/.test(lines[end])) items[items.length - 1].push(lines[end].replace(/^ {2,4}/, ''));
    else break;
  }
  const body = (text) => (text.length === 1 ? inline(text[0]) : [inline(text[0]), blocks(text.slice(1))]);
  return [el(ordered ? 'ol' : 'ul', {}, items.map((text) => el('li', {}, body(text)))), end - i];
}

function quote(lines, i) {
  if (!/^ {0,3}>/.test(lines[i])) return null;
  let end = i;
  while (end < lines.length && /^ {0,3}>/.test(lines[end])) end++;
  return [el('blockquote', {}, blocks(lines.slice(i, end).map((l) => l.replace(/^ {0,3}> ?/, '')))), end - i];
}

function paragraph(lines, i) {
  let end = i + 1;
  while (end < lines.length && lines[end].trim() !== '' && !/^ {0,3}(#{1,6} |```|~~~|>|<details>|[-*+] )/.test(lines[end])) end++;
  const out = [];
  lines.slice(i, end).forEach((l, n) => out.push(n ? el('br') : '', inline(l)));
  return [el('p', {}, out), end - i];
}

const entity = /&(amp|lt|gt|quot|#39|#34);/;
const named = { amp: '&', lt: '<', gt: '>', quot: '"', '#34': '"', '#39': "'" };
const entities = (text) => text.replace(new RegExp(entity, 'g'), (_, name) => named[name]);

const spans = [
  [/(`+)(.+?)(?<!`)\1(?!`)/, (m) => el('code', {}, m[2].replace(/^ (.*) $/, '$1'))],
  [/<code>(.*?)<\/code>/, (m) => el('code', {}, entities(m[1]))],
  [/\\([!-/:-@[-`{-~])/, (m) => m[1]],
  [/<br ?\/?>/, () => el('br')],
  [/\[((?:[^[\]]|\\.)+)\]\(([^()\s]+)\)/, (m) => link(m[2], inline(m[1]))],
  [/\*\*(.+?)\*\*/, (m) => el('strong', {}, inline(m[1]))],
  [/(?<![\w*])[*_]([^*_]+)[*_](?!\w)/, (m) => el('em', {}, inline(m[1]))],
  [/~~(.+?)~~/, (m) => el('del', {}, inline(m[1]))],
  [/https?:\/\/[^\s<>"')]+/, (m) => link(m[0], m[0])],
  [/(?<!\w)@[A-Za-z0-9][A-Za-z0-9-]*/, (m) => el('b', {}, m[0])],
  [entity, (m) => entities(m[0])],
];

// inline reads what stands within a line: always the leftmost span.
export function inline(text, known = spans) {
  const out = [];
  while (text) {
    let best = null;
    for (const [pattern, make] of known) {
      const m = pattern.exec(text);
      if (m && (!best || m.index < best.m.index)) best = { m, make };
    }
    if (!best) break;
    out.push(withIcons(text.slice(0, best.m.index)), best.make(best.m));
    text = text.slice(best.m.index + best.m[0].length);
  }
  out.push(withIcons(text));
  return out;
}

// In a title only code is shown as such. Other marks are left out, and a link
// is its words: a title is one line of plain text.
const titleSpans = [
  [/(`+)(.+?)(?<!`)\1(?!`)/, (m) => el('code', {}, m[2].replace(/^ (.*) $/, '$1'))],
  [/\\([!-/:-@[-`{-~])/, (m) => m[1]],
  [/!?\[((?:[^[\]]|\\.)+)\]\(([^()\s]+)\)/, (m) => titled(m[1])],
  [/(\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1(?!\w)/, (m) => titled(m[2])],
  [/(?<![\w*])([*_])(?=[^\s*_])([^*_]+)(?<=\S)\1(?!\w)/, (m) => titled(m[2])],
  [entity, (m) => entities(m[0])],
];

export function titled(text) {
  return inline(text, titleSpans);
}
