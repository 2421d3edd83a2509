// Slack's mrkdwn, and the Block Kit blocks that messages and modals are made of.
import { el, link } from './dom.js';
import { withIcons } from './icons.js';

const emoji = { white_check_mark: '✅', x: '❌', eyes: '👀', rocket: '🚀', '-1': '👎', '+1': '👍', thumbsup: '👍', thumbsdown: '👎', lock: '🔒', hourglass: '⏳' };
export const emojiOf = (name) => emoji[name] ?? `:${name}:`;

const unescape = (t) => t.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
const plain = (t) => withIcons(unescape(t));

// mrkdwn makes elements of a text; who names users by id.
export function mrkdwn(text, who) {
  return text.split(/```\n?([\s\S]*?)\n?```/).map((part, i) => (i % 2 ? el('pre', {}, el('code', {}, unescape(part))) : lines(part, who)));
}

function lines(text, who) {
  const out = [];
  text.replace(/^\n|\n$/g, '').split('\n').forEach((line, n) => {
    if (n) out.push(el('br'));
    const said = /^&gt; ?(.*)$/.exec(line);
    out.push(said ? el('span', { class: 'quote' }, spans(said[1], who)) : spans(line, who));
  });
  return out;
}

const marks = [
  [/`([^`]+)`/, (m) => el('code', {}, unescape(m[1]))],
  [/<([^<>|]+)(?:\|([^<>]*))?>/, (m, who) => angled(m, who)],
  [/(?<![\w*])\*([^*\n]+)\*(?!\w)/, (m, who) => el('strong', {}, spans(m[1], who))],
  [/(?<!\w)_([^_\n]+)_(?!\w)/, (m, who) => el('em', {}, spans(m[1], who))],
  [/(?<!\w)~([^~\n]+)~(?!\w)/, (m, who) => el('del', {}, spans(m[1], who))],
  [/:([a-z0-9_+-]+):/, (m) => withIcons(emojiOf(m[1]))],
];

function spans(text, who) {
  const out = [];
  while (text) {
    let best = null;
    for (const [pattern, make] of marks) {
      const m = pattern.exec(text);
      if (m && (!best || m.index < best.m.index)) best = { m, make };
    }
    if (!best) break;
    out.push(plain(text.slice(0, best.m.index)), best.make(best.m, who));
    text = text.slice(best.m.index + best.m[0].length);
  }
  out.push(plain(text));
  return out;
}

function angled([, target, label], who) {
  const shown = label ? unescape(label) : '';
  if (target.startsWith('@')) return el('span', { class: 'mention' }, '@' + (shown || who(target.slice(1))));
  if (target.startsWith('#')) return el('span', { class: 'mention' }, '#' + (shown || target.slice(1)));
  if (target.startsWith('!date^')) return shown;
  if (target.startsWith('!')) return el('span', { class: 'mention' }, '@' + (shown || target.slice(1)));
  return link(unescape(target), shown || unescape(target));
}

// text reads a text object of Block Kit.
export function text(object, who) {
  if (!object) return '';
  return object.type === 'mrkdwn' ? mrkdwn(object.text, who) : withIcons(object.text);
}

// block draws one block. press is called with the block's element that was used.
export function block(b, who, press) {
  switch (b.type) {
    case 'header': return el('h3', {}, text(b.text, who));
    case 'divider': return el('hr');
    case 'section':
      return el('div', { class: 'section' },
        el('div', {}, text(b.text, who), (b.fields ?? []).length ? el('div', { class: 'fields' }, b.fields.map((f) => el('div', {}, text(f, who)))) : null),
        b.accessory ? element(b.accessory, press) : null);
    case 'context': return el('div', { class: 'context' }, (b.elements ?? []).map((e) => el('span', {}, e.type === 'image' ? (e.alt_text ?? '') : text(e, who))));
    case 'actions': return el('div', { class: 'actions' }, (b.elements ?? []).map((e) => element(e, press)));
    case 'input': return field(b);
    case 'rich_text': return el('div', {}, (b.elements ?? []).map((e) => rich(e, who)));
    case 'markdown': return el('div', { class: 'section' }, b.text);
  }
  return null;
}

function rich(e, who) {
  const inside = () => (e.elements ?? []).map((x) => rich(x, who));
  switch (e.type) {
    case 'text': return e.text;
    case 'link': return link(e.url, e.text || e.url);
    case 'user': return el('span', { class: 'mention' }, '@' + who(e.user_id));
    case 'emoji': return withIcons(emojiOf(e.name));
    case 'rich_text_list': return el('ul', {}, (e.elements ?? []).map((x) => el('li', {}, rich(x, who))));
    case 'rich_text_preformatted': return el('pre', {}, inside());
    case 'rich_text_quote': return el('blockquote', {}, inside());
  }
  return el('div', {}, inside());
}

function element(e, press) {
  if (e.type === 'button') {
    const label = e.text?.text ?? '';
    if (e.url) return link(e.url, label);
    return el('button', { type: 'button', class: e.style ?? '', onclick: () => press(e) }, withIcons(label));
  }
  if (e.options) {
    const menu = el('select', { 'aria-label': e.placeholder?.text ?? 'Choose', onchange: () => press(e, menu.value) }, el('option', { value: '' }, e.placeholder?.text ?? '…'), options(e));
    return menu;
  }
  return null;
}

const options = (e) => (e.options ?? []).map((o) => el('option', { value: o.value }, o.text?.text ?? o.value));

// field is an input of a modal; its name is its block's id.
function field(b) {
  const e = b.element ?? {};
  const id = `field-${b.block_id}`;
  let input;
  if (e.options) input = el('select', { id, name: b.block_id }, el('option', { value: '' }, e.placeholder?.text ?? 'Choose'), options(e));
  else input = el(e.multiline ? 'textarea' : 'input', { id, name: b.block_id, placeholder: e.placeholder?.text ?? '' });
  if (!b.optional) input.required = true;
  if (e.initial_value) input.value = e.initial_value;
  return el('div', { class: 'field' }, el('label', { for: id }, b.label?.text ?? '', b.optional ? el('span', {}, ' (optional)') : ''), input, el('p', { class: 'wrong', id: `${id}-wrong` }));
}
